"""A tree that is anchored at clusters found by a vote of their own."""

import itertools

import numpy as np
import pytest

from scrcl._validate import InputError
from scrcl.clustering import level_names, said_of
from tests.clustering.planted import anchored, hand_made, random_tree

# ((0 1) (2 3)): the outer pair is less high than what it joins.
MERGES, HEIGHTS, SIZES = [[0, 1], [2, 3], [4, 5]], [0.8, 0.7, 0.5], [40, 30, 50, 60]
FOUND = [0, 0, 1, 1]


def pair(**columns):
    return anchored(hand_made(MERGES, HEIGHTS, SIZES, **columns), found=2)


def as_sets(clusters):
    return {frozenset(np.flatnonzero(clusters == number).tolist()) for number in set(clusters)}


@pytest.mark.parametrize("granularity", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_cut_at_its_number_is_the_anchor(seed, granularity):
    tree = anchored(random_tree(seed), found=5).at(granularity)
    large = np.bincount(tree.anchor.clusters, tree.sizes) >= 5
    if large.all():  # a few cells may be set aside where less granularity is asked for
        assert as_sets(tree.frontier(5)) == as_sets(tree.anchor.clusters)


@pytest.mark.parametrize("seed", range(4))
def test_the_default_is_the_anchor_whatever_the_evidence(seed):
    tree = anchored(random_tree(seed), found=5)
    assert tree.n_supported == 5
    assert as_sets(tree.frontier(5)) == as_sets(tree.anchor.clusters)
    assert tree.clusters(None).n_clusters == 5


@pytest.mark.parametrize("seed", range(6))
def test_granularity_joins_below_1_and_divides_above(seed):
    tree = anchored(random_tree(seed), found=5)
    numbers = [tree.at(granularity).n_supported for granularity in (0.25, 0.5, 1.0, 2.0, 4.0)]
    assert numbers == sorted(numbers)
    assert numbers[2] == 5
    cuts = [tree.at(g).frontier(tree.at(g).n_supported) for g in (0.5, 1.0, 2.0)]
    for coarse, fine in itertools.pairwise(cuts):
        assert all(len(set(coarse[fine == number])) == 1 for number in set(fine))
    assert list(level_names(tree)) == ["coarse", "default", "fine"]


def test_without_evidence_less_granularity_leaves_one_cluster():
    assert pair(n_genes=0).at(0.5).clusters(None).n_clusters == 1
    assert pair(n_genes=0).at(2.0).clusters(None).n_clusters == 2
    assert pair().at(2.0).clusters(None).n_clusters == 4


def test_supported_splits_below_come_first_if_more_are_asked_for():
    tree = pair(mixing=[0.9, 0.1, 0.1])
    assert as_sets(tree.frontier(3)) == {frozenset({0, 1}), frozenset({2}), frozenset({3})}


def test_its_confidence_is_the_share_of_the_votes():
    tree = pair()
    np.testing.assert_allclose(tree.confidence(np.array(FOUND)), 0.8)
    np.testing.assert_allclose(tree.confidence(np.zeros(4, dtype=int)), 1, atol=1e-6)
    # Leaf 0 is put with itself always, and with 1 in a fifth of the partitions.
    parts = tree.confidence(np.array([0, 1, 2, 2]))
    np.testing.assert_allclose(parts, [0.8 / 1.2, 0.8 / 1.2, 0.8, 0.8], atol=1e-6)


def test_a_range_takes_the_number_with_the_best_criterion():
    tree = anchored(random_tree(0), found=5)
    assert [tree.clusters(wanted).n_clusters for wanted in ((2, 4), (3, 4), (3, 7))] == [2, 4, 5]
    assert tree.clusters((3, 4)).curve["n_clusters"].tolist() == [3, 4]
    assert tree.clusters(None).curve["n_clusters"].tolist() == [4, 5, 6, 7]
    assert tree.clusters(3).curve is None
    with pytest.raises(InputError, match=r"range 3 to 9, wanted one up to 7"):
        tree.clusters((3, 9))
    assert tree.at(2.0).clusters((3, 4)).n_clusters == 4


def test_a_part_of_the_tree_has_a_part_of_it():
    tree = anchored(random_tree(1), found=5)
    chosen = np.flatnonzero(np.isin(tree.anchor.clusters, [1, 3]))
    part = tree.subset(chosen)
    assert part.anchor.n_found == 2
    assert as_sets(part.frontier(2)) == as_sets(part.anchor.clusters)
    single = tree.subset(np.flatnonzero(tree.anchor.clusters == 0))
    assert single.anchor.n_found == 1
    assert single.clusters(1).n_clusters == 1


@pytest.mark.parametrize(
    ("n_clusters", "granularity", "said"),
    [
        (2, 1.0, "2 clusters: the number that the voters agree best on. Splits with the evidence"),
        (3, 1.0, "3 clusters, as asked: the voters agree best on 2. Splits with the evidence that"),
        (1, 1.0, "One cluster, as asked: the voters agree best on 2."),
        (4, 2.0, "4 clusters: the 2 that the voters agree best on, divided by the evidence."),
    ],
)
def test_it_is_said_how_the_number_came_about(n_clusters, granularity, said):
    assert said_of(pair().at(granularity), n_clusters)[0].startswith(said)


def test_it_is_counted_how_many_splits_have_the_evidence():
    tree = pair(mixing=[0.1, 0.9, 0.1])
    assert "asked for: 2 of 3 (splits.csv)" in said_of(tree, 4)[0]
    assert tree.made(3).tolist() == [True, False, True]
