"""What a run says about genes: tables of what a seed found, and names for its clusters."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scrcl._keys import SYMBOL
from scrcl._validate import InputError
from scrcl.clustering import named_alike, tree_of
from scrcl.data.expression import genes_of, log_expression
from scrcl.markers import (
    SHIPPED,
    UNCLEAR,
    MarkerLists,
    association_table,
    module_activity,
    name_clusters,
    present_markers,
    read_marker_lists,
    shipped_markers,
    with_symbols,
)

if TYPE_CHECKING:
    import anndata as ad

    from scrcl.experiment.inputs import Dataset
    from scrcl.model import ScRCL
    from scrcl.results import RunFolder

log = logging.getLogger(__name__)


def gene_tables(model: ScRCL, expression: ad.AnnData) -> dict[str, pd.DataFrame]:
    """Fields of `SeedResult` about genes: associations, modules and their activity.

    Parameters
    ----------
    model
        Fitted.
    expression
        Log-normalised, of the cells and genes that it saw.
    """
    links, clusters = model.links_, model.found_.clustering.labels
    if links is None:
        return {}
    modules = pd.DataFrame({"gene": expression.var_names, "module": links.modules})
    modules = modules.sort_values("module", kind="stable", ignore_index=True)
    associations = association_table(links, expression, clusters)
    return {
        "associations": with_symbols(associations, expression.var),
        "modules": with_symbols(modules, expression.var),
        "activity": module_activity(expression, links.modules, clusters),
    }


def marker_lists(asked: str | Path | None, data: Dataset) -> MarkerLists | None:
    """Read marker lists, cut down to the genes of the data; ``None`` if there are none.

    Parameters
    ----------
    asked
        Name of a list that comes with the package, or else a file.
    data
        All cells.

    Raises
    ------
    InputError
        If it is neither, the file is not one of lists, or it names no gene of the data.
    """
    if asked is None:
        return None
    var = genes_of(data.without_labels())
    if str(asked) in SHIPPED:
        lists = shipped_markers(str(asked), {*var.index, *var[SYMBOL]})
        log.info("markers: %s, %s", asked, lists.species)
    elif Path(asked).exists() or Path(asked).suffix:
        lists = MarkerLists(read_marker_lists(asked), {}, "")
    else:
        msg = f"markers: got {str(asked)!r}, wanted one of {', '.join(SHIPPED)}, or a file that exists."
        raise InputError(msg)
    present, notes = present_markers(var.index, lists.genes, var[SYMBOL])
    thin = frozenset(
        kind for kind, genes in present.items() if len(genes) == 1 < len(lists.genes[kind])
    )
    if thin:
        kinds = ", ".join(kind for kind in present if kind in thin)
        notes.append(f"markers: one gene only of {kinds} is in the data, too few to name by")
    for note in notes:
        log.warning("%s", note)
    return lists._replace(genes=present, thin=thin)


def suggest_names(
    run: RunFolder, seed: int, data: Dataset, lists: MarkerLists | None
) -> pd.DataFrame | None:
    """Suggest names for the clusters of a seed, see :func:`scrcl.markers.name_clusters`.

    Clusters that have one name and are all that lies below a split of the tree are told in the column
    ``with``: the name is that of what was split.

    Parameters
    ----------
    run, seed
        Whose clusters, on the disk.
    data
        All cells.
    lists
        From :func:`marker_lists`; ``None`` is returned if there are none.
    """
    if lists is None:
        return None
    clusters = run.load_clusters(seed)["cluster"].dropna().astype(int)
    expression = log_expression(data.without_labels()[clusters.index].copy())
    table = name_clusters(
        expression, clusters.to_numpy(), lists.genes, parents=lists.parents, thin=lists.thin
    )
    table.insert(2, "with", sisters(run, seed, clusters, table["name"].tolist()))
    for row in table.to_dict("records"):
        log.info("cluster %(cluster)s: %(name)s (best: %(best)s, score %(score).2f)", row)
    for row in table[table["with"] != ""].drop_duplicates("name").to_dict("records"):
        log.info("clusters %(cluster)s, %(with)s: %(name)s, divided", row)
    return table


def sisters(run: RunFolder, seed: int, clusters: pd.Series[int], names: list[str]) -> list[str]:
    """Name the clusters that share the name of each below one split of the tree; else nothing.

    Parameters
    ----------
    run, seed
        Whose tree.
    clusters
        Of the cells that have one.
    names
        Of each cluster.
    """
    alone = [""] * len(names)
    arrays = run.load_tree(seed)
    if arrays is None:
        return alone
    tree = tree_of(arrays, arrays["leaves"])
    own = clusters.loc[arrays["obs_names"]].to_numpy()
    if len(names) > tree.n_max or not np.array_equal(tree.clusters(len(names)).labels, own):
        return alone
    groups = named_alike(tree, names)
    return [
        "" if names[at] == UNCLEAR else ", ".join(str(other) for other in group if other != at)
        for at, group in enumerate(groups)
    ]
