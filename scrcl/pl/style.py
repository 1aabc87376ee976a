"""What all figures share: saving, sizes, legends and labels."""

from __future__ import annotations

import logging
import re
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

from scrcl._validate import check_one_of, check_positive
from scrcl.pl.colors import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

FONT = 8.0  # points, for everything but titles
RASTERIZE_FROM = 20_000  # points; more would make a vector file slow to open
LABEL_FROM = 20  # categories; beyond, colours alone do not tell them apart
UNLABELLED = "unannotated"

_FORMATS = ("png", "pdf", "svg")
_LEGEND_ROW = 0.17  # inches
_CHARACTER = 0.066  # inches, mean width at FONT
_LONGEST = 80  # characters of a line
_MISSING_SIGN = r"Glyph (\d+) .* missing from font"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def new_figure(width: float, height: float) -> Figure:
    """Make a figure (inches) that lays itself out and that pyplot knows nothing of."""
    return Figure(figsize=(width, height), layout="constrained")


def axes_or_new(ax: Axes | None, width: float, height: float) -> Axes:
    """Return axes as they are, or those of a new figure of this size (inches)."""
    return new_figure(width, height).subplots() if ax is None else ax


def figure_or_axes(ax: Axes, given: Axes | None) -> Figure | Axes:
    """Return what a function that draws in one panel returns: the axes it was given, or its figure."""
    return figure_of(ax) if given is None else given


def figure_of(ax: Axes) -> Figure:
    """Return the figure that axes belong to, also if they lie in a part of it."""
    figure: Figure = ax.get_figure(root=True)  # type: ignore[assignment]  # they are in one
    return figure


def size_of(ax: Axes) -> tuple[float, float]:
    """Width and height of axes in inches."""
    box = ax.get_window_extent().transformed(figure_of(ax).dpi_scale_trans.inverted())
    return float(box.width), float(box.height)


