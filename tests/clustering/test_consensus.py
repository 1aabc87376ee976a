import random

import igraph
import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score

from scrcl._validate import InputError
from scrcl.clustering.cells import consensus_clusters
from scrcl.clustering.consensus import _average_linkage, by_size, consensus_tree
from scrcl.clustering.n_clusters import best_n_clusters, n_clusters_curve, separation
from scrcl.clustering.partitions import (
    N_COMPONENTS,
    leiden,
    partitions,
    shared_neighbor_graph,
    spaces,
)


def blobs(sizes, *, n_dims=8, spread=0.3, seed=0):
    """Round clouds of the given sizes around random centres; also their numbers."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(sizes), n_dims)) * 3
    truth = np.repeat(np.arange(len(sizes)), sizes)
    points = centres[truth] + rng.normal(size=(len(truth), n_dims)) * spread
    points = points.astype(np.float32)
    points.flags.writeable = False
    return points, truth


def together(partitions):
    """Share of the partitions that put two cells together, (n_obs, n_obs): the definition."""
    return np.mean([np.equal.outer(labels, labels) for labels in partitions], axis=0)


@pytest.fixture
def few_partitions():
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1, 2], [12, 7, 5])
    found = []
    for n_wrong in (2, 4, 6, 8, 3):
        labels = truth.copy()
        labels[rng.choice(24, n_wrong, replace=False)] = rng.integers(0, 3, n_wrong)
        found.append(labels)
    return found


def test_linkage_is_scipys_on_leaves_repeated_as_often_as_they_have_cells():
    rng = np.random.default_rng(2)
    sizes = rng.integers(1, 5, 9)
    points = rng.normal(size=(9, 3))
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    cells = np.repeat(np.arange(9), sizes)
    definition = hierarchy.linkage(squareform(apart[cells][:, cells]), "average")[:, 2]
    _, heights = _average_linkage(apart, sizes)
    np.testing.assert_allclose(heights, definition[-8:])
    np.testing.assert_array_equal(definition[:-8], 0)


def test_tree_is_built_on_the_share_of_partitions_that_keep_cells_apart(few_partitions):
    tree = consensus_tree(few_partitions, seed=0)
    apart = 1 - together(few_partitions)
    pairs = np.not_equal.outer(tree.leaves, tree.leaves)
    assert tree.heights[0] == pytest.approx(apart[pairs].min())
    left, right = tree.cut(2) == 0, tree.cut(2) == 1
    assert tree.heights[-1] == pytest.approx(apart[np.ix_(left, right)].mean())


@pytest.mark.parametrize("n_clusters", [1, 2, 3, 5])
def test_cut_gives_as_many_clusters_as_asked_for_from_large_to_small(few_partitions, n_clusters):
    sizes = np.bincount(consensus_tree(few_partitions, seed=0).cut(n_clusters))
    assert len(sizes) == n_clusters
    assert (np.diff(sizes) <= 0).all()


def test_settling_moves_each_cell_to_the_cluster_that_it_is_most_often_put_with(few_partitions):
    tree = consensus_tree(few_partitions, seed=0)
    shaken = tree.cut(3).copy()
    shaken[[0, 13, 23]] = shaken[[13, 23, 0]]
    shares = together(few_partitions) @ np.eye(3)[shaken] / np.bincount(shaken)
    settled = tree.settled(shaken)
    assert adjusted_rand_score(settled, shares.argmax(axis=1)) == 1
    assert adjusted_rand_score(settled, shaken) < 1
    assert (np.diff(np.bincount(settled)) <= 0).all()


def test_settling_never_loses_a_cluster():
    tree = consensus_tree([np.array([0, 0, 0, 1, 1, 1])] * 3, seed=0)
    split = np.array([0, 0, 2, 1, 1, 1])  # no partition knows the third: its cell would leave
    assert len(np.unique(tree.settled(split))) == 3


def test_cuts_are_nested(few_partitions):
    tree = consensus_tree(few_partitions, seed=0)
    coarse, fine = tree.cut(2), tree.cut(4)
    for cluster in range(4):
        assert len(np.unique(coarse[fine == cluster])) == 1


@pytest.mark.parametrize("n_clusters", [0, 25])
def test_cut_refuses_what_the_tree_cannot_give(few_partitions, n_clusters):
    with pytest.raises(InputError, match=f"n_clusters: got {n_clusters}, wanted 1 to"):
        consensus_tree(few_partitions, seed=0).cut(n_clusters)


def test_affinity_is_the_mean_share_of_votes_with_each_cluster(few_partitions):
    tree = consensus_tree(few_partitions, seed=0)
    labels = tree.cut(3)
    share = together(few_partitions)
    definition = np.stack([share[:, labels == cluster].mean(1) for cluster in range(3)], axis=1)
    np.testing.assert_allclose(tree.affinity(labels), definition, atol=1e-6)


def test_separation_compares_the_own_cluster_with_the_next():
    affinity = np.array([[0.9, 0.1, 0.3], [0.2, 0.4, 0.6]])
    np.testing.assert_allclose(separation(affinity, np.array([0, 1])), [0.6, -0.2])
    np.testing.assert_array_equal(separation(np.full((2, 1), 0.4), np.zeros(2, int)), [1, 1])


def test_equal_partitions_come_back_with_full_confidence():
    truth = np.repeat([2, 0, 1], [5, 9, 3])
    tree = consensus_tree([truth, truth[::-1][::-1], (truth + 1) % 3], seed=0)
    labels = tree.cut(3)
    assert adjusted_rand_score(truth, labels) == 1
    np.testing.assert_allclose(separation(tree.affinity(labels), labels), 1)


def test_by_size_keeps_the_partition():
    np.testing.assert_array_equal(by_size(np.array([7, 3, 3, 9, 3, 9])), [2, 0, 0, 1, 0, 1])


def test_rare_and_large_types_are_both_found():
    points, truth = blobs([600, 300, 60, 12])
    found = consensus_clusters([points], 4, seed=0)
    assert adjusted_rand_score(truth, found.labels) > 0.99
    assert found.confidence.shape == (972,)
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    assert found.stability.shape == (4,)
    assert found.curve is None


@pytest.mark.parametrize("n_types", [3, 6])
def test_number_of_clusters_is_found(n_types):
    points, truth = blobs([120] * n_types, seed=3)
    found = consensus_clusters([points], None, seed=0)
    assert found.n_clusters == n_types
    assert adjusted_rand_score(truth, found.labels) > 0.99
    assert found.curve["n_clusters"].is_monotonic_increasing
    assert best_n_clusters(found.curve) == n_types


def test_number_of_clusters_stays_in_the_range_asked_for():
    points, _ = blobs([100] * 6)
    found = consensus_clusters([points], (2, 4), seed=0)
    assert list(found.curve["n_clusters"]) == [2, 3, 4]
    assert 2 <= found.n_clusters <= 4


def test_criterion_is_a_product_and_does_not_depend_on_the_range(few_partitions):
    tree = consensus_tree(few_partitions, seed=0)
    curve = n_clusters_curve(tree, few_partitions, (2, 5))
    assert (curve[["agreement", "separation"]] > 0).all(axis=None)
    np.testing.assert_allclose(curve["criterion"], curve["agreement"] * curve["separation"])
    part = n_clusters_curve(tree, few_partitions, (3, 4))
    np.testing.assert_array_equal(part, curve[curve["n_clusters"].isin([3, 4])])


def test_same_seed_gives_the_same_bits():
    points, _ = blobs([80, 50, 20], spread=1.5)
    first, again = (consensus_clusters([points], None, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.confidence, again.confidence)


def test_global_random_numbers_are_left_alone():
    points, _ = blobs([40, 30])
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002, TID251  (the state that must not move)
    before = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    consensus_clusters([points], 2, seed=0)
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_large_data_follow_a_sample():
    points, truth = blobs([900, 500, 100])
    found = consensus_clusters([points], 3, seed=0, max_cells=400)
    assert found.labels.shape == (1500,)
    assert found.confidence.shape == (1500,)
    assert adjusted_rand_score(truth, found.labels) > 0.99


def test_cells_that_are_all_alike_make_one_cluster_and_no_crash():
    points = np.ones((30, 5), dtype=np.float32)
    assert consensus_clusters([points], 1, seed=0).n_clusters == 1


@pytest.mark.parametrize("n_obs", [4, 7, 20])
def test_tiny_data_are_clustered(n_obs):
    points, _ = blobs([n_obs // 2, n_obs - n_obs // 2])
    found = consensus_clusters([points], 2, seed=0)
    assert found.n_clusters == 2


def test_spaces_are_components_with_and_without_length():
    points, _ = blobs([40, 40], n_dims=50)
    plain, unit = spaces([points])
    assert plain.shape == unit.shape == (80, N_COMPONENTS)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(plain.mean(0), 0, atol=1e-4)


def test_partitions_go_from_coarse_to_fine():
    points, _ = blobs([100, 100, 100], spread=1.0)
    n_found = [len(np.unique(labels)) for labels in partitions(points, seed=0)]
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
