"""The paper's k-means by cosine distance. It is kept for the presets that reproduce the paper."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from scrcl._threads import one_core
from scrcl._validate import InputError, check_range

N_DRAWS = 20
MAX_ROUNDS = 500
TOLERANCE = 1e-4


@one_core()
def cosine_kmeans(z: ArrayLike, n_clusters: int, *, seed: int) -> NDArray[np.intp]:
    r"""Cluster cells by Lloyd's algorithm with cosine distance and mean centres.

    Of 20 random draws of ``n_clusters`` cells, the one with the smallest total distance
    (:math:`\sum_{i,k} 1 - \cos(z_i, c_k)`, all cells to all centres) gives the first centres. Then
    cells go to their nearest centre and centres to the mean of their cells, until the squared sum
    of the centres' shifts is below 1e-4, or for 500 rounds.

    Deviation: a cluster that runs empty is started again at the cell that is farthest from its
    own centre. The official code divides by zero there, and every label becomes 0.

    Parameters
    ----------
    z
        Embedding, shape (n_obs, n_features).
    n_clusters
        Number of clusters, at most the number of cells. Fewer come back if the embedding has fewer
        distinct directions.
    seed
        Seed of the draws; the global random state is neither read nor changed.

    Returns
    -------
    Cluster of each cell, shape (n_obs,), from 0 to ``n_clusters - 1``.

    Raises
    ------
    InputError
        If ``n_clusters`` is below 1 or above the number of cells, or a value is not finite.
    """
    points = np.asarray(z)
    check_range(n_clusters, "n_clusters", 1, len(points), hint="There are no more cells than that.")
    if not np.isfinite(points).all():
        msg = "embedding: got NaN or infinite values, wanted finite ones. Lower the learning rate."
        raise InputError(msg)
    directions = _unit_rows(points)
    centers = _first_centers(points, directions, n_clusters, np.random.default_rng(seed))
    for _ in range(MAX_ROUNDS):
        distance = 1 - directions @ _unit_rows(centers).T  # (n_obs, n_clusters)
        labels: NDArray[np.intp] = distance.argmin(axis=1)
        moved = _mean_centers(points, labels, distance)
        shift = np.linalg.norm(moved - centers, axis=1).sum()
        centers = moved
        if shift**2 < TOLERANCE:
            break
    return labels


def _first_centers(
    points: NDArray[np.floating],
    directions: NDArray[np.floating],
    n_clusters: int,
    rng: np.random.Generator,
) -> NDArray[np.floating]:
    """Return the drawn cells with the smallest summed distance to all cells."""
    draws = [rng.choice(len(points), n_clusters, replace=False) for _ in range(N_DRAWS)]
    # Summed over cells, 1 - cos(z_i, c) needs only the sum of all directions.
    to_all_cells = len(points) - directions @ directions.sum(axis=0)
    best = min(draws, key=lambda drawn: to_all_cells[drawn].sum())
    centers: NDArray[np.floating] = points[best]
    return centers


def _mean_centers(
    points: NDArray[np.floating], labels: NDArray[np.intp], distance: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Mean of each cluster's cells, shape (n_clusters, n_features); farthest cells for empty ones."""
    n_obs, n_clusters = distance.shape
    sizes = np.bincount(labels, minlength=n_clusters)
    ones = np.ones(n_obs, dtype=points.dtype)
    members = csr_array((ones, (labels, np.arange(n_obs))), shape=(n_clusters, n_obs))
    centers: NDArray[np.floating] = (members @ points) / np.maximum(sizes, 1)[:, None]
    empty = np.flatnonzero(sizes == 0)
    farthest = np.argsort(-distance[np.arange(n_obs), labels], kind="stable")[: len(empty)]
    centers[empty] = points[farthest]
    return centers


def _unit_rows(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """Scale rows to unit length; a row of zeros stays and is at distance 1 from everything."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.floating] = rows / np.where(length > 0, length, 1)
    return unit
