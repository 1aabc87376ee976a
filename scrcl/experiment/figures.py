"""The figures of a run."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd

from scrcl import pl
from scrcl._keys import CLUSTERS, EMBEDDING, UMAP
from scrcl._validate import InputError
from scrcl.clustering import tree_of
from scrcl.data.places import place_tables
from scrcl.markers import clear_names, shown_genes
from scrcl.pl.columns import matched_colors
from scrcl.results import writable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.figure import Figure

    from scrcl.experiment.after import Part
    from scrcl.results import RunFolder, SeedResult

log = logging.getLogger(__name__)

TREE_FIGURE = "figures/tree.png"


def draw(
    run: RunFolder,
    adata: ad.AnnData,
    result: SeedResult,
    *,
    labels: pd.Series | None = None,
    slice_key: str | None = None,
    tissue: bool = False,
    part: Part = nullcontext,
) -> None:
    """Write the figures of a seed to ``figures/``; one that cannot be drawn is left out with a note.

    Parameters
    ----------
    run
        Where to.
    adata
        What :func:`scrcl.results.annotated` returned.
    result
        The seed.
    labels
        Class of each cell of ``adata``, to be shown beside the clusters.
    slice_key
        Column of ``obs`` that tells slices apart.
    tissue
        Draw what lies where, too.
    part
        Takes the name of a file and guards its making, see `scrcl.experiment.after.Attempts.part`.

    Raises
    ------
    InputError
        If the folder cannot be written and ``part`` does not guard it.
    """
    cells = _for_drawing(adata, labels)
    figures = _figures(cells, result, labels, slice_key)
    if result.tree is not None and result.leaves is not None:
        figures["tree"] = lambda: _tree(result, run.shown_names)
    if tissue:
        figures |= _tissue_figures(cells, result, labels, slice_key)
    for name, figure in figures.items():
        path = run.path / "figures" / f"{name}.png"
        with part(f"figures/{path.name}"):
            try:
                drawn = figure()
            except InputError as error:  # the data have nothing to draw
                log.warning("%s: not drawn, %s", path.name, error)
                continue
            with writable(path):
                pl.save(drawn, path)


def redraw_tree(run: RunFolder, seed: int) -> None:
    """Draw the tree once more, if it is among the figures: its clusters have other names now."""
    path = run.path / TREE_FIGURE
    if path.is_file():
        with writable(path):
            pl.save(_tree(run.load_result(seed), run.shown_names), path)


def _tree(result: SeedResult, names: Mapping[str, str]) -> Figure:
    """Tree of a seed; clusters of which markers say nothing clear have no name in it."""
    assert result.tree is not None  # it was drawn, or is to be
    assert result.leaves is not None
    tree = tree_of(result.tree, result.leaves)
    return pl.cluster_tree(tree, len(set(result.clusters)), names=clear_names(names))


def _figures(
    cells: ad.AnnData, result: SeedResult, labels: pd.Series | None, slice_key: str | None
) -> dict[str, Callable[[], Figure]]:
    """File name to the function that draws it."""
    has_cluster = cells.obs[CLUSTERS].notna()
    clustered = cells if has_cluster.all() else cells[has_cluster].copy()
    shown = _columns(labels) if slice_key is None else [*_columns(labels), slice_key]
    epoch = int(result.metrics["label_free"]["epoch"])
    best = epoch if epoch < len(result.history) else None
    places = clustered.obsm.get(UMAP)
    figures = {"umap": lambda: pl.umap(clustered, shown, coordinates=places)}
    if labels is not None:
        figures |= _confusions(clustered, result, labels)
    if len(result.history):
        figures["training_curve"] = lambda: pl.training_curve(result.history, best_epoch=best)
    stability, curve = result.stability, result.curve
    if stability is not None and result.confidence is not None:
        figures["stability"] = lambda: pl.stability(clustered, stability)
    associations, activity = result.associations, result.activity
    if associations is not None and activity is not None:
        figures["gene_associations"] = lambda: pl.association_scatter(shown_genes(associations))
        figures["gene_modules"] = lambda: pl.module_heatmap(activity)
    if curve is not None:
        chosen, criterion = len(set(result.clusters)), str(curve.columns[1])
        figures["n_clusters"] = lambda: pl.n_clusters_curve(curve, chosen, criterion=criterion)
    return figures


def _confusions(
    cells: ad.AnnData, result: SeedResult, labels: pd.Series
) -> dict[str, Callable[[], Figure]]:
    """Labels against the clusters of each protocol."""
    truth = labels.reindex(cells.obs_names)
    figures = {"confusion": lambda: pl.confusion(pd.crosstab(truth, cells.obs[CLUSTERS]))}
    if result.oracle_clusters is not None:
        picked = pd.Series(result.oracle_clusters, index=np.asarray(result.obs_names, dtype=str))
        table = pd.crosstab(truth, picked.reindex(cells.obs_names))
        figures["confusion_oracle"] = lambda: pl.confusion(table)
    return figures


def _tissue_figures(
    cells: ad.AnnData, result: SeedResult, labels: pd.Series | None, slice_key: str | None
) -> dict[str, Callable[[], Figure]]:
    """As `_figures`, for what needs positions; spots without a domain are shown in grey."""
    figures = {
        "domains": lambda: pl.spatial_domains(cells, _columns(labels), slice_key=slice_key),
        "paga": lambda: pl.paga(cells[cells.obs[CLUSTERS].notna()]),
    }
    if result.confidence is not None:
        figures["confidence"] = lambda: pl.spatial_confidence(cells, slice_key=slice_key)
    return figures


def _columns(labels: pd.Series | None) -> list[str]:
    return [CLUSTERS] if labels is None else [CLUSTERS, str(labels.name)]


def _for_drawing(adata: ad.AnnData, labels: pd.Series | None) -> ad.AnnData:
    """Annotation, embedding, positions and images, without the expression.

    Labels without colours of their own have those of the clusters they overlap with.
    """
    shown = (EMBEDDING, UMAP, *place_tables(adata))
    cells = ad.AnnData(
        obs=adata.obs.copy(),
        uns=dict(adata.uns),
        obsm={key: adata.obsm[key] for key in shown if key in adata.obsm},
    )
    if labels is not None:
        name = str(labels.name)
        cells.obs[name] = labels
        cells.uns[f"{name}_colors"] = matched_colors(cells, name)
    return cells
