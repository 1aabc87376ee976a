"""Where the ground truth is kept. Found here, compared with predictions in `scrcl.experiment`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from scrcl._validate import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData

log = logging.getLogger(__name__)

# In the order in which the paper's scRNA-seq sets are searched.
DEFAULT_LABEL_KEYS = ("cell_type1", "celltype")


def labels(
    adata: AnnData,
    key: str | None = None,
    *,
    search: Sequence[str] = DEFAULT_LABEL_KEYS,
) -> pd.Series | None:
    """Find the class of each cell.

    Parameters
    ----------
    adata
        Cells; not changed.
    key
        Column of ``obs`` that must hold them.
    search
        Without ``key``: the first of these columns that is there and holds any.

    Returns
    -------
    Categorical by cell name, classes as text, only those that occur; empty and missing values are
    missing. ``None`` if ``key`` is not given and nothing is found.

    Raises
    ------
    InputError
        If ``key`` is given and there is no such column, or no cell has a value in it.
    """
    if key is None:
        present = (_clean(adata.obs[name]) for name in search if name in adata.obs)
        found = next((column for column in present if column.notna().any()), None)
    else:
        found = _named(adata, key)
    if found is not None and found.cat.categories.size == 1:
        log.warning("labels: obs[%r] holds one class only, scores say little", found.name)
    return found


def _named(adata: AnnData, key: str) -> pd.Series:
    if key not in adata.obs:
        msg = (
            f"labels: got key {key!r}, wanted a column of obs: {list(adata.obs)}. "
            "Pass --label-key, or leave it out to go without scores."
        )
        raise InputError(msg)
    column = _clean(adata.obs[key])
    if column.isna().all():
        msg = (
            f"labels: got obs[{key!r}] without a single value, wanted the class of some cells. "
            "Pass another --label-key, or leave it out to go without scores."
        )
        raise InputError(msg)
    return column


def _clean(column: pd.Series) -> pd.Series:
    text = column.astype(object).map(str, na_action="ignore").astype(object)
    empty = column.isna().to_numpy() | (text.astype(str).str.strip() == "").to_numpy()
    text[empty] = None
    return text.astype("category")
