import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from scrcl.clustering.consensus import average_linkage, by_size, consensus


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
    _, heights = average_linkage(apart, sizes)
    np.testing.assert_allclose(heights, definition[-8:])
    np.testing.assert_array_equal(definition[:-8], 0)


def test_tree_is_built_on_the_share_of_partitions_that_keep_cells_apart(few_partitions):
    found = consensus(few_partitions, seed=0)
    apart = 1 - together(few_partitions)
    pairs = np.not_equal.outer(found.leaves, found.leaves)
    assert found.heights[0] == pytest.approx(apart[pairs].min())
    below = {leaf: {leaf} for leaf in range(len(found.sizes))}
    for node, (left, right) in enumerate(found.merges, len(found.sizes)):
        below[node] = below[left] | below[right]
    sides = [np.isin(found.leaves, list(below[node])) for node in found.merges[-1]]
    assert found.heights[-1] == pytest.approx(apart[np.ix_(*sides)].mean())


def test_what_is_said_of_leaves_is_the_mean_over_their_cells(few_partitions):
    found = consensus(few_partitions, seed=0)
    members = np.eye(len(found.sizes))[found.leaves]
    np.testing.assert_array_equal(found.sizes, members.sum(axis=0))
    sums = members.T @ together(few_partitions) @ members
    np.testing.assert_allclose(found.together, sums / np.outer(found.sizes, found.sizes), atol=1e-6)


def test_votes_count_the_cells_of_each_leaf_in_each_cluster_of_each_partition(few_partitions):
    found = consensus(few_partitions, seed=0)
    ends = [*found.starts[1:], found.votes.shape[1]]
    for labels, start, end in zip(few_partitions, found.starts, ends, strict=True):
        codes = np.unique(labels, return_inverse=True)[1]
        counts = np.zeros((len(found.sizes), end - start), dtype=int)
        np.add.at(counts, (found.leaves, codes), 1)
        np.testing.assert_array_equal(found.votes[:, start:end], counts)


def test_cells_that_all_partitions_put_together_share_a_leaf():
    truth = np.repeat([2, 0, 1], [5, 9, 3])
    found = consensus([truth, (truth + 1) % 3], seed=0)
    np.testing.assert_array_equal(np.sort(found.sizes), [3, 5, 9])
    np.testing.assert_allclose(found.heights, 1, atol=1e-6)


def test_one_cluster_in_every_partition_is_one_leaf():
    found = consensus([np.zeros(6, dtype=int)] * 4, seed=0)
    assert found.merges.shape == (0, 2)
    np.testing.assert_array_equal(found.sizes, [6])


def test_by_size_keeps_the_partition():
    np.testing.assert_array_equal(by_size(np.array([7, 3, 3, 9, 3, 9])), [2, 0, 0, 1, 0, 1])
