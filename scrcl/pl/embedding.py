"""Cells in the plane of the learned embedding."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, overload

import numpy as np

from scrcl._keys import CLUSTERS, EMBEDDING
from scrcl._validate import InputError, check_one_of
from scrcl.pl.columns import read_columns
from scrcl.pl.layout import umap_plane
from scrcl.pl.panels import draw_points, explain, width_beside
from scrcl.pl.style import new_figure, size_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import anndata as ad
    from matplotlib.axes import Axes
    from matplotlib.collections import Collection
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from scrcl.pl.columns import Column

log = logging.getLogger(__name__)

_PANEL = 4.0  # inches
_MAX_PANELS_ABREAST = 4
MAX_LAYOUT = 50_000
"""Cells that are laid out, at most."""


def umap_coordinates(
    adata: ad.AnnData, *, use_rep: str = EMBEDDING, seed: int = 0
) -> NDArray[np.float32]:
    """Compute a UMAP of an embedding by igraph; equal input and seed give equal coordinates.

    15 nearest cells by cosine distance, started from the leading components. Of more than 10,000
    cells, a random sample is laid out, and each other cell lies between those nearest to it.

    Parameters
    ----------
    adata
        Holds the embedding; not changed.
    use_rep
        Key of the embedding in ``obsm``, (n_obs, n_latent).
    seed
        Of the layout.

    Returns
    -------
    Coordinates, (n_obs, 2).

    Raises
    ------
    InputError
        If there is no such embedding, or it has fewer than three cells.
    """
    return umap_plane(embedding_of(adata, use_rep), seed=seed)


def umap_layout(
    adata: ad.AnnData, *, seed: int = 0, max_cells: int = MAX_LAYOUT
) -> NDArray[np.float32]:
    """Return :func:`umap_coordinates` of the cells that have an embedding, NaN for the others.

    Parameters
    ----------
    adata
        Holds the embedding; not changed.
    seed
        Of the layout, and of the sample.
    max_cells
        If there are more cells, a random sample of as many is laid out, and the others have NaN: no
        figure can show more points, and the layout would take longer than everything before it.

    Raises
    ------
    InputError
        If there is no embedding, or it has fewer than three cells.
    """
    check_one_of(EMBEDDING, "obsm key", list(adata.obsm), hint="Run scrcl first.")
    embedding = np.asarray(adata.obsm[EMBEDDING])
    there = np.flatnonzero(np.isfinite(embedding.sum(axis=1)))
    if len(there) > max_cells:
        log.info("umap: of %s random cells of %s", f"{max_cells:,}", f"{len(there):,}")
        there = np.sort(np.random.default_rng(seed).choice(there, max_cells, replace=False))
    layout = np.full((adata.n_obs, 2), np.nan, dtype=np.float32)
    layout[there] = umap_plane(_enough(embedding[there]), seed=seed)
    return layout


@overload
def umap(
    adata: ad.AnnData,
    color: str | Sequence[str] = ...,
    *,
    coordinates: NDArray[np.floating] | None = ...,
    seed: int = ...,
    ax: None = ...,
) -> Figure: ...
@overload
def umap(
    adata: ad.AnnData,
    color: str | Sequence[str] = ...,
    *,
    coordinates: NDArray[np.floating] | None = ...,
    seed: int = ...,
    ax: Axes,
) -> Axes: ...
def umap(
    adata: ad.AnnData,
    color: str | Sequence[str] = CLUSTERS,
    *,
    coordinates: NDArray[np.floating] | None = None,
    seed: int = 0,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Draw the cells in a UMAP of the embedding, one panel for each colouring.

    Parameters
    ----------
    adata
        Result with ``obsm["X_scrcl"]``; not changed.
    color
        Columns of ``obs`` or genes. Cells without a label are grey and lie beneath. Colours are
        those of ``uns[f"{key}_colors"]`` where given.
    coordinates
        What :func:`umap_coordinates` returned, to draw several figures of one layout. Computed if
        None.
    seed
        Of the layout.
    ax
        Axes to draw one colouring in, which are returned; None: a new figure, which is returned.

    Raises
    ------
    InputError
        If a colouring or the embedding is missing, the coordinates do not fit, or there are several
        colourings for one panel.
    """
    columns = read_columns(adata, [color] if isinstance(color, str) else color)
    xy = umap_coordinates(adata, seed=seed) if coordinates is None else np.asarray(coordinates)
    if xy.shape != (adata.n_obs, 2):
        msg = f"coordinates: got shape {xy.shape}, wanted ({adata.n_obs}, 2). One row per cell."
        raise InputError(msg)
    if ax is not None:
        if len(columns) != 1:
            msg = f"color: got {len(columns)} colourings for one panel, wanted one. Leave ax out."
            raise InputError(msg)
        _panel(ax, xy, columns[0], size_of(ax))
        return ax
    n_abreast = min(len(columns), _MAX_PANELS_ABREAST)
    n_rows = -(-len(columns) // n_abreast)
    beside = [max(width_beside(c, _PANEL) for c in columns[i::n_abreast]) for i in range(n_abreast)]
    fig = new_figure(n_abreast * _PANEL + sum(beside), n_rows * (_PANEL + 0.4))
    axes = fig.subplots(n_rows, n_abreast, squeeze=False).ravel()
    for panel, column in zip(axes, columns, strict=False):
        _panel(panel, xy, column, (_PANEL, _PANEL))
    for panel in axes[len(columns) :]:
        panel.remove()
    return fig


def embedding_of(adata: ad.AnnData, use_rep: str) -> NDArray[np.floating]:
    """Return an embedding from ``obsm``, (n_obs, n_latent).

    Raises
    ------
    InputError
        If there is none of that name, or it has fewer than three cells.
    """
    check_one_of(use_rep, "obsm key", list(adata.obsm), hint="Run scrcl first.")
    return _enough(np.asarray(adata.obsm[use_rep]))


def dots(ax: Axes, xy: NDArray[np.floating], *, width: float = _PANEL) -> Collection:
    """Add points to axes of this width (inches): small ones if there are many."""
    area = np.clip(40_000 / max(len(xy), 1), 0.5, 20) * (width / _PANEL) ** 2
    return ax.scatter(xy[:, 0], xy[:, 1], s=area, linewidths=0)


def _panel(ax: Axes, xy: NDArray[np.floating], column: Column, size: tuple[float, float]) -> None:
    points = partial(dots, width=size[0])
    explain(ax, column, draw_points(ax, xy, column, points, size=size), size[1])
    ax.set(title=column.title, xlabel="UMAP 1", ylabel="UMAP 2", xticks=[], yticks=[])
    ax.set_box_aspect(1)


def _enough(embedding: NDArray[np.floating]) -> NDArray[np.floating]:
    if len(embedding) < 3:
        msg = f"cells: got {len(embedding)}, wanted at least 3 for a layout."
        raise InputError(msg)
    return embedding
