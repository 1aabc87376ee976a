"""HDF5 files that are not AnnData: 10x, loom, Cell BLAST, and the bare X and Y of benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.data.tenx import read_10x_matrix

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_CHUNK = 1000  # rows of a dense matrix that are in memory at a time
# Names that loom files give to cells and genes, the usual one first.
_CELL_NAMES = ("CellID", "cell_id", "CellName", "cell_names", "obs_names", "barcode")
_GENE_NAMES = ("Gene", "gene_symbol", "GeneName", "gene_names", "var_names", "Accession")


def read_h5(path: Path) -> ad.AnnData:
    """Read a ``.h5`` file, told apart by what is in it.

    A 10x matrix; ``exprs`` with ``obs`` and ``var`` (the data sets of Cell BLAST); or ``X`` and
    ``Y``: cells x genes and the class of each cell, as benchmarks of clustering share them.

    Raises
    ------
    InputError
        If it holds none of these.
    """
    with h5py.File(path, "r") as file:
        content = set(file)
        if {"exprs", "obs_names", "var_names"} <= content:
            return _read_cell_blast(file)
        if "X" in content and "matrix" not in content:
            return _read_x_and_y(path, file)
    return read_10x_matrix(path)


def read_loom(path: Path) -> ad.AnnData:
    """Read a loom file: genes are rows on disk, attributes become ``obs``, ``var`` and layers.

    Names come from the attributes that loom files use for them (``CellID``, ``Gene``), or are
    numbers if there is none.

    Raises
    ------
    InputError
        If it is HDF5 of another kind.
    """
    with h5py.File(path, "r") as file:
        if not {"matrix", "row_attrs", "col_attrs"} <= set(file):
            msg = (
                f"{path}: got HDF5 with {sorted(file)}, wanted a loom file (matrix, row_attrs, "
                "col_attrs). Give it the ending of what it is: .h5 or .h5ad."
            )
            raise InputError(msg)
        matrix = sp.csr_matrix(_sparse_rows(file["matrix"]).T)
        adata = ad.AnnData(
            matrix,
            obs=_attributes(file["col_attrs"], _CELL_NAMES, matrix.shape[0]),
            var=_attributes(file["row_attrs"], _GENE_NAMES, matrix.shape[1]),
        )
        for name, layer in file.get("layers", {}).items():
            adata.layers[name] = sp.csr_matrix(_sparse_rows(layer).T)
    return adata


def _read_cell_blast(file: h5py.File) -> ad.AnnData:
    exprs = file["exprs"]
    if isinstance(exprs, h5py.Group):
        parts = tuple(exprs[name][()] for name in ("data", "indices", "indptr"))
        matrix = sp.csr_matrix(parts, shape=tuple(exprs["shape"][()]))
    else:
        matrix = _sparse_rows(exprs)
    obs = _columns(file.get("obs", {}), len(file["obs_names"]))
    var = _columns(file.get("var", {}), len(file["var_names"]))
    obs.index = pd.Index(_text(file["obs_names"][()]), dtype=object)
    var.index = pd.Index(_text(file["var_names"][()]), dtype=object)
    return ad.AnnData(matrix.astype(np.float32), obs=obs, var=var)


def _read_x_and_y(path: Path, file: h5py.File) -> ad.AnnData:
    matrix = _sparse_rows(file["X"])
    obs = pd.DataFrame(index=[f"cell_{i}" for i in range(matrix.shape[0])])
    var = pd.DataFrame(index=[f"gene_{i}" for i in range(matrix.shape[1])])
    if "Y" in file:
        classes = np.ravel(_text(file["Y"][()]))
        if classes.size != matrix.shape[0]:
            msg = (
                f"{path}: got X with {matrix.shape[0]:,} rows and Y with {classes.size:,} classes, "
                "wanted one for each cell, with the cells in the rows of X. Transpose X."
            )
            raise InputError(msg)
        # The usual column, so that scores need no --label-key; numbers are names of classes.
        whole = classes.dtype.kind == "f" and bool((classes % 1 == 0).all())
        names = (classes.astype(np.int64) if whole else classes).astype(str)
        obs["cell_type1"] = pd.Categorical([f"type_{n}" if n.isdigit() else n for n in names])
    return ad.AnnData(matrix, obs=obs, var=var)


def _sparse_rows(matrix: h5py.Dataset) -> sp.csr_matrix:
    """Make a dense matrix on disk sparse, a thousand rows at a time."""
    starts = range(0, matrix.shape[0], _CHUNK)
    rows = [sp.csr_matrix(matrix[i : i + _CHUNK], dtype=np.float32) for i in starts]
    return sp.vstack(rows, format="csr") if rows else sp.csr_matrix(matrix.shape, dtype=np.float32)


def _attributes(group: h5py.Group, names: tuple[str, ...], length: int) -> pd.DataFrame:
    table = _columns(group, length)
    name = next((name for name in names if name in table), None)
    if name is not None:
        table.index = pd.Index(table.pop(name).astype(str), dtype=object, name=None)
    else:
        table.index = table.index.astype(str)
    return table


def _columns(group: Any, length: int) -> pd.DataFrame:
    """Vectors of a group as a table; what is not one value for each row is left out."""
    vectors = {
        str(key): _text(value[()])
        for key, value in group.items()
        if isinstance(value, h5py.Dataset) and value.shape == (length,)
    }
    return pd.DataFrame(vectors, index=pd.RangeIndex(length))


def _text(values: NDArray[Any]) -> NDArray[Any]:
    """Bytes as text, all else as it is."""
    if values.dtype.kind in "SO":
        return np.array([v.decode() if isinstance(v, bytes) else str(v) for v in values.flat])
    return values
