import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import block_diag
from scipy.spatial.distance import cdist

from scrcl._validate import InputError
from scrcl.data.spatial import nearest_spots, spatial_graph


def hexagonal_grid(n_rows: int, n_cols: int) -> np.ndarray:
    row, col = np.divmod(np.arange(n_rows * n_cols), n_cols)
    return np.column_stack([col + 0.5 * (row % 2), row * np.sqrt(0.75)])


def test_nearest_spots_of_five_on_a_line():
    x = np.array([[0.0, 0], [1, 0], [2, 0], [3, 0], [10, 0]])
    # Spots that are equally far: the left one.
    assert nearest_spots(x, 1).ravel().tolist() == [1, 0, 1, 2, 3]


@given(n_obs=st.integers(2, 40), n_neighbors=st.integers(1, 45), seed=st.integers(0, 2**16))
def test_nearest_spots_are_those_of_the_distance_matrix(n_obs, n_neighbors, seed):
    coords = np.random.default_rng(seed).random((n_obs, 2))
    distance = cdist(coords, coords)
    np.fill_diagonal(distance, np.inf)
    expected = np.argsort(distance, axis=1)[:, : min(n_neighbors, n_obs - 1)]
    assert np.array_equal(nearest_spots(coords, n_neighbors), expected)


@pytest.mark.parametrize("n_neighbors", [3, 5, 15])
@pytest.mark.parametrize("grid", [hexagonal_grid(9, 8), np.argwhere(np.ones((9, 8)))])
def test_graph_of_a_regular_grid_does_not_depend_on_the_order_of_the_spots(grid, n_neighbors):
    order = np.random.default_rng(0).permutation(len(grid))
    graph = spatial_graph(grid, n_neighbors=n_neighbors)
    shuffled = spatial_graph(grid[order], n_neighbors=n_neighbors)
    assert (shuffled != graph[order][:, order]).nnz == 0


def test_ties_that_run_past_the_first_search_are_settled_all_the_same():
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    ring = np.vstack([[0.0, 0.0], np.round(np.column_stack([np.cos(angle), np.sin(angle)]), 12)])
    ring[1:] /= np.linalg.norm(ring[1:], axis=1, keepdims=True)
    ring = np.vstack([ring, 5 + np.argwhere(np.ones((6, 6)))])
    order = np.random.default_rng(1).permutation(len(ring))
    graph = spatial_graph(ring, n_neighbors=2)
    assert (spatial_graph(ring[order], n_neighbors=2) != graph[order][:, order]).nnz == 0


def test_inner_spots_of_a_hexagonal_grid_have_six_neighbours():
    graph = spatial_graph(hexagonal_grid(7, 7), n_neighbors=6)
    assert graph[24].nnz == 6
    assert set(graph.data) == {1.0}
    assert (graph != graph.T).nnz == 0
    assert graph.diagonal().sum() == 0


def test_slices_are_blocks():
    coords = np.random.default_rng(2).random((30, 2))
    slices = np.array(list("aab" * 10))
    graph = spatial_graph(coords, n_neighbors=3, slices=slices)
    for name in "ab":
        own = slices == name
        assert (graph[own][:, own] != spatial_graph(coords[own], n_neighbors=3)).nnz == 0
        assert graph[own][:, ~own].nnz == 0


def test_a_slice_of_one_spot_is_isolated():
    coords = np.random.default_rng(3).random((5, 2))
    graph = spatial_graph(coords, n_neighbors=2, slices=["a", "a", "a", "a", "b"])
    assert graph[4].nnz == 0


def test_spots_in_one_place_are_neighbours_and_none_is_its_own():
    coords = np.vstack([np.zeros((3, 2)), np.ones((3, 2))])
    graph = spatial_graph(coords, n_neighbors=2)
    block = 1 - np.eye(3)
    assert np.array_equal(graph.toarray(), block_diag(block, block))


