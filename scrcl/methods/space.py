"""A space with labelled training cells: what is near decides, and how near says how surely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

from scrcl._validate import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_VOTERS = 15
"""Nearest training cells that vote; as many as link a cell in the default cell graph."""
MAX_REFERENCE = 20_000
"""Training cells that are kept, as a random sample, for new ones to be compared with."""
_BLOCK = 4_096
_USUAL = 0.99
"""Share of a cluster's own cells that lie no farther out than its radius."""
_DOUBTED = 0.01
"""Share of the training cells that would be called unknown, were they new."""


class LeftOut(NamedTuple):
    """The nearest others of each training cell, as if it were new."""

    rows: NDArray[np.intp]  # (n_ref, n_voters) of the training cells
    distances: NDArray[np.float64]  # (n_ref,) mean distance to them


class Votes(NamedTuple):
    """What the nearest training cells say."""

    shares: NDArray[np.float64]  # (n_cells, n_clusters) share of the voters in each cluster
    distances: NDArray[np.float64]  # (n_cells,) mean distance to them


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSpace:
    """Training cells, their clusters, and how far apart they usually are.

    Attributes
    ----------
    points
        Training cells, (n_ref, width).
    labels
        Their clusters, (n_ref,).
    radii
        Of each cluster, (n_clusters,): 99 % of its cells lie no farther from their nearest others.
    threshold
        Confidence below which a cell is unknown: the 1 % quantile of the training cells' own, each
        mapped as if it were new. No label is needed for it.
    """

    points: NDArray[np.float32]
    labels: NDArray[np.int32]
    radii: NDArray[np.float32]
    threshold: float

    def vote(self, points: NDArray[np.float32]) -> Votes:
        """Let the nearest training cells vote on new ones, (n_cells, width)."""
        distances, rows = nearest(self.points, points, N_VOTERS)
        return Votes(_shares(self.labels[rows], len(self.radii)), distances.mean(axis=1))

    def confidence(
        self, shares: NDArray[np.float64], distances: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """How sure the winners of a vote are, (n_cells,), 0 to 1; see `_confidence`."""
        return _confidence(shares, distances, self.radii)


def labelled_space(
    points: NDArray[np.float32],
    labels: NDArray[np.integer],
    *,
    as_new: NDArray[np.float32] | None = None,
) -> LabelledSpace:
    """Build the space; measure its radii and threshold by leaving each training cell out.

    Parameters
    ----------
    points
        Training cells, (n_ref, width).
    labels
        Their clusters, (n_ref,).
    as_new
        The same cells as they would look if they were new; the points themselves by default.
    """
    left_out = nearest_others(points, points if as_new is None else as_new)
    return label_space(points, labels, left_out, n_clusters=int(labels.max()) + 1)


def nearest_others(points: NDArray[np.float32], as_new: NDArray[np.float32]) -> LeftOut:
    """Find the nearest others of each training cell; both arrays (n_ref, width)."""
    distances, rows = nearest(points, as_new, N_VOTERS, without_self=True)
    return LeftOut(rows, distances.mean(axis=1))


def label_space(
    points: NDArray[np.float32],
    labels: NDArray[np.integer],
    left_out: LeftOut,
    *,
    n_clusters: int,
) -> LabelledSpace:
    """As `labelled_space`, from neighbours that are found already: other labels cost little."""
    codes: NDArray[np.int32] = labels.astype(np.int32)
    overall = np.quantile(left_out.distances, _USUAL)
    radii = np.full(n_clusters, overall, dtype=np.float32)
    for cluster in range(n_clusters):
        own = left_out.distances[codes == cluster]
        if len(own) > N_VOTERS:  # fewer say nothing of how far out their like may lie
            radii[cluster] = np.quantile(own, _USUAL)
    shares = _shares(codes[left_out.rows], n_clusters)
    confidence = _confidence(shares, left_out.distances, radii)
    return LabelledSpace(
        points=points,
        labels=codes,
        radii=radii,
        threshold=float(np.quantile(confidence, _DOUBTED)),
    )


def sample(n_obs: int, *, seed: int) -> NDArray[np.intp]:
    """Rows of the training cells that are kept, ascending: all of them up to 20,000."""
    if n_obs <= MAX_REFERENCE:
        return np.arange(n_obs)
    return np.sort(np.random.default_rng(seed).choice(n_obs, MAX_REFERENCE, replace=False))


def nearest(
    reference: NDArray[np.float32],
    points: NDArray[np.float32],
    n_nearest: int,
    *,
    without_self: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distances and rows of the nearest reference cells, both (n_cells, n_nearest).

    ``without_self``: row i of the points is row i of the reference and is not its own neighbour.
    """
    if not (np.isfinite(points).all() and np.isfinite(reference).all()):
        msg = (
            "model: got an embedding that is not finite, wanted finite numbers. The model is damaged "
            "or the cells hold huge values: load the model anew, look at the largest values."
        )
        raise InputError(msg)
    n_listed = min(n_nearest + without_self, len(reference))
    search = NearestNeighbors(n_neighbors=n_listed, algorithm="brute").fit(reference)
    distances = np.empty((len(points), n_listed))
    rows = np.empty((len(points), n_listed), dtype=np.intp)
    for start in range(0, len(points), _BLOCK):
        block = slice(start, start + _BLOCK)
        distances[block], rows[block] = search.kneighbors(points[block])
    if not without_self or n_listed < 2:
        return distances, rows
    own = rows == np.arange(len(points))[:, None]
    own[~own.any(axis=1), -1] = True  # duplicates may have pushed it out of the list
    shape = (len(points), n_listed - 1)
    return distances[~own].reshape(shape), rows[~own].reshape(shape)


def _shares(labels: NDArray[np.int32], n_clusters: int) -> NDArray[np.float64]:
    """Share of each cluster, (n_cells, n_clusters), among the labels of voters, (n_cells, n_voters)."""
    shares = np.zeros((len(labels), n_clusters))
    np.add.at(shares, (np.arange(len(labels))[:, None], labels), 1.0 / labels.shape[1])
    return shares


def _confidence(
    shares: NDArray[np.float64], distances: NDArray[np.float64], radii: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Share of the votes for the winner; lessened in proportion beyond its cluster's radius."""
    radius = radii[shares.argmax(axis=1)]
    beyond = np.maximum(distances / np.maximum(radius, np.finfo(np.float32).tiny), 1.0)
    return np.asarray((shares.max(axis=1) / beyond).clip(0, 1), dtype=np.float32)
