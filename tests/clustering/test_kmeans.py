"""The paper's k-means against a plain re-statement of its text, and at its edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrcl._validate import InputError
from scrcl.clustering import kmeans
from scrcl.clustering.kmeans import cosine_kmeans


def blobs(n_each: int = 30, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three bundles of directions, lengths between 0.5 and 5."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([0, 1, 2], n_each)
    points = np.eye(3)[truth] + rng.normal(scale=0.1, size=(3 * n_each, 3))
    return points * rng.uniform(0.5, 5, size=(len(points), 1)), truth


def test_directions_decide_and_lengths_do_not() -> None:
    points, truth = blobs()

    labels = cosine_kmeans(points, 3, seed=0)

    pairs = {(a, b) for a, b in zip(truth.tolist(), labels.tolist(), strict=True)}
    assert len(pairs) == 3


def test_result_equals_the_protocol_spelled_out_cell_by_cell() -> None:
    rng = np.random.default_rng(4)
    points = rng.normal(size=(60, 4))

    def cosine_distance(a: np.ndarray, b: np.ndarray) -> float:
        return 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    draws_rng = np.random.default_rng(7)
    draws = [points[draws_rng.choice(60, 5, replace=False)] for _ in range(20)]
    totals = [sum(cosine_distance(p, c) for p in points for c in centers) for centers in draws]
    centers = draws[int(np.argmin(totals))]
    for _ in range(500):
        expected = np.array([np.argmin([cosine_distance(p, c) for c in centers]) for p in points])
        moved = np.array([points[expected == k].mean(axis=0) for k in range(5)])
        shift = sum(np.linalg.norm(moved[k] - centers[k]) for k in range(5))
        centers = moved
        if shift**2 < 1e-4:
            break

    np.testing.assert_array_equal(cosine_kmeans(points, 5, seed=7), expected)


def test_same_seed_gives_the_same_clusters_and_leaves_the_global_state_alone() -> None:
    points, _ = blobs()
    points.flags.writeable = False
    before = np.random.get_state()[1].copy()  # noqa: NPY002  (that nobody touches it is the claim)

    first, second = (cosine_kmeans(points, 4, seed=3) for _ in range(2))

    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_an_empty_cluster_starts_again_at_the_cell_farthest_from_its_centre() -> None:
    points = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    labels = np.array([0, 0, 0])
    distance = np.array([[0.1, 1.0], [0.0, 1.0], [0.9, 1.0]])

    centers = kmeans._mean_centers(points, labels, distance)

    np.testing.assert_allclose(centers, [[2 / 3, 1.1 / 3], [0.0, 1.0]])


def test_several_empty_clusters_start_at_different_cells() -> None:
    points = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    distance = np.array([[0.1, 1.0, 1.0], [0.3, 1.0, 1.0], [0.2, 1.0, 1.0]])

    centers = kmeans._mean_centers(points, np.array([0, 0, 0]), distance)

    np.testing.assert_allclose(centers[1:], [[0.0, 1.0], [1.0, 1.0]])


@pytest.mark.parametrize("seed", range(5))
def test_no_cluster_is_lost_where_the_official_code_divides_by_zero(seed: int) -> None:
    # 99 equal cells and 3 others: nearly every draw gives equal centres, all but one of them empty.
    points = np.vstack([np.tile([1.0, 0.0], (99, 1)), [[0.0, 1.0], [-1.0, 0.2], [0.5, -1.0]]])

    assert len(np.unique(cosine_kmeans(points, 4, seed=seed))) == 4


def test_equal_cells_end_in_one_cluster_instead_of_running_on() -> None:
    assert set(cosine_kmeans(np.ones((10, 3)), 4, seed=0)) == {0}


def test_cells_without_direction_are_clustered_too() -> None:
    points, _ = blobs()
    points[0] = 0.0

    assert np.isin(cosine_kmeans(points, 3, seed=0), [0, 1, 2]).all()


@given(st.integers(1, 6), st.integers(0, 50))
def test_every_cell_is_in_the_cluster_of_its_nearest_mean(n_clusters: int, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(40, 3))
    labels = cosine_kmeans(points, n_clusters, seed=seed)
    present = np.unique(labels)
    means = np.array([points[labels == k].mean(axis=0) for k in present])
    means /= np.linalg.norm(means, axis=1, keepdims=True)

    # Converged to a shift of 0.01 only: a cell at a border may still be this much off.
    similarity = points / np.linalg.norm(points, axis=1, keepdims=True) @ means.T
    own = similarity[np.arange(40), np.searchsorted(present, labels)]
    assert (own >= similarity.max(axis=1) - 0.1).all()


@pytest.mark.parametrize("n_clusters", [0, -1, 5])
def test_an_impossible_number_of_clusters_is_refused(n_clusters: int) -> None:
    with pytest.raises(InputError, match=rf"n_clusters: got {n_clusters}, wanted .* at most 4"):
        cosine_kmeans(np.eye(4), n_clusters, seed=0)


def test_an_embedding_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InputError, match="NaN or infinite"):
        cosine_kmeans(np.array([[1.0, np.nan], [0.0, 1.0]]), 2, seed=0)
