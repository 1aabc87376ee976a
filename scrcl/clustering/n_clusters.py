"""How many clusters: by what the partitions agree on and keep apart, without labels."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from scrcl.clustering.consensus import ConsensusTree

# Range searched if none is given: a single cluster has no contrast to judge.
DEFAULT_RANGE = (2, 30)
_N_COMPARED = 24


def n_clusters_curve(
    tree: ConsensusTree,
    partitions: list[NDArray[np.intp]],
    bounds: tuple[int, int] = DEFAULT_RANGE,
) -> pd.DataFrame:
    """Judge each number of clusters.

    Two things are wanted that pull in opposite directions: that the clusters say what the
    partitions say (``agreement``: their mean adjusted Rand index, which falls when clusters are
    too few), and that the partitions hardly mix them (``separation``: by how much more often a
    cell is put with its own cluster than with the next, which falls when they are too many).
    The criterion is their product: what is judged does not depend on the range searched.

    Parameters
    ----------
    tree
        Tree over the partitions.
    partitions
        The same partitions; every few are compared, so that about 24 are.
    bounds
        Smallest and largest number to try; cut to what the tree can give.

    Returns
    -------
    One row for each number: ``n_clusters``, ``criterion``, ``agreement``, ``separation``.
    """
    low, high = (min(bound, tree.n_leaves) for bound in bounds)
    compared = partitions[:: max(1, len(partitions) // _N_COMPARED)]
    rows = []
    for n_clusters in range(low, high + 1):
        labels = tree.cut(n_clusters)
        agreement = np.mean([adjusted_rand_score(labels, other) for other in compared])
        rows.append((n_clusters, agreement, separation(tree.affinity(labels), labels).mean()))
    curve = pd.DataFrame(rows, columns=["n_clusters", "agreement", "separation"])
    # Either may be a little below 0, where it means no more than 0 does.
    curve.insert(1, "criterion", curve["agreement"].clip(0) * curve["separation"].clip(0))
    return curve


def best_n_clusters(curve: pd.DataFrame) -> int:
    """Return the number with the highest criterion; of equals, the smallest."""
    return int(curve["n_clusters"].iloc[int(curve["criterion"].to_numpy().argmax())])


def separation(affinity: NDArray[np.floating], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """How much more often each cell is put with its own cluster than with the next: (n_obs,).

    1: always with its own, never with another; 0: as often with another (negative: more often). A
    single cluster has no other: 1.

    Parameters
    ----------
    affinity
        Share of the partitions that put each cell with each cluster, (n_obs, n_clusters).
    labels
        Cluster of each cell, (n_obs,).
    """
    if affinity.shape[1] == 1:
        return np.ones(len(labels))
    rows = np.arange(len(labels))
    others = affinity.copy()
    others[rows, labels] = -np.inf
    margin: NDArray[np.float64] = affinity[rows, labels] - others.max(axis=1)
    return margin
