"""What a figure is coloured by: a column of ``obs``, categorical or numeric, or a gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.colors import is_color_like, to_hex

from scrcl._keys import CLUSTERS, CONFIDENCE
from scrcl._validate import InputError
from scrcl.data.expression import group_labels, log_expression
from scrcl.pl.colors import matched_palette, palette

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

_TITLES = {CLUSTERS: "scRCL clusters", CONFIDENCE: "confidence"}

_MAX_NUMBERED = 100  # groups; an integer column with more distinct values is a quantity


class Column(NamedTuple):
    """One value for every cell, and how to show it."""

    title: str
    values: NDArray[np.float64]  # (n_obs,) category number, -1 for none; or the number itself
    colors: dict[str, str] | None  # of each category, in order; None if the column is numeric


def read_columns(adata: AnnData, keys: Sequence[str]) -> list[Column]:
    """Look every key up in ``obs``, then among the genes (log-normalised expression).

    Raises
    ------
    InputError
        If a key is neither, or a column holds nothing but missing values.
    """
    genes = [key for key in keys if key not in adata.obs]
    expression = _expression(adata, genes)
    return [
        Column(key, expression[key], None) if key in expression else _read_obs(adata, key)
        for key in keys
    ]


def category_colors(adata: AnnData, key: str, categories: Sequence[str]) -> dict[str, str]:
    """Return a colour for each category: those of ``uns[f"{key}_colors"]`` if there is one each."""
    stored = adata.uns.get(f"{key}_colors")
    if stored is not None and len(stored) == len(categories) and all(map(is_color_like, stored)):
        return {name: to_hex(color) for name, color in zip(categories, stored, strict=True)}
    return dict(zip(categories, palette(len(categories)), strict=True))


def matched_colors(adata: AnnData, key: str, clusters: str = CLUSTERS) -> list[str]:
    """Return colours of the groups of a column: those of the clusters that they overlap with.

    The groups' own, in ``uns[f"{key}_colors"]``, are taken where there is one each.
    """
    names, own = group_labels(adata, key), group_labels(adata, clusters)
    if f"{key}_colors" in adata.uns:
        return list(category_colors(adata, key, list(names.categories)).values())
    both = (names.codes >= 0) & (own.codes >= 0)
    counts = np.zeros((len(names.categories), len(own.categories)), dtype=np.int64)
    np.add.at(counts, (names.codes[both], own.codes[both]), 1)
    return list(matched_palette(counts))


def title_of(key: str) -> str:
    """Return what a reader calls a column."""
    return _TITLES.get(key, key)


def _read_obs(adata: AnnData, key: str) -> Column:
    title = title_of(key)
    column = adata.obs[key]
    if _is_quantity(column):
        return Column(title, column.to_numpy(dtype=np.float64, na_value=np.nan), None)
    labels = group_labels(adata, key)
    colors = category_colors(adata, key, list(labels.categories))
    return Column(title, labels.codes.astype(np.float64), colors)


def _is_quantity(column: pd.Series[Any]) -> bool:
    """Tell numbers to be drawn on a scale from groups, which are often numbered too."""
    if pd.api.types.is_float_dtype(column.dtype):
        return True
    return pd.api.types.is_integer_dtype(column.dtype) and column.nunique() > _MAX_NUMBERED


def _expression(adata: AnnData, genes: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    if not genes:
        return {}
    expression = log_expression(adata)
    unknown = [gene for gene in genes if gene not in expression.var_names]
    if unknown:
        msg = (
            f"color: got {unknown}, wanted columns of obs ({sorted(adata.obs)}) or genes. "
            "Check the names."
        )
        raise InputError(msg)
    table = expression[:, list(genes)].X.toarray()
    return {gene: table[:, i].astype(np.float64) for i, gene in enumerate(genes)}
