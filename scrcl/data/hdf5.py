"""HDF5 files that are not AnnData: 10x, loom, Cell BLAST, and the bare X and Y of benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.data.archive import first_bytes
from scrcl.data.tenx import as_text, genomes, read_10x_h5

if TYPE_CHECKING:
    from pathlib import Path

    from scrcl.data.formats import Options

Content: TypeAlias = Literal["anndata", "mudata", "loom", "10x"]

_CHUNK = 1000  # rows of a dense matrix that are in memory at a time
# Names that loom files give to cells and genes, the usual one first.
_CELL_NAMES = ("CellID", "cell_id", "CellName", "cell_names", "obs_names", "barcode")
_GENE_NAMES = ("Gene", "gene_symbol", "GeneName", "gene_names", "var_names", "Accession")
# Files that stand beside a matrix and are taken for it: something in them, and what they are.
_OTHER_FILES = {
    "barcode_idx": "the molecules of a run (molecule_info.h5)",
    "feature_slices": "the slices of features of Visium HD (feature_slice.h5)",
    "fragments": "fragments of ATAC",
    "assays": "a Seurat object (SeuratDisk)",
    "cell.names": "a Seurat object (SeuratDisk)",
}


def matches(path: Path) -> bool:
    """Tell 10x and loom by content, and files without another known content by their name."""
    if path.is_dir():
        return False
    content = content_of(path)
    if content in {"anndata", "mudata"}:
        return False
    suffix = path.suffix.lower()
    return content is not None or suffix in {".h5", ".hdf5", ".loom"}


def read(path: Path, options: Options) -> ad.AnnData:
    """Read a matrix, told apart by what is in the file.

    A 10x matrix; loom; ``exprs`` with ``obs`` and ``var`` (the data sets of Cell BLAST); or ``X``
    and ``Y``: cells x genes and the class of each cell, as benchmarks of clustering share them.

    Raises
    ------
    InputError
        If it holds none of these.
    """
    del options
    require_hdf5(path)
    content = content_of(path)
    if content == "10x":
        return read_10x_h5(path)
    if content == "loom" or path.suffix.lower() == ".loom":
        return read_loom(path)
    with h5py.File(path, "r") as file:
        names = set(file)
        if {"exprs", "obs_names", "var_names"} <= names:
            return _read_cell_blast(file)
        if "X" in names:
            return _read_x_and_y(path, file)
        other = next((what for name, what in _OTHER_FILES.items() if name in names), "")
    msg = (
        f"{path}: got HDF5 with {sorted(names)[:8]}{', ' + other if other else ''}, which cannot be "
        "read as a matrix; wanted matrix (10x), row_attrs and col_attrs (loom), exprs (Cell BLAST), "
        "or X with obs and var or Y. Give the file with the counts, such as "
        "filtered_feature_bc_matrix.h5."
    )
    raise InputError(msg)


def content_of(path: Path) -> Content | None:
    """Tell the kind of an HDF5 file by what is in it; ``None``: another kind, or not readable."""
    if not h5py.is_hdf5(path):
        return None
    try:
        with h5py.File(path, "r") as file:
            names = set(file)
            if "mod" in names:
                return "mudata"
            if {"matrix", "row_attrs", "col_attrs"} <= names:
                return "loom"
            if {"X", "obs", "var"} <= names or file.attrs.get("encoding-type") == "anndata":
                return "anndata"
            return "10x" if genomes(file) else None
    except (
        OSError,
        RuntimeError,
    ):  # cut short, no permission: the reader of its ending will say so
        return None


def require_hdf5(path: Path) -> None:
    """Refuse a file that is not HDF5, and say what it looks like."""
    if h5py.is_hdf5(path):
        return
    start = first_bytes(path)
    text = start.decode("latin-1").strip()
    if not start:
        looks, advice = "it is empty", "Copy or download it again."
    elif text.lower().startswith(("<!doctype", "<html", "<?xml")):
        looks, advice = "it is a web page", "Download the file itself; a login may be needed."
    elif text.startswith("version https://git-lfs"):
        looks, advice = "it is a pointer of Git LFS", "Get the file itself: git lfs pull."
    else:
        looks = f"it starts with {start[:8]!r}"
        advice = "Give it the ending of what it is; if it is cut short, copy or download it again."
    msg = f"{path}: got a file that is not HDF5 ({looks}), wanted {path.suffix}. {advice}"
    raise InputError(msg)


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
    obs.index = pd.Index(as_text(file["obs_names"][()]), dtype=object)
    var.index = pd.Index(as_text(file["var_names"][()]), dtype=object)
    return ad.AnnData(matrix.astype(np.float32), obs=obs, var=var)


def _read_x_and_y(path: Path, file: h5py.File) -> ad.AnnData:
    matrix = _sparse_rows(file["X"])
    obs = pd.DataFrame(index=[f"cell_{i}" for i in range(matrix.shape[0])])
    var = pd.DataFrame(index=[f"gene_{i}" for i in range(matrix.shape[1])])
    if "Y" in file:
        classes = np.ravel(as_text(file["Y"][()]))
        if classes.size != matrix.shape[0]:
            msg = (
                f"{path}: got X with {counted(matrix.shape[0], 'rows')} and Y with "
                f"{counted(classes.size, 'classes')}, "
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
        str(key): as_text(value[()])
        for key, value in group.items()
        if isinstance(value, h5py.Dataset) and value.shape == (length,)
    }
    return pd.DataFrame(vectors, index=pd.RangeIndex(length))
