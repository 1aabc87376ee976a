"""Scores against hand-computed truths, independent definitions and their symmetries."""

import itertools
from collections.abc import Iterator
from math import comb, log

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import (
    accuracy_score,
    adjusted_rand_score,
    f1_score,
    normalized_mutual_info_score,
)

from scrcl import metrics
from scrcl._validate import InputError

labelings = st.integers(1, 40).flatmap(
    lambda n_obs: st.tuples(
        st.lists(st.integers(0, 5), min_size=n_obs, max_size=n_obs),
        st.lists(st.integers(0, 7), min_size=n_obs, max_size=n_obs),
    )
)


# ---------------------------------------------------------------- agreement with labels


def test_six_cells_score_as_computed_by_hand() -> None:
    # a: 2 cells in cluster 0, 1 in cluster 1; b: 3 cells in cluster 1.
    scores = metrics.score(["a", "a", "a", "b", "b", "b"], [0, 0, 1, 1, 1, 1])

    assert scores["acc"] == pytest.approx(5 / 6)
    # F1 of a: 2*2/(3+2), of b: 2*3/(3+4).
    assert scores["f1"] == pytest.approx((4 / 5 + 6 / 7) / 2)
    # Pairs: 1 + 3 together in both, 3 + 3 in the labels, 1 + 6 in the clusters, 15 in all.
    assert scores["ari"] == pytest.approx((4 - 6 * 7 / 15) / ((6 + 7) / 2 - 6 * 7 / 15))
    information = 2 / 6 * log(2 / 1) + 1 / 6 * log(1 / 2) + 3 / 6 * log(6 / 4)
    entropies = log(2), -(2 / 6 * log(2 / 6) + 4 / 6 * log(4 / 6))
    assert scores["nmi"] == pytest.approx(information / (sum(entropies) / 2))


def test_a_cluster_without_a_class_counts_as_error() -> None:
    # Three clusters for two classes: cluster 2 stays unmatched, so its cell of class b is lost.
    scores = metrics.score(["a", "a", "b", "b", "b"], [0, 0, 1, 1, 2])

    assert scores["acc"] == pytest.approx(4 / 5)
    assert scores["f1"] == pytest.approx((1 + 2 * 2 / (3 + 2)) / 2)
    assert scores["n_clusters"] == 3


def test_a_class_without_a_cluster_counts_as_zero_in_macro_f1() -> None:
    scores = metrics.score(["a", "a", "b"], [0, 0, 0])

    assert scores["acc"] == pytest.approx(2 / 3)
    assert scores["f1"] == pytest.approx((2 * 2 / (2 + 3) + 0) / 2)


def test_the_match_is_the_best_of_all_permutations() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, 60), rng.integers(0, 4, 60)

    best = max(
        np.mean(np.array(order)[predicted] == truth) for order in itertools.permutations(range(4))
    )

    assert metrics.score(truth, predicted)["acc"] == pytest.approx(best)


@pytest.mark.parametrize("missing", [np.nan, None, "", pd.NA], ids=["nan", "none", "empty", "NA"])
def test_cells_without_a_label_are_left_out_and_counted(missing: object) -> None:
    labelled = metrics.score(["a", "a", "b", "b"], [0, 0, 0, 1])
    scores = metrics.score(["a", "a", "b", "b", missing, missing], [0, 0, 0, 1, 1, 2])

    for key in ("acc", "nmi", "ari", "f1"):
        assert scores[key] == labelled[key]
    assert (scores["n_scored"], scores["n_unlabelled"], scores["n_clusters"]) == (4, 2, 3)


def test_unused_categories_are_no_classes() -> None:
    labels = pd.Series(["a", "b", None]).astype(pd.CategoricalDtype(["a", "b", "never"]))

    assert metrics.score(labels, ["0", "1", "1"])["f1"] == 1.0


def test_predictions_are_never_changed() -> None:
    predicted = np.array([2, 2, 0, 1])
    predicted.flags.writeable = False

    metrics.score(np.array([0, 0, 1, 1]), predicted)

    assert predicted.tolist() == [2, 2, 0, 1]


