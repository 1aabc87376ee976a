"""`scrcl.cluster`: it writes what it says, and touches nothing else."""

import copy
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from anndata.tests.helpers import assert_equal
from matplotlib.colors import to_hex

import scrcl
from scrcl import InputError
from scrcl.model import annotate
from tests.model.conftest import cells, small, tissue

WRITTEN = {
    "obs": ["scrcl", "scrcl_confidence", "scrcl_leaf"],
    "obsm": ["X_scrcl"],
    "varm": ["scrcl_association"],
    "uns": ["scrcl", "scrcl_colors"],
}


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `cluster` use a tiny network; what it clusters with stays the default."""
    original = annotate.ScRCL

    def tiny(_: object, *args: object, task: str, **kwargs: object) -> object:
        config = small(task=task) if task == "st" else small("paper", model_input="log")
        return original(config, *args, task=task, **kwargs)

    monkeypatch.setattr(annotate, "ScRCL", tiny)


def rich() -> ad.AnnData:
    """Data with something in every slot."""
    adata = cells(45).copy()
    adata.obs["scrcl_other"] = np.arange(45)
    adata.var["length"] = np.arange(60.0)
    adata.obsm["X_pca"] = np.ones((45, 2))
    adata.varm["PCs"] = np.ones((60, 2))
    adata.obsp["distances"] = sp.identity(45, format="csr")
    adata.varp["links"] = sp.identity(60, format="csr")
    adata.layers["other"] = np.ones((45, 60))
    adata.uns["log1p"] = {"base": None}
    adata.raw = adata.copy()
    return adata


def without_result(adata: ad.AnnData) -> ad.AnnData:
    rest = adata.copy()
    for slot, keys in WRITTEN.items():
        for key in keys:
            if key in getattr(rest, slot):
                del getattr(rest, slot)[key]
    return rest


def test_it_writes_clusters_and_embedding_and_changes_nothing_else() -> None:
    adata = rich()
    before = adata.copy()

    returned = scrcl.cluster(adata, 3)

    assert returned is None
    assert isinstance(adata.obs["scrcl"].dtype, pd.CategoricalDtype)
    assert adata.obs["scrcl"].cat.categories.tolist() == ["0", "1", "2"]
    assert adata.obsm["X_scrcl"].shape[0] == 45
    assert adata.uns["scrcl"]["n_clusters"] == 3
    assert adata.varm["scrcl_association"].shape == (adata.n_vars, 3)
    assert list(adata.uns["scrcl"]["association_clusters"]) == ["0", "1", "2"]
    assert_equal(without_result(adata), before, exact=True)


def test_a_copy_leaves_the_input_as_it_is() -> None:
    adata = rich()
    before = adata.copy()

    found = scrcl.cluster(adata, 3, copy=True)

    assert "scrcl" in found.obs
    assert_equal(adata, before, exact=True)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of matplotlib, to scanpy
def test_scanpy_goes_straight_on() -> None:
    adata = cells(45).copy()

    scrcl.cluster(adata, 3, layout=True)

    ax = sc.pl.umap(adata, color="scrcl", show=False)
    shown = [to_hex(handle.get_facecolor()[0]) for handle in ax.get_legend().legend_handles]
    plt.close(ax.figure)
    assert shown == list(adata.uns["scrcl_colors"]) == list(scrcl.pl.palette(3))
    np.testing.assert_array_equal(adata.obsm["X_umap"], adata.obsm["X_scrcl_umap"])
    sc.pp.log1p(adata)
    sc.tl.rank_genes_groups(adata, "scrcl")
    assert adata.uns["rank_genes_groups"]["names"].dtype.names == ("0", "1", "2")


def test_what_was_found_before_is_not_left_beside_what_is_found_now() -> None:
    adata = rich()
    scrcl.cluster(adata, 3, layout=True)
    adata.obs["scrcl_name"] = "mine"
    adata.obs["scrcl_fine"] = "1.1"
    adata.obs["scrcl_leaf"] = 0  # of a method that has a tree
    theirs = rich()
    theirs.obsm["X_umap"] = np.ones((45, 2))

    scrcl.cluster(adata, 2)
    scrcl.cluster(theirs, 2, layout=True)

    assert not {"scrcl_name", "scrcl_fine", "scrcl_leaf"} & set(adata.obs)
    assert "scrcl_other" in adata.obs
    assert list(adata.uns["scrcl_colors"]) == list(scrcl.pl.palette(2))
    assert set(adata.obsm) == {"X_pca", "X_scrcl"}
    assert theirs.obsm["X_umap"].all()
    assert theirs.obsm["X_scrcl_umap"].shape == (45, 2)


def test_too_few_cells_for_a_layout_are_clustered_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        msg = "cells: got 2"
        raise InputError(msg)

    monkeypatch.setattr("scrcl.pl.umap_layout", refuse)
    adata = cells(45).copy()
    scrcl.cluster(adata, 3, layout=True)
    assert set(adata.obsm) == {"X_scrcl"}


@pytest.mark.parametrize("place", ["run_seed", "network_links"])
def test_a_failure_half_way_changes_nothing(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    adata = rich()
    before = adata.copy()

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(f"scrcl.model.estimator.{place}", fail)
    with pytest.raises(MemoryError):
        scrcl.cluster(adata, 3)

    assert_equal(adata, before, exact=True)


FORMS: dict[str, Callable[[sp.csr_matrix], object]] = {
    "csr matrix": sp.csr_matrix,
    "csc matrix": sp.csc_matrix,
    "csr array": sp.csr_array,
    "csc array": sp.csc_array,
    "dense": lambda X: X.toarray(),
    "integers": lambda X: X.astype(np.int64),
    "64-bit": lambda X: X.toarray().astype(np.float64),
    "dask, blocks of cells": lambda X: da.from_array(X, (10, X.shape[1]), asarray=False),
    "dask, blocks of cells and genes": lambda X: da.from_array(X.toarray(), (10, 7)),
}


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    adata = cells(45).copy()
    model = scrcl.ScRCL(small("paper", model_input="log"), 3).fit(adata)
    labels: np.ndarray = model.labels_
    return labels


@pytest.mark.parametrize("form", FORMS)
def test_any_kind_of_matrix_gives_the_same_clusters(form: str, expected: np.ndarray) -> None:
    adata = cells(45)
    adata = ad.AnnData(FORMS[form](adata.X), adata.obs, adata.var)

    scrcl.cluster(adata, 3)

    np.testing.assert_array_equal(adata.obs["scrcl"].astype(int), expected)


@pytest.mark.parametrize("place", ["layer", "counts layer", "raw"])
def test_counts_are_taken_from_where_they_are(place: str, expected: np.ndarray) -> None:
    plain = cells(45)
    scaled = plain.X.toarray() - 1
    adata = ad.AnnData(scaled, plain.obs.copy(), plain.var.copy())
    if place == "raw":
        adata.raw = plain.copy()
    else:
        adata.layers["umi" if place == "layer" else "counts"] = plain.X.copy()

    scrcl.cluster(adata, 3, layer="umi" if place == "layer" else None)

    np.testing.assert_array_equal(adata.obs["scrcl"].astype(int), expected)
    np.testing.assert_array_equal(adata.X, scaled)


def test_a_view_becomes_a_copy_and_its_parent_stays(expected: np.ndarray) -> None:
    parent = cells(90).copy()
    view = parent[:45]

    scrcl.cluster(view, 3)

    assert not view.is_view
    assert "scrcl" in view.obs
    assert "scrcl" not in parent.obs


@pytest.mark.parametrize("form", ["dense", "csr matrix"])
def test_backed_data_are_annotated_and_their_file_stays(
    tmp_path: Path, expected: np.ndarray, form: str
) -> None:
    adata = cells(45).copy()
    adata.X = FORMS[form](adata.X)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    content = (tmp_path / "cells.h5ad").read_bytes()
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")

    scrcl.cluster(backed, 3)

    np.testing.assert_array_equal(backed.obs["scrcl"].astype(int), expected)
    assert backed.isbacked
    backed.file.close()
    assert (tmp_path / "cells.h5ad").read_bytes() == content


def test_cells_without_a_count_are_missing() -> None:
    adata = cells(45).copy()
    X = adata.X.toarray()
    X[4] = 0
    adata.X = sp.csr_matrix(X)

    scrcl.cluster(adata, 3, key_added="mine")

    assert adata.obs["mine"].isna().to_numpy().nonzero()[0].tolist() == [4]
    assert np.isnan(adata.obsm["X_mine"][4]).all()
    assert np.isfinite(np.delete(adata.obsm["X_mine"], 4, axis=0)).all()


def test_domains_of_a_tissue_come_with_a_confidence(tmp_path: Path) -> None:
    adata = tissue().copy()
    adata.obs["slide"] = pd.Categorical(np.repeat(["a", "b"], 72))

    scrcl.cluster(adata, 2, spatial=True, slice_key="slide")

    assert adata.obs["scrcl_confidence"].between(0, 1).all()
    adata.write_h5ad(tmp_path / "tissue.h5ad")
    again = ad.read_h5ad(tmp_path / "tissue.h5ad")
    assert again.uns["scrcl"]["n_clusters"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_clusters": 99}, "n_clusters: got 99"),
        ({"n_clusters": 3, "layer": "absent"}, "layer: got 'absent'"),
        ({"n_clusters": 3, "batch_key": "absent"}, "no column 'absent'"),
        ({"n_clusters": 2, "spatial": True}, "obsm"),
        ({"n_clusters": 3, "device": "abacus"}, "device"),
        ({"n_clusters": 3, "seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    arguments: dict[str, object], message: str
) -> None:
    adata = cells(45).copy()
    before = copy.deepcopy(adata)
    with pytest.raises(InputError, match=message):
        scrcl.cluster(adata, **arguments)
    assert_equal(adata, before, exact=True)
