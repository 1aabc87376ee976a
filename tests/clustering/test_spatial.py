"""The majority vote on drawn tissues, against its dense definition, and its symmetries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrcl._validate import InputError
from scrcl.clustering import spatial
from scrcl.clustering.spatial import majority_vote


def tissue(drawing: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and positions from a drawing, one letter a spot."""
    spots = [
        (letter, (x, y)) for y, line in enumerate(drawing.split()) for x, letter in enumerate(line)
    ]
    letters, places = zip(*spots, strict=True)
    return np.array(letters), np.array(places, dtype=float)


def test_a_lone_spot_takes_the_label_around_it() -> None:
    labels, coords = tissue("""
        aaaaa
        aabaa
        aaaaa
    """)

    assert set(majority_vote(labels, coords, 8)) == {"a"}


def test_a_straight_border_stays_where_it_is() -> None:
    labels, coords = tissue("""
        aaabbb
        aaabbb
        aaabbb
        aaabbb
    """)

    np.testing.assert_array_equal(majority_vote(labels, coords, 4), labels)


def test_a_tie_keeps_the_spots_own_label() -> None:
    labels, coords = np.array(["b", "a", "c"]), np.array([[0.0, 0], [1, 0], [-1.5, 0]])

    # Spot 0 sees one a and one c: neither is its own, the nearer one (a) wins.
    # Spot 1 sees b and c; b is nearer. Spot 2 sees b and a; b is nearer.
    assert majority_vote(labels, coords, 2).tolist() == ["a", "b", "b"]
    assert majority_vote(["a", "a", "c"], coords, 2).tolist() == ["a", "a", "a"]


def test_slices_do_not_vote_for_each_other() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    coords = np.array([[0.0, 0], [1, 0], [2, 0]] * 2)

    alone = majority_vote(labels, coords, 2, slices=["x"] * 3 + ["y"] * 3)
    mixed = majority_vote(labels, coords, 1)

    np.testing.assert_array_equal(alone, labels)
    np.testing.assert_array_equal(mixed, 1 - labels)  # spots in one place swap their labels


def test_no_neighbours_leaves_the_labels_as_they_are() -> None:
    labels, coords = tissue("abab")
    labels.flags.writeable = False

    np.testing.assert_array_equal(majority_vote(labels, coords, 0), labels)


def test_a_slice_of_one_spot_keeps_its_label() -> None:
    coords = np.zeros((3, 2))

    assert majority_vote([5, 6, 6], coords, 4, slices=[0, 1, 1]).tolist() == [5, 6, 6]


def test_more_neighbours_than_spots_lets_all_others_vote() -> None:
    labels, coords = tissue("aab")

    assert majority_vote(labels, coords, 50).tolist() == ["a", "a", "a"]


def test_blocks_give_the_same_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels, coords = rng.integers(0, 4, 100), rng.normal(size=(100, 2))
    whole = majority_vote(labels, coords, 9)

    monkeypatch.setattr(spatial, "_BLOCK", 7)

    np.testing.assert_array_equal(majority_vote(labels, coords, 9), whole)


@given(st.integers(0, 1000), st.integers(1, 12))
def test_vote_equals_its_dense_definition(seed: int, n_neighbors: int) -> None:
    rng = np.random.default_rng(seed)
    labels, coords = rng.integers(0, 4, 40), rng.normal(size=(40, 2))
    distance = np.linalg.norm(coords[:, None] - coords[None], axis=2)
    expected = []
    for spot in range(40):
        order = [i for i in distance[spot].argsort() if i != spot][:n_neighbors]
        votes = [labels[i] for i in order]
        most = max(votes.count(label) for label in votes)
        if votes.count(labels[spot]) == most:
            expected.append(labels[spot])
        else:
            expected.append(next(label for label in votes if votes.count(label) == most))

    np.testing.assert_array_equal(majority_vote(labels, coords, n_neighbors), expected)


@given(st.integers(0, 1000))
def test_names_and_order_of_spots_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = np.array([(x, y) for x in range(6) for y in range(6)], dtype=float)
    labels, order = rng.integers(0, 3, 36), rng.permutation(36)
    names = np.array(["z", "m", "a"])

    voted = majority_vote(labels, grid, 8)
    shuffled = majority_vote(names[labels[order]], grid[order], 8)

    np.testing.assert_array_equal(shuffled, names[voted[order]])


@pytest.mark.parametrize(
    ("n_coords", "n_slices", "n_neighbors", "complaint"),
    [
        pytest.param(2, 3, 1, "3 labels, 2 positions and 3 names of slices", id="positions"),
        pytest.param(3, 2, 1, "3 labels, 3 positions and 2 names of slices", id="slices"),
        pytest.param(3, 3, -1, "n_neighbors: got -1", id="neighbours"),
    ],
)
def test_what_does_not_fit_is_refused(
    n_coords: int, n_slices: int, n_neighbors: int, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        majority_vote([0, 1, 1], np.zeros((n_coords, 2)), n_neighbors, slices=[0] * n_slices)
