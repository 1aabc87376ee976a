"""Log-normalised expression of every gene, and groups of cells, for marker genes and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scrcl._validate import InputError, check_one_of
from scrcl.data.bare import settled, var_of
from scrcl.data.features import GENES
from scrcl.data.lazy import in_memory
from scrcl.data.preprocess import log_normalize
from scrcl.data.values import COUNT_LAYERS, find_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    CSR: TypeAlias = sp.csr_matrix

_ROWS = 20_000


class LogExpression(ad.AnnData):  # type: ignore[misc]  # which has no types
    """What `log_expression` returns, so that nobody has to look at all of its values again."""


def log_expression(adata: ad.AnnData, *, features: str = GENES) -> LogExpression:
    """Return log-normalised expression of all genes, with the cells' ``obs``.

    Counts are brought to 10,000 per cell and log1p; log-normalised values are taken as they are
    (brought to the natural base if they have another). The matrix is found as in
    :func:`scrcl.data.values.find_values`, so a scaled ``X`` falls back on ``.raw``.

    Parameters
    ----------
    adata
        Cells and genes; not changed. The matrix returned may share memory with it: do not write.
    features
        Which features are taken, see `scrcl.data.features.choose_features`.

    Returns
    -------
    AnnData with CSR ``X`` (n_obs, n_genes), float32, a copy of ``obs``, unique gene names and, in
    ``var["scrcl_symbol"]``, what to show of them. It is what it is: given to this function again,
    it is not looked at; views and copies of it are.

    Raises
    ------
    InputError
        If there are no cells or genes, or no usable matrix.
    """
    if isinstance(adata, LogExpression):
        return LogExpression(adata.X, obs=adata.obs.copy(), var=adata.var.copy())
    cells = settled(adata, features=features)
    values = find_values(cells)
    var = var_of(cells, values.source).copy()
    expression = ad.AnnData(in_memory(values.X), obs=cells.obs, var=var)
    if values.kind != "log":
        expression = log_normalize(expression)
    return LogExpression(expression.X, obs=expression.obs, var=expression.var)


def genes_of(adata: ad.AnnData, *, features: str = GENES) -> pd.DataFrame:
    """Return ``var`` of what `log_expression` would give, without computing it.

    Raises
    ------
    InputError
        As `log_expression` does.
    """
    cells = settled(adata, features=features)
    return var_of(cells, find_values(cells).source)


def count_matrix(adata: ad.AnnData) -> tuple[CSR, pd.Index]:
    """Return the counts of every gene, (n_obs, n_genes), and the gene names.

    Raises
    ------
    InputError
        If neither ``layers["counts"]``, ``X`` nor ``.raw`` holds counts.
    """
    values = find_values(settled(adata))
    if values.kind != "counts":
        msg = (
            f"expression: got {values.kind} values from {values.source}, wanted counts. "
            f"Keep them in X, .raw or one of layers {COUNT_LAYERS}."
        )
        raise InputError(msg)
    return in_memory(values.X), values.var_names


def group_labels(adata: ad.AnnData, key: str) -> pd.Categorical:
    """Return the group of every cell; NaN, None and "" mean "no group" (code -1).

    Names are text, in the order of a categorical column, else of the alphabet; whole numbers are
    always in numerical order. Groups without cells are dropped.

    Raises
    ------
    InputError
        If ``obs`` has no such column, or no cell has a group.
    """
    check_one_of(key, "obs column", list(adata.obs), hint="Check its name.")
    column = adata.obs[key]
    names = column.astype(object).map(_as_name, na_action="ignore")
    names = names.where(names != "", None)
    present = set(names.dropna())
    if not present:
        msg = f"obs[{key!r}]: got no cell with a group, wanted at least one. Choose another column."
        raise InputError(msg)
    known = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else None
    ordered = (
        sorted(present) if known is None else [n for n in map(_as_name, known) if n in present]
    )
    if all(name.lstrip("-").isdecimal() for name in ordered):
        ordered.sort(key=int)
    return pd.Categorical(names, categories=ordered)


def _as_name(value: Any) -> str:
    """Write a group as text; 1.0, as pandas stores integers beside missing values, is 1."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def group_sums(X: CSR, codes: NDArray[np.integer], n_groups: int) -> NDArray[np.float64]:
    """Sum the rows of each group.

    Parameters
    ----------
    X
        Values, (n_obs, n_genes).
    codes
        Group of each row, (n_obs,); rows with -1 belong to none.
    n_groups
        Number of groups.

    Returns
    -------
    Sums, (n_groups, n_genes).
    """
    sums = np.zeros((n_groups, X.shape[1]))
    # In steps, because a sparse product copies its factors to the wider of their types.
    for start in range(0, X.shape[0], _ROWS):
        part = codes[start : start + _ROWS]
        rows = np.flatnonzero(part >= 0)
        shape = (n_groups, len(part))
        indicator = sp.csr_matrix((np.ones(len(rows)), (part[rows], rows)), shape=shape)
        sums += (indicator @ X[start : start + _ROWS]).toarray()
    return sums


def group_counts(X: CSR, codes: NDArray[np.integer], n_groups: int) -> NDArray[np.float64]:
    """Count the rows of each group that are not zero, gene by gene, as :func:`group_sums` does."""
    nonzero = (X.data != 0).astype(np.int8)
    return group_sums(sp.csr_matrix((nonzero, X.indices, X.indptr), X.shape), codes, n_groups)