def test_thousands_of_spots_in_one_place_do_not_fill_the_memory():
    tracemalloc.start()
    graph = spatial_graph(np.zeros((3000, 2)), n_neighbors=4)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (graph.getnnz(1) >= 4).all()
    assert peak < 200e6  # a table of all pairs and their order takes more


def test_memory_grows_with_the_edges_not_with_the_pairs():
    coords = np.random.default_rng(4).random((20_000, 2))
    tracemalloc.start()
    spatial_graph(coords, n_neighbors=6)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6  # all pairs: 3.2 GB


def test_more_neighbours_than_spots_link_all_of_them():
    graph = spatial_graph(np.random.default_rng(5).random((4, 2)), n_neighbors=15)
    assert np.array_equal(graph.toarray(), 1 - np.eye(4))


def test_radius_links_what_is_near_enough_and_leaves_the_rest_alone():
    coords = np.array([[0.0, 0], [1, 0], [2, 0], [9, 0]])
    graph = spatial_graph(coords, radius=1.0)
    expected = [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert np.array_equal(graph.toarray(), expected)


def test_a_radius_over_the_whole_tissue_is_refused():
    coords = np.random.default_rng(6).random((1000, 2))
    with pytest.raises(InputError, match=r"radius: got 2\.0, which holds 999 spots on average"):
        spatial_graph(coords, radius=2.0)


def test_delaunay_links_the_corners_of_triangles():
    square = np.array([[0.0, 0], [2, 0], [0, 2], [2, 2], [1, 1]])
    graph = spatial_graph(square, delaunay=True).toarray()
    assert graph[4].tolist() == [1, 1, 1, 1, 0]
    assert graph[0].tolist() == [0, 1, 1, 0, 1]


def test_delaunay_drops_edges_longer_than_the_radius():
    square = np.array([[0.0, 0], [2, 0], [0, 2], [2, 2], [1, 1]])
    graph = spatial_graph(square, delaunay=True, radius=1.5).toarray()
    assert graph[0].tolist() == [0, 0, 0, 0, 1]


def test_delaunay_gives_spots_in_one_place_the_same_neighbours():
    coords = np.array([[0.0, 0], [2, 0], [0, 2], [0, 2]])
    graph = spatial_graph(coords, delaunay=True).toarray()
    assert graph.tolist() == [[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]]


@pytest.mark.parametrize(
    "coords",
    [
        pytest.param(np.column_stack([np.arange(6.0), np.arange(6.0)]), id="on one line"),
        pytest.param(np.zeros((4, 2)), id="in one place"),
    ],
)
def test_delaunay_without_triangles_says_so(coords):
    with pytest.raises(InputError, match="without a triangle"):
        spatial_graph(coords, delaunay=True)


def test_three_dimensions_are_welcome():
    coords = np.random.default_rng(7).random((20, 3))
    assert spatial_graph(coords, n_neighbors=3).shape == (20, 20)
    assert spatial_graph(coords, delaunay=True).shape == (20, 20)


@pytest.mark.parametrize("ways", [{}, {"n_neighbors": 3, "radius": 1.0}])
def test_one_way_of_linking_has_to_be_chosen(ways):
    with pytest.raises(InputError, match="wanted one way of linking"):
        spatial_graph(np.zeros((3, 2)), **ways)


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 4)])
def test_other_tables_than_positions_are_refused(shape):
    with pytest.raises(InputError, match="wanted 2 or 3 columns"):
        nearest_spots(np.zeros(shape), 2)


def test_a_position_that_is_not_finite_is_refused():
    coords = np.array([[0.0, 1.0], [np.nan, 0.0], [np.inf, 2.0]])
    with pytest.raises(InputError, match="got 2 spots without a finite position"):
        spatial_graph(coords, n_neighbors=1)


def test_positions_whose_distances_overflow_are_refused():
    with pytest.raises(InputError, match=r"positions: got one of 1e\+200, wanted none beyond"):
        spatial_graph(np.array([[0.0, 0.0], [1e200, 0.0], [1.0, 1.0]]), n_neighbors=1)
