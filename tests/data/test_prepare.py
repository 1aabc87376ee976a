from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scrcl._validate import InputError
from scrcl.config import DataConfig
from scrcl.data.prepare import prepare

SC = DataConfig(n_hvg=25, n_neighbors=6, n_smooth=(2, 1))
ST = DataConfig(n_hvg=0, model_input="scaled", graph="spatial", n_neighbors=4, n_smooth=(1, 3))
STORED = replace(ST, spatial_graph="stored")


def same(first: torch.Tensor, second: torch.Tensor) -> bool:
    return torch.equal(first.to_dense(), second.to_dense())


@pytest.fixture
def dense_sc(adata_sc: ad.AnnData) -> dict[str, np.ndarray]:
    """The inputs of ``adata_sc``, written down from their definitions with dense matrices."""
    counts = adata_sc.X.toarray().astype(float)
    log_norm = np.log1p(counts / counts.sum(1, keepdims=True) * 1e4)
    chosen = adata_sc.var_names.get_indexer(prepare(adata_sc, SC).var_names)
    x, points = counts[:, chosen], log_norm[:, chosen]

    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    nearest = np.argsort(-unit @ unit.T, axis=1)[:, :6]  # the cell itself is the first
    adj = np.zeros((45, 45))
    np.put_along_axis(adj, nearest, 1, axis=1)
    adj = np.maximum(adj, adj.T) - np.eye(45)
    scale = np.diag((adj.sum(1) + 1) ** -0.5)
    S = scale @ (adj + np.eye(45)) @ scale

    distance = ((x[:, :, None] - x[:, None, :]) ** 2).sum(0)
    np.fill_diagonal(distance, -1)
    listed = np.argsort(distance, axis=1, kind="stable")[:, :5]
    B = np.zeros((25, 25))
    np.put_along_axis(B, listed, 1, axis=1)
    scale = np.diag(B.sum(0) ** -0.5)
    x0 = S @ S @ x
    return {"x": x0, "ax": S @ S @ x, "gx": scale @ B.T @ scale @ x0.T, "adj": adj, "norm_adj": S}


@pytest.mark.parametrize("member", ["x", "ax", "gx", "adj", "norm_adj"])
def test_inputs_are_the_dense_formulas(adata_sc, dense_sc, member):
    tensor = getattr(prepare(adata_sc, SC).inputs, member)
    assert tensor.dtype == torch.float32
    np.testing.assert_allclose(tensor.to_dense().numpy(), dense_sc[member], rtol=1e-5, atol=1e-5)


def test_both_graphs_are_sparse_and_name_each_edge_once(adata_st):
    inputs = prepare(adata_st, ST).inputs
    assert inputs.adj.layout == inputs.norm_adj.layout == torch.sparse_csr
    assert inputs.norm_adj.values().numel() == inputs.adj.values().numel() + 36


def test_names_say_whose_rows_and_columns_these_are(adata_sc):
    X = adata_sc.X.toarray()
    X[5] = 0
    prepared = prepare(ad.AnnData(X, adata_sc.obs, adata_sc.var), SC)
    assert list(prepared.obs_names) == [name for name in adata_sc.obs_names if name != "cell5"]
    assert prepared.inputs.x.shape == (44, len(prepared.var_names))
    assert prepared.inputs.gx.shape == (len(prepared.var_names), 44)
    assert not prepared.kept[5]


@pytest.mark.parametrize("cfg", [SC, replace(SC, model_input="log"), ST])
def test_labels_change_nothing(adata_st, cfg):
    shuffled, absent = adata_st.copy(), adata_st.copy()
    shuffled.obs["ground_truth"] = adata_st.obs["ground_truth"].to_numpy()[::-1]
    del absent.obs["ground_truth"]
    expected = prepare(adata_st, cfg).inputs
    for other in (shuffled, absent):
        assert all(map(same, prepare(other, cfg).inputs, expected))


@pytest.mark.parametrize("cfg", [SC, replace(SC, model_input="scaled"), ST])
def test_the_input_is_left_as_it_was(adata_st, cfg):
    before = adata_st.copy()
    prepare(adata_st, cfg)
    assert (adata_st.X != before.X).nnz == 0
    pd.testing.assert_frame_equal(adata_st.obs, before.obs)
    pd.testing.assert_frame_equal(adata_st.var, before.var)
    assert np.array_equal(adata_st.obsm["spatial"], before.obsm["spatial"])
    slots = ("obsm", "obsp", "varm", "layers", "uns")
    assert [list(getattr(adata_st, s)) for s in slots] == [list(getattr(before, s)) for s in slots]


