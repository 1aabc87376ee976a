"""The label-free clustering of cells: many views, many partitions, one tree."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from scrcl._threads import one_core, workers
from scrcl.clustering.consensus import Consensus, consensus, sums_below
from scrcl.clustering.evidence import Expression, split_evidence
from scrcl.clustering.n_clusters import n_clusters_curve
from scrcl.clustering.partitions import N_COMPONENTS, partitions, spaces
from scrcl.clustering.tree import ClusterTree

# Beyond this many cells the tree is built on a random sample of as many, and every other cell
# follows its nearest sampled cells: the cost per cell then stays the same at any size.
MAX_CONSENSUS_CELLS = 20_000
_N_FOLLOWED = 15
_BLOCK = 8_192


@one_core()
def cell_tree(
    views: Iterable[NDArray[np.floating]],
    expression: Expression,
    *,
    seed: int,
    max_cells: int = MAX_CONSENSUS_CELLS,
) -> ClusterTree:
    """Build the tree of clusters from the consensus of many partitions of several views.

    Every view is reduced to 30 components, taken as they are and with rows of unit length; each is
    split by k-means into 3 to 40 clusters and by Leiden at six resolutions. Average linkage on the
    share of these partitions that put two cells together gives one tree, of which every number of
    clusters is a cut, and every split is given its evidence. Linear in the number of cells.

    Parameters
    ----------
    views
        Embeddings of the same cells, each (n_obs, any width).
    expression
        Of the same cells: what the evidence comes from.
    seed
        Seed of everything random here.
    max_cells
        Number of cells from which a sample stands for all.
    """
    views = list(views)
    n_obs = views[0].shape[0]
    if n_obs <= max_cells:
        return partition_tree(partitions(spaces(views), seed=seed), expression, seed=seed)
    sample = np.sort(np.random.default_rng(seed).choice(n_obs, max_cells, replace=False))
    found = consensus(partitions(spaces(view[sample] for view in views), seed=seed), seed=seed)
    nearest = _nearest_sampled(views, sample)
    leaves = followed(found.leaves[nearest], found.merges)
    leaves[sample] = found.leaves
    return _with_evidence(found, leaves, expression[sample], seed=seed)


@one_core()
def partition_tree(
    members: Iterable[NDArray[np.intp]], expression: Expression, *, seed: int
) -> ClusterTree:
    """Build the tree from given partitions of the same cells, each (n_obs,), as `cell_tree` does."""
    found = consensus(members, seed=seed)
    return _with_evidence(found, found.leaves, expression, seed=seed)


def followed(near: NDArray[np.intp], merges: NDArray[np.intp]) -> NDArray[np.intp]:
    """Leaf of each cell: at every split it follows the majority of its neighbours that are left.

    So a cell goes with its neighbours in every cut of the tree.

    Parameters
    ----------
    near
        Leaves of the neighbours of each cell, (n_obs, n_neighbors), the nearest first; at a tie
        the nearest decides.
    merges
        The tree, (n_leaves - 1, 2).
    """
    n_leaves = len(merges) + 1
    first, last, order = _spans(merges)
    place = order[near]  # neighbours as places in the order of the leaves
    node = np.full(len(near), 2 * n_leaves - 2)
    for step in range(n_leaves - 2, -1, -1):
        left, right = merges[step]
        cells = np.flatnonzero(node == n_leaves + step)
        here = place[cells]
        goes = [(here >= first[side]) & (here < last[side]) for side in (left, right)]
        votes = [side.sum(axis=1) for side in goes]
        nearest = [np.where(side.any(1), side.argmax(1), near.shape[1]) for side in goes]
        to_left = (votes[0] > votes[1]) | ((votes[0] == votes[1]) & (nearest[0] < nearest[1]))
        node[cells] = np.where(to_left, left, right)
    return node


def _spans(
    merges: NDArray[np.intp],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Order the leaves so that those below a node are neighbours: from, to, place of each leaf."""
    n_leaves = len(merges) + 1
    counts = sums_below(merges, np.ones(n_leaves, dtype=np.intp))
    first = np.zeros(2 * n_leaves - 1, dtype=np.intp)
    for step in range(n_leaves - 2, -1, -1):
        left, right = merges[step]
        first[left] = first[n_leaves + step]
        first[right] = first[left] + counts[left]
    return first, first + counts, first[:n_leaves]


def _with_evidence(
    found: Consensus, leaves: NDArray[np.intp], expression: Expression, *, seed: int
) -> ClusterTree:
    splits = split_evidence(found, expression, seed=seed)
    tree = ClusterTree(
        leaves=leaves,
        merges=found.merges,
        heights=found.heights,
        sizes=found.sizes,
        together=found.together,
        splits=splits,
    )
    return tree.with_curve(n_clusters_curve(tree, found))


def _nearest_sampled(
    views: list[NDArray[np.floating]], sample: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Numbers of the sampled cells that are nearest to each cell in all views, (n_obs, 15)."""
    axes = [_leading_axes(view[sample]) for view in views]

    def points(rows: slice | NDArray[np.intp]) -> NDArray[np.floating]:
        return np.hstack([(v[rows] - m) @ a for v, (m, a) in zip(views, axes, strict=True)])

    search = NearestNeighbors(n_neighbors=_N_FOLLOWED).fit(points(sample))

    def near(start: int) -> NDArray[np.intp]:
        rows = points(slice(start, start + _BLOCK))
        return np.asarray(search.kneighbors(rows, return_distance=False))

    with workers() as threads:
        return np.concatenate(list(threads.map(near, range(0, len(views[0]), _BLOCK))))


def _leading_axes(view: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Mean, and up to 30 principal axes of such a length that every view weighs the same."""
    fitted = PCA(min(N_COMPONENTS, *view.shape), svd_solver="covariance_eigh").fit(view)
    weight = np.sqrt(max(fitted.explained_variance_.sum(), np.finfo(np.float32).tiny))
    return fitted.mean_, (fitted.components_ / weight).T.astype(view.dtype)
