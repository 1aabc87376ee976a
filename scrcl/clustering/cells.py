"""The label-free clustering of cells: many views, many partitions, one consensus."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from scrcl.clustering.consensus import consensus_tree
from scrcl.clustering.n_clusters import (
    DEFAULT_RANGE,
    best_n_clusters,
    n_clusters_curve,
    separation,
)
from scrcl.clustering.partitions import N_COMPONENTS, partitions, spaces
from scrcl.clustering.result import Clustering

# Beyond this many cells the consensus is formed on a random sample of as many, and every other
# cell follows its nearest sampled cells: the cost per cell then stays the same at any size.
MAX_CONSENSUS_CELLS = 20_000
_N_FOLLOWED = 15
_BLOCK = 8_192


def consensus_clusters(
    views: Iterable[NDArray[np.floating]],
    n_clusters: int | tuple[int, int] | None,
    *,
    seed: int,
    max_cells: int = MAX_CONSENSUS_CELLS,
) -> Clustering:
    """Cluster cells by the consensus of many partitions of several views.

    Every view is reduced to 30 components, taken as they are and with rows of unit length; each is
    split by k-means into 3 to 40 clusters and by Leiden at six resolutions. Average linkage on the
    share of these partitions that put two cells together gives one tree, and every number of
    clusters is a cut of it, after which each cell moves to the cluster that it is most often put
    with. Linear in the number of cells.

    Parameters
    ----------
    views
        Embeddings of the same cells, each (n_obs, any width).
    n_clusters
        A number, a range to find it in, or ``None``: found from 2 to 30.
    seed
        Seed of everything random here.
    max_cells
        Number of cells from which a sample stands for all.

    Returns
    -------
    Clusters from the largest to the smallest, with confidence, stability and, if the number was
    found, its curve.

    Raises
    ------
    InputError
        If more clusters are asked for than the partitions tell apart.
    """
    views = list(views)
    n_obs = views[0].shape[0]
    if n_obs <= max_cells:
        return _consensus(views, n_clusters, seed=seed)
    sample = np.sort(np.random.default_rng(seed).choice(n_obs, max_cells, replace=False))
    found = _consensus([view[sample] for view in views], n_clusters, seed=seed)
    return _follow(views, sample, found)


def _consensus(
    views: list[NDArray[np.floating]],
    n_clusters: int | tuple[int, int] | None,
    *,
    seed: int,
) -> Clustering:
    members = [labels for space in spaces(views) for labels in partitions(space, seed=seed)]
    return consensus_of(members, n_clusters, seed=seed)


def consensus_of(
    members: list[NDArray[np.intp]],
    n_clusters: int | tuple[int, int] | None,
    *,
    seed: int,
) -> Clustering:
    """Combine partitions of the same cells, each (n_obs,), as `consensus_clusters` does."""
    tree = consensus_tree(members, seed=seed)
    curve = None
    if not isinstance(n_clusters, int):
        curve = n_clusters_curve(tree, members, n_clusters or DEFAULT_RANGE)
        n_clusters = best_n_clusters(curve)
    labels = tree.settled(tree.cut(n_clusters))
    margin = separation(tree.affinity(labels), labels).clip(0, 1)
    return Clustering(
        labels=labels,
        confidence=margin.astype(np.float32),
        stability=np.bincount(labels, margin) / np.bincount(labels),
        curve=curve,
    )


def _follow(
    views: list[NDArray[np.floating]], sample: NDArray[np.intp], found: Clustering
) -> Clustering:
    """Give every cell the majority cluster and mean confidence of its nearest sampled cells."""
    assert found.confidence is not None  # a consensus has one
    n_obs = len(views[0])
    axes = [_leading_axes(view[sample]) for view in views]

    def points(rows: slice | NDArray[np.intp]) -> NDArray[np.floating]:
        return np.hstack([(v[rows] - m) @ a for v, (m, a) in zip(views, axes, strict=True)])

    search = NearestNeighbors(n_neighbors=_N_FOLLOWED).fit(points(sample))
    labels = np.empty(n_obs, dtype=np.intp)
    confidence = np.empty(n_obs, dtype=np.float32)
    for start in range(0, n_obs, _BLOCK):
        block = slice(start, start + _BLOCK)
        nearest = search.kneighbors(points(block), return_distance=False)
        votes = np.zeros((len(nearest), found.n_clusters))
        np.add.at(votes, (np.arange(len(nearest))[:, None], found.labels[nearest]), 1.0)
        labels[block] = votes.argmax(axis=1)
        confidence[block] = found.confidence[nearest].mean(axis=1)
    labels[sample], confidence[sample] = found.labels, found.confidence
    return replace(found, labels=labels, confidence=confidence)


def _leading_axes(view: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Mean, and up to 30 principal axes of such a length that every view weighs the same."""
    fitted = PCA(min(N_COMPONENTS, *view.shape), svd_solver="covariance_eigh").fit(view)
    weight = np.sqrt(max(fitted.explained_variance_.sum(), np.finfo(np.float32).tiny))
    return fitted.mean_, (fitted.components_ / weight).T.astype(view.dtype)