@pytest.mark.parametrize(
    ("truth", "predicted", "complaint"),
    [
        pytest.param(["a"], [0, 1], "got 1 for 2 cells", id="lengths"),
        pytest.param([None, ""], [0, 1], "got none at all", id="no label"),
        pytest.param(["a", "b"], [0, np.nan], "1 cell without one", id="no cluster"),
    ],
)
def test_what_cannot_be_scored_is_said_in_one_line(
    truth: list[object], predicted: list[object], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        metrics.score(truth, predicted)
    assert "\n" not in str(caught.value)


def test_a_cluster_without_a_labelled_cell_changes_no_score() -> None:
    labels = np.array(["a", "a", "b", "b", None, None], dtype=object)

    scores = metrics.score(labels, [0, 1, 0, 1, 2, 2])  # at odds with the labels, 2 has none

    assert scores["nmi"] == pytest.approx(0, abs=1e-12)
    assert scores["ari"] == pytest.approx(-0.5)


def random_labellings(n_labellings: int) -> Iterator[tuple[pd.Series, NDArray[np.int64]]]:
    """Yield labels of a type with unused categories, many or all of one class missing, and clusters.

    Sizes are from one cell up; one class, one cluster, and as many as there are cells all occur, and
    a third of the clusterings follow the labels.
    """
    rng = np.random.default_rng(0)
    for number in range(n_labellings):
        n_obs = int(rng.integers(1, 60))
        truth = rng.integers(0, rng.integers(1, 9), n_obs)
        clusters = rng.integers(0, rng.integers(1, min(n_obs, 12) + 1), n_obs)
        if number % 3 == 0:
            clusters = np.where(rng.random(n_obs) < 0.2, clusters, truth + 20)
        missing = rng.random(n_obs) < rng.choice([0, 0.2, 0.8])
        missing |= np.isin(clusters, rng.choice(clusters, 2)) & (rng.random() < 0.5)
        if missing.all():
            missing[0] = False
        dtype = pd.CategoricalDtype([f"type {code}" for code in range(12)])
        labels = pd.Series([f"type {code}" for code in truth]).mask(missing).astype(dtype)
        yield labels, clusters


def test_all_four_scores_are_those_of_scikit_learn_on_odd_labellings() -> None:
    without_label = one_class = one_cluster = 0
    for labels, clusters in random_labellings(120):
        scores = metrics.score(labels, clusters)

        kept = labels.notna().to_numpy()
        truth, predicted = labels[kept].astype(str).to_numpy(), clusters[kept]
        best = f1_of_best_matches(truth, predicted)
        assert scores["ari"] == pytest.approx(adjusted_rand_score(truth, predicted), abs=1e-12)
        nmi = normalized_mutual_info_score(truth, predicted)
        assert scores["nmi"] == pytest.approx(nmi, abs=1e-12)
        assert scores["acc"] == pytest.approx(best["acc"])
        assert scores["f1"] == pytest.approx(best["f1"])
        assert scores["n_clusters"] == len(np.unique(clusters))
        assert scores["n_scored"] == len(truth)
        without_label += len(np.unique(clusters)) > len(np.unique(predicted))
        one_class += len(np.unique(truth)) == 1
        one_cluster += len(np.unique(clusters)) == 1
    assert min(without_label, one_class, one_cluster) > 5  # the odd cases are there


def f1_of_best_matches(truth: NDArray[np.str_], predicted: NDArray[np.int64]) -> dict[str, float]:
    """Match with scipy on a table counted cell by cell, then score with scikit-learn."""
    classes, clusters = list(dict.fromkeys(truth)), list(dict.fromkeys(predicted))
    table = np.zeros((len(classes), len(clusters)))
    for label, cluster in zip(truth, predicted, strict=True):
        table[classes.index(label), clusters.index(cluster)] += 1
    pairs = zip(*linear_sum_assignment(-table), strict=True)
    names = {clusters[column]: classes[row] for row, column in pairs}
    named = np.array([names.get(cluster, "left over") for cluster in predicted])
    f1 = f1_score(truth, named, labels=classes, average="macro", zero_division=0)
    return {"acc": accuracy_score(truth, named), "f1": f1}


@given(labelings)
def test_rand_index_equals_its_definition_over_all_pairs(
    labels: tuple[list[int], list[int]],
) -> None:
    first, second = labels
    pairs = list(itertools.combinations(range(len(first)), 2))
    in_first = [first[i] == first[j] for i, j in pairs]
    in_second = [second[i] == second[j] for i, j in pairs]
    both = sum(a and b for a, b in zip(in_first, in_second, strict=True))
    chance = sum(in_first) * sum(in_second) / max(comb(len(first), 2), 1)
    most = (sum(in_first) + sum(in_second)) / 2

    expected = 1.0 if most == chance else (both - chance) / (most - chance)

    assert metrics.adjusted_rand_index(first, second) == pytest.approx(expected)


@given(labelings, st.permutations(range(8)))
def test_names_of_clusters_and_order_of_cells_do_not_matter(
    labels: tuple[list[int], list[int]], renaming: list[int]
) -> None:
    truth, predicted = (np.array(side) for side in labels)
    order = np.random.default_rng(0).permutation(len(truth))

    expected = metrics.score(truth, predicted)
    renamed = metrics.score(truth[order], [f"cluster {renaming[k]}" for k in predicted[order]])

    # F1 may differ between equally good matches, so its invariance is claimed for unique ones only.
    for key in ("acc", "nmi", "ari"):
        assert renamed[key] == pytest.approx(expected[key])


@given(labelings)
def test_scores_stay_in_their_range_and_are_one_for_equal_partitions(
    labels: tuple[list[int], list[int]],
) -> None:
    truth, predicted = labels
    scores = metrics.score(truth, predicted)
    perfect = metrics.score(truth, truth)

    assert 0 <= scores["f1"] <= 1
    assert 0 < scores["acc"] <= 1
    assert 0 <= scores["nmi"] <= 1
    assert -0.5 <= scores["ari"] <= 1
    assert [perfect[key] for key in ("acc", "nmi", "ari", "f1")] == pytest.approx([1.0] * 4)


def test_rand_index_stays_exact_beyond_64_bits() -> None:
    # 2e12 pairs of cells: their square no longer fits.
    labels = np.repeat([0, 1], 1_000_000)

    assert metrics.adjusted_rand_index(labels, 1 - labels) == 1.0


# ---------------------------------------------------------------- agreement between seeds


def test_every_pair_of_seeds_is_compared_in_order() -> None:
    partitions = [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]]

    assert metrics.pairwise_ari(partitions) == pytest.approx([1.0, -0.5, -0.5])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param([0, 1], [0, 1, 1], id="lengths"),
        pytest.param([0, np.nan], [0, 1], id="no cluster"),
        pytest.param([], [], id="no cells"),
    ],
)
def test_partitions_of_other_cells_are_not_compared(
    first: list[float], second: list[float]
) -> None:
    with pytest.raises(InputError, match="wanted the same cells twice"):
        metrics.pairwise_ari([first, second])


