"""What users have prepared themselves, to be used when asked: genes, a graph, an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scrcl._text import counted
from scrcl._validate import InputError, check_key
from scrcl.data.graph import symmetric_graph

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    CSR: TypeAlias = sp.csr_matrix

HIGHLY_VARIABLE: Final = "highly_variable"
"""``var``: genes that scanpy has chosen."""


def highly_variable(adata: AnnData) -> NDArray[np.bool_]:
    """Return the genes that ``var["highly_variable"]`` marks, (n_vars,).

    Raises
    ------
    InputError
        If there is no such column, it is not true or false, or it marks none.
    """
    name = f"var[{HIGHLY_VARIABLE!r}]"
    if HIGHLY_VARIABLE not in adata.var:
        msg = f"{name}: got none, wanted the genes to use. Run sc.pp.highly_variable_genes first."
        raise InputError(msg)
    column = adata.var[HIGHLY_VARIABLE]
    if not pd.api.types.is_bool_dtype(column.dtype) or column.isna().any():
        msg = f"{name}: got values of type {column.dtype}, wanted true or false for each gene."
        raise InputError(msg)
    chosen: NDArray[np.bool_] = column.to_numpy(dtype=bool)
    if not chosen.any():
        msg = f"{name}: got no gene that is marked, wanted some. Choose genes, or leave it out."
        raise InputError(msg)
    return chosen


def marked_genes(adata: AnnData, names: pd.Index) -> NDArray[np.intp]:
    """Return the positions among ``names`` of the genes that ``var`` marks.

    Raises
    ------
    InputError
        As `highly_variable`, or if none of them is among the names.
    """
    marked = adata.var_names[highly_variable(adata)]
    found = np.flatnonzero(names.isin(marked))
    if not found.size:
        msg = (
            f"var[{HIGHLY_VARIABLE!r}]: got {counted(len(marked), 'genes')} of which none has a "
            "count, wanted some. Check that var and the expression matrix have the same names."
        )
        raise InputError(msg)
    return found


def embedding(adata: AnnData, key: str) -> NDArray[np.float32]:
    """Return an embedding of all cells from ``obsm``, (n_obs, width).

    Raises
    ------
    InputError
        If it is not there, is no table of numbers, or has values that are not finite.
    """
    there = {name: adata.obsm[name] for name in adata.obsm}
    found = check_key(there, key, "use_rep", hint="Give the name of an embedding in obsm.")
    points = np.asarray(found.toarray() if hasattr(found, "toarray") else found)
    if points.ndim != 2 or not points.shape[1] or points.dtype.kind not in "fiu":
        msg = (
            f"obsm[{key!r}]: got shape {points.shape} of type {points.dtype}, wanted numbers, one row "
            "a cell."
        )
        raise InputError(msg)
    if not np.isfinite(points).all():
        msg = f"obsm[{key!r}]: got values that are not finite, wanted finite ones."
        raise InputError(msg)
    return points.astype(np.float32)


def neighbor_graph(adata: AnnData, key: str) -> CSR:
    """Return a stored graph of all cells, (n_obs, n_obs): binary, symmetric, no self loops.

    Parameters
    ----------
    adata
        With what ``sc.pp.neighbors`` wrote.
    key
        Its ``key_added`` (``"neighbors"`` if it was given none), or the name of a matrix in
        ``obsp``.

    Raises
    ------
    InputError
        If there is no such graph.
    """
    about = adata.uns.get(key)
    name = about.get("connectivities_key", key) if isinstance(about, dict) else key
    for candidate in (name, f"{key}_connectivities"):
        if candidate in adata.obsp:
            rows, cols = sp.csr_matrix(adata.obsp[candidate]).nonzero()
            return symmetric_graph(rows, cols, adata.n_obs)
    msg = (
        f"neighbors_key: got {key!r}, wanted a graph (obsp has {sorted(adata.obsp)}). Run "
        "sc.pp.neighbors first, or name a matrix in obsp."
    )
    raise InputError(msg)
