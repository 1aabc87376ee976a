"""What was found, in a few sentences, and the splits that speak for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from scrcl.report.explorer.cuts import frontier, split_between
from scrcl.report.table import NOTHING, Cell, Table, count, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from scrcl.clustering import ClusterTree
    from scrcl.results import RunFolder

_NEXT = 3  # splits that were not made
_HEADS = (
    "clusters", "first side", "second side", "cells", "distance", "of one group", "mixing",
    "genes", "higher in the first", "higher in the second", "supported",
)  # fmt: skip


def sentences(
    run: RunFolder, cells: pd.DataFrame, *, noun: str, names: Mapping[str, str], seed: int
) -> list[str]:
    """Say what was found to someone who reads nothing else.

    Parameters
    ----------
    run, seed
        Whose files.
    cells
        As of :meth:`RunFolder.load_clusters`.
    noun
        What a row of the data is.
    names
        Cluster to its name, where it has one.
    """
    sizes = cells["cluster"].dropna().astype(int).value_counts()
    n_out = int(cells["cluster"].isna().sum())
    clusters = "1 cluster" if len(sizes) == 1 else f"{len(sizes)} clusters"
    told = [f"{clusters} among {int(sizes.sum()):,} {noun}, found without labels."]
    if n_out:
        told[0] = f"{told[0][:-1]}; {n_out:,} {noun} were left out."
    if len(sizes) > 1:
        ends = (sizes.argmax(), sizes.argmin())
        large, small = (_called(int(sizes.index[int(at)]), names) for at in ends)
        share = sizes.max() / sizes.sum()
        told.append(
            f"The largest is {large} ({share:.0%} of all), the smallest {small} "
            f"({sizes.min():,} {noun})."
        )
    stability = run.load_result(seed).stability
    if stability is not None and len(stability) > 1:
        least = _called(int(stability.idxmin()), names)
        told.append(f"The least stable is {least} ({stability.min():.2f}; 1: no doubt).")
    ari = run.load_metrics(seed)["label_free"].get("ari", math.nan)
    if not math.isnan(ari):
        label = run.settings.get("label_key")
        told.append(
            f"Compared afterwards with obs[{label!r}], they have an ARI of {ari:.2f} (1: the same)."
        )
    return told


def evidence(
    tree: ClusterTree,
    clusters: NDArray[np.integer],
    colors: Mapping[str, str],
    *,
    noun: str = "cells",
) -> Table | None:
    """Show the splits that made the clusters, and those that would come next.

    Parameters
    ----------
    tree
        Its leaves are those of the cells.
    clusters
        Cluster of each cell, (n_obs,), 0, 1, ...
    colors
        Cluster to colour.
    noun
        What a row of the data is.

    Returns
    -------
    ``None`` if the clusters are no cut of the tree, or it has no split.
    """
    n_clusters = len(np.unique(clusters))
    most = min(tree.n_max, n_clusters + _NEXT)
    if n_clusters > most or not np.array_equal(frontier(tree, n_clusters)[tree.leaves], clusters):
        return None
    final = frontier(tree, n_clusters)
    rows: list[list[Cell]] = []
    for at in range(2, most + 1):
        split = split_between(tree, tree.cut_nodes(at - 1), tree.cut_nodes(at))
        if split is None:
            continue
        cut = frontier(tree, at)
        sides = [sorted(set(final[cut == side].tolist())) for side in split["sides"]]
        genes = [", ".join(names) or NOTHING for names in split["genes"]]
        cells = [int(tree.cells_of_leaves[cut == side].sum()) for side in split["sides"]]
        rows.append(
            [
                Cell(str(at) if at <= n_clusters else f"{at} (not made)", float(at)),
                *(_side(side, colors) for side in sides),
                Cell(" | ".join(f"{n:,}" for n in cells), float(sum(cells))),
                number(split["distance"], 1),
                number(split["null_distance"], 1),
                number(split["mixing"], 2),
                count(split["n_genes"]),
                *map(Cell, genes),
                Cell(_verdict(split)),
            ]
        )
    if not rows:
        return None
    heads = [noun if head == "cells" else head for head in _HEADS]
    caption = (
        "The splits that made the clusters, from the root of the tree on, and those that would come "
        "next. Distance: of the two sides, beside that of one group cut in halves. Mixing: how often "
        f"the partitions put {noun} of both sides together (0: never, 1: as if they were one). Genes: "
        "how many tell the sides apart."
    )
    return Table(caption=caption, columns=heads, rows=rows)


def _side(clusters: Sequence[int], colors: Mapping[str, str]) -> Cell:
    text = ", ".join(map(str, clusters))
    return Cell(text, None, colors.get(text))  # one cluster has a colour, several have none


def _verdict(split: Mapping[str, object]) -> str:
    answer = "yes" if split["supported"] else "no"
    return (
        f"{answer} ({split['explained']} alone tells them apart)" if split["explained"] else answer
    )


def _called(cluster: int, names: Mapping[str, str]) -> str:
    name = names.get(str(cluster))
    return f"{cluster}, {name}" if name else str(cluster)
