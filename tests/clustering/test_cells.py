import random

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from scrcl.clustering import Expression
from scrcl.clustering.cells import cell_tree, followed
from tests.clustering.planted import blobs, expression, random_tree


def tree_of(sizes, *, seed=0, max_cells=20_000, **cloud):
    """Tree of planted groups, and the group of each cell."""
    points, truth = blobs(sizes, **cloud)
    given = expression(truth, components=points)
    return cell_tree([points], given, seed=seed, max_cells=max_cells), truth


@pytest.fixture(scope="module")
def planted():
    return tree_of([120] * 4, seed=0)


def test_rare_and_large_types_are_both_found():
    tree, truth = tree_of([300, 150, 60, 12])
    for n_clusters in (4, None):
        assert adjusted_rand_score(truth, tree.clusters(n_clusters).labels) > 0.99


def test_planted_groups_are_found_without_their_number(planted):
    tree, truth = planted
    found = tree.clusters(None)
    assert found.n_clusters == 4
    assert adjusted_rand_score(truth, found.labels) > 0.99
    assert found.confidence.shape == (480,)
    assert found.stability.shape == (4,)


def test_the_curve_comes_with_a_found_number_only(planted):
    tree, _ = planted
    assert tree.clusters(3).curve is None
    assert tree.clusters(None).curve["n_clusters"].iloc[0] == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_data_without_structure_are_one_cluster(seed):
    rng = np.random.default_rng(seed)
    depth = rng.lognormal(0, 0.5, (300, 1))
    mean = depth * rng.lognormal(0, 1, 150)
    counts = rng.poisson(rng.gamma(5.0, mean / 5.0))
    log_norm = np.log1p(counts / counts.sum(1, keepdims=True) * np.median(counts.sum(1)))
    points = PCA(30, random_state=0).fit_transform(log_norm).astype(np.float32)
    given = Expression(
        components=points, log_norm=sp.csr_matrix(log_norm), genes=np.arange(150).astype(object)
    )
    assert cell_tree([points], given, seed=0).clusters(None).n_clusters == 1


def test_same_seed_gives_the_same_bits(planted):
    tree, _ = planted
    again, _ = tree_of([120] * 4, seed=0)
    np.testing.assert_array_equal(again.leaves, tree.leaves)
    np.testing.assert_array_equal(again.together, tree.together)
    np.testing.assert_array_equal(again.splits, tree.splits)


def test_global_random_numbers_are_left_alone():
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002, TID251  (the state that must not move)
    before = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    tree_of([40, 30])
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_large_data_follow_a_sample():
    tree, truth = tree_of([450, 250, 100], max_cells=300)
    found = tree.clusters(3)
    assert tree.sizes.sum() == 300
    assert found.labels.shape == found.confidence.shape == (800,)
    assert adjusted_rand_score(truth, found.labels) > 0.99


def test_cells_that_are_all_alike_make_one_cluster_and_no_crash():
    points = np.ones((30, 5), dtype=np.float32)
    given = expression(np.zeros(30, dtype=int), components=points)
    assert cell_tree([points], given, seed=0).clusters(None).n_clusters == 1


@pytest.mark.parametrize("n_obs", [4, 7, 20])
def test_tiny_data_are_clustered(n_obs):
    tree, _ = tree_of([n_obs // 2, n_obs - n_obs // 2])
    assert tree.clusters(2).n_clusters == 2


@pytest.mark.parametrize("seed", range(4))
def test_a_cell_follows_the_majority_of_its_neighbours_at_every_split(seed):
    tree = random_tree(seed)
    near = np.random.default_rng(seed).integers(0, tree.n_leaves, (60, 7))
    leaves = followed(near, tree.merges)
    below = {leaf: {leaf} for leaf in range(tree.n_leaves)}
    for node, (left, right) in enumerate(tree.merges, tree.n_leaves):
        below[node] = below[left] | below[right]
    for leaf, neighbours in zip(leaves, near, strict=True):
        for left, right in tree.merges[::-1]:
            own, other = (left, right) if leaf in below[left] else (right, left)
            if leaf in below[own]:
                votes = [sum(n in below[side] for n in neighbours) for side in (own, other)]
                assert votes[0] >= votes[1]


def test_a_cell_follows_unanimous_neighbours_and_the_nearest_at_a_tie():
    merges = np.array([[0, 1], [3, 2]])
    near = np.array([[2, 2, 2], [1, 1, 0], [0, 1, 2]])
    np.testing.assert_array_equal(followed(near, merges), [2, 1, 0])
    np.testing.assert_array_equal(followed(np.array([[1, 0], [0, 1]]), merges), [1, 0])
