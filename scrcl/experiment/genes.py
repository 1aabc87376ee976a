"""What a run says about genes: tables of what a seed found, and names for its clusters."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pandas as pd

from scrcl._keys import SYMBOL
from scrcl.data.expression import genes_of, log_expression
from scrcl.markers import (
    association_table,
    module_activity,
    name_clusters,
    present_markers,
    read_marker_lists,
    with_symbols,
)

if TYPE_CHECKING:
    from pathlib import Path

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


def marker_lists(path: Path | None, data: Dataset) -> dict[str, list[str]]:
    """Read marker lists, cut down to the genes of the data; nothing if there is no file.

    Raises
    ------
    InputError
        If the file is not one of lists, or names no gene of the data.
    """
    if path is None:
        return {}
    var = genes_of(data.without_labels())
    lists, notes = present_markers(var.index, read_marker_lists(path), var[SYMBOL])
    for note in notes:
        log.warning("%s", note)
    return lists


def suggest_names(
    run: RunFolder, seed: int, data: Dataset, lists: dict[str, list[str]]
) -> pd.DataFrame | None:
    """Suggest names for the clusters of a seed, see :func:`scrcl.markers.name_clusters`.

    Parameters
    ----------
    run, seed
        Whose clusters, on the disk.
    data
        All cells.
    lists
        From :func:`marker_lists`; ``None`` is returned if there are none.
    """
    if not lists:
        return None
    clusters = run.load_clusters(seed)["cluster"].dropna().astype(int)
    expression = log_expression(data.without_labels()[clusters.index].copy())
    table = name_clusters(expression, clusters.to_numpy(), lists)
    for row in table.to_dict("records"):
        log.info("cluster %(cluster)s: %(name)s (best: %(best)s, score %(score).2f)", row)
    return table
