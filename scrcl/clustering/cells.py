"""The label-free clustering of cells: many views, many partitions, one consensus."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from scrcl.clustering.consensus import ConsensusTree, consensus_tree
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTree:
    """The tree over the partitions of all cells, or of a sample that all others follow.

    Attributes
    ----------
    tree
        Of the cells, or of those in the sample.
    sample
        Rows of the sampled cells, ascending; ``None``: all cells are in the tree.
    nearest
        Numbers of the sampled cells that are nearest to each cell, (n_obs, 15).
    """

    tree: ConsensusTree
    sample: NDArray[np.intp] | None = None
    nearest: NDArray[np.int32] | None = None

    def clusters(self, n_clusters: int | tuple[int, int] | None) -> Clustering:
        """Cut the tree: at a number, at the best one of a range, or at the best from 2 to 30.

        Raises
        ------
        InputError
            If more clusters are asked for than the partitions tell apart.
        """
        tree, curve = self.tree, None
        if not isinstance(n_clusters, int):
            curve = n_clusters_curve(tree, tree.partitions(), n_clusters or DEFAULT_RANGE)
            n_clusters = best_n_clusters(curve)
        labels = tree.settled(tree.cut(n_clusters))
        margin = separation(tree.affinity(labels), labels).clip(0, 1)
        found = Clustering(
            labels=labels,
            confidence=margin.astype(np.float32),
            stability=np.bincount(labels, margin) / np.bincount(labels),
            curve=curve,
        )
        return found if self.nearest is None else self._followed(found)

    def _followed(self, found: Clustering) -> Clustering:
        """Give every cell the majority cluster and mean confidence of its nearest sampled cells."""
        assert self.nearest is not None
        assert self.sample is not None
        assert found.confidence is not None  # a consensus has one
        labels = np.empty(len(self.nearest), dtype=np.intp)
        confidence = np.empty(len(self.nearest), dtype=np.float32)
        for start in range(0, len(labels), _BLOCK):
            block = slice(start, start + _BLOCK)
            nearest = self.nearest[block]
            votes = np.zeros((len(nearest), found.n_clusters))
            np.add.at(votes, (np.arange(len(nearest))[:, None], found.labels[nearest]), 1.0)
            labels[block] = votes.argmax(axis=1)
            confidence[block] = found.confidence[nearest].mean(axis=1)
        labels[self.sample], confidence[self.sample] = found.labels, found.confidence
        return replace(found, labels=labels, confidence=confidence)


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
    return cell_tree(views, seed=seed, max_cells=max_cells).clusters(n_clusters)


def cell_tree(
    views: Iterable[NDArray[np.floating]], *, seed: int, max_cells: int = MAX_CONSENSUS_CELLS
) -> CellTree:
    """Build the tree that `consensus_clusters` cuts; the arguments are the same."""
    views = list(views)
    n_obs = views[0].shape[0]
    if n_obs <= max_cells:
        return CellTree(tree=_tree(views, seed=seed))
    sample = np.sort(np.random.default_rng(seed).choice(n_obs, max_cells, replace=False))
    tree = _tree([view[sample] for view in views], seed=seed)
    return CellTree(tree=tree, sample=sample, nearest=_nearest_sampled(views, sample))


def consensus_of(
    members: list[NDArray[np.intp]],
    n_clusters: int | tuple[int, int] | None,
    *,
    seed: int,
) -> Clustering:
    """Combine partitions of the same cells, each (n_obs,), as `consensus_clusters` does."""
    return CellTree(tree=consensus_tree(members, seed=seed)).clusters(n_clusters)


def _tree(views: list[NDArray[np.floating]], *, seed: int) -> ConsensusTree:
    members = [labels for space in spaces(views) for labels in partitions(space, seed=seed)]
    return consensus_tree(members, seed=seed)


def _nearest_sampled(
    views: list[NDArray[np.floating]], sample: NDArray[np.intp]
) -> NDArray[np.int32]:
    """Numbers of the sampled cells that are nearest to each cell in all views, (n_obs, 15)."""
    axes = [_leading_axes(view[sample]) for view in views]

    def points(rows: slice | NDArray[np.intp]) -> NDArray[np.floating]:
        return np.hstack([(v[rows] - m) @ a for v, (m, a) in zip(views, axes, strict=True)])

    search = NearestNeighbors(n_neighbors=_N_FOLLOWED).fit(points(sample))
    blocks = [
        search.kneighbors(points(slice(start, start + _BLOCK)), return_distance=False)
        for start in range(0, len(views[0]), _BLOCK)
    ]
    return np.concatenate(blocks).astype(np.int32)


def _leading_axes(view: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Mean, and up to 30 principal axes of such a length that every view weighs the same."""
    fitted = PCA(min(N_COMPONENTS, *view.shape), svd_solver="covariance_eigh").fit(view)
    weight = np.sqrt(max(fitted.explained_variance_.sum(), np.finfo(np.float32).tiny))
    return fitted.mean_, (fitted.components_ / weight).T.astype(view.dtype)
