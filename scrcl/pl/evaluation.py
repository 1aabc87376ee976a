"""How good a clustering is: its number of clusters, its stability, its agreement with labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import numpy as np
from matplotlib.ticker import MaxNLocator
from scipy.optimize import linear_sum_assignment

from scrcl._keys import CLUSTERS, CONFIDENCE
from scrcl._validate import InputError, check_one_of
from scrcl.data.expression import group_labels
from scrcl.pl.colors import MISSING, palette
from scrcl.pl.columns import category_colors
from scrcl.pl.style import FONT, axes_or_new, figure_of, figure_or_axes, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_N_CANDIDATES = 3
_ROW = 0.2  # inches, one cluster
_NUMBERS_UP_TO = 25  # rows or columns of a confusion table with a number in every field
_TEXT_UP_TO = 10_000  # a larger count does not fit its field and is written in thousands


@overload
def n_clusters_curve(
    curve: pd.DataFrame, chosen: int | None = ..., *, criterion: str = ..., ax: None = ...
) -> Figure: ...
@overload
def n_clusters_curve(
    curve: pd.DataFrame, chosen: int | None = ..., *, criterion: str = ..., ax: Axes
) -> Axes: ...
def n_clusters_curve(
    curve: pd.DataFrame,
    chosen: int | None = None,
    *,
    criterion: str = "criterion",
    ax: Axes | None = None,
) -> Figure | Axes:
    """Draw the criterion by which the number of clusters was chosen; high is good.

    Parameters
    ----------
    curve
        One row for each number tried: ``n_clusters`` and the criterion.
    chosen
        The number taken; the best by the criterion if None. The three best are marked.
    criterion
        Column of the criterion, also the label of its axis.
    ax
        Axes to draw in, which are returned; None: a new figure, which is returned.

    Raises
    ------
    InputError
        If a column is missing, there is no row, or `chosen` was not tried.
    """
    for name in ("n_clusters", criterion):
        check_one_of(name, "curve column", list(curve))
    table = curve.dropna(subset=[criterion]).sort_values("n_clusters")
    if table.empty:
        msg = "curve: got no number of clusters with a value, wanted at least one."
        raise InputError(msg)
    k, value = table["n_clusters"].to_numpy(), table[criterion].to_numpy(dtype=np.float64)
    best = np.argsort(-value, kind="stable")[:_N_CANDIDATES]
    taken = int(k[best[0]]) if chosen is None else chosen
    check_one_of(taken, "chosen", [int(number) for number in k])
    line, mark, other = palette(3)
    given, ax = ax, axes_or_new(ax, 5.0, 3.2)
    ax.plot(k, value, color=line, marker="o", markersize=3, linewidth=1.2, zorder=1)
    ranked = "best: " + ", ".join(str(number) for number in k[best])
    ax.scatter(k[best], value[best], s=50, color=other, zorder=2, label=ranked)
    at = k == taken
    ax.scatter(k[at], value[at], s=110, marker="*", color=mark, zorder=3, label=f"chosen: {taken}")
    ax.set(xlabel="number of clusters", ylabel=criterion, title="choice of the number of clusters")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=FONT, frameon=False)
    return figure_or_axes(ax, given)


def stability(
    adata: AnnData,
    per_cluster: pd.Series,
    *,
    groupby: str = CLUSTERS,
    confidence: str = CONFIDENCE,
) -> Figure:
    """Draw how stable each cluster is, and how sure its cells are, side by side.

    Parameters
    ----------
    adata
        Cells with their cluster and confidence; not changed.
    per_cluster
        Stability of each cluster, 0 to 1, indexed by its name.
    groupby, confidence
        Columns of ``obs``. The confidence (0 to 1) is drawn as quartiles, median and 5 to 95 %.

    Raises
    ------
    InputError
        If a column is missing or a cluster has no stability.
    """
    check_one_of(confidence, "obs column", list(adata.obs))
    labels = group_labels(adata, groupby)
    names = list(labels.categories)
    values = {str(name): float(value) for name, value in per_cluster.items()}
    lacking = [name for name in names if name not in values]
    if lacking:
        msg = f"per_cluster: got no value for clusters {lacking}, wanted one for each."
        raise InputError(msg)
    colors = list(category_colors(adata, groupby, names).values())
    sure = adata.obs[confidence].to_numpy(dtype=np.float64)
    cells = [sure[(labels.codes == code) & np.isfinite(sure)] for code in range(len(names))]

    fig = new_figure(6.5 + 0.07 * max(map(len, names)), 1.2 + _ROW * len(names))
    left, right = fig.subplots(1, 2, sharey=True)
    rows = np.arange(len(names))
    left.barh(rows, [values[name] for name in names], color=colors, height=0.75)
    boxes = right.boxplot(
        cells,
        positions=rows,
        orientation="horizontal",
        whis=(5, 95),
        widths=0.65,
        showfliers=False,
        patch_artist=True,
        medianprops={"color": "white", "linewidth": 1.5},
    )
    for box, color in zip(boxes["boxes"], colors, strict=True):
        box.set(facecolor=color, linewidth=0.6)
    sizes = [f"{name}  ({(labels.codes == code).sum():,})" for code, name in enumerate(names)]
    left.set_yticks(rows, sizes, fontsize=FONT)
    left.set_ylim(len(names) - 0.4, -0.6)
    left.set(title="stability of the cluster", xlim=(0, 1), ylabel="cluster (cells)")
    right.set(title="confidence of its cells", xlim=(0, 1.02))
    for ax in (left, right):
        ax.grid(axis="x", color=MISSING, linewidth=0.5)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
    return fig


@overload
def confusion(table: pd.DataFrame, *, ax: None = ...) -> Figure: ...
@overload
def confusion(table: pd.DataFrame, *, ax: Axes) -> Axes: ...
def confusion(table: pd.DataFrame, *, ax: Axes | None = None) -> Figure | Axes:
    """Draw how labels (rows) are spread over clusters (columns).

    Clusters are put in the order of the labels they match best, so that agreement is a diagonal.
    The shade is the share of the label's cells, the number their count.

    Parameters
    ----------
    table
        Counts, for instance of ``pd.crosstab(labels, clusters)``.
    ax
        Axes to draw in, which are returned; None: a new figure, which is returned.

    Raises
    ------
    InputError
        If the table is empty or has negative or missing counts.
    """
    counts = table.to_numpy(dtype=np.float64)
    if not counts.size or not (counts >= 0).all():
        msg = f"table: got shape {counts.shape}, wanted counts of at least one label and cluster."
        raise InputError(msg)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    order = _diagonal_order(share)
    counts, share = counts[:, order], share[:, order]
    rows, columns = [str(name) for name in table.index], [str(table.columns[i]) for i in order]

    longest = max(map(len, rows))
    side = 0.36 if max(counts.shape) <= _NUMBERS_UP_TO else 0.2
    width, height = 1.8 + 0.07 * longest + side * len(columns), 1.4 + side * len(rows)
    given, ax = ax, axes_or_new(ax, width, height)
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    turned = max(map(len, columns)) > 3
    ax.set_xticks(range(len(columns)), columns, fontsize=FONT, rotation=90 if turned else 0)
    ax.set_yticks(range(len(rows)), rows, fontsize=FONT)
    ax.tick_params(length=0)
    ax.set(xlabel="cluster", ylabel="label", title="labels and clusters")
    if max(counts.shape) <= _NUMBERS_UP_TO:
        _write_counts(ax, counts, share)
    bar = figure_of(ax).colorbar(image, ax=ax, shrink=0.6, aspect=18, pad=0.02)
    bar.set_label("share of the label's cells", fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT)
    return figure_or_axes(ax, given)


def _diagonal_order(share: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return columns ordered by the row each is matched to; the others by their largest row."""
    rows, columns = linear_sum_assignment(share, maximize=True)
    place = share.argmax(axis=0) + 0.5  # after the matched column of that row
    place[columns] = rows
    return np.argsort(place, kind="stable")


def _write_counts(ax: Axes, counts: NDArray[np.float64], share: NDArray[np.float64]) -> None:
    for row, column in np.argwhere(counts > 0):
        count = int(counts[row, column])
        ax.text(
            column,
            row,
            str(count) if count < _TEXT_UP_TO else f"{count // 1000}k",
            ha="center",
            va="center",
            fontsize=FONT - 1,
            color="white" if share[row, column] > 0.6 else "black",
        )
