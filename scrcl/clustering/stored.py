"""A tree of clusters as plain arrays, in which h5ad, npz and model files hold it, and as a table."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scrcl.clustering.anchor import Anchor
from scrcl.clustering.tree import ClusterTree

_SPLITS = "splits."
_ANCHOR = "anchor."


def tree_arrays(tree: ClusterTree) -> dict[str, NDArray[Any]]:
    """Return all of a tree but the leaves of the cells; `tree_of` undoes it.

    Returns
    -------
    ``merges``, ``heights``, ``sizes``, ``together`` and ``totals`` as in `ClusterTree`; ``granularity``,
    (1,); ``genes``, the text on each split; the other columns of the splits as ``splits.<name>``;
    and, with an anchor, ``anchor.clusters`` and ``anchor.shares`` as in `Anchor`, and its curve as
    ``anchor.tried`` and ``anchor.criterion``.
    """
    numbers = tree.splits.drop(columns="genes").astype(np.float64)
    return {
        "merges": tree.merges.astype(np.int32),
        "heights": tree.heights,
        "sizes": tree.sizes.astype(np.int32),
        "together": tree.together,
        "totals": tree.cells_of_leaves.astype(np.int32),
        "granularity": np.array([tree.granularity]),
        "genes": np.array(tree.splits["genes"].tolist(), dtype=np.str_),
        **{f"{_SPLITS}{name}": column.to_numpy() for name, column in numbers.items()},
        **({} if tree.anchor is None else _anchor_arrays(tree.anchor)),
    }


def tree_of(arrays: Mapping[str, NDArray[Any]], leaves: NDArray[np.integer]) -> ClusterTree:
    """Undo `tree_arrays`; a missing entry is a `KeyError`.

    Parameters
    ----------
    arrays
        What it returned.
    leaves
        Leaf of each cell, of all or of some, (n_obs,).
    """
    sizes = np.asarray(arrays["sizes"])
    n_leaves = len(sizes)
    splits = pd.DataFrame(
        {
            name.removeprefix(_SPLITS): np.asarray(arrays[name])
            for name in arrays
            if name.startswith(_SPLITS)
        },
        index=pd.RangeIndex(n_leaves, 2 * n_leaves - 1, name="node"),
    )
    splits["genes"] = [str(text) for text in arrays["genes"]]
    granularity = np.asarray(arrays.get("granularity", 1.0)).ravel()[0]
    totals = arrays.get("totals")
    return ClusterTree(
        leaves=leaves.astype(np.intp),
        merges=np.asarray(arrays["merges"]).astype(np.intp).reshape(-1, 2),
        heights=np.asarray(arrays["heights"]),
        sizes=sizes.astype(np.intp),
        together=np.asarray(arrays["together"]),
        totals=None if totals is None else np.asarray(totals).astype(np.intp),
        splits=splits,
        granularity=float(granularity),
        anchor=_anchor_of(arrays) if f"{_ANCHOR}clusters" in arrays else None,
    )


def _anchor_arrays(anchor: Anchor) -> dict[str, NDArray[Any]]:
    return {
        f"{_ANCHOR}clusters": anchor.clusters.astype(np.int32),
        f"{_ANCHOR}shares": anchor.shares,
        f"{_ANCHOR}tried": anchor.curve["n_clusters"].to_numpy(np.int32),
        f"{_ANCHOR}criterion": anchor.curve["criterion"].to_numpy(np.float64),
    }


def _anchor_of(arrays: Mapping[str, NDArray[Any]]) -> Anchor:
    tried, criterion = (np.asarray(arrays[f"{_ANCHOR}{name}"]) for name in ("tried", "criterion"))
    return Anchor(
        clusters=np.asarray(arrays[f"{_ANCHOR}clusters"]).astype(np.intp),
        shares=np.asarray(arrays[f"{_ANCHOR}shares"]),
        curve=pd.DataFrame({"n_clusters": tried.astype(int), "criterion": criterion}),
    )


def split_table(tree: ClusterTree) -> pd.DataFrame:
    """One row a split, from the root down: its sides, its evidence, and what follows from it.

    Returns
    -------
    Indexed by ``node``: ``left`` and ``right``, the nodes that it divides into (below the number of
    leaves: a leaf); the columns of `scrcl.clustering.evidence.split_evidence`; ``supported``
    (``yes`` or ``no``) and ``explained_by``, what alone tells the sides apart (``depth``: total counts).
    """
    table = tree.splits.copy()
    table.insert(0, "left", tree.merges[:, 0])
    table.insert(1, "right", tree.merges[:, 1])
    for side in ("n_left", "n_right", "n_genes"):
        table[side] = table[side].astype(int)
    table["supported"] = np.where(tree.supported, "yes", "no")
    table["explained_by"] = tree.explained_by
    return table[::-1]
