"""What the model says about genes: beside differential expression, and module by module."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import numpy as np

from scrcl._validate import InputError, check_one_of
from scrcl.pl.style import (
    FONT,
    RASTERIZE_FROM,
    axes_or_new,
    figure_of,
    figure_or_axes,
    new_figure,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL = (2.5, 2.2)  # inches
_LIST = 1.0  # inches, names of genes beside a panel
_COLOR = "#0072b2"


def association_scatter(table: pd.DataFrame, *, n_genes: int = 8) -> Figure:
    """Set gene associations against the Wilcoxon score, one panel a cluster.

    The genes with the strongest associations are blue and named beside the panel, strongest first,
    where no two names can overlap. Clusters that were not tested have no panel.

    Parameters
    ----------
    table
        As made by :func:`scrcl.markers.association_table`.
    n_genes
        Genes to name in each panel.

    Raises
    ------
    InputError
        If a column is missing or no cluster was tested.
    """
    for name in ("cluster", "gene", "association", "wilcoxon_score"):
        check_one_of(name, "association column", list(table))
    table = table[table["wilcoxon_score"].notna()]
    groups = list(table.groupby("cluster", sort=False))
    if not groups:
        msg = "associations: got no cluster with a test, wanted one of three cells or more."
        raise InputError(msg)
    n_columns = min(len(groups), int(np.ceil(np.sqrt(len(groups)))))
    n_rows = -(-len(groups) // n_columns)
    width, height = _PANEL
    fig = new_figure((width + _LIST) * n_columns, height * n_rows)
    axes = fig.subplots(n_rows, n_columns, squeeze=False).ravel()
    for ax, (cluster, rows) in zip(axes, groups, strict=False):
        _panel(ax, rows, n_genes)
        ax.set_title(str(cluster), fontsize=FONT + 1)
    for ax in axes[len(groups) :]:
        ax.remove()
    fig.supxlabel("Wilcoxon score, cluster against all others", fontsize=FONT + 1)
    fig.supylabel("association (share of the pull, %)", fontsize=FONT + 1)
    return fig


@overload
def module_heatmap(activity: pd.DataFrame, *, ax: None = ...) -> Figure: ...
@overload
def module_heatmap(activity: pd.DataFrame, *, ax: Axes) -> Axes: ...
def module_heatmap(activity: pd.DataFrame, *, ax: Axes | None = None) -> Figure | Axes:
    """Draw the mean activity of gene modules in clusters.

    Parameters
    ----------
    activity
        As made by :func:`scrcl.markers.module_activity`.
    ax
        Axes to draw in, which are returned; None: a new figure, which is returned.

    Raises
    ------
    InputError
        If a column is missing.
    """
    for name in ("module", "n_genes"):
        check_one_of(name, "activity column", list(activity))
    values = activity.drop(columns=["module", "n_genes"])
    n_modules, n_clusters = values.shape
    width, height = max(2.6, 0.28 * n_clusters + 1.9), max(1.8, 0.2 * n_modules + 0.8)
    given, ax = ax, axes_or_new(ax, width, height)
    limit = max(float(values.abs().to_numpy().max()), 1e-12)
    image = ax.imshow(values.to_numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    ax.set_xticks(
        range(n_clusters),
        [str(name) for name in values.columns],
        fontsize=FONT,
        rotation=90 * (n_clusters > 20),
    )
    sizes = [f"{row.module} ({row.n_genes})" for row in activity.itertuples()]
    ax.set_yticks(range(n_modules), sizes, fontsize=FONT)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("cluster", fontsize=FONT + 1)
    ax.set_ylabel("module (genes)", fontsize=FONT + 1)
    bar = figure_of(ax).colorbar(image, ax=ax, shrink=0.8, aspect=15, pad=0.02)
    bar.set_label("mean activity (SD of a gene)", fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT - 1)
    return figure_or_axes(ax, given)


def _panel(ax: Axes, rows: pd.DataFrame, n_genes: int) -> None:
    best = rows.nlargest(n_genes, "association")
    others = rows.drop(best.index)
    for part, color, size in ((others, "0.65", 4), (best, _COLOR, 12)):
        points = ax.scatter(
            part["wilcoxon_score"], 100 * part["association"], s=size, color=color, linewidths=0
        )
        points.set_rasterized(len(rows) > RASTERIZE_FROM)
    ax.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    ax.axvline(0, color="0.8", linewidth=0.6, zorder=0)
    ax.text(
        1.04,
        1.0,
        "\n".join(best["gene"].astype(str)),
        transform=ax.transAxes,
        fontsize=FONT - 1,
        color=_COLOR,
        va="top",
        linespacing=1.25,
    )
    ax.tick_params(labelsize=FONT - 1)
    ax.locator_params(nbins=4)
    ax.spines[["top", "right"]].set_visible(False)
