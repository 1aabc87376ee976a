import itertools

import numpy as np
import pytest

from scrcl._validate import InputError
from scrcl.clustering.tree import separation
from scrcl.config import LEVELS
from tests.clustering.planted import hand_made, random_tree

# 0 and 1; 2 with a crumb of three cells, then 3; both pairs.
MERGES, HEIGHTS, SIZES = [(0, 1), (2, 4), (6, 3), (5, 7)], [0.2, 0.6, 0.7, 0.9], [50, 40, 30, 20, 3]


def four_groups(**columns):
    return hand_made(MERGES, HEIGHTS, SIZES, **columns)


def as_sets(clusters):
    """Leaves of each cluster."""
    return {frozenset(np.flatnonzero(clusters == number).tolist()) for number in set(clusters)}


@pytest.mark.parametrize("seed", range(6))
def test_every_cut_has_the_number_asked_for_from_large_to_small_and_nests_in_the_one_before(seed):
    tree = random_tree(seed)
    coarser = None
    for n_clusters in range(1, tree.n_max + 1):
        labels = tree.clusters(n_clusters).labels
        counts = np.bincount(labels)
        assert len(counts) == n_clusters
        assert (counts > 0).all()
        assert (np.diff(counts) <= 0).all()
        if coarser is not None:
            assert all(len(set(coarser[labels == c])) == 1 for c in range(n_clusters))
        coarser = labels


@pytest.mark.parametrize("seed", range(6))
def test_cells_of_a_leaf_are_never_divided(seed):
    tree = random_tree(seed)
    labels = tree.clusters(tree.n_max).labels
    assert all(len(set(labels[tree.leaves == leaf])) == 1 for leaf in range(tree.n_leaves))


@pytest.mark.parametrize("seed", range(6))
def test_the_default_is_the_cut_at_as_many_as_are_supported(seed):
    tree = random_tree(seed)
    assert tree.clusters(None).n_clusters == tree.n_supported
    np.testing.assert_array_equal(
        tree.clusters(None).labels, tree.clusters(tree.n_supported).labels
    )


@pytest.mark.parametrize("seed", range(6))
def test_no_cluster_under_five_cells_is_found_while_splits_are_supported(seed):
    tree = random_tree(seed)
    assert np.bincount(tree.clusters(None).labels).min() >= 5


def test_supported_splits_are_opened_first_however_low_they_are():
    tree = four_groups(mixing=[0.1, 0.1, 0.9, 0.1])
    # The third is higher than the first, but not supported.
    assert as_sets(tree.frontier(3)) == {
        frozenset({0}),
        frozenset({1}),
        frozenset({2, 3, 4}),
    }


def test_what_lies_above_a_supported_split_is_opened_for_it():
    tree = four_groups(mixing=[0.1, 0.9, 0.9, 0.9])
    assert tree.n_supported == 3
    assert as_sets(tree.frontier(3)) == {frozenset({0}), frozenset({1}), frozenset({2, 3, 4})}


def test_a_few_cells_that_are_left_over_stay_with_what_they_are_most_often_put_with():
    # Above the two groups 0 and 1 a crumb of three cells splits off, nearer to 1 than to 0.
    tree = hand_made(
        [(0, 1), (3, 2)], [0.6, 0.8], [40, 30, 3], mixing=[0.1, 0.9], distance=[7.0, 7.0]
    )
    tree.together[2, 1] = tree.together[1, 2] = 0.3
    assert tree.n_supported == 2
    assert as_sets(tree.frontier(2)) == {frozenset({0}), frozenset({1, 2})}


def test_a_few_cells_can_be_had_as_a_cluster_when_nothing_better_is_left():
    tree = four_groups()
    assert tree.n_supported == 4  # the crumb is no cluster of its own
    assert as_sets(tree.frontier(4)) == {
        frozenset({0}),
        frozenset({1}),
        frozenset({2, 4}),
        frozenset({3}),
    }
    assert frozenset({4}) in as_sets(tree.frontier(5))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("mixing", 0.56),
        ("distance", 4.4),
        ("n_genes", 4),
        ("p_value", 0.02),
        ("auc_n_counts", 0.99),
    ],
)
def test_each_kind_of_evidence_is_needed(column, value):
    assert four_groups().n_supported == 4
    tree = four_groups(**{column: value})
    assert tree.n_supported == 1
    found = tree.clusters(None)
    assert found.n_clusters == 1
    np.testing.assert_array_equal(found.confidence, 1)


def test_only_depth_bars_a_split_other_covariates_are_told():
    assert four_groups(auc_n_counts=0.98, auc_mitochondrial=1.0).n_supported == 4
    assert four_groups(auc_n_counts=0.98, auc_n_genes=1.0).n_supported == 4


def test_the_bar_moves_the_number_without_changing_the_tree():
    tree = random_tree(3)
    numbers = [tree.at(LEVELS[name]).n_supported for name in ("coarse", "default", "fine")]
    assert numbers == sorted(numbers)
    assert numbers[0] < numbers[2]
    np.testing.assert_array_equal(
        tree.at(LEVELS["fine"]).frontier(1), tree.at(LEVELS["coarse"]).frontier(1)
    )


