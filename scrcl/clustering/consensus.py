"""One clustering out of many: average linkage on how often cells share a cluster.

Evidence accumulation (Fred and Jain, IEEE TPAMI 2005), kept linear in the number of cells: the
table of cells x clusters of all partitions takes the place of the cells x cells table of votes, and
the tree is built over a few hundred groups of cells that the partitions hardly tell apart.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.utils.extmath import randomized_svd

# Groups of cells at the leaves of the tree. 200, 300 and 600 gave the same clusters.
_N_LEAVES = 300
_N_VOTE_COMPONENTS = 50
_BEYOND = 4.0  # more than any two leaves can be apart


class Consensus(NamedTuple):
    """What many partitions of the same cells say together."""

    leaves: NDArray[np.intp]
    """Leaf of each cell, (n_obs,)."""
    sizes: NDArray[np.intp]
    """Cells of each leaf, (n_leaves,)."""
    merges: NDArray[np.intp]
    """The two nodes merged at each step, (n_leaves - 1, 2), as in scipy."""
    heights: NDArray[np.float64]
    """Share of the partitions that keep the two apart at each step, (n_leaves - 1,)."""
    together: NDArray[np.float32]
    """Share of the partitions that put cells of two leaves together, (n_leaves, n_leaves)."""
    votes: NDArray[np.intp]
    """Cells of each leaf in each cluster of each partition, (n_leaves, all clusters)."""
    starts: NDArray[np.intp]
    """Column of the votes where each partition begins, (n_partitions,)."""


def consensus(partitions: Iterable[NDArray[np.intp]], *, seed: int) -> Consensus:
    """Bring partitions of the same cells together in one tree.

    Parameters
    ----------
    partitions
        Labels 0, 1, ... of the cells, each (n_obs,).
    seed
        Seed for the leaves.
    """
    votes, starts = _votes(partitions)
    leaves = _leaves(votes, seed=seed)
    sizes = np.bincount(leaves)
    counts = _sum_by(votes, leaves)
    means = counts / sizes[:, None]
    together = means @ means.T / len(starts)  # (n_leaves, n_leaves)
    merges, heights = average_linkage(1.0 - together, sizes)
    return Consensus(
        leaves=leaves,
        sizes=sizes,
        merges=merges,
        heights=heights,
        together=together.astype(np.float32),
        votes=counts.astype(np.intp),
        starts=starts,
    )


def sums_below(merges: NDArray[np.intp], of_leaves: NDArray[Any]) -> NDArray[Any]:
    """Sum something over the leaves below each node of a tree, (2 n_leaves - 1, ...).

    Parameters
    ----------
    merges
        The tree, (n_leaves - 1, 2).
    of_leaves
        Of each leaf, (n_leaves, ...).
    """
    sums = np.concatenate([of_leaves, np.empty_like(of_leaves[: len(merges)])])
    for step, (left, right) in enumerate(merges):
        sums[len(of_leaves) + step] = sums[left] + sums[right]
    return sums


def by_size(labels: NDArray[np.integer]) -> NDArray[np.intp]:
    """Renumber clusters 0, 1, ... from the largest to the smallest; equals as they come."""
    _, first, codes, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(counts), dtype=np.intp)
    rank[np.lexsort((first, -counts))] = np.arange(len(counts))
    return rank[codes]


def _votes(
    partitions: Iterable[NDArray[np.intp]],
) -> tuple[sp.csr_matrix, NDArray[np.intp]]:
    """Which cluster of each partition a cell is in, (n_obs, all clusters); where each begins."""
    columns, starts, n_columns = [], [], 0
    for labels in partitions:
        codes = np.unique(labels, return_inverse=True)[1]
        columns.append(codes + n_columns)
        starts.append(n_columns)
        n_columns += int(codes.max()) + 1
    table = np.column_stack(columns)
    bounds = np.arange(0, table.size + 1, table.shape[1])
    ones = np.ones(table.size, dtype=np.float32)
    votes = sp.csr_matrix((ones, table.ravel(), bounds), shape=(len(table), n_columns))
    return votes, np.array(starts, dtype=np.intp)


def _sum_by(votes: sp.csr_matrix, groups: NDArray[np.integer]) -> NDArray[np.float64]:
    """Sum the votes of each group of cells, (n_groups, all clusters of all partitions)."""
    n_obs = len(groups)
    members = sp.csr_matrix((np.ones(n_obs), (groups, np.arange(n_obs))))
    return np.asarray((members @ votes).toarray())


def _leaves(votes: sp.csr_matrix, *, seed: int) -> NDArray[np.intp]:
    """Group cells with the same or nearly the same votes."""
    n_components = min(_N_VOTE_COMPONENTS, min(votes.shape) - 1)
    if n_components < 1:
        return np.zeros(votes.shape[0], dtype=np.intp)
    left, values, _ = randomized_svd(votes, n_components, n_iter=7, random_state=seed)
    points = np.ascontiguousarray(left * values)
    n_distinct = len(np.unique(points.round(4), axis=0))
    if n_distinct <= _N_LEAVES:
        groups = np.unique(points.round(4), axis=0, return_inverse=True)[1].ravel()
    else:
        groups = KMeans(_N_LEAVES, n_init=1, random_state=seed).fit_predict(points)
    return np.unique(groups, return_inverse=True)[1]


def average_linkage(
    apart: NDArray[np.float64],
    sizes: NDArray[np.integer],
    within: NDArray[np.integer] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Average linkage in which a leaf weighs as many cells as it has (scipy's cannot).

    Parameters
    ----------
    apart
        How far leaves are apart, 0 to 1, (n_leaves, n_leaves).
    sizes
        Cells of each leaf, (n_leaves,).
    within
        Group of each leaf, (n_leaves,): leaves of a group are merged with each other before any with
        those of another. ``None``: one group.

    Returns
    -------
    Merges and heights of a `Consensus`.
    """
    n_leaves = len(sizes)
    apart = apart.copy()
    if within is not None:
        apart[within[:, None] != within] += _BEYOND
    np.fill_diagonal(apart, np.inf)
    weights = sizes.astype(np.float64)
    nodes = np.arange(n_leaves)
    merges = np.empty((n_leaves - 1, 2), dtype=np.intp)
    heights = np.empty(n_leaves - 1)
    for step in range(n_leaves - 1):
        first, second = np.unravel_index(apart.argmin(), apart.shape)
        merges[step], heights[step] = (nodes[first], nodes[second]), apart[first, second]
        total = weights[first] + weights[second]
        row = (weights[first] * apart[first] + weights[second] * apart[second]) / total
        row[[first, second]] = np.inf
        apart[first], apart[:, first] = row, row
        apart[second], apart[:, second] = np.inf, np.inf
        weights[first], nodes[first] = total, n_leaves + step
    if within is not None:
        heights[heights > _BEYOND / 2] -= _BEYOND
    return merges, heights
