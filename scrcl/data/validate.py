"""Checks of an AnnData: what has to be there, and names that identify a cell or a gene."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pandas as pd
import scipy.sparse as sp
from anndata.utils import make_index_unique

from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.data.places import find_places

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData
    from numpy.typing import NDArray


def check_adata(adata: AnnData) -> None:
    """Refuse an AnnData without cells, genes or values."""
    if adata.n_obs == 0 or adata.n_vars == 0:
        msg = (
            f"data: got {counted(adata.n_obs, 'cells')} x {counted(adata.n_vars, 'genes')}, "
            "wanted at least one of each. Check the file and the filters that were applied to it."
        )
        raise InputError(msg)
    if adata.X is None and adata.raw is None and not adata.layers:
        msg = (
            "data: got an AnnData without X, .raw or layers, wanted an expression matrix. "
            "Check that the file holds the counts."
        )
        raise InputError(msg)


def check_sparse(adata: AnnData) -> None:
    """Refuse sparse matrices in memory whose parts do not fit together: routines trust them.

    Raises
    ------
    InputError
        With the name of the matrix.
    """
    matrices = {
        "X": adata.X,
        **{f"layers[{key!r}]": adata.layers[key] for key in adata.layers if key},
    }
    if adata.raw is not None:
        matrices[".raw"] = adata.raw.X
    for source, matrix in matrices.items():
        if not isinstance(matrix, sp.csr_matrix | sp.csc_matrix | sp.csr_array | sp.csc_array):
            continue
        try:
            matrix.check_format(full_check=True)
        except (ValueError, TypeError, IndexError) as error:
            msg = (
                f"{source}: got a sparse matrix whose parts do not fit together ({error}), wanted a "
                "whole one. The file is damaged: copy it or write it again."
            )
            raise InputError(msg) from None


def unique_names(names: pd.Index, what: str, notes: list[str]) -> pd.Index:
    """Names as text, those that come again with a number behind them ("A", "A-1").

    As in scanpy: duplicate gene symbols are common, and results are joined by cell name.
    """
    names = pd.Index(names.astype(str))
    if names.is_unique:
        return names
    n_again = int(names.duplicated().sum())
    example = names[names.duplicated()][0]
    notes.append(f"{counted(n_again, f'duplicate {what} names')} ({example!r}, ...) made unique")
    # The index of an AnnData may be called like one of its columns; ours has no name.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Suffix used", UserWarning)  # names that end so, too
        unique: pd.Index = make_index_unique(pd.Index(names.to_numpy(), dtype=object))
    return unique


def grouping(adata: AnnData, key: str) -> pd.Categorical:
    """Column of ``obs`` that puts every cell in a group (a slice, a batch).

    Raises
    ------
    InputError
        If there is no such column or a cell has no value in it.
    """
    if key not in adata.obs:
        msg = f"obs: got no column {key!r}, wanted one of {sorted(adata.obs)}. Check the name."
        raise InputError(msg)
    n_missing = int(adata.obs[key].isna().sum())
    if n_missing:
        msg = (
            f"obs[{key!r}]: got {counted(n_missing, 'cells')} without a value, wanted none. "
            "Fill them in or drop these cells."
        )
        raise InputError(msg)
    return pd.Categorical(adata.obs[key].astype(str))


def spatial_coords(adata: AnnData, slice_key: str | None = None) -> NDArray[np.float64]:
    """Positions of the spots, ``(n_obs, 2)`` or ``(n_obs, 3)``; NaN for a spot without one.

    Raises
    ------
    InputError
        As `scrcl.data.places.find_places`, which says where they are looked for.
    """
    return find_places(adata, slice_key).coords
