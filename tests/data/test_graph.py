import sys

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors, kneighbors_graph

from scrcl._validate import InputError
from scrcl.data.graph import (
    gene_graph,
    knn_graph,
    normalized_adjacency,
    normalized_gene_graph,
    smooth,
    symmetric_graph,
)


@pytest.fixture
def cells() -> np.ndarray:
    points = np.random.default_rng(0).random((50, 8))
    points.flags.writeable = False
    return points


def test_knn_graph_of_four_points_on_a_line():
    line = np.array([[0.0], [1.0], [2.1], [5.0]])
    graph = knn_graph(line, 1, metric="euclidean", include_self=False)
    expected = [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
    assert np.array_equal(graph.toarray(), expected)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix, sp.csr_array])
def test_knn_graph_equals_scikit_learn_symmetrised(cells, metric, container):
    listed = kneighbors_graph(cells, 4, metric=metric, mode="connectivity").toarray()
    graph = knn_graph(container(cells), 5, metric=metric)  # the cell itself is one of the five
    assert np.array_equal(graph.toarray(), np.maximum(listed, listed.T))


def test_the_cell_itself_counts_unless_told_otherwise(cells):
    assert (knn_graph(cells, 5) != knn_graph(cells, 4, include_self=False)).nnz == 0


def test_knn_graph_is_binary_symmetric_and_without_self_loops(cells):
    graph = knn_graph(cells, 6)
    assert set(graph.data) == {1.0}
    assert (graph != graph.T).nnz == 0
    assert graph.diagonal().sum() == 0
    assert graph.has_canonical_format


def test_a_list_longer_than_the_cells_links_all_of_them(cells):
    graph = knn_graph(cells[:6], 100)
    assert np.array_equal(graph.toarray(), 1 - np.eye(6))


@pytest.mark.parametrize("n_neighbors", [1, 0])
def test_a_list_of_the_cell_alone_is_an_empty_graph(cells, n_neighbors):
    assert knn_graph(cells, n_neighbors).nnz == 0


def test_duplicates_of_a_cell_do_not_push_it_onto_its_own_list():
    points = np.zeros((8, 2)) + 1.0
    graph = knn_graph(points, 4, metric="euclidean")
    assert graph.diagonal().sum() == 0
    assert (graph.getnnz(1) >= 3).all()


def test_cells_without_a_value_are_near_each_other_and_far_from_the_rest(cells):
    points = np.vstack([cells, np.zeros((3, 8))])
    graph = knn_graph(points, 3).toarray()
    assert graph[50:, 50:].sum() == 6
    assert graph[50:, :50].sum() == 0


def test_permuting_the_cells_permutes_the_graph(cells):
    order = np.random.default_rng(1).permutation(50)
    assert (knn_graph(cells[order], 5) != knn_graph(cells, 5)[order][:, order]).nnz == 0


@pytest.mark.slow  # the library compiles itself for a minute
@pytest.mark.timeout(600)
def test_approximate_search_finds_nearly_all_neighbours_and_repeats_itself():
    points = np.random.default_rng(2).normal(size=(600, 10)).astype(np.float32)
    exact = knn_graph(points, 15, metric="euclidean")
    first, again = (
        knn_graph(points, 15, metric="euclidean", max_exact_products=0, seed=3) for _ in range(2)
    )
    assert first.multiply(exact).sum() > 0.98 * exact.nnz
    assert (first != again).nnz == 0
    assert first.diagonal().sum() == 0


def test_faiss_finds_nearly_all_neighbours_and_repeats_itself():
    pytest.importorskip("faiss")
    points = np.random.default_rng(2).normal(size=(6_000, 10)).astype(np.float32)
    exact = knn_graph(points, 15, metric="euclidean")
    options = {"metric": "euclidean", "max_exact_products": 0, "search": "faiss"}
    first, again = (knn_graph(points, 15, **options) for _ in range(2))
    assert first.multiply(exact).sum() > 0.98 * exact.nnz
    assert (first != exact).nnz > 0  # it is not the exact search
    assert (first != again).nnz == 0
    assert first.diagonal().sum() == 0


def test_faiss_that_is_not_installed_is_refused_whatever_the_size(cells, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"scrcl\[faiss\]"):
        knn_graph(cells, 5, search="faiss")


