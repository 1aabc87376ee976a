"""PAGA: the graph of clusters that lie side by side in the embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import numpy as np
import scipy.sparse as sp
from matplotlib.collections import LineCollection

from scrcl._keys import CLUSTERS, EMBEDDING
from scrcl._validate import InputError
from scrcl.data.expression import group_labels
from scrcl.pl.columns import category_colors, title_of
from scrcl.pl.embedding import embedding_of
from scrcl.pl.layout import MAX_OPTIMISED, nearest_cells, spring_plane
from scrcl.pl.style import (
    add_labels,
    add_legend,
    axes_or_new,
    figure_or_axes,
    legend_width,
    numbered,
    size_of,
)

if TYPE_CHECKING:
    import anndata as ad
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_WEAKEST_EDGE = 0.03  # of the strongest


@overload
def paga(adata: ad.AnnData, groupby: str = ..., *, seed: int = ..., ax: None = ...) -> Figure: ...
@overload
def paga(adata: ad.AnnData, groupby: str = ..., *, seed: int = ..., ax: Axes) -> Axes: ...
def paga(
    adata: ad.AnnData, groupby: str = CLUSTERS, *, seed: int = 0, ax: Axes | None = None
) -> Figure | Axes:
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
        Of the layout, and of the sample of cells that neighbours are looked up for if there are
        more than 10,000.
    ax
        Axes to draw in, which are returned; None: a new figure, which is returned.

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
    embedding, codes = embedding_of(adata, EMBEDDING)[has_group], labels.codes[has_group]
    some = _sample(codes, seed)
    weights = connectivities(nearest_cells(embedding[some]), codes[some], len(names))
    strong = np.where(weights > _WEAKEST_EDGE * weights.max(), weights, 0)
    xy = spring_plane(strong, seed=seed)

    short, entries = numbered(names)
    colors = list(category_colors(adata, groupby, names).values())
    size = 6.0 if len(names) <= 20 else 8.0
    given, ax = ax, axes_or_new(ax, size + legend_width(entries, size), size)
    width, height = (size, size) if given is None else size_of(given)
    _draw_edges(ax, xy, strong)
    share = np.bincount(codes) / len(codes)
    x, y = xy.T
    ax.scatter(x, y, s=140 + 2400 * share, c=colors, edgecolors="black", linewidths=0.6, zorder=2)
    add_labels(ax, xy, short, (width, height))
    if entries != short:
        add_legend(ax, dict(zip(entries, colors, strict=True)), height)
    ax.set_title(f"PAGA of {title_of(groupby)}")
    ax.margins(0.1)
    ax.axis("off")
    return figure_or_axes(ax, given)


def connectivities(
    neighbors: sp.csr_matrix, codes: NDArray[np.integer], n_groups: int
) -> NDArray[np.float64]:
    """Compute PAGA's connectivity of every pair of groups, as ``scanpy.tl.paga`` (model v1.2).

    The edges between groups i and j, over those to be expected if edges had random ends,
    (e_i n_j + e_j n_i) / (n - 1) with e the edges that start in a group and n its size; at most 1.
    Done here because scanpy's needs igraph and fails if no two groups touch.

    Parameters
    ----------
    neighbors
        Stored entry (a, b): b is among the nearest neighbours of a, (n_obs, n_obs).
    codes
        Group of each cell, (n_obs,).
    n_groups
        Number of groups, none of them empty.

    Returns
    -------
    Connectivities, (n_groups, n_groups), symmetric, zero on the diagonal.
    """
    n_obs = len(codes)
    member = sp.csr_matrix((np.ones(n_obs), (codes, np.arange(n_obs))), shape=(n_groups, n_obs))
    ones = np.ones_like(neighbors.data)
    edges = (
        member @ sp.csr_matrix((ones, neighbors.indices, neighbors.indptr)) @ member.T
    ).toarray()
    starts, size = edges.sum(axis=1), np.bincount(codes, minlength=n_groups)
    expected = (np.outer(starts, size) + np.outer(size, starts)) / (n_obs - 1)
    found: NDArray[np.float64] = np.minimum((edges + edges.T) / expected, 1.0)
    np.fill_diagonal(found, 0.0)
    return found


def _sample(codes: NDArray[np.integer], seed: int) -> NDArray[np.intp]:
    """Choose cells whose neighbours are looked up, in their order: all, or some of every group."""
    order = np.random.default_rng(seed).permutation(len(codes))
    first = order[np.unique(codes[order], return_index=True)[1]]  # no group may be empty
    return np.unique(np.concatenate([first, order[:MAX_OPTIMISED]]))


def _draw_edges(ax: Axes, xy: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
    source, target = np.nonzero(np.triu(weights, 1))
    width = 3.0 * weights[source, target] / weights.max()
    lines = np.stack([xy[source], xy[target]], axis=1)
    ax.add_collection(LineCollection(list(lines), linewidths=width, colors="0.65", zorder=1))