@pytest.mark.parametrize("cfg", [SC, ST])
def test_the_same_input_gives_the_same_bits(adata_st, cfg):
    first, second = (prepare(adata_st, cfg).inputs for _ in range(2))
    assert all(map(same, first, second))


def test_order_of_the_cells_only_orders_the_rows(adata_sc):
    order = np.random.default_rng(0).permutation(45)
    inputs, shuffled = prepare(adata_sc, SC).inputs, prepare(adata_sc[order], SC).inputs
    assert same(shuffled.adj, torch.from_numpy(inputs.adj.to_dense().numpy()[order][:, order]))
    torch.testing.assert_close(shuffled.ax, inputs.ax[order])
    torch.testing.assert_close(shuffled.gx, inputs.gx[:, order])


@pytest.mark.parametrize("pca_from", [0, 45])
def test_from_many_cells_up_the_graph_is_built_on_components(adata_sc, pca_from):
    cfg = replace(SC, n_pcs=3)
    on_genes, on_components = (
        prepare(adata_sc, cfg),
        prepare(adata_sc, replace(cfg, pca_from=pca_from)),
    )
    assert not same(on_genes.inputs.adj, on_components.inputs.adj)
    assert same(on_components.inputs.adj, prepare(adata_sc, replace(cfg, pca_from=45)).inputs.adj)


def test_more_components_than_genes_means_none(adata_sc):
    prepared = prepare(adata_sc, replace(SC, pca_from=0, n_pcs=45))
    assert same(prepared.inputs.adj, prepare(adata_sc, SC).inputs.adj)


def test_a_thousand_genes_or_many_more_give_the_same_components(adata_sc, monkeypatch):
    cfg = replace(SC, pca_from=0, n_pcs=5)
    whole = prepare(adata_sc, cfg)
    monkeypatch.setattr("scrcl.data.components._MAX_COVARIANCE", 10)
    assert same(prepare(adata_sc, cfg).inputs.adj, whole.inputs.adj)


@pytest.mark.parametrize("cfg", [SC, ST])
def test_more_neighbours_than_cells_link_all_and_say_so(adata_st, cfg):
    prepared = prepare(adata_st, replace(cfg, n_neighbors=100))
    assert prepared.inputs.adj.values().numel() == 36 * 35
    n_listed = 36 if cfg is SC else 35  # counting the cell itself, and not
    assert f"n_neighbors is 100 but there are {n_listed}: all linked" in prepared.notes


def test_a_tissue_without_positions_is_refused(adata_sc):
    with pytest.raises(InputError, match=r"obsm\['spatial'\]: got none"):
        prepare(adata_sc, ST)


def test_spots_in_one_place_are_counted(adata_st):
    coords = adata_st.obsm["spatial"].copy()
    coords[1] = coords[0]
    adata = adata_st.copy()
    adata.obsm["spatial"] = coords
    assert "1 spot in the place of another one" in prepare(adata, ST).notes
    adata.obsm["spatial"] = np.repeat(coords[::2], 2, axis=0)[: len(coords)]
    note = next(note for note in prepare(adata, ST).notes if "in the place" in note)
    assert "as if slices lay over one another: --slice-key" in note
    adata.obs["slice"] = ["a", "b"] * 18
    assert prepare(adata, ST, slice_key="slice").notes == []


def test_slices_are_not_linked(adata_st):
    adata = adata_st.copy()
    adata.obs["slice"] = ["a"] * 20 + ["b"] * 16
    adj = prepare(adata, ST, slice_key="slice").inputs.adj.to_dense()
    assert adj[:20, 20:].sum() == 0
    assert adj[:20, :20].sum() > 0


def test_an_isolated_spot_is_counted(adata_st):
    adata = adata_st.copy()
    adata.obs["slice"] = ["alone"] + ["rest"] * 35
    assert (
        "1 cell without a neighbour in the cell graph"
        in prepare(adata, ST, slice_key="slice").notes
    )


