"""What the partitions say about every number of clusters, without labels."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scrcl.clustering.consensus import Consensus
from scrcl.clustering.tree import ClusterTree, separation

LARGEST = 30
"""Largest number of clusters on the curve."""


def n_clusters_curve(tree: ClusterTree, found: Consensus, largest: int = LARGEST) -> pd.DataFrame:
    """Judge each number of clusters by the partitions.

    Two things are wanted that pull in opposite directions: that the clusters say what the
    partitions say (``agreement``: their mean adjusted Rand index, which falls when clusters are
    too few), and that the partitions hardly mix them (``separation``: by how much more often a
    cell is put with its own cluster than with the next, which falls when they are too many).
    ``criterion`` is their product. It is shown beside the evidence for the splits, which decides.

    Parameters
    ----------
    tree
        The tree.
    found
        The consensus that it comes from.
    largest
        Largest number to judge.

    Returns
    -------
    One row for each number from 1: ``n_clusters``, ``criterion``, ``agreement``, ``separation``.
    """
    rows = []
    for n_clusters in range(1, min(largest, tree.n_max) + 1):
        clusters = tree.frontier(n_clusters)
        margin = separation(tree.affinity(clusters), clusters)
        rows.append(
            (n_clusters, _agreement(clusters, found), np.average(margin, weights=tree.sizes))
        )
    curve = pd.DataFrame(rows, columns=["n_clusters", "agreement", "separation"])
    # Either may be a little below 0, where it means no more than 0 does.
    curve.insert(1, "criterion", curve["agreement"].clip(0) * curve["separation"].clip(0))
    return curve


def _agreement(clusters: NDArray[np.intp], found: Consensus) -> float:
    """Mean adjusted Rand index of clusters of leaves with the partitions."""
    members = np.eye(int(clusters.max()) + 1)[clusters]
    table = members.T @ found.votes  # (n_clusters, all clusters of all partitions)
    both = np.add.reduceat(_pairs(table).sum(axis=0), found.starts)
    ours = _pairs(members.T @ found.sizes).sum()
    theirs = np.add.reduceat(_pairs(found.votes.sum(axis=0)), found.starts)
    expected = ours * theirs / max(_pairs(found.sizes.sum()), 1.0)
    most = (ours + theirs) / 2
    same = most <= expected  # both put everything together, or nothing
    index = np.where(same, 1.0, (both - expected) / np.where(same, 1.0, most - expected))
    return float(index.mean())


def _pairs(counts: NDArray[np.number]) -> NDArray[np.float64]:
    return np.asarray(counts * (counts - 1) / 2, dtype=np.float64)
