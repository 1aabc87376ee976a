"""One panel: points in a plane, coloured by a category or a number, with what explains them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import Normalize, to_rgba_array
from numpy.typing import NDArray

from scrcl.pl.colors import MISSING, SEQUENTIAL
from scrcl.pl.style import (
    FONT,
    LABEL_FROM,
    RASTERIZE_FROM,
    add_labels,
    add_legend,
    central_points,
    legend_width,
    numbered,
    with_missing,
)

if TYPE_CHECKING:
    from scrcl.pl.columns import Column

Coordinates: TypeAlias = NDArray[np.floating]
Points: TypeAlias = Callable[[Axes, Coordinates], Collection]

_COLORBAR_WIDTH = 0.7  # inches


def draw_points(
    ax: Axes,
    xy: Coordinates,
    column: Column,
    points: Points,
    *,
    size: tuple[float, float],
    shown: NDArray[np.bool_] | None = None,
    limits: tuple[float, float] | None = None,
) -> Collection:
    """Draw one point for each cell and colour it.

    Points without a value are grey and lie beneath; categories are drawn in a shuffled order, so
    that none hides another, and numbers with the highest on top. Above about twenty categories
    each is labelled at a central member.

    Parameters
    ----------
    ax
        Where to draw.
    xy
        Positions of the cells shown, (n_shown, 2).
    column
        Colouring of all cells.
    points
        Adds uncoloured points at given positions to axes.
    size
        Width and height of the axes in inches.
    shown
        Which cells `xy` is for, (n_obs,); all if None.
    limits
        Ends of the colour scale of a numeric column; those of all cells if None.
    """
    values = column.values if shown is None else column.values[shown]
    order = _drawing_order(values, numeric=column.colors is None)
    collection = points(ax, xy[order])
    collection.set_rasterized(len(values) > RASTERIZE_FROM)
    if column.colors is None:
        collection.set_array(values[order])
        collection.set_cmap(mpl.colormaps[SEQUENTIAL].with_extremes(bad=MISSING))
        collection.set_norm(Normalize(*(limits or _limits(column.values))))
        return collection
    # Code -1, no category, is the last entry.
    colors = to_rgba_array([*column.colors.values(), MISSING])
    codes = values.astype(int)
    collection.set_facecolor(colors[codes[order]])
    if len(column.colors) > LABEL_FROM:
        present = np.unique(codes[codes >= 0])
        labels, _ = numbered(list(column.colors))
        members = np.searchsorted(present, codes[codes >= 0])
        centers = central_points(xy[codes >= 0], members, len(present))
        add_labels(ax, centers, [labels[code] for code in present], size)
    return collection


def explain(ax: Axes, column: Column, collection: Collection, height: float) -> None:
    """Put a legend (categories) or a colour bar (numbers) right of axes of this height (inches)."""
    if column.colors is None:
        bar = ax.figure.colorbar(collection, ax=ax, shrink=0.6, aspect=18, pad=0.02)
        bar.ax.tick_params(labelsize=FONT)
        return
    add_legend(ax, _legend_entries(column), height)


def width_beside(column: Column, height: float) -> float:
    """Return the width in inches that :func:`explain` needs."""
    if column.colors is None:
        return _COLORBAR_WIDTH
    return legend_width(list(_legend_entries(column)), height)


def _legend_entries(column: Column) -> dict[str, str]:
    colors = column.colors or {}
    _, names = numbered(list(colors))
    entries = dict(zip(names, colors.values(), strict=True))
    return with_missing(entries, missing=bool((column.values < 0).any()))


def _drawing_order(values: NDArray[np.float64], *, numeric: bool) -> NDArray[np.intp]:
    if numeric:
        return np.argsort(np.where(np.isnan(values), -np.inf, values), kind="stable")
    shuffled = np.random.default_rng(0).permutation(len(values))
    return shuffled[np.argsort(values[shuffled] >= 0, kind="stable")]


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
