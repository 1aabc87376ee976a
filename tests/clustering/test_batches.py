"""Batches out of an embedding."""

import numpy as np
import pytest

from scrcl import InputError
from scrcl.clustering.batches import correct
from scrcl.clustering.partitions import leading_components

BATCHES = np.repeat(["a", "b"], 100)


def shifted(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two types in two batches that lie apart; points and types."""
    rng = np.random.default_rng(seed)
    types = np.arange(200) % 2
    points = rng.normal(size=(200, 6))
    points[:, 0] += 6 * types
    points[BATCHES == "b", 1] += 2
    return points, types


def between(points: np.ndarray, groups: np.ndarray) -> float:
    """Distance of the means of two groups, in units of the overall spread."""
    first, second = np.unique(groups)
    gap = points[groups == first].mean(0) - points[groups == second].mean(0)
    return float(np.linalg.norm(gap) / points.std())


def test_batches_come_together_and_types_stay_apart() -> None:
    points, types = shifted()

    corrected = correct(points, BATCHES, seed=0)

    assert between(corrected, BATCHES) < 0.3 * between(points, BATCHES)
    assert between(corrected, types) > 0.7 * between(points, types)


def test_the_same_seed_gives_the_same_bits() -> None:
    points, _ = shifted()
    np.testing.assert_array_equal(
        correct(points, BATCHES, seed=3), correct(points, BATCHES, seed=3)
    )


def test_the_input_stays_and_the_width_is_at_most_thirty() -> None:
    points = np.random.default_rng(0).normal(size=(200, 64))
    points.flags.writeable = False
    assert correct(points, BATCHES, seed=0).shape == (200, 30)


def test_one_batch_is_left_as_it_is() -> None:
    points, _ = shifted()
    np.testing.assert_array_equal(
        correct(points, np.repeat("a", 200), seed=0), leading_components(points, 30)
    )


def test_a_batch_of_one_cell_is_refused() -> None:
    points, _ = shifted()
    with pytest.raises(InputError, match="batch key: got 1 cell in batch 'c'"):
        correct(points, np.array(["c", *BATCHES[1:]]), seed=0)
