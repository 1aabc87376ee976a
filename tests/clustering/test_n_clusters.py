import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from scrcl.clustering.cells import partition_tree
from scrcl.clustering.consensus import consensus
from scrcl.clustering.n_clusters import n_clusters_curve
from scrcl.clustering.result import best_n_clusters
from tests.clustering.planted import expression


@pytest.fixture(scope="module")
def voted():
    """Partitions that nearly agree on three groups, and their tree."""
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1, 2], [40, 30, 20])
    members = []
    for n_wrong in (2, 4, 6, 8, 3):
        labels = truth.copy()
        labels[rng.choice(90, n_wrong, replace=False)] = rng.integers(0, 3, n_wrong)
        members.append(labels)
    given = expression(truth, components=np.eye(3)[truth] * 9 + rng.normal(size=(90, 3)))
    return members, partition_tree(members, given, seed=0)


def test_agreement_is_the_mean_adjusted_rand_index_with_the_partitions(voted):
    members, tree = voted
    curve = n_clusters_curve(tree, consensus(members, seed=0))
    for row in curve.itertuples():
        labels = tree.clusters(row.n_clusters).labels
        definition = np.mean([adjusted_rand_score(labels, other) for other in members])
        assert row.agreement == pytest.approx(definition)


def test_criterion_is_a_product_and_does_not_depend_on_how_far_it_is_judged(voted):
    members, tree = voted
    found = consensus(members, seed=0)
    curve = n_clusters_curve(tree, found)
    assert list(curve["n_clusters"]) == list(range(1, tree.n_max + 1))
    product = curve["agreement"].clip(0) * curve["separation"].clip(0)
    np.testing.assert_allclose(curve["criterion"], product)
    np.testing.assert_array_equal(n_clusters_curve(tree, found, 3), curve.iloc[:3])


def test_the_planted_number_is_the_best_of_the_curve(voted):
    members, tree = voted
    assert best_n_clusters(n_clusters_curve(tree, consensus(members, seed=0))) == 3