def save(fig: Figure, path: str | Path, *, dpi: int = 300) -> Path:
    """Write a figure; an interrupted run leaves either the old file or the new one.

    Parameters
    ----------
    fig
        Figure, as returned by every function of this package.
    path
        Target; the suffix is the format: png, pdf or svg. Missing folders are made.
    dpi
        Resolution of png, and of what is rasterised in pdf and svg.

    Returns
    -------
    The path written.

    Raises
    ------
    InputError
        If the suffix is none of these, or `dpi` is not positive.
    """
    target = Path(path)
    kind = check_one_of(target.suffix.lstrip(".").lower(), "figure format", _FORMATS)
    check_positive(dpi, "dpi")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    # No dates and fixed ids: equal figures are equal files. Text stays text.
    settings: dict[Any, Any] = {"svg.hashsalt": "scrcl", "svg.fonttype": "none", "pdf.fonttype": 42}
    stamp = {"pdf": "CreationDate", "svg": "Date"}.get(kind)
    _shorten_texts(fig)
    try:
        with mpl.rc_context(settings), _missing_signs(target.name):
            fig.savefig(
                part,
                format=kind,
                dpi=dpi,
                bbox_inches="tight",
                metadata={stamp: None} if stamp else None,
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


@contextmanager
def _missing_signs(name: str) -> Iterator[None]:
    """Say once which signs the font lacks; they are drawn as boxes."""
    with warnings.catch_warnings(record=True) as told:
        warnings.filterwarnings("always", _MISSING_SIGN, UserWarning)
        yield
    signs = ""
    for warning in told:
        found = re.match(_MISSING_SIGN, str(warning.message))
        if found is None:
            warnings.showwarning(
                warning.message, warning.category, warning.filename, warning.lineno
            )
        elif (sign := chr(int(found[1]))) not in signs:
            signs += sign
    if signs:
        log.warning(
            "%s: the font has no sign for %s; name one that has: matplotlib.rcParams['font.family']",
            name,
            " ".join(signs),
        )


def _shorten_texts(fig: Figure) -> None:
    """Cut names that would leave no room for the picture, and take dollars as they stand."""
    for axes in fig.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            drawable = [_drawable(label) for label in labels]
            if drawable != labels:
                axis.set_ticks(axis.get_ticklocs(), drawable)
    for text in fig.findobj(Text):
        text.set_parse_math(False)
        text.set_text(_drawable(text.get_text()))


def _drawable(text: str) -> str:
    """Cut long lines; what no font has a sign for, such as a tab in a name, gets the one for that."""
    lines = [_CONTROL.sub("\N{REPLACEMENT CHARACTER}", line) for line in text.split("\n")]
    return "\n".join(
        line if len(line) <= _LONGEST else f"{line[:_LONGEST]}\N{HORIZONTAL ELLIPSIS}"
        for line in lines
    )


def numbered(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return short labels to draw on the points and the entries of the legend.

    Many categories are labelled on the points. Long names do not fit there: they get a number,
    which the legend explains.
    """
    if len(names) <= LABEL_FROM or max(map(len, names)) <= 4:
        return list(names), list(names)
    labels = [str(number) for number in range(1, len(names) + 1)]
    return labels, [f"{label}  {name}" for label, name in zip(labels, names, strict=True)]


def legend_width(names: Sequence[str], height: float) -> float:
    """Return the width in inches that :func:`add_legend` needs beside axes of this height."""
    if not names:
        return 0.0
    return _legend_columns(len(names), height) * (0.4 + _CHARACTER * max(map(len, names))) + 0.2


def add_legend(ax: Axes, colors: Mapping[str, str], height: float, *, title: str = "") -> None:
    """Draw a legend right of `ax`, in as many columns as its height (inches) asks for."""
    handles = [
        Line2D([], [], color=color, marker="o", linestyle="", markersize=5.5)
        for color in colors.values()
    ]
    ax.legend(
        handles,
        list(colors),
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        ncols=_legend_columns(len(colors), height),
        fontsize=FONT,
        title_fontsize=FONT,
        frameon=False,
        labelspacing=0.3,
        handletextpad=0.2,
        columnspacing=1.0,
        borderaxespad=0.2,
    )


def add_labels(
    ax: Axes, xy: NDArray[np.floating], labels: Sequence[str], size: tuple[float, float]
) -> None:
    """Write labels at points, legible on any colour; those that would overlap are moved apart.

    A line leads from a label that was moved away from its point.

    Parameters
    ----------
    ax
        Its limits must be final.
    xy
        Positions, (n_labels, 2).
    labels
        Texts.
    size
        Width and height of the axes in inches.
    """
    outline = [withStroke(linewidth=2.0, foreground="white")]
    font = FONT - 1
    low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
    span = high - low
    # One character more, or numbers side by side read as one.
    boxes = np.array([[_CHARACTER * (len(label) + 1), font * 1.3 / 72] for label in labels]) / size
    placed = _apart((xy - low) / span, boxes)
    moved = np.linalg.norm((placed - (xy - low) / span) * size, axis=1) > font / 72
    for start, end in zip(xy[moved], (placed * span + low)[moved], strict=True):
        ax.plot(*zip(start, end, strict=True), color="0.15", linewidth=0.6, path_effects=outline)
    for (x, y), label in zip(placed * span + low, labels, strict=True):
        ax.text(
            x,
            y,
            label,
            fontsize=font,
            fontweight="bold",
            ha="center",
            va="center",
            path_effects=outline,
        )


def _apart(xy: NDArray[np.floating], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move the centres of boxes, (n, 2) each, until none overlap or 500 rounds are over."""
    moved: NDArray[np.float64] = xy.astype(np.float64)
    least = (boxes[:, None] + boxes[None]) / 2  # distance along each axis at which a pair is clear
    tie = np.subtract.outer(np.arange(len(xy)), np.arange(len(xy)))  # who goes which way, if equal
    for _ in range(500):
        delta = moved[:, None] - moved[None]
        overlap = least - np.abs(delta)
        clash = (overlap > 0).all(axis=2) & (tie != 0)
        if not clash.any():
            break
        # Along the axis that needs the shorter way; less than half of it each, to settle calmly.
        axis = overlap.argmin(axis=2)[..., None] == np.arange(2)
        way = np.where(delta == 0, np.sign(tie)[..., None], np.sign(delta))
        moved += np.where(clash[..., None] & axis, 0.3 * overlap * way, 0.0).sum(axis=1)
    return moved


def central_points(
    xy: NDArray[np.floating], codes: NDArray[np.integer], n_groups: int
) -> NDArray[np.float64]:
    """Return, for each group, the member nearest to its median position, (n_groups, 2).

    A member, because the middle of a bent or split group may lie in another one.
    """
    points = np.empty((n_groups, 2))
    for group in range(n_groups):
        members = xy[codes == group]
        offset = members - np.median(members, axis=0)
        points[group] = members[np.square(offset).sum(axis=1).argmin()]
    return points


def with_missing(colors: Mapping[str, str], *, missing: bool) -> dict[str, str]:
    """Add the entry for cells without a label to a legend, if there are such cells."""
    return {**colors, UNLABELLED: MISSING} if missing else dict(colors)


def _legend_columns(n_names: int, height: float) -> int:
    rows = max(int(height / _LEGEND_ROW), 1)
    return -(-n_names // rows)