def test_a_stored_graph_can_be_reused(adata_st):
    adata = adata_st.copy()
    weights = sp.csr_matrix(np.triu(np.random.default_rng(1).random((36, 36)) > 0.9) * 0.3)
    adata.obsp["spatial_connectivities"] = weights
    adj = prepare(adata, STORED).inputs.adj.to_dense().numpy()
    expected = np.maximum(weights.toarray(), weights.T.toarray()) > 0
    np.fill_diagonal(expected, val=False)
    assert np.array_equal(adj, expected)


def test_a_stored_graph_that_is_not_there_is_refused(adata_st):
    with pytest.raises(InputError, match="wanted a graph to reuse"):
        prepare(adata_st, STORED)


def test_a_stored_graph_does_not_link_slices(adata_st):
    adata = adata_st.copy()
    adata.obs["slice"] = ["a"] * 20 + ["b"] * 16
    adata.obsp["spatial_connectivities"] = sp.csr_matrix(np.ones((36, 36)))
    adj = prepare(adata, STORED, slice_key="slice").adj
    assert adj[:20, 20:].nnz == 0
    assert adj.nnz == 20 * 19 + 16 * 15


def test_the_configuration_says_how_spots_are_linked(adata_st):
    first_ring = prepare(adata_st, replace(ST, n_neighbors=6)).adj.getnnz(1)
    within = prepare(adata_st, replace(ST, spatial_graph="radius", radius=1.01)).adj
    triangles = prepare(adata_st, replace(ST, spatial_graph="delaunay")).adj
    short = prepare(adata_st, replace(ST, spatial_graph="delaunay", radius=1.01)).adj
    assert within.getnnz(1).max() == 6
    assert within.nnz < first_ring.sum()  # spots at the edge have no sixth one so near
    assert (short != within).nnz == 0
    assert within.nnz < triangles.nnz


def test_gene_messages_are_the_same_in_blocks(adata_sc, monkeypatch):
    whole = prepare(adata_sc, SC).inputs.gx
    monkeypatch.setattr("scrcl.data.prepare._BLOCK", 7)
    assert torch.equal(prepare(adata_sc, SC).inputs.gx, whole)


@pytest.mark.parametrize("cfg", [SC, ST, replace(ST, hvg_flavor="seurat_v3", n_hvg=5)])
@settings(max_examples=50)
@given(
    X=arrays(
        np.int64, st.tuples(st.integers(1, 12), st.integers(1, 14)), elements=st.integers(0, 3)
    )
)
def test_any_counts_are_prepared_or_refused_in_words(cfg, X):
    adata = ad.AnnData(X, obsm={"spatial": np.argwhere(np.ones((len(X), 1)))})
    try:
        inputs = prepare(adata, cfg).inputs
    except InputError:
        assert not X.any()
    else:
        assert all(member.to_dense().isfinite().all() for member in inputs)


def test_backed_data_are_prepared_like_those_in_memory(adata_sc, tmp_path):
    adata_sc.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    prepared = prepare(backed, SC)
    assert all(map(same, prepared.inputs, prepare(adata_sc, SC).inputs))
    backed.file.close()


def test_views_are_prepared_like_copies(adata_sc):
    view = adata_sc[10:40]
    assert all(map(same, prepare(view, SC).inputs, prepare(view.copy(), SC).inputs))
    assert view.is_view


@pytest.mark.realdata
def test_two_thousand_cells_take_seconds_and_say_nothing(real_data):
    adata = ad.read_h5ad(real_data / "data" / "scdata" / "Baron_human_sub2142.h5ad")
    prepared = prepare(adata, DataConfig())
    assert prepared.inputs.x.shape == (2142, 2000)
    assert prepared.notes == []


@pytest.mark.parametrize("n_alone", [1, 7])
def test_a_batch_of_one_cell_is_refused_before_anything_is_trained(
    adata_sc: ad.AnnData, n_alone: int
) -> None:
    adata_sc.obs["batch"] = [f"alone{i}" for i in range(n_alone)] + ["many"] * (45 - n_alone)
    with pytest.raises(InputError, match=r"obs\['batch'\]: got a single cell in 'alone0'"):
        prepare(adata_sc, SC, batch_key="batch")
