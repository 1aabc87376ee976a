"""Several numbers of clusters at once, with names that say which lies in which."""

import numpy as np
from numpy.typing import NDArray

from scrcl.clustering.tree import ClusterTree, by_weight
from scrcl.config import LEVELS


def level_names(tree: ClusterTree) -> dict[str, NDArray[np.str_]]:
    """Cut a tree as deep as the evidence goes at each level of granularity.

    Returns
    -------
    Level ("coarse", "default", "fine") to the name of the cluster of each leaf, (n_leaves,). A
    cluster that the next level divides gives its name to its parts: "3" becomes "3.1", "3.2".
    """
    cells = tree.cells_of_leaves
    names: NDArray[np.str_] | None = None
    found = {}
    for level, granularity in LEVELS.items():
        at_level = tree.at(granularity)
        clusters = at_level.frontier(at_level.n_supported)
        names = nested_names(names, clusters, cells)
        found[level] = names
    return found


def nested_names(
    parents: NDArray[np.str_] | None, clusters: NDArray[np.intp], cells: NDArray[np.intp]
) -> NDArray[np.str_]:
    """Name clusters of leaves by what they are part of, the largest part first.

    Parameters
    ----------
    parents
        Name of what each leaf belongs to, (n_leaves,); ``None``: the clusters are called 0, 1, ...
    clusters
        Cluster of each leaf, (n_leaves,); all of its leaves have the same parent.
    cells
        Cells of each leaf, (n_leaves,).

    Examples
    --------
    >>> nested_names(np.array(["0", "0", "1"]), np.array([5, 4, 7]), np.array([10, 20, 5])).tolist()
    ['0.2', '0.1', '1']
    """
    if parents is None:
        return by_weight(clusters, cells).astype(np.str_)
    names = np.empty(len(clusters), dtype=object)
    for parent in np.unique(parents):
        own = parents == parent
        parts = by_weight(clusters[own], cells[own])
        if parts.max() == 0:
            names[own] = parent
        else:
            names[own] = [f"{parent}.{number + 1}" for number in parts]
    return names.astype(np.str_)
