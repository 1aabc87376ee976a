import igraph
import numpy as np
import pytest
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_info, threadpool_limits

from scrcl.clustering.partitions import (
    N_COMPONENTS,
    leiden,
    partitions,
    shared_neighbor_graph,
    spaces,
)
from tests.clustering.planted import blobs


def test_spaces_are_components_with_and_without_length():
    points, _ = blobs([40, 40], n_dims=50)
    plain, unit = spaces([points])
    assert plain.shape == unit.shape == (80, N_COMPONENTS)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(plain.mean(0), 0, atol=1e-4)


def test_partitions_go_from_coarse_to_fine():
    points, _ = blobs([100, 100, 100], spread=1.0)
    n_found = [len(np.unique(labels)) for labels in partitions([points], seed=0)]
    assert n_found[:7] == [3, 5, 8, 12, 18, 27, 40]
    assert n_found[7] <= n_found[-1]


def test_shared_neighbors_weigh_edges_by_the_overlap_of_neighbourhoods():
    points, _ = blobs([30, 20])
    graph = shared_neighbor_graph(points, seed=0)
    hoods = [set(graph.neighbors(node)) | {node} for node in range(50)]
    overlap = [len(hoods[i] & hoods[j]) / len(hoods[i] | hoods[j]) for i, j in graph.get_edgelist()]
    np.testing.assert_allclose(graph.es["weight"], overlap, rtol=1e-6)


def test_leiden_finds_separate_groups():
    graph = igraph.Graph.Full(6) + igraph.Graph.Full(4)
    graph.es["weight"] = 1.0
    np.testing.assert_array_equal(leiden(graph, 1.0, seed=0), [0] * 6 + [1] * 4)


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_the_number_of_threads_changes_nothing(n_threads):
    points, _ = blobs([100, 100, 100], spread=1.0)
    wanted = [KMeans(size, n_init=2, random_state=3) for size in (3, 5, 8, 12, 18, 27, 40)]
    with threadpool_limits(1):
        labels = [model.fit_predict(points) for model in wanted]
    with threadpool_limits(n_threads):
        before = threadpool_info()
        found = partitions([points], seed=3)
        assert threadpool_info() == before
    for own, other in zip(labels, found[:7], strict=True):
        np.testing.assert_array_equal(own, other)
