"""Cells in the plane of the learned embedding, and the graph of their clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import networkx as nx
import numpy as np
import pandas as pd
import scanpy as sc
from matplotlib.collections import LineCollection

from scrcl._keys import CLUSTERS, EMBEDDING
from scrcl._validate import InputError, check_one_of
from scrcl.data.expression import group_labels
from scrcl.pl.columns import category_colors, read_columns
from scrcl.pl.panels import draw_points, explain, width_beside
from scrcl.pl.style import add_labels, add_legend, legend_width, new_figure, numbered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.collections import Collection
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_PANEL = 4.0  # inches
_MAX_PANELS_ABREAST = 4
_N_NEIGHBORS = 15
_WEAKEST_EDGE = 0.03  # of the strongest


def umap_coordinates(
    adata: ad.AnnData, *, use_rep: str = EMBEDDING, seed: int = 0
) -> NDArray[np.float32]:
    """Compute a UMAP of an embedding; equal input and seed give equal coordinates.

    Parameters
    ----------
    adata
        Holds the embedding; not changed.
    use_rep
        Key of the embedding in ``obsm``, (n_obs, n_latent).
    seed
        Of the neighbour search and of the layout.

    Returns
    -------
    Coordinates, (n_obs, 2).

    Raises
    ------
    InputError
        If there is no such embedding, or it has fewer than three cells.
    """
    cells = _neighbors(adata, use_rep, seed)
    # The spectral start is an eigenproblem that very few cells cannot pose.
    init = "spectral" if cells.n_obs > _N_NEIGHBORS else "random"
    sc.tl.umap(cells, random_state=seed, init_pos=init)
    coordinates: NDArray[np.float32] = np.asarray(cells.obsm["X_umap"], dtype=np.float32)
    return coordinates


def umap(
    adata: ad.AnnData,
    color: str | Sequence[str] = CLUSTERS,
    *,
    coordinates: NDArray[np.floating] | None = None,
    seed: int = 0,
) -> Figure:
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

    Raises
    ------
    InputError
        If a colouring or the embedding is missing, or the coordinates do not fit.
    """
    columns = read_columns(adata, [color] if isinstance(color, str) else color)
    xy = umap_coordinates(adata, seed=seed) if coordinates is None else np.asarray(coordinates)
    if xy.shape != (adata.n_obs, 2):
        msg = f"coordinates: got shape {xy.shape}, wanted ({adata.n_obs}, 2). One row per cell."
        raise InputError(msg)
    n_abreast = min(len(columns), _MAX_PANELS_ABREAST)
    n_rows = -(-len(columns) // n_abreast)
    beside = [max(width_beside(c, _PANEL) for c in columns[i::n_abreast]) for i in range(n_abreast)]
    fig = new_figure(n_abreast * _PANEL + sum(beside), n_rows * (_PANEL + 0.4))
    axes = fig.subplots(n_rows, n_abreast, squeeze=False).ravel()
    for ax, column in zip(axes, columns, strict=False):
        explain(ax, column, draw_points(ax, xy, column, _dots, size=(_PANEL, _PANEL)), _PANEL)
        ax.set(title=column.title, xlabel="UMAP 1", ylabel="UMAP 2", xticks=[], yticks=[])
        ax.set_box_aspect(1)
    for ax in axes[len(columns) :]:
        ax.remove()
    return fig


def paga(adata: ad.AnnData, groupby: str = CLUSTERS, *, seed: int = 0) -> Figure:
    """Draw how the clusters hang together: PAGA on neighbours in the embedding.

    A node's area grows with its number of cells, an edge's width with the connectivity; edges too
    weak to see are left out.

    Parameters
    ----------
    adata
        Result with ``obsm["X_scrcl"]``; not changed.
    groupby
        Column of ``obs``; cells without a group are left out.
    seed
        Of the neighbour search and of the layout.

    Raises
    ------
    InputError
        If the column or the embedding is missing, or there is only one group.
    """
    labels = group_labels(adata, groupby)
    names = list(labels.categories)
    if len(names) < 2:
        msg = f"obs[{groupby!r}]: got 1 group, wanted at least 2. PAGA links groups."
        raise InputError(msg)
    has_group = labels.codes >= 0
    cells = _neighbors(adata[has_group], EMBEDDING, seed)
    cells.obs["group"] = labels[has_group]
    sc.tl.paga(cells, groups="group")
    weights = cells.uns["paga"]["connectivities"].toarray()
    xy = _graph_layout(weights, seed)

    short, entries = numbered(names)
    colors = list(category_colors(adata, groupby, names).values())
    size = 6.0 if len(names) <= 20 else 8.0
    fig = new_figure(size + legend_width(entries, size), size)
    ax = fig.subplots()
    _draw_edges(ax, xy, weights)
    share = np.bincount(labels.codes[has_group]) / has_group.sum()
    x, y = xy.T
    ax.scatter(x, y, s=140 + 2400 * share, c=colors, edgecolors="black", linewidths=0.6, zorder=2)
    add_labels(ax, xy, short, (size, size))
    if entries != short:
        add_legend(ax, dict(zip(entries, colors, strict=True)), size)
    ax.set_title(f"PAGA of {groupby}")
    ax.margins(0.1)
    ax.axis("off")
    return fig


def _dots(ax: Axes, xy: NDArray[np.floating]) -> Collection:
    area = np.clip(40_000 / max(len(xy), 1), 0.5, 20)
    return ax.scatter(xy[:, 0], xy[:, 1], s=area, linewidths=0)


def _neighbors(adata: ad.AnnData, use_rep: str, seed: int) -> ad.AnnData:
    """Return cells with nothing but the embedding and scanpy's neighbour graph on it."""
    check_one_of(use_rep, "obsm key", list(adata.obsm), hint="Run scrcl first.")
    if adata.n_obs < 3:
        msg = f"cells: got {adata.n_obs}, wanted at least 3 for a layout."
        raise InputError(msg)
    cells = ad.AnnData(obs=pd.DataFrame(index=adata.obs_names))
    cells.obsm[use_rep] = np.asarray(adata.obsm[use_rep], dtype=np.float32)
    n_neighbors = min(_N_NEIGHBORS, adata.n_obs - 1)
    sc.pp.neighbors(cells, n_neighbors, use_rep=use_rep, metric="cosine", random_state=seed)
    return cells


def _graph_layout(weights: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Place the nodes of a weighted graph, (n_nodes, 2)."""
    graph = nx.from_numpy_array(np.where(weights > _WEAKEST_EDGE * weights.max(), weights, 0))
    spread = 2.5 / np.sqrt(len(weights))
    layout = nx.spring_layout(graph, k=spread, iterations=300, seed=seed)
    return np.array([layout[node] for node in range(len(weights))])


def _draw_edges(ax: Axes, xy: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
    strongest = weights.max()
    source, target = np.nonzero(np.triu(weights, 1) > _WEAKEST_EDGE * strongest)
    width = 3.0 * weights[source, target] / strongest
    lines = np.stack([xy[source], xy[target]], axis=1)
    ax.add_collection(LineCollection(list(lines), linewidths=width, colors="0.65", zorder=1))
