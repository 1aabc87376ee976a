import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from scrcl.clustering.consensus import consensus
from scrcl.clustering.evidence import _distance_within, split_evidence
from tests.clustering.planted import expression

SIZES = [120, 80, 60]


@pytest.fixture(scope="module")
def cells():
    """Three groups that overlap a little, votes that err, the expression, and the evidence."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), SIZES)
    n_obs = len(truth)
    points = rng.normal(size=(n_obs, 6)) + np.eye(3, 6)[truth] * 4
    members = []
    for n_wrong in (10, 20, 30, 5):
        labels = truth.copy()
        labels[rng.choice(n_obs, n_wrong, replace=False)] = rng.integers(0, 3, n_wrong)
        members.append(labels)
    measured = {"told": rng.normal(size=n_obs) + truth, "unknown": np.full(n_obs, np.nan)}
    given = expression(truth, components=points, covariates=measured)
    found = consensus(members, seed=0)
    return members, found, given, split_evidence(found, given, seed=0)


def sides(found, node):
    """Cells on the two sides of a split."""
    n_leaves = len(found.sizes)
    below = {leaf: [leaf] for leaf in range(n_leaves)}
    for number, (left, right) in enumerate(found.merges, n_leaves):
        below[number] = below[left] + below[right]
    return [np.isin(found.leaves, below[side]) for side in found.merges[node - n_leaves]]


def nodes(splits, at_least=2):
    """Splits both sides of which have some cells."""
    some = splits[["n_left", "n_right"]].min(axis=1) >= at_least
    assert some.any()
    return splits.index[some]


def test_one_row_for_each_merge_by_the_number_of_its_node(cells):
    _, found, _, splits = cells
    n_leaves = len(found.sizes)
    assert list(splits.index) == list(range(n_leaves, 2 * n_leaves - 1))
    np.testing.assert_array_equal(splits["height"], found.heights)
    for node in splits.index:
        counts = [side.sum() for side in sides(found, node)]
        assert list(splits.loc[node, ["n_left", "n_right"]]) == counts


def test_mixing_is_votes_between_the_sides_over_those_within(cells):
    members, found, _, splits = cells
    together = np.mean([np.equal.outer(labels, labels) for labels in members], axis=0)
    # The cells of a leaf count as alike: the definition takes their mean, too.
    share = np.eye(len(found.sizes))[found.leaves]
    leaf = share.T @ together @ share / np.outer(found.sizes, found.sizes)
    together = leaf[np.ix_(found.leaves, found.leaves)]
    for node in nodes(splits):
        within = []
        for side in (pair := sides(found, node)):
            own, n = together[np.ix_(side, side)], side.sum()
            within.append((own.sum() - n) / (n * (n - 1)))
        between = together[np.ix_(*pair)].mean()
        definition = np.clip(between / np.sqrt(np.prod(within)), 0, 1)
        assert splits.loc[node, "mixing"] == pytest.approx(definition, abs=1e-5)


def test_distance_is_that_of_linear_discriminants_less_its_bias(cells):
    _, found, given, splits = cells
    for node in nodes(splits, at_least=30):
        left, right = sides(found, node)
        points = given.components[left | right]
        lda = LinearDiscriminantAnalysis(solver="lsqr", store_covariance=True)
        lda.fit(points, left[left | right])
        n, width = points.shape
        covariance = lda.covariance_ * n / (n - 2)
        shift = np.subtract(*lda.means_)
        squared = shift @ np.linalg.inv(covariance) @ shift * (n - width - 3) / (n - 2)
        squared -= width * n / (left.sum() * right.sum())
        assert splits.loc[node, "distance"] == pytest.approx(np.sqrt(squared), rel=2e-3)


def test_distance_is_what_was_planted():
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1], [900, 600])
    points = rng.normal(size=(1500, 10)) + 5.0 * np.eye(2, 10)[0] * truth[:, None]
    splits = split_evidence(
        consensus([truth] * 4, seed=0), expression(truth, components=points), seed=0
    )
    assert splits["distance"].iloc[-1] == pytest.approx(5, abs=0.3)
    assert splits["p_value"].iloc[-1] < 1e-6


def test_distance_does_not_depend_on_the_units_of_the_components(cells):
    _, found, given, splits = cells
    stretch = np.random.default_rng(2).normal(size=(6, 6)) + 3 * np.eye(6)
    truth = np.repeat(np.arange(3), SIZES)
    again = split_evidence(found, expression(truth, components=given.components @ stretch), seed=0)
    large = nodes(splits, at_least=30)
    np.testing.assert_allclose(
        again.loc[large, "distance"], splits.loc[large, "distance"], rtol=0.02
    )


def test_halves_of_one_gaussian_are_as_far_apart_as_the_null_model_says():
    rng = np.random.default_rng(3)
    points = rng.normal(size=(400, 10))
    half = (points[:, 0] > 0).astype(int)
    splits = split_evidence(
        consensus([half] * 4, seed=0), expression(half, components=points), seed=0
    )
    assert splits["p_value"].iloc[-1] > splits["level"].iloc[-1]
    assert splits["distance"].iloc[-1] == pytest.approx(2.65, abs=0.4)


def test_genes_that_tell_the_sides_apart_are_those_of_welchs_test(cells):
    _, found, given, splits = cells
    X = given.log_norm.toarray()
    for node in nodes(splits, at_least=30):
        left, right = (X[side] for side in sides(found, node))
        p = stats.false_discovery_control(stats.ttest_ind(left, right, equal_var=False).pvalue)
        shift = left.mean(0) - right.mean(0)
        found_in = np.where(shift > 0, (left > 0).mean(0), (right > 0).mean(0))
        tells = (np.abs(shift) >= np.log(2)) & (p <= 0.01) & (found_in >= 0.25)
        assert splits.loc[node, "n_genes"] == tells.sum() > 0
        named = splits.loc[node, "genes"].split()
        assert len(named) == min(5, tells.sum())
        for name in named:
            gene = list(given.genes).index(name[1:])
            assert tells[gene]
            assert name[0] == ("+" if shift[gene] > 0 else "-")


def test_level_is_shared_out_by_cells(cells):
    _, _, _, splits = cells
    share = (splits["n_left"] + splits["n_right"]) / sum(SIZES)
    np.testing.assert_allclose(splits["level"], 0.05 * share)


def test_area_is_sklearns_whichever_side_is_higher(cells):
    _, found, given, splits = cells
    values = given.covariates["told"].to_numpy()
    for node in splits.index:
        left, right = sides(found, node)
        if min(left.sum(), right.sum()) < 5:
            assert splits.loc[node, "auc_told"] == 0.5
            continue
        both = left | right
        area = roc_auc_score(left[both], values[both])
        order = np.flatnonzero(both)[values[both].argsort()]
        near = [np.delete(order[max(i - 4, 0) : i + 5], min(i, 4)) for i in range(len(order))]
        nearby = roc_auc_score(left[order], [left[own].mean() for own in near])
        wanted = max(area, 1 - area, nearby)
        assert splits.loc[node, "auc_told"] == pytest.approx(wanted)
    assert (splits["auc_unknown"] == 0.5).all()


def halves(values):
    """Two groups of 100 cells, and a covariate."""
    truth = np.repeat([0, 1], 100)
    members = [truth, truth, truth]
    points, told = np.zeros((200, 2)), np.asarray(values, dtype=float)
    given = expression(truth, components=points, covariates={"n_counts": told})
    found = consensus(members, seed=0)
    return split_evidence(found, given, seed=0).iloc[-1]


def test_a_side_between_two_parts_of_the_other_is_told_by_the_covariate():
    low, high = np.linspace(1, 2, 50), np.linspace(8, 9, 50)
    between = np.linspace(4, 5, 100)
    assert halves([*low, *high, *between])["auc_n_counts"] > 0.99
    drawn = np.random.default_rng(0).permutation(200)
    assert halves(drawn)["auc_n_counts"] < 0.6
    assert halves(np.ones(200))["auc_n_counts"] == 0.5
    assert halves(drawn % 3)["auc_n_counts"] < 0.6


def test_distance_is_the_one_among_cells_of_like_depth_if_that_is_less():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 300)
    depth = rng.normal(size=600) + 1.5 * truth
    found = consensus([truth] * 3, seed=0)

    def distance(points, **covariates):
        given = expression(truth, components=points, covariates=covariates)
        return split_evidence(found, given, seed=0)["distance"].iloc[-1]

    noise = rng.normal(size=(600, 4))
    # What follows the depth alone seems to be a difference of the sides.
    by_depth = noise + 2 * depth[:, None] * np.eye(4)[0]
    assert distance(by_depth) > 1.2
    assert distance(by_depth, n_counts=depth) < 0.5
    own = noise + 5 * truth[:, None] * np.eye(4)[0]
    assert distance(own, n_counts=depth) == pytest.approx(5, abs=0.6)
    assert distance(own, n_counts=np.full(600, np.nan)) == distance(own)
    assert distance(own, n_counts=np.ones(600)) == pytest.approx(distance(own))


def test_the_shift_within_classes_is_that_of_least_squares():
    rng = np.random.default_rng(0)
    side, classes = np.arange(90) < 40, rng.integers(0, 3, 90)
    points = rng.normal(size=(90, 2)) + side[:, None] * [3, 1] + classes[:, None]
    design = np.column_stack([side, np.eye(3)[classes]])
    best, _, _, _ = np.linalg.lstsq(design, points)
    left = points - design @ best
    covariance = left.T @ left / (90 - 4)
    covariance += 1e-3 * np.trace(covariance) / 2 * np.eye(2)
    squared = best[0] @ np.linalg.solve(covariance, best[0]) * (86 - 3) / 86
    bias = 2 * np.linalg.inv(design.T @ design)[0, 0]
    assert _distance_within(points, 40, classes) == pytest.approx(np.sqrt(squared - bias))


def test_same_seed_gives_the_same_bits(cells):
    _, found, given, splits = cells
    pd.testing.assert_frame_equal(split_evidence(found, given, seed=0), splits)


def test_one_leaf_has_no_splits(cells):
    _, _, given, _ = cells
    alike = consensus([np.zeros(sum(SIZES), dtype=int)] * 2, seed=0)
    assert len(split_evidence(alike, given, seed=0)) == 0