def test_one_seed_has_no_pairs() -> None:
    assert metrics.pairwise_ari([[0, 1]]).shape == (0,)


# ---------------------------------------------------------------- continuity on the tissue

LINE = np.c_[np.arange(6.0), np.zeros(6)]  # six spots in a row, one unit apart


def test_a_line_of_two_domains_scores_as_computed_by_hand() -> None:
    scores = metrics.spatial_scores([0, 0, 0, 1, 1, 1], LINE, n_neighbors=2)

    # Neighbours of the spots: 12, 02, 13, 24, 35, 34 -> one of two wrong at spots 2 and 3.
    assert scores["purity"] == pytest.approx(5 / 6)
    assert scores["pas"] == 0.0
    assert scores["chaos"] == pytest.approx(1 / np.arange(6).std())


def test_alternating_domains_are_all_abnormal() -> None:
    labels = [0, 1, 0, 1, 0, 1]

    assert metrics.pas(labels, LINE, n_neighbors=1) == 1.0
    assert metrics.local_purity(labels, LINE, n_neighbors=1) == 0.0
    assert metrics.chaos(labels, LINE) == pytest.approx(2 / np.arange(6).std())


def test_a_tie_among_neighbours_is_not_abnormal() -> None:
    assert metrics.pas(["a", "a", "b"], LINE[:3], n_neighbors=2) == pytest.approx(1 / 3)


