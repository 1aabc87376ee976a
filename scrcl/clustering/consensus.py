"""One clustering out of many: average linkage on how often cells share a cluster.

Evidence accumulation (Fred and Jain, IEEE TPAMI 2005), kept linear in the number of cells: the
table of cells x clusters of all partitions takes the place of the cells x cells table of votes, and
the tree is built over a few hundred groups of cells that the partitions hardly tell apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.utils.extmath import randomized_svd

from scrcl._validate import InputError

# Groups of cells at the leaves of the tree. 200, 300 and 600 gave the same clusters.
_N_LEAVES = 300
_N_VOTE_COMPONENTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusTree:
    """Tree over groups of cells by how often the partitions put them together.

    Attributes
    ----------
    votes
        Which cluster of each partition a cell is in: CSR, (n_obs, all clusters of all partitions),
        one 1 per partition in every row.
    n_partitions
        Number of partitions.
    leaves
        Leaf of each cell, (n_obs,).
    merges
        The two nodes merged at each step, (n_leaves - 1, 2); step ``i`` makes node
        ``n_leaves + i``, as in scipy.
    heights
        Share of the partitions that keep the two apart at each step, (n_leaves - 1,).
    """

    votes: sp.csr_matrix
    n_partitions: int
    leaves: NDArray[np.intp]
    merges: NDArray[np.intp]
    heights: NDArray[np.float64]

    @property
    def n_leaves(self) -> int:
        """Number of leaves: the finest clustering that the tree can give."""
        return len(self.merges) + 1

    def partitions(self) -> list[NDArray[np.intp]]:
        """Return the partitions that the tree is over, each (n_obs,); their numbers are its own."""
        return list(self.votes.indices.reshape(-1, self.n_partitions).T)

    def cut(self, n_clusters: int) -> NDArray[np.intp]:
        """Cut the tree: clusters 0, 1, ... from the largest to the smallest, shape (n_obs,).

        Raises
        ------
        InputError
            If the tree has fewer leaves than clusters are asked for.
        """
        if not 1 <= n_clusters <= self.n_leaves:
            msg = (
                f"n_clusters: got {n_clusters}, wanted 1 to {self.n_leaves}: the partitions tell "
                "no more groups of cells apart. Ask for fewer clusters."
            )
            raise InputError(msg)
        parent = np.arange(2 * self.n_leaves - 1)
        for step, pair in enumerate(self.merges[: self.n_leaves - n_clusters]):
            parent[pair] = self.n_leaves + step
        roots = np.arange(self.n_leaves)
        while not np.array_equal(roots, parent[roots]):
            roots = parent[roots]
        return by_size(roots[self.leaves])

    def settled(self, labels: NDArray[np.intp]) -> NDArray[np.intp]:
        """Move every cell to the cluster that it is most often put with, once: shape (n_obs,).

        The tree moves whole leaves and never takes a step back; this mends cells at the borders.
        Repeating it lets small clusters grow into large ones that they were a part of. Should a
        cluster lose all of its cells, nothing is moved.

        Parameters
        ----------
        labels
            Clusters 0, 1, ..., shape (n_obs,).

        Returns
        -------
        As many clusters, from the largest to the smallest.
        """
        moved = self.affinity(labels).argmax(axis=1)
        return by_size(moved if len(np.unique(moved)) == labels.max() + 1 else labels)

    def affinity(self, labels: NDArray[np.intp]) -> NDArray[np.float64]:
        """Share of the partitions that put a cell with a cell of each cluster: (n_obs, k)."""
        means = _mean_votes(self.votes, labels)
        return np.asarray(self.votes @ means.T) / self.n_partitions


def consensus_tree(partitions: Iterable[NDArray[np.intp]], *, seed: int) -> ConsensusTree:
    """Build the tree over partitions of the same cells.

    Parameters
    ----------
    partitions
        Labels 0, 1, ... of the cells, each (n_obs,).
    seed
        Seed for the leaves.
    """
    votes, n_partitions = _votes(partitions)
    leaves = _leaves(votes, seed=seed)
    sizes = np.bincount(leaves)
    means = _mean_votes(votes, leaves)
    apart = 1.0 - means @ means.T / n_partitions  # (n_leaves, n_leaves)
    merges, heights = _average_linkage(apart, sizes)
    return ConsensusTree(
        votes=votes, n_partitions=n_partitions, leaves=leaves, merges=merges, heights=heights
    )


def by_size(labels: NDArray[np.integer]) -> NDArray[np.intp]:
    """Renumber clusters 0, 1, ... from the largest to the smallest; equals as they come."""
    _, first, codes, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(counts), dtype=np.intp)
    rank[np.lexsort((first, -counts))] = np.arange(len(counts))
    return rank[codes]


def _votes(partitions: Iterable[NDArray[np.intp]]) -> tuple[sp.csr_matrix, int]:
    columns, n_columns = [], 0
    for labels in partitions:
        codes = np.unique(labels, return_inverse=True)[1]
        columns.append(codes + n_columns)
        n_columns += int(codes.max()) + 1
    table = np.column_stack(columns)
    n_obs, n_partitions = table.shape
    starts = np.arange(0, table.size + 1, n_partitions)
    ones = np.ones(table.size, dtype=np.float32)
    votes = sp.csr_matrix((ones, table.ravel(), starts), shape=(n_obs, n_columns))
    return votes, n_partitions


def _mean_votes(votes: sp.csr_matrix, groups: NDArray[np.integer]) -> NDArray[np.float64]:
    """Mean votes of each group of cells, (n_groups, all clusters of all partitions)."""
    n_obs, sizes = len(groups), np.bincount(groups)
    members = sp.csr_matrix(
        (1.0 / sizes[groups], (groups, np.arange(n_obs))), shape=(len(sizes), n_obs)
    )
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


def _average_linkage(
    apart: NDArray[np.float64], sizes: NDArray[np.integer]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Average linkage in which a leaf weighs as many cells as it has (scipy's cannot)."""
    n_leaves = len(sizes)
    apart = apart.copy()
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
    return merges, heights
