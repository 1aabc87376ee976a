"""Marker genes: their ranks, and their expression in every group.

All expression figures have genes as rows, in blocks by the group they mark, and groups as columns:
names stay horizontal and the figure grows downwards, from 2 to 50 groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import PolyCollection

from scrcl._keys import CLUSTERS
from scrcl._validate import InputError, check_one_of
from scrcl.pl.colors import SEQUENTIAL
from scrcl.pl.grid import SLOTS, add_colorbar, new_canvas, read_grid
from scrcl.pl.style import FONT, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

    from scrcl.pl.grid import Genes, Grid

_GENES_SHOWN = 70  # in all, if the caller leaves the number open
_DOT = 0.15  # inches, diameter of the dot of a gene that every cell expresses


def genes_per_group(n_groups: int) -> int:
    """Return how many genes a group leave a figure of `n_groups` readable: 10 down to 2."""
    return int(np.clip(_GENES_SHOWN // max(n_groups, 1), 2, 10))


def ranking(table: pd.DataFrame, *, n_genes: int = 10) -> Figure:
    """Draw the best genes of every group with their score, one panel a group.

    Parameters
    ----------
    table
        ``group``, ``gene`` and ``score``, best first within a group, as made by
        :func:`scrcl.markers.rank_genes`.
    n_genes
        Genes of each group.

    Raises
    ------
    InputError
        If a column is missing or the table is empty.
    """
    for name in ("group", "gene", "score"):
        check_one_of(name, "marker column", list(table))
    if table.empty:
        msg = "markers: got an empty table, wanted at least one gene. Loosen the filter."
        raise InputError(msg)
    groups = list(table["group"].unique())
    n_columns = len(groups) if len(groups) <= 5 else int(np.ceil(np.sqrt(1.3 * len(groups))))
    n_rows = -(-len(groups) // n_columns)
    longest = table.groupby("group").head(n_genes)["gene"].str.len().max()
    fig = new_figure((1.5 + 0.07 * longest) * n_columns, n_rows * (0.65 + 0.17 * n_genes))
    axes = fig.subplots(n_rows, n_columns, squeeze=False).ravel()
    for ax, group in zip(axes, groups, strict=False):
        best = table[table["group"] == group].head(n_genes)
        rows = np.arange(len(best))
        ax.hlines(rows, 0, best["score"], color="0.75", linewidth=1)
        ax.plot(best["score"], rows, "o", markersize=3.5, color="0.2")
        ax.set_yticks(rows, best["gene"], fontsize=FONT)
        ax.set_ylim(n_genes - 0.5, -0.5)
        ax.tick_params(axis="x", labelsize=FONT - 1)
        ax.locator_params(axis="x", nbins=3)
        ax.set_title(str(group), fontsize=FONT + 1)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[len(groups) :]:
        ax.remove()
    fig.supxlabel("score", fontsize=FONT + 1)
    return fig


def dotplot(adata: AnnData, genes: Genes, groupby: str = CLUSTERS) -> Figure:
    """Draw, for every gene and group, how many cells express it and how strongly.

    The area of a dot is the share of cells; its colour is the mean log expression, divided by the
    gene's highest so that weak genes can be seen too.

    Parameters
    ----------
    adata
        Counts or log-normalised expression; not changed.
    genes
        Genes of each group, as from :func:`scrcl.markers.top_markers`, or a plain list. A gene
        that marks several groups is shown once, where it ranks best.
    groupby
        Column of ``obs``; cells without a group are left out.

    Raises
    ------
    InputError
        If the column or a gene does not exist, or there is no gene.
    """
    grid = read_grid(adata, genes, groupby)
    means, fractions = grid.relative_means(), grid.fractions()
    fig, ax = new_canvas(grid)
    gene, group = np.indices(means.shape)
    full = (72 * _DOT) ** 2
    dots = ax.scatter(
        group.ravel() + 0.5,
        gene.ravel() + 0.5,
        s=full * fractions.ravel(),
        c=means.ravel(),
        cmap="Reds",
        vmin=0,
        vmax=1,
        edgecolors="0.4",
        linewidths=0.3,
    )
    handles = [
        ax.scatter([], [], s=full * share, color="0.5", label=f"{share:.0%}")
        for share in (0.25, 0.5, 1.0)
    ]
    ax.legend(
        handles=handles,
        title="cells\nexpressing",
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        fontsize=FONT,
        title_fontsize=FONT,
        alignment="left",
        frameon=False,
    )
    add_colorbar(grid, ax, dots, "mean expression\n(of the gene's highest)")
    return fig


def matrixplot(adata: AnnData, genes: Genes, groupby: str = CLUSTERS) -> Figure:
    """Draw the mean log expression of every gene in every group. Parameters as :func:`dotplot`."""
    grid = read_grid(adata, genes, groupby)
    means = grid.means()
    fig, ax = new_canvas(grid)
    image = _fill(ax, grid, means)
    add_colorbar(grid, ax, image, "mean log expression")
    return fig


def heatmap(adata: AnnData, genes: Genes, groupby: str = CLUSTERS) -> Figure:
    """Draw single cells: log expression, each gene divided by its 99th percentile.

    Every group is equally wide, so that small ones can be seen: 60 cells, evenly drawn from the
    group; cells of a smaller one are wider instead. Parameters as :func:`dotplot`.
    """
    grid = read_grid(adata, genes, groupby)
    values = grid.cells()
    top = np.array([np.percentile(row[row > 0], 99) if row.any() else 1.0 for row in values])
    fig, ax = new_canvas(grid)
    image = _fill(ax, grid, np.minimum(values / top[:, None], 1.0))
    ax.vlines(range(1, len(grid.groups)), 0, len(grid.genes), color="white", linewidth=0.8)
    ax.set_xlabel(f"{SLOTS} cells of each group, evenly drawn", fontsize=FONT)
    add_colorbar(grid, ax, image, "log expression\n(of the gene's 99th percentile)")
    return fig


def stacked_violin(adata: AnnData, genes: Genes, groupby: str = CLUSTERS) -> Figure:
    """Draw the distribution of each gene's log expression in each group.

    A violin runs from 0 to the gene's largest value, from left to right in the field of its group,
    and is as thick as there are cells at a value; its colour is the mean log expression, divided
    by the gene's highest. Parameters as :func:`dotplot`.
    """
    grid = read_grid(adata, genes, groupby)
    fig, ax = new_canvas(grid)
    violins = PolyCollection(list(grid.violins()), cmap="Blues", edgecolors="0.55", linewidths=0.25)
    violins.set_array(grid.relative_means().ravel())
    ax.add_collection(violins, autolim=False)
    ax.vlines(range(1, len(grid.groups)), 0, len(grid.genes), color="0.85", linewidth=0.5)
    add_colorbar(grid, ax, violins, "mean expression\n(of the gene's highest)")
    return fig


def _fill(ax: Axes, grid: Grid, values: NDArray[np.float64]) -> AxesImage:
    """Draw values, (n_genes, any multiple of n_groups), over the fields of the canvas."""
    limits = ax.axis()
    extent = (0, len(grid.groups), len(grid.genes), 0)
    image = ax.imshow(
        values, extent=extent, aspect="auto", cmap=SEQUENTIAL, vmin=0, interpolation="nearest"
    )
    ax.axis(limits)
    return image
