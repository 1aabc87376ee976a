"""Every number of clusters that the slider offers: the cuts of the tree, as `ClusterTree` makes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from scrcl.clustering.tree import by_weight
from scrcl.pl.colors import matched_palette, palette
from scrcl.report.explorer.pack import packed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scrcl.clustering import ClusterTree

MOST_CLUSTERS: Final = 50
"""Clusters that the slider goes up to."""
_NEXT_GENE = " (?=[+-])"  # names may hold spaces


def read_cuts(tree: ClusterTree, own: NDArray[np.integer]) -> dict[str, Any]:
    """Cut the tree at every number of clusters from 1 to `MOST_CLUSTERS`.

    Parameters
    ----------
    tree
        Its leaves are those of the cells.
    own
        Cluster of each cell in the run, (n_obs,), 0, 1, ...

    Returns
    -------
    ``n_supported``, as many clusters as the evidence gives, or, if ``voted``, as the voters agree
    on; ``own``, the cut that the run's clusters are, or ``None``; and ``cuts``, one for each number,
    each with ``of``, the cluster of each leaf; ``confidence``, that of each leaf, 0 to 255;
    ``nodes``, the node of the tree that each cluster comes from; ``colors`` of the clusters; and
    ``split``, what is known of the split that made it of the cut before, with the node that this
    divided, ``of``.
    """
    most = min(tree.n_max, MOST_CLUSTERS)
    cuts = [frontier(tree, n) for n in range(1, most + 1)]
    nodes = [tree.cut_nodes(n) for n in range(1, most + 1)]
    base = min(max(len(np.unique(own)), 1), most) - 1
    nearest = cuts[base][tree.leaves]
    colors = _colors(cuts, base, _matched(nearest, own))
    splits = [None, *(_told(tree, cuts, nodes, at) for at in range(1, most))]
    return {
        "n_supported": min(tree.n_supported, most),
        "voted": tree.anchor is not None and tree.granularity == 1.0,
        "own": base + 1 if np.array_equal(nearest, own) else None,
        "cuts": [
            {
                "of": packed(of.astype(np.uint8)),
                "confidence": packed(np.rint(tree.confidence(of) * 255).astype(np.uint8)),
                "nodes": at.tolist(),
                "colors": hues,
                "split": split,
            }
            for of, at, hues, split in zip(cuts, nodes, colors, splits, strict=True)
        ],
    }


def _told(
    tree: ClusterTree, cuts: list[NDArray[np.intp]], nodes: list[NDArray[np.intp]], at: int
) -> dict[str, Any] | None:
    """Evidence for the split that made a cut, and which cluster of the cut before it divided."""
    split = split_between(tree, nodes[at - 1], nodes[at])
    if split is None:
        return None
    divided = _parents(cuts[at - 1], cuts[at])[split["sides"][0]]
    return split | {"of": int(nodes[at - 1][divided])}


def frontier(tree: ClusterTree, n_clusters: int) -> NDArray[np.intp]:
    """Cluster of each leaf, numbered as the clusters of a run are: the largest first."""
    return by_weight(tree.frontier(n_clusters), tree.cells_of_leaves)


def _matched(cut: NDArray[np.intp], own: NDArray[np.integer]) -> list[str]:
    """Colours of the clusters of a cut: those of the run's clusters that they overlap with."""
    counts = np.zeros((int(cut.max()) + 1, int(own.max()) + 1), dtype=np.int64)
    np.add.at(counts, (cut, own), 1)
    return list(matched_palette(counts))


def _colors(cuts: list[NDArray[np.intp]], base: int, given: list[str]) -> list[list[str]]:
    """Colours of every cut: a split leaves its colour to the larger side, all others keep theirs.

    Parameters
    ----------
    cuts
        Cluster of each leaf in every cut, the coarsest first.
    base
        The cut whose colours are given.
    """
    spare = palette(2 * len(cuts) + len(given))
    found: list[list[str]] = [[] for _ in cuts]
    found[base] = given
    for finer in range(base + 1, len(cuts)):
        of_parent = dict(enumerate(found[finer - 1]))
        free = iter([color for color in spare if color not in of_parent.values()])
        parents = _parents(cuts[finer - 1], cuts[finer])
        found[finer] = [of_parent.pop(parent, "") or next(free) for parent in parents]
    for coarser in range(base - 1, -1, -1):
        parents = _parents(cuts[coarser], cuts[coarser + 1])
        largest = [parents.index(parent) for parent in range(coarser + 1)]
        found[coarser] = [found[coarser + 1][child] for child in largest]
    return found


def _parents(coarse: NDArray[np.intp], fine: NDArray[np.intp]) -> list[int]:
    """Cluster of a coarser cut that holds each cluster of a finer one."""
    parents = np.zeros(int(fine.max()) + 1, dtype=np.intp)
    parents[fine] = coarse
    return [int(parent) for parent in parents]


def split_between(
    tree: ClusterTree, before: NDArray[np.intp], after: NDArray[np.intp]
) -> dict[str, Any] | None:
    """Evidence for the split between two cuts, its sides named by their clusters in the finer one.

    A few cells that another split sets aside on the way are not told of.
    """
    new = [int(node) for node in after if node not in set(before.tolist())]
    steps = np.flatnonzero(np.isin(tree.merges, new).all(axis=1))
    if not len(steps):
        return None
    step = int(steps[0])
    row = tree.splits.iloc[step]
    sides = [int(np.flatnonzero(after == node)[0]) for node in tree.merges[step]]
    genes = [gene for gene in re.split(_NEXT_GENE, str(row["genes"])) if gene]
    return {
        "node": tree.n_leaves + step,
        "sides": sides,
        "supported": bool(tree.supported[step]),
        "explained": str(tree.explained_by.iloc[step]),
        "distance": round(float(row["distance"]), 2),
        "null_distance": round(float(row["null_distance"]), 2),
        "mixing": round(float(row["mixing"]), 2),
        "n_genes": int(row["n_genes"]),
        "genes": [[gene[1:] for gene in genes if gene[0] == sign] for sign in "+-"],
    }
