"""What cells can be coloured by beside clusters and genes: the columns of their table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scrcl._keys import CLUSTERS
from scrcl.pl.columns import matched_colors, read_columns
from scrcl.report.explorer.pack import NOWHERE, packed

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from scrcl.pl.columns import Column

MAX_COLUMNS = 24
_MAX_CATEGORIES = 200
_QUALITY = ("n_counts", "n_genes", "mitochondrial", "doublet_score")


def read_obs(
    adata: AnnData, shown: NDArray[np.intp], first: Iterable[str], label: str | None
) -> list[dict[str, Any]]:
    """Read columns of ``obs`` that can colour cells: groups, and numbers.

    Parameters
    ----------
    adata
        All cells: colours of groups are those that the figures have.
    shown
        Rows to be shown, (n_shown,).
    first
        Columns that come first, whatever they hold.
    label
        The column whose groups have the colours of the clusters that they overlap with.

    Returns
    -------
    At most `MAX_COLUMNS`: see `_told`. Columns of scrcl itself, of one value, and of more names
    than a legend can hold are left out.
    """
    if label is not None:
        adata.uns[f"{label}_colors"] = matched_colors(adata, label)
    ahead = [key for key in dict.fromkeys(first) if key in adata.obs]
    others = [key for key in map(str, adata.obs) if key not in ahead and not _is_own(key)]
    found: list[dict[str, Any]] = []
    for key in [*ahead, *others]:
        column = _column(adata, key)
        if len(found) < MAX_COLUMNS and column is not None:
            found.append(_told(key, column, shown))
    return found


def read_quality(table: pd.DataFrame, names: pd.Index) -> list[dict[str, Any]]:
    """Read what ``qc.csv`` says of the cells that are shown."""
    rows = table.reindex(names)
    return [_numbers(key, rows[key].to_numpy(np.float64)) for key in _QUALITY if key in rows]


def _column(adata: AnnData, key: str) -> Column | None:
    """Return a column that tells cells apart and fits a legend."""
    values = adata.obs[key]
    if values.isna().all() or values.nunique() < 2:
        return None
    is_number = values.dtype.kind in "iuf"
    if not is_number and values.nunique() > _MAX_CATEGORIES:
        return None
    return read_columns(adata, [key])[0]


def _told(key: str, column: Column, shown: NDArray[np.intp]) -> dict[str, Any]:
    """Say what a column holds: ``categories``, ``colors`` and ``codes``, or ``values``."""
    values = column.values[shown]  # noqa: PD011  (of a tuple)
    if column.colors is None:
        return _numbers(key, values)
    codes = np.where(values < 0, NOWHERE, values).astype(np.uint16)
    return {
        "name": key,
        "categories": list(column.colors),
        "colors": list(column.colors.values()),
        "codes": packed(codes),
    }


def _numbers(key: str, values: NDArray[np.float64]) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, [1, 99]) if known.size else (0.0, 1.0)
    limits = [float(low), float(max(high, low + 1e-12))]
    return {"name": key, "limits": limits, "values": packed(values.astype(np.float32))}


def _is_own(key: str) -> bool:
    return key == CLUSTERS or key.startswith(f"{CLUSTERS}_")
