"""The tree of the domains of a tissue: anchored at what the vote finds, cut at every number."""

import numpy as np
import pytest
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.clustering import domain_clusters, domain_tree, domain_voters, level_names, said_of
from scrcl.clustering.consensus import average_linkage
from scrcl.config import LEVELS
from tests.clustering.planted import expression
from tests.clustering.test_domains import layered


def built(components, adj, truth, **options):
    """Tree of a tissue whose domains have marker genes."""
    voters = domain_voters(components, adj)
    evidence = expression(truth, components=voters.embedding)
    return domain_tree(voters, evidence, seed=0, **options)


@pytest.fixture(scope="module")
def tissue():
    return layered(side=14, noise=1.2)


@pytest.fixture(scope="module")
def tree(tissue):
    return built(*tissue)


def test_the_default_is_what_the_voters_find_to_the_bit(tree, tissue):
    components, adj, _ = tissue
    voted, _ = domain_clusters(components, adj, None, seed=0)
    found = tree.clusters(None)
    np.testing.assert_array_equal(found.labels, voted.labels)
    np.testing.assert_array_equal(found.curve, voted.curve)
    np.testing.assert_array_equal(tree.clusters(voted.n_clusters).labels, voted.labels)


def test_its_confidence_is_the_share_of_the_votes_on_average_over_a_leaf(tree, tissue):
    components, adj, _ = tissue
    voted, _ = domain_clusters(components, adj, None, seed=0)
    of_leaves = np.bincount(tree.leaves, voted.confidence) / tree.sizes
    np.testing.assert_allclose(tree.clusters(None).confidence, of_leaves[tree.leaves], atol=1e-5)
    np.testing.assert_allclose(tree.clusters(1).confidence, 1, atol=1e-5)


def test_every_cut_has_the_number_asked_for_and_nests_in_the_one_before(tree):
    coarser = tree.clusters(1).labels
    for n_clusters in range(2, 30):
        labels = tree.clusters(n_clusters).labels
        assert len(np.unique(labels)) == n_clusters
        assert all(len(set(coarser[labels == number])) == 1 for number in range(n_clusters))
        coarser = labels


def test_it_has_at_most_300_leaves_in_one_domain_each(tree):
    assert tree.n_leaves <= 300
    labels = tree.clusters(None).labels
    assert all(len(set(labels[tree.leaves == leaf])) == 1 for leaf in range(tree.n_leaves))


def test_less_granularity_joins_domains_and_more_divides_them(tree):
    numbers = [tree.at(granularity).n_supported for granularity in (0.25, 0.5, 1.0, 2.0, 4.0)]
    assert numbers == sorted(numbers)
    assert numbers[2] == tree.anchor.n_found
    names = level_names(tree)
    assert list(names) == list(LEVELS)
    np.testing.assert_array_equal(
        np.unique(names["default"][tree.leaves], return_counts=True)[1].sum(), len(tree.leaves)
    )


def test_a_range_is_searched_for_the_number_that_the_voters_agree_best_on(tree, tissue):
    components, adj, _ = tissue
    voted, _ = domain_clusters(components, adj, (5, 8), seed=0)
    found = tree.clusters((5, 8))
    assert found.n_clusters == voted.n_clusters
    np.testing.assert_array_equal(found.curve, voted.curve)
    with pytest.raises(InputError, match=r"range 5 to 20, wanted one up to 11.*run again"):
        tree.clusters((5, 20))


def test_a_range_that_is_asked_for_beforehand_is_judged_and_changes_nothing_else(tree, tissue):
    wider = built(*tissue, wanted=(5, 12))
    assert 5 <= wider.clusters((5, 12)).n_clusters <= 12
    np.testing.assert_array_equal(wider.leaves, tree.leaves)
    np.testing.assert_array_equal(wider.merges, tree.merges)


def test_same_seed_gives_the_same_bits(tree, tissue):
    again = built(*tissue)
    np.testing.assert_array_equal(again.leaves, tree.leaves)
    np.testing.assert_array_equal(again.together, tree.together)
    np.testing.assert_array_equal(again.splits, tree.splits)


def test_layers_have_evidence_and_noise_has_none(tree, tissue):
    found = tree.splits[tree.anchor.upper(len(tree.merges))]
    assert (found["p_value"] < found["level"]).all()
    assert (found["n_genes"] >= 5).all()
    _, adj, truth = tissue
    noise = np.random.default_rng(0).normal(size=(len(truth), 30))
    of_noise = built(noise, adj, np.zeros_like(truth))
    assert not of_noise.supported.any()
    assert (of_noise.splits["p_value"] > of_noise.splits["level"]).mean() > 0.9


def test_the_vote_of_the_spots_around_comes_before_the_tree(tissue):
    components, adj, truth = tissue
    joined = built(components, adj, truth, refine=lambda labels: np.minimum(labels, 1))
    assert joined.anchor.n_found == 2
    assert joined.clusters(None).n_clusters == 2
    assert joined.clusters(5).n_clusters == 5


def test_spots_that_do_not_differ_are_one_domain(tissue):
    _, adj, truth = tissue
    tree = built(np.ones((len(truth), 5)), adj, np.zeros_like(truth))
    assert tree.n_leaves == 1
    assert tree.clusters(None).n_clusters == tree.clusters((1, 3)).n_clusters == 1
    assert said_of(tree, 1) == ["One cluster: the number that the voters agree best on."]
    with pytest.raises(InputError, match="wanted 1 to 1"):
        tree.clusters(2)


@pytest.mark.parametrize("n_spots", [2, 3, 6, 12])
def test_tiny_tissues_have_a_tree(n_spots):
    rng = np.random.default_rng(0)
    links = np.eye(n_spots, k=1) + np.eye(n_spots, k=-1)
    tree = built(rng.normal(size=(n_spots, 4)), sp.csr_matrix(links), np.zeros(n_spots, dtype=int))
    assert 1 <= tree.clusters(None).n_clusters <= n_spots
    assert tree.clusters((2, 50)).n_clusters <= n_spots


def test_leaves_are_joined_within_their_group_first():
    apart = np.array(
        [[0, 0.9, 0.1, 0.5], [0.9, 0, 0.2, 0.6], [0.1, 0.2, 0, 0.3], [0.5, 0.6, 0.3, 0]]
    )
    merges, heights = average_linkage(apart, np.ones(4, dtype=int), np.array([0, 0, 1, 1]))
    assert merges.tolist() == [[2, 3], [0, 1], [5, 4]]
    np.testing.assert_allclose(heights, [0.3, 0.9, (0.1 + 0.2 + 0.5 + 0.6) / 4])
