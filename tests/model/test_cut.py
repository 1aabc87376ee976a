"""Any number of clusters from a finished tree: what a run with that number gives, without training."""

from collections.abc import Callable, Iterator
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata.tests.helpers import assert_equal

import scrcl
from scrcl import InputError, ScRCL
from scrcl.clustering import tree_of
from scrcl.model import annotate
from tests.model.conftest import both, cells, small


@pytest.fixture(scope="module")
def _tiny() -> Iterator[None]:
    """Let `cluster` use a tiny network."""
    original = annotate.ScRCL
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            annotate, "ScRCL", lambda _, *args, **kwargs: original(small(), *args, **kwargs)
        )
        yield


def data() -> ad.AnnData:
    """120 cells of four types, of which one cell has no count."""
    adata = cells(120, n_types=4).copy()
    X = adata.X.toarray()
    X[7] = 0
    adata.X = sp.csr_matrix(X)
    return adata


@pytest.fixture(scope="module")
def clustered(_tiny: None) -> ad.AnnData:
    found = scrcl.cluster(data(), copy=True)
    assert found is not None
    return found


def test_the_tree_is_written_and_comes_back(clustered: ad.AnnData, tmp_path: Path) -> None:
    clustered.write_h5ad(tmp_path / "cells.h5ad")
    back = ad.read_h5ad(tmp_path / "cells.h5ad")

    leaves = back.obs["scrcl_leaf"].to_numpy()
    assert np.flatnonzero(leaves < 0).tolist() == [7]
    tree = tree_of(back.uns["scrcl"]["tree"], leaves[leaves >= 0])
    assert tree.n_leaves <= 300
    labels = back.obs["scrcl"].dropna().astype(int)
    np.testing.assert_array_equal(tree.clusters(None).labels, labels)


def test_a_cut_gives_what_a_run_with_that_number_gives(clustered: ad.AnnData) -> None:
    asked = scrcl.cluster(data(), 5, copy=True)
    before = clustered.copy()

    cut = scrcl.cut(clustered, 5, copy=True)

    pd.testing.assert_frame_equal(clustered.obs, before.obs)
    assert_equal(clustered.uns, before.uns, exact=True)
    pd.testing.assert_series_equal(cut.obs["scrcl"], asked.obs["scrcl"])
    pd.testing.assert_series_equal(cut.obs["scrcl_confidence"], asked.obs["scrcl_confidence"])
    np.testing.assert_array_equal(cut.uns["scrcl"]["stability"], asked.uns["scrcl"]["stability"])
    assert cut.uns["scrcl"]["n_clusters"] == 5
    assert "scrcl_association" not in cut.varm
    assert "association_clusters" not in cut.uns["scrcl"]


def test_auto_goes_back_to_the_number_that_was_found(clustered: ad.AnnData) -> None:
    adata = clustered.copy()

    scrcl.cut(adata, 6)
    scrcl.cut(adata)

    pd.testing.assert_series_equal(adata.obs["scrcl"], clustered.obs["scrcl"])


def test_some_of_the_cells_get_the_same_clusters(clustered: ad.AnnData) -> None:
    some = clustered[10:80].copy()
    scrcl.cut(some, 4)
    whole = scrcl.cut(clustered, 4, copy=True)
    assert some.obs["scrcl"].tolist() == whole.obs["scrcl"][10:80].tolist()


@pytest.mark.parametrize(
    ("change", "wanted", "message"),
    [
        (lambda a: a.obs.pop("scrcl_leaf"), 3, "a tree of clusters"),
        (lambda a: a.uns["scrcl"].pop("tree"), 3, "a tree of clusters"),
        (lambda a: a.uns["scrcl"]["tree"].pop("merges"), 3, "cannot be read"),
        (lambda a: a.obs.__setitem__("scrcl_leaf", 999), 3, "does not fit"),
        (ad.AnnData.copy, 0, "n_clusters: got 0"),
        (ad.AnnData.copy, 500, "n_clusters: got 500"),
    ],
    ids=["no leaves", "no tree", "no merges", "other leaves", "none", "too many"],
)
def test_what_cannot_be_cut_is_refused(
    clustered: ad.AnnData, change: Callable[[ad.AnnData], object], wanted: int, message: str
) -> None:
    adata = clustered.copy()
    change(adata)
    before = adata.copy()
    with pytest.raises(InputError, match=message):
        scrcl.cut(adata, wanted)
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    np.testing.assert_array_equal(adata.obsm["X_scrcl"], before.obsm["X_scrcl"])
    assert_equal(adata.uns, before.uns, exact=True)


def test_a_model_is_cut_and_maps_new_cells(consensus: ScRCL, tmp_path: Path) -> None:
    cut = consensus.cut(5)

    assert (cut.n_clusters_, consensus.n_clusters_) == (5, 3)
    assert len(np.unique(cut.labels_)) == 5
    assert set(cut.predict(both()[1])["nearest"]) <= set("01234")
    cut.save(tmp_path / "model")
    loaded = ScRCL.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(both()[1]), cut.predict(both()[1]))
    again = loaded.cut(3)
    pd.testing.assert_frame_equal(again.predict(both()[1]), consensus.predict(both()[1]))


def test_a_model_without_a_tree_is_not_cut(kmeans: ScRCL) -> None:
    with pytest.raises(InputError, match="keeps no tree"):
        kmeans.cut(5)
