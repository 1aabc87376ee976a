"""A tree comes back from plain arrays, of all cells or of some, and gives the same clusters."""

from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl.clustering import Anchor, ClusterTree, split_table, tree_arrays, tree_of

N = 40


@pytest.fixture
def tree() -> ClusterTree:
    """Five leaves: (0 1) and (2 (3 4)) are told apart clearly, 3 and 4 by depth."""
    splits = pd.DataFrame(
        {
            "n_left": [8, 8, 8, 16],
            "n_right": [8, 8, 16, 24],
            "height": [0.5, 0.6, 0.7, 0.9],
            "mixing": [0.6, 0.2, 0.3, 0.1],
            "distance": [4.0, 7.0, 5.0, 9.0],
            "null_distance": [2.6] * 4,
            "p_value": [0.0] * 4,
            "level": [0.01] * 4,
            "n_genes": [9, 12, 30, 40],
            "genes": ["+A -B", "+C", "", "-D"],
            "auc_n_counts": [0.5, 1.0, 0.5, 0.6],
        },
        index=pd.RangeIndex(5, 9, name="node"),
    )
    apart = np.array([[0, 0], [1, 1], [2, 5], [2, 6], [2, 9]])
    together = 1 - np.abs(apart[:, None] - apart[None]).sum(axis=2) / 18
    return ClusterTree(
        leaves=np.random.default_rng(0).permutation(np.repeat(np.arange(5), N // 5)),
        merges=np.array([[0, 1], [3, 4], [2, 6], [5, 7]]),
        heights=np.array([0.5, 0.6, 0.7, 0.9]),
        sizes=np.full(5, N // 5),
        together=together.astype(np.float32),
        splits=splits,
        granularity=0.8,
    )


def same(back: ClusterTree, tree: ClusterTree) -> None:
    for n_clusters in (None, 1, 2, 3, 4, 5):
        found, wanted = back.clusters(n_clusters), tree.clusters(n_clusters)
        np.testing.assert_array_equal(found.labels, wanted.labels)
        np.testing.assert_array_equal(found.confidence, wanted.confidence)
        np.testing.assert_array_equal(found.stability, wanted.stability)
    assert back.granularity == tree.granularity
    assert back.splits["genes"].tolist() == tree.splits["genes"].tolist()


def test_a_tree_comes_back_from_an_h5ad_file(tree: ClusterTree, tmp_path: Path) -> None:
    adata = ad.AnnData(np.ones((N, 1)))
    adata.obs["leaf"] = tree.leaves
    adata.uns["tree"] = tree_arrays(tree)
    adata.write_h5ad(tmp_path / "cells.h5ad")

    back = ad.read_h5ad(tmp_path / "cells.h5ad")

    same(tree_of(back.uns["tree"], back.obs["leaf"].to_numpy()), tree)


def test_a_tree_comes_back_from_an_npz_file(tree: ClusterTree, tmp_path: Path) -> None:
    np.savez(tmp_path / "tree.npz", **tree_arrays(tree))
    with np.load(tmp_path / "tree.npz", allow_pickle=False) as arrays:
        same(tree_of(arrays, tree.leaves), tree)


def test_a_single_leaf_comes_back(tree: ClusterTree, tmp_path: Path) -> None:
    single = replace(
        tree,
        leaves=np.zeros(N, dtype=int),
        merges=np.zeros((0, 2), dtype=int),
        heights=np.zeros(0),
        sizes=np.array([N]),
        together=np.ones((1, 1), dtype=np.float32),
        splits=tree.splits[:0].set_axis(pd.RangeIndex(1, 1, name="node")),
    )
    adata = ad.AnnData(np.ones((N, 1)))
    adata.uns["tree"] = tree_arrays(single)
    adata.write_h5ad(tmp_path / "cells.h5ad")

    back = tree_of(ad.read_h5ad(tmp_path / "cells.h5ad").uns["tree"], single.leaves)

    assert back.clusters(None).n_clusters == back.n_leaves == 1
    assert split_table(back).empty


def test_an_anchor_comes_back_with_its_tree(tree: ClusterTree, tmp_path: Path) -> None:
    anchored = replace(
        tree,
        anchor=Anchor(
            clusters=np.array([0, 0, 1, 1, 1]),
            shares=np.array([[0.9, 0.1], [0.7, 0.3], [0, 1], [0.2, 0.8], [0.4, 0.6]], np.float32),
            curve=pd.DataFrame({"n_clusters": [2, 3, 4], "criterion": [0.5, 2.0, 1.0]}),
        ),
    )
    adata = ad.AnnData(np.ones((N, 1)), uns={"tree": tree_arrays(anchored)})
    adata.write_h5ad(tmp_path / "cells.h5ad")
    back = tree_of(ad.read_h5ad(tmp_path / "cells.h5ad").uns["tree"], tree.leaves)
    same(back, anchored)
    assert back.clusters((3, 4)).n_clusters == anchored.clusters((3, 4)).n_clusters == 3


def test_some_of_the_cells_keep_the_names_of_their_clusters(tree: ClusterTree) -> None:
    uneven = replace(tree, leaves=np.repeat(np.arange(5), [2, 9, 3, 20, 6]))
    some = np.flatnonzero(uneven.leaves != 3)

    part = tree_of(tree_arrays(uneven), uneven.leaves[some])

    for n_clusters in (2, 4, 5):
        whole = uneven.clusters(n_clusters)
        np.testing.assert_array_equal(part.clusters(n_clusters).labels, whole.labels[some])
        assert part.clusters(n_clusters).n_clusters == n_clusters


def test_a_tree_without_a_granularity_has_the_default_one(tree: ClusterTree) -> None:
    arrays = tree_arrays(tree)
    del arrays["granularity"], arrays["totals"]
    assert tree_of(arrays, tree.leaves).granularity == 1.0


def test_the_table_says_which_splits_are_supported_and_which_are_depth(tree: ClusterTree) -> None:
    table = split_table(tree)

    assert table.index.tolist() == [8, 7, 6, 5]  # from the root down
    assert table[["left", "right"]].to_numpy().tolist() == [[5, 7], [2, 6], [3, 4], [0, 1]]
    assert table["supported"].tolist() == ["yes", "yes", "no", "no"]
    assert table["explained_by"].tolist() == ["", "", "depth", ""]
