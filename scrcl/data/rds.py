"""R objects: SingleCellExperiment, the older SCESet, and plain matrices, in ``.rds`` files."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scrcl._validate import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from scrcl.data.formats import Options

_ASSAYS = (
    "counts",
    "normcounts",
    "logcounts",
    "exprs",
    "tpm",
    "fpkm",
)  # in this order: X is the first
_RESAVE = (
    "Save a plain matrix in R: "
    "saveRDS(list(counts = counts(x), cell_type1 = x$cell_type1), 'plain.rds')."
)


def matches(path: Path) -> bool:
    """Tell an R object by the ending of its file."""
    return path.is_file() and path.suffix.lower() == ".rds"


def read(path: Path, options: Options) -> ad.AnnData:
    """Read cells from an R object.

    Known are a ``SingleCellExperiment`` (dense or sparse assays), an ``SCESet`` or ``ExpressionSet``,
    a matrix (genes in rows, as R packages have it), and a list of a matrix and vectors with one
    value for each cell.

    Returns
    -------
    ``X``: the counts, or the first other assay there is; further assays of that shape are layers;
    ``obs`` and ``var``: the tables of cells and genes.

    Raises
    ------
    InputError
        If the package that reads R files is missing, or the object is none of these.
    """
    del options
    try:
        import rdata  # noqa: PLC0415  (only these files need it)
    except ModuleNotFoundError as error:
        msg = (
            f"{path}: got an R file, wanted the package that reads it. "
            "Install it: pip install 'scrcl[convert]'."
        )
        raise InputError(msg) from error
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Missing constructor for R class", UserWarning)
        warnings.filterwarnings("ignore", "Unknown encoding", UserWarning)
        try:
            content = rdata.read_rds(path)
        except Exception as error:  # whatever the parser stumbles over
            msg = f"{path}: got an R object that cannot be read ({error}). {_RESAVE}"
            raise InputError(msg) from error
    assays, obs, var = _parts(path, content)
    return _assemble(path, assays, obs, var)


def _parts(
    path: Path, content: Any
) -> tuple[Mapping[str, Any], pd.DataFrame | None, pd.DataFrame | None]:
    """Assays, table of cells, table of genes."""
    if hasattr(content, "colData"):  # SingleCellExperiment, SummarizedExperiment
        ranges = getattr(content, "rowRanges", content)
        genes = getattr(ranges, "elementMetadata", None)
        return _assays(content.assays), _frame(content.colData), _frame(genes)
    if hasattr(content, "phenoData"):  # ExpressionSet, SCESet
        return content.assayData, content.phenoData.data, content.featureData.data
    if _is_matrix(content):
        return {"counts": content}, None, None
    if isinstance(content, dict) and any(_is_matrix(value) for value in content.values()):
        matrices = {str(k): v for k, v in content.items() if _is_matrix(v)}
        n_cells = _matrix(next(iter(matrices.values())))[0].shape[1]
        cells = {
            str(k): np.asarray(v) if not isinstance(v, pd.Categorical) else v
            for k, v in content.items()
            if not _is_matrix(v) and np.ndim(v) == 1 and len(v) == n_cells
        }
        return matrices, pd.DataFrame(cells) if cells else None, None
    kind = getattr(content, "class", [type(content).__name__])[0]
    msg = f"{path}: got an R object of class {kind}, wanted a SingleCellExperiment. {_RESAVE}"
    raise InputError(msg)


def _assays(assays: Any) -> Mapping[str, Any]:
    """Find the list of matrices, which versions of the package wrap differently."""
    while isinstance(assays, SimpleNamespace) and not hasattr(assays, "listData"):
        assays = getattr(assays, "data", None)
    found: Mapping[str, Any] = getattr(assays, "listData", {})
    return found


def _assemble(
    path: Path, assays: Mapping[str, Any], obs: pd.DataFrame | None, var: pd.DataFrame | None
) -> ad.AnnData:
    order = [name for name in _ASSAYS if name in assays]
    order += [name for name in assays if name not in order and _is_matrix(assays[name])]
    if not order:
        msg = f"{path}: got an R object without a matrix of counts, wanted one. {_RESAVE}"
        raise InputError(msg)
    matrix, genes, cells = _matrix(assays[order[0]])
    adata = ad.AnnData(
        sp.csr_matrix(matrix.T, dtype=np.float32),
        obs=_table(obs, cells, matrix.shape[1]),
        var=_table(var, genes, matrix.shape[0]),
    )
    for name in order[1:]:
        other = _matrix(assays[name])[0]
        if other.shape == matrix.shape:
            adata.layers[str(name)] = sp.csr_matrix(other.T, dtype=np.float32)
    return adata


def _is_matrix(value: Any) -> bool:
    return hasattr(value, "Dim") or (np.ndim(value) == 2 and not isinstance(value, pd.DataFrame))


def _matrix(value: Any) -> tuple[Any, NDArray[Any] | None, NDArray[Any] | None]:
    """Genes x cells, names of genes, names of cells."""
    if hasattr(value, "Dim"):  # dgCMatrix and its kin: compressed columns
        n_genes, n_cells = (int(n) for n in value.Dim)
        rows, columns = (names if _is_names(names) else None for names in value.Dimnames)
        return sp.csc_matrix((value.x, value.i, value.p), shape=(n_genes, n_cells)), rows, columns
    coords = getattr(value, "coords", {})
    names = [np.asarray(coords[dim]) if dim in coords else None for dim in ("dim_0", "dim_1")]
    return np.asarray(value), names[0], names[1]


def _frame(table: Any) -> pd.DataFrame | None:
    """Turn a ``DataFrame`` of Bioconductor into one of pandas; columns that are not vectors are left out."""
    if table is None or not hasattr(table, "listData"):
        return None
    n_rows = int(np.ravel(table.nrows)[0])
    columns = {
        str(name): pd.Series(pd.array(values.data)).mask(
            np.ma.getmaskarray(values)
        )  # NA among numbers
        if isinstance(values, np.ma.MaskedArray)
        else values
        for name, values in dict(table.listData).items()
        if np.ndim(values) == 1 and len(values) == n_rows
    }
    frame = pd.DataFrame(columns, index=pd.RangeIndex(n_rows))
    if _is_names(table.rownames):
        frame.index = pd.Index(table.rownames, dtype=object)
    return frame


def _table(table: pd.DataFrame | None, names: NDArray[Any] | None, length: int) -> pd.DataFrame:
    """Annotation with the names of the matrix, else its own, else numbers."""
    if table is None or len(table) != length:
        table = pd.DataFrame(index=pd.RangeIndex(length))
    table = table.rename(columns=str)
    for name in table.columns[table.dtypes == "string"]:  # h5ad does not hold these
        table[name] = table[name].astype(object)
    table.index = pd.Index(table.index if names is None else names).astype(str)
    return table


def _is_names(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "UO"