def test_domains_of_up_to_two_spots_add_nothing_to_chaos_but_count_in_its_mean() -> None:
    labels = ["a", "a", "a", "b", "b", "c"]

    assert metrics.chaos(labels, LINE) == pytest.approx(3 / np.arange(6).std() / 6)


def test_one_domain_is_pure_and_without_abnormal_spots() -> None:
    rng = np.random.default_rng(0)

    scores = metrics.spatial_scores(np.zeros(30, int), rng.normal(size=(30, 3)))

    assert (scores["pas"], scores["purity"]) == (0.0, 1.0)


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=30),
    st.integers(0, 100),
    st.floats(0.01, 100),
)
def test_spatial_scores_ignore_names_order_unit_and_origin(
    labels: list[int], seed: int, unit: float
) -> None:
    rng = np.random.default_rng(seed)
    coords, order = rng.normal(size=(len(labels), 2)), rng.permutation(len(labels))
    renamed = np.array([f"domain {9 - label}" for label in labels])

    expected = metrics.spatial_scores(labels, coords)
    scores = metrics.spatial_scores(renamed[order], unit * (coords[order] + 3.0))

    assert dict(scores) == pytest.approx(dict(expected))


def test_continuity_equals_its_dense_definition() -> None:
    rng = np.random.default_rng(1)
    labels, coords = rng.integers(0, 4, 80), rng.normal(size=(80, 2))
    scaled = coords / coords.std(axis=0)
    distance = np.linalg.norm(scaled[:, None] - scaled[None], axis=2) + np.diag(np.full(80, np.inf))
    same = labels[:, None] == labels[None]
    raw = np.linalg.norm(coords[:, None] - coords[None], axis=2) + np.diag(np.full(80, np.inf))
    nearest = raw.argsort(axis=1)[:, :10]
    agree = np.take_along_axis(same, nearest, axis=1)

    scores = metrics.spatial_scores(labels, coords)

    assert scores["chaos"] == pytest.approx(np.where(same, distance, np.inf).min(axis=1).mean())
    assert scores["purity"] == pytest.approx(agree.mean())
    assert scores["pas"] == pytest.approx(((~agree).sum(axis=1) > 5).mean())


@pytest.mark.parametrize(
    ("labels", "coords", "complaint"),
    [
        pytest.param([0], LINE[:1], "got 1 spot,", id="one spot"),
        pytest.param([0, 0, None], LINE[:3], "3 spots, 1 of them without a domain", id="no domain"),
        pytest.param([0, 1, 1], LINE, "for 3 spots", id="lengths"),
    ],
)
def test_spots_that_cannot_be_scored_are_said_in_one_line(
    labels: list[object], coords: np.ndarray, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        metrics.spatial_scores(labels, coords)


def test_partitions_of_other_cells_are_counted() -> None:
    with pytest.raises(InputError, match=r"got 3 and 2 cells, 1 of them without a cluster"):
        metrics.adjusted_rand_index([0, 1, None], [0, 1])


@pytest.mark.parametrize("score", [metrics.pas, metrics.local_purity])
def test_ten_spots_are_near_by_default(score) -> None:
    rng = np.random.default_rng(0)
    labels, coords = rng.integers(0, 2, 201), rng.random((201, 2))
    values = [score(labels, coords, n) for n in (9, 10, 11)]
    assert score(labels, coords) == values[1]
    assert len(set(values)) == 3
