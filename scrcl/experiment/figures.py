"""The figures of a run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anndata as ad

from scrcl import pl
from scrcl._keys import CLUSTERS, EMBEDDING, SPATIAL
from scrcl._validate import InputError
from scrcl.results import writable

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from matplotlib.figure import Figure

    from scrcl.results import RunFolder, SeedResult

log = logging.getLogger(__name__)


def draw(
    run: RunFolder,
    adata: ad.AnnData,
    result: SeedResult,
    *,
    labels: pd.Series | None = None,
    slice_key: str | None = None,
    tissue: bool = False,
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

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    cells = _for_drawing(adata, labels)
    figures = _figures(cells, result, labels, slice_key)
    if tissue:
        figures |= _tissue_figures(cells, result, labels, slice_key)
    for name, figure in figures.items():
        path = run.path / "figures" / f"{name}.png"
        try:
            drawn = figure()
        except InputError as error:
            log.warning("%s: not drawn, %s", path.name, error)
            continue
        with writable(path):
            pl.save(drawn, path)


def _figures(
    cells: ad.AnnData, result: SeedResult, labels: pd.Series | None, slice_key: str | None
) -> dict[str, Callable[[], Figure]]:
    """File name to the function that draws it."""
    clustered = cells[cells.obs[CLUSTERS].notna()].copy()
    shown = _columns(labels) if slice_key is None else [*_columns(labels), slice_key]
    epoch = int(result.metrics["label_free"]["epoch"])
    best = epoch if epoch < len(result.history) else None
    figures = {"umap": lambda: pl.umap(clustered, shown)}
    if len(result.history):
        figures["training_curve"] = lambda: pl.training_curve(result.history, best_epoch=best)
    stability, curve = result.stability, result.curve
    if stability is not None and result.confidence is not None:
        figures["stability"] = lambda: pl.stability(clustered, stability)
    if curve is not None:
        chosen, criterion = len(set(result.clusters)), str(curve.columns[1])
        figures["n_clusters"] = lambda: pl.n_clusters_curve(curve, chosen, criterion=criterion)
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
    """Annotation, embedding, positions and images, without the expression."""
    cells = ad.AnnData(
        obs=adata.obs.copy(),
        uns=dict(adata.uns),
        obsm={key: adata.obsm[key] for key in (EMBEDDING, SPATIAL) if key in adata.obsm},
    )
    if labels is not None:
        cells.obs[str(labels.name)] = labels
    return cells