def test_the_search_is_approximate_when_there_is_too_much_to_compare(cells, monkeypatch):
    # What such a search may find: no cell itself, duplicates of it first, or nothing at all (-1).
    found = np.array([[1, 2, 3], [0, 1, 2], [2, -1, -1], [-1, 0, 3]])
    monkeypatch.setattr("scrcl.data.graph._descent_neighbors", lambda *_: found)
    graph = knn_graph(cells[:4], 3, max_exact_products=100).toarray()
    assert graph.tolist() == [[0, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]


def test_symmetric_graph_takes_an_edge_once_however_often_it_is_listed():
    graph = symmetric_graph(np.array([0, 1, 0, 2]), np.array([1, 0, 1, 2]), 3)
    assert np.array_equal(graph.toarray(), [[0, 1, 0], [1, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix, sp.csc_array])
def test_gene_graph_lists_the_nearest_columns_and_the_gene_itself(container):
    X = np.random.default_rng(4).random((20, 12))
    graph = gene_graph(container(X), 5)
    nearest = NearestNeighbors(n_neighbors=5).fit(X.T).kneighbors(X.T, return_distance=False)
    assert [set(row.indices) for row in graph] == [set(row) for row in nearest]
    assert (graph.diagonal() == 1).all()
    assert (graph.getnnz(1) == 5).all()


def test_gene_graph_is_directed():
    # 2 is nearest to 1, but 0 is nearest to 1's other side: 1 does not list 2 back.
    X = np.array([[0.0, 1.0, 2.5]])
    assert np.array_equal(gene_graph(X, 2).toarray(), [[1, 1, 0], [1, 1, 0], [0, 1, 1]])


def test_gene_graph_of_counts_does_not_depend_on_the_order_of_the_cells():
    X = np.random.default_rng(5).poisson(0.3, (200, 40)).astype(np.float32)  # full of ties
    assert (gene_graph(sp.csr_matrix(X)) != gene_graph(sp.csr_matrix(X[::-1]))).nnz == 0


def test_gene_graph_is_the_same_in_slabs(monkeypatch):
    X = np.random.default_rng(6).random((30, 17))
    whole = gene_graph(X)
    monkeypatch.setattr("scrcl.data.graph._SLAB", 17 * 4)
    assert (gene_graph(X) != whole).nnz == 0


def test_a_panel_of_three_genes_has_all_of_them_as_neighbours():
    assert gene_graph(np.eye(3), 5).nnz == 9


def test_normalized_adjacency_is_the_dense_formula(cells):
    graph = knn_graph(cells, 5)
    looped = graph.toarray() + np.eye(50)
    scale = np.diag(looped.sum(1) ** -0.5)
    np.testing.assert_allclose(
        normalized_adjacency(graph).toarray(), scale @ looped @ scale, atol=1e-15
    )


def test_a_cell_without_neighbours_keeps_its_value():
    S = normalized_adjacency(sp.csr_matrix((3, 3)))
    assert np.array_equal(S.toarray(), np.eye(3))


def test_normalized_gene_graph_sends_messages_from_row_to_column():
    B = np.array([[1.0, 1, 0], [0, 1, 1], [0, 1, 1]])
    degree = B.sum(0)
    expected = np.zeros((3, 3))
    for source, target in zip(*B.nonzero(), strict=True):
        expected[target, source] = 1 / np.sqrt(degree[source] * degree[target])
    np.testing.assert_allclose(normalized_gene_graph(sp.csr_matrix(B)).toarray(), expected)


def test_smooth_is_a_power_of_the_normalised_adjacency(cells):
    S = normalized_adjacency(knn_graph(cells, 5))
    power = np.linalg.matrix_power(S.toarray(), 3)
    np.testing.assert_allclose(smooth(cells, S, 3), power @ cells, atol=1e-14)
    assert smooth(cells, S, 0) is cells
    assert smooth(cells.astype(np.float32), S, 2).dtype == np.float32


@given(n_obs=st.integers(1, 30), n_neighbors=st.integers(1, 40), seed=st.integers(0, 2**16))
def test_smoothing_keeps_the_signal_that_belongs_to_eigenvalue_one(n_obs, n_neighbors, seed):
    points = np.random.default_rng(seed).random((n_obs, 3))
    graph = knn_graph(points, n_neighbors, metric="euclidean")
    root_degree = np.sqrt(np.asarray(graph.sum(1)) + 1.0)
    S = normalized_adjacency(graph)
    np.testing.assert_allclose(smooth(root_degree, S, 5), root_degree, rtol=1e-6)


def test_64_bit_indices_are_welcome(cells):
    wide = sp.csr_matrix(cells)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    assert (knn_graph(wide, 5) != knn_graph(cells, 5)).nnz == 0
    assert (gene_graph(wide) != gene_graph(cells)).nnz == 0
    adj = knn_graph(cells, 5)
    adj.indices, adj.indptr = adj.indices.astype(np.int64), adj.indptr.astype(np.int64)
    assert normalized_adjacency(adj).shape == (50, 50)


@pytest.mark.realdata
def test_views_and_gene_messages_are_those_of_the_official_code(real_data):
    official = np.load(real_data / "golden" / "official_tiny.npz")
    S = normalized_adjacency(sp.csr_matrix(official["A"]))
    for times, view in ((3, "X0_lowpass3"), (1, "X1_lowpass1")):
        np.testing.assert_allclose(smooth(official["X"], S, times), official[view], atol=1e-6)

    x0 = official["X0_lowpass3"]
    gx = normalized_gene_graph(sp.csr_matrix(official["gene_A_directed"])) @ x0.T
    weight = {key[2:]: official[key] for key in official.files if key.startswith("w/")}
    genes = np.maximum(
        gx @ weight["gene_encoder.gcn.lin.weight"].T + weight["gene_encoder.gcn.bias"], 0
    )
    h1 = np.maximum(
        x0 @ weight["MLP_encoder.layer1.weight"].T + weight["MLP_encoder.layer1.bias"], 0
    )
    z1 = (h1 @ weight["projector.weight"].T + weight["projector.bias"]) @ genes
    z1 /= np.linalg.norm(z1, axis=1, keepdims=True)
    np.testing.assert_allclose(z1, official["out/z_1"], atol=1e-12)
