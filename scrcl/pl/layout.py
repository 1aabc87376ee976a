"""Places in the plane, by igraph: of cells by UMAP, of linked groups by springs.

igraph is compiled; ``umap-learn`` would compile itself for some ten seconds in every new process.
"""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import igraph
import numpy as np
import scipy.sparse as sp
from sklearn.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MAX_OPTIMISED = 10_000
"""Cells whose places are optimised, about a millisecond each; others follow their neighbours."""

_N_NEIGHBORS = 15
_N_EPOCHS = 50  # 100 and more are as faithful to the last percent, and take their time
_MIN_DIST = 0.3
_START_WIDTH = 20.0  # about as wide as the result
_JITTER = 1e-3
_N_LEADERS = 5


def nearest_cells(embedding: NDArray[np.floating]) -> sp.csr_matrix:
    """Find the 15 nearest cells of each, itself included, by cosine distance; all pairs are compared.

    Parameters
    ----------
    embedding
        Finite, (n_obs, n_latent), two cells or more.

    Returns
    -------
    Cosine distances from each cell (row) to its neighbours, (n_obs, n_obs), itself not stored.
    """
    points = unit_rows(embedding)
    n_others = min(_N_NEIGHBORS, len(points)) - 1
    search = NearestNeighbors(n_neighbors=n_others, algorithm="brute").fit(points)
    distances, neighbors = search.kneighbors()  # of the points themselves: without themselves
    starts = np.arange(0, neighbors.size + 1, n_others)
    shape = (len(points), len(points))
    return sp.csr_matrix(((distances**2 / 2).ravel(), neighbors.ravel(), starts), shape=shape)


def umap_plane(embedding: NDArray[np.floating], *, seed: int) -> NDArray[np.float32]:
    """Lay cells out by UMAP, started from the two leading components.

    Of more than `MAX_OPTIMISED` cells, a random sample is laid out and each other cell lies between
    the five cells of the sample that are nearest to it, which takes time linear in their number.

    Parameters
    ----------
    embedding
        Finite, (n_obs, n_latent), two cells or more.
    seed
        Of the sample, of the start and of the optimisation; no global state is left changed.

    Returns
    -------
    Coordinates, (n_obs, 2).
    """
    n_obs, rng = len(embedding), np.random.default_rng(seed)
    if n_obs <= MAX_OPTIMISED:
        return _optimised(embedding, rng)
    leading = np.zeros(n_obs, dtype=bool)
    leading[rng.choice(n_obs, MAX_OPTIMISED, replace=False)] = True
    plane = np.empty((n_obs, 2), dtype=np.float32)
    plane[leading] = _optimised(embedding[leading], rng)
    leaders = NearestNeighbors(n_neighbors=_N_LEADERS, algorithm="brute")
    leaders.fit(unit_rows(embedding[leading]))
    distances, nearest = leaders.kneighbors(unit_rows(embedding[~leading]))
    closeness = 1 / np.maximum(distances, 1e-6)
    share = closeness / closeness.sum(axis=1, keepdims=True)
    plane[~leading] = np.einsum("nk,nkd->nd", share, plane[leading][nearest])
    return plane


def spring_plane(weights: NDArray[np.float64], *, seed: int) -> NDArray[np.float64]:
    """Place the nodes of a weighted graph by the forces of Fruchterman and Reingold, (n_nodes, 2)."""
    n_nodes = len(weights)
    source, target = np.nonzero(np.triu(weights, 1))
    graph = igraph.Graph(n=n_nodes, edges=np.column_stack([source, target]))
    start = np.random.default_rng(seed).normal(size=(n_nodes, 2)) * np.sqrt(n_nodes)
    with _seeded_igraph(seed):
        found = graph.layout_fruchterman_reingold(
            weights=weights[source, target].tolist(), seed=start.tolist(), niter=1000
        )
    return np.array(found.coords)


def unit_rows(embedding: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows of length one, so that Euclidean distances order as cosines do; all-zero rows stay."""
    points = np.asarray(embedding, dtype=np.float32)
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _optimised(embedding: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float32]:
    distances = nearest_cells(embedding).tocoo()
    edges = np.column_stack([distances.row, distances.col])
    graph = igraph.Graph(n=len(embedding), edges=edges, directed=True)
    weights = igraph.umap_compute_weights(graph, distances.data.tolist())
    # Cells that are equal start apart, or no force could part them.
    start = _leading_plane(embedding) + rng.normal(scale=_JITTER, size=(len(embedding), 2))
    with _seeded_igraph(int(rng.integers(2**31))):
        found = graph.layout_umap(
            weights=weights, seed=start.tolist(), epochs=_N_EPOCHS, min_dist=_MIN_DIST
        )
    return np.array(found.coords, dtype=np.float32)


def _leading_plane(embedding: NDArray[np.floating]) -> NDArray[np.float64]:
    """Two leading principal components of the directions of cells, as wide as a layout, (n_obs, 2)."""
    points = unit_rows(embedding).astype(np.float64)
    points -= points.mean(axis=0)
    axes = np.linalg.eigh(points.T @ points)[1][:, ::-1][:, :2]
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1, 1)
    plane = np.zeros((len(points), 2))
    plane[:, : axes.shape[1]] = points @ axes
    span = np.ptp(plane[:, 0])
    return plane * (_START_WIDTH / span if span > 0 else 1)


@contextmanager
def _seeded_igraph(seed: int) -> Iterator[None]:
    """Give igraph a generator of our own, and its usual one back afterwards."""
    igraph.set_random_number_generator(random.Random(seed))
    try:
        yield
    finally:
        igraph.set_random_number_generator(random)