@pytest.mark.parametrize(
    ("wanted", "given"), [((1, 2), 2), ((5, 9), 5), ((2, 9), 4), ((1, 4), 4), ((9, 12), 5)]
)
def test_a_range_bounds_the_number(wanted, given):
    assert four_groups().clusters(wanted).n_clusters == given


@pytest.mark.parametrize("n_clusters", [6, 100])
def test_more_clusters_than_groups_are_refused(n_clusters):
    with pytest.raises(InputError, match=rf"n_clusters: got {n_clusters}, wanted 1 to 5"):
        four_groups().clusters(n_clusters)


def test_a_tree_of_one_leaf_is_one_cluster():
    tree = hand_made([], [], [7], genes=[])
    assert (tree.n_supported, tree.n_max) == (1, 1)
    np.testing.assert_array_equal(tree.clusters(None).labels, np.zeros(7))
    with pytest.raises(InputError, match="n_clusters"):
        tree.clusters(2)


def test_n_max_is_the_most_that_a_cut_gives():
    for seed in range(6):
        tree = random_tree(seed)
        tree.frontier(tree.n_max)
        with pytest.raises(InputError, match=f"wanted 1 to {tree.n_max}"):
            tree.frontier(tree.n_max + 1)


def test_affinity_is_the_mean_share_of_votes_over_the_cells_of_a_cluster():
    tree = random_tree(1, n_leaves=8)
    clusters = tree.frontier(3)
    cells = tree.together[np.ix_(tree.leaves, tree.leaves)]
    labels = clusters[tree.leaves]
    definition = np.stack([cells[:, labels == number].mean(1) for number in range(3)], axis=1)
    np.testing.assert_allclose(tree.affinity(clusters)[tree.leaves], definition, atol=1e-6)


def test_separation_compares_the_own_cluster_with_the_next():
    affinity = np.array([[0.9, 0.1, 0.3], [0.2, 0.4, 0.6]])
    np.testing.assert_allclose(separation(affinity, np.array([0, 1])), [0.6, -0.2])
    np.testing.assert_array_equal(separation(np.full((2, 1), 0.4), np.zeros(2, int)), [1, 1])


def test_confidence_and_stability_are_shares():
    found = random_tree(2).clusters(None)
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    means = [found.confidence[found.labels == c].mean() for c in range(found.n_clusters)]
    np.testing.assert_allclose(found.stability, means, rtol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_cuts_at_a_finer_bar_nest_in_those_at_a_coarser_one(seed):
    tree = random_tree(seed)
    cuts = [tree.at(g).frontier(tree.at(g).n_supported) for g in (0.25, 0.5, 1.0, 2.0, 4.0)]
    for coarse, fine in itertools.pairwise(cuts):
        assert len({*zip(coarse, fine, strict=True)}) == len({*fine})


@pytest.mark.parametrize("seed", range(4))
def test_the_tree_of_some_leaves_joins_them_as_the_whole_tree_does(seed):
    tree = random_tree(seed)
    chosen = np.flatnonzero(np.random.default_rng(seed).random(tree.n_leaves) < 0.6)
    part = tree.subset(chosen)

    assert part.sizes.tolist() == tree.sizes[chosen].tolist()
    np.testing.assert_array_equal(part.leaves, np.repeat(np.arange(len(chosen)), part.sizes))
    for a, b in itertools.combinations(range(len(chosen)), 2):
        assert meet(part, a, b) == meet(tree, chosen[a], chosen[b])
    assert (part.splits["height"].to_numpy() == part.heights).all()


def meet(tree, a, b):
    """Height at which two leaves are joined."""
    below = [{leaf} for leaf in range(tree.n_leaves)]
    for step, (left, right) in enumerate(tree.merges):
        below.append(below[left] | below[right])
        if {a, b} <= below[-1]:
            return tree.heights[step]
    raise AssertionError


def test_a_few_cells_apart_from_all_others_are_outlying():
    #  0: 3 cells, 1: 50 cells; 2: 4 cells that are mixed with 3; 3: 60 cells
    tree = hand_made(
        [[0, 1], [2, 3], [4, 5]],
        [0.5, 0.6, 0.9],
        [3, 50, 4, 60],
        mixing=[0.1, 0.8, 0.1],
    )
    assert tree.outlying.tolist() == [True, False, False, False]
    far = hand_made([[0, 1]], [0.9], [3, 50], distance=[3.0])
    assert not far.outlying.any()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"auc_n_counts": 0.995}, "depth"),
        ({"auc_n_counts": 0.98}, ""),
        ({"auc_n_genes": 1.0, "auc_batch": 0.99}, "number of genes, batch"),
    ],
)
def test_what_explains_a_split_is_named(columns, said):
    tree = hand_made([[0, 1]], [0.9], [30, 50], **columns)
    assert tree.explained_by.tolist() == [said]
