"""Tables as the page shows them: text to read, and a value to sort by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NOTHING = "-"
_SMALLEST = 1e-300  # what a p-value of 0 stands for: it does not fit a float


class Cell(NamedTuple):
    """One field."""

    text: str
    value: float | None = None
    """What it is sorted by; ``None``: its text."""
    color: str | None = None
    """Of a mark before the text, hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under named columns.

    Attributes
    ----------
    caption
        One sentence above it.
    columns
        Heads.
    rows
        As many cells each as there are columns.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def count(value: float) -> Cell:
    """Write a whole number."""
    return Cell(f"{value:,.0f}", float(value))


def number(value: float | None, digits: int = 3) -> Cell:
    """Write a number with so many digits after the point."""
    if value is None or math.isnan(value):
        return Cell(NOTHING, -math.inf)
    return Cell(f"{value:.{digits}f}", float(value))


def percent(value: float) -> Cell:
    """Write a share."""
    return Cell(NOTHING if math.isnan(value) else f"{value:.0%}", float(value))


def p_value(value: float) -> Cell:
    """Write a p-value, of which the power of ten says most."""
    if math.isnan(value):
        return Cell(NOTHING, math.inf)
    return Cell(f"{value:.1e}" if value >= _SMALLEST else f"< {_SMALLEST:.0e}", float(value))


def from_frame(
    frame: pd.DataFrame, caption: str, *, colors: Mapping[str, str] | None = None
) -> Table:
    """Show any table: numbers are rounded, clusters marked in their colours.

    Parameters
    ----------
    frame
        Its column ``cluster``, if it has one, holds names of clusters.
    caption
        One sentence above it.
    colors
        Cluster to colour.
    """
    columns = [
        _marked(column, colors or {}) if name == "cluster" else _cells(column)
        for name, column in frame.items()
    ]
    heads = [str(name).replace("_", " ") for name in frame]
    return Table(caption=caption, columns=heads, rows=list(zip(*columns, strict=True)))


def mark(name: str, colors: Mapping[str, str]) -> Cell:
    """Name a cluster, in its colour; numbers are sorted as such."""
    return Cell(name, float(name) if name.isdecimal() else None, colors.get(name))


def _marked(column: pd.Series, colors: Mapping[str, str]) -> list[Cell]:
    return [mark(str(name), colors) for name in column]


def _cells(column: pd.Series[Any]) -> Iterable[Cell]:
    if pd.api.types.is_bool_dtype(column):
        return [Cell("yes" if value else "no") for value in column]
    if pd.api.types.is_integer_dtype(column):
        return [count(value) for value in column]
    if pd.api.types.is_float_dtype(column):
        return [
            Cell(NOTHING, -math.inf) if math.isnan(value) else Cell(f"{value:.3g}", float(value))
            for value in column
        ]
    return [Cell(NOTHING if pd.isna(value) else str(value)) for value in column]
