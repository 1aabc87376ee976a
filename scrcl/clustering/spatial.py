"""Refinement of spatial domains by the spots around them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scrcl._text import counted
from scrcl._validate import InputError, check_range
from scrcl.data.spatial import nearest_spots

# Spots whose votes are counted at once: keeps the (spots, labels) table of counts small.
_BLOCK = 65_536


def majority_vote(
    labels: ArrayLike, coords: ArrayLike, n_neighbors: int, slices: ArrayLike | None = None
) -> NDArray[np.generic]:
    """Replace each spot's label by the most frequent one among its nearest spots.

    The spot itself has no vote, as in the official code, but its label wins a tie in which it
    takes part (a deviation: there, the nearest wins). Any other tie goes to the label that occurs
    nearest.

    Parameters
    ----------
    labels
        Domain of each spot, shape (n_obs,).
    coords
        Positions, shape (n_obs, 2) or (n_obs, 3), any unit.
    n_neighbors
        Number of voting spots; 0 returns the labels as they are, and a slice with fewer other
        spots lets all of them vote.
    slices
        Slice of each spot, shape (n_obs,); only spots of the same slice vote. ``None``: one slice.

    Returns
    -------
    New labels, shape (n_obs,), of the dtype of ``labels``.

    Raises
    ------
    InputError
        If the lengths do not fit or ``n_neighbors`` is negative.
    """
    names, codes = np.unique(np.asarray(labels), return_inverse=True)
    positions = np.asarray(coords, dtype=np.float64)
    groups = np.zeros(len(codes)) if slices is None else np.asarray(slices)
    if not len(codes) == len(positions) == len(groups):
        msg = (
            f"majority vote: got {counted(len(codes), 'labels')}, {counted(len(positions), 'positions')} and "
            f"{counted(len(groups), 'names')} of slices, wanted as many of each. Take all from the same spots."
        )
        raise InputError(msg)
    check_range(n_neighbors, "n_neighbors", 0, hint="0 switches the vote off.")
    voted = codes.copy()
    for group in np.unique(groups):
        spots = np.flatnonzero(groups == group)
        nearest = nearest_spots(positions[spots], n_neighbors)
        voted[spots] = _vote(codes[spots], nearest)
    refined: NDArray[np.generic] = names[voted]
    return refined


def _vote(codes: NDArray[np.intp], nearest: NDArray[np.intp]) -> NDArray[np.intp]:
    """Most frequent code among the neighbours of each spot, shape (n_obs,)."""
    voted = codes.copy()
    if nearest.shape[1] == 0:
        return voted
    n_labels = int(codes.max()) + 1
    for start in range(0, len(codes), _BLOCK):
        own = codes[start : start + _BLOCK]
        around = codes[nearest[start : start + _BLOCK]]  # (block, n_neighbors), nearest first
        cells = np.arange(len(own))[:, None] * n_labels + around
        counts = np.bincount(cells.ravel(), minlength=len(own) * n_labels)
        # argmax takes the first of equal values, hence the label that occurs nearest.
        winner = np.take_along_axis(around, counts[cells].argmax(axis=1)[:, None], axis=1)[:, 0]
        counts = counts.reshape(len(own), n_labels)
        rows = np.arange(len(own))
        tied = counts[rows, own] == counts[rows, winner]
        voted[start : start + _BLOCK] = np.where(tied, own, winner)
    return voted
