"""Matrices of 10x Genomics in HDF5, as Cell Ranger 2 and later, and CellBender, write them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scrcl._text import counted
from scrcl._validate import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

_MATRIX = {"barcodes", "data", "indices", "indptr", "shape"}
# Columns of `features` and what scanpy calls them in `var`; all others keep their names.
_VAR_NAMES = {"id": "gene_ids", "feature_type": "feature_types"}


def genomes(file: h5py.File) -> list[str]:
    """Names of the groups with a matrix: ``matrix`` since Cell Ranger 3, before one per genome."""
    return [
        name
        for name, group in file.items()
        if isinstance(group, h5py.Group) and set(group) >= _MATRIX
    ]


def read_10x_h5(path: Path) -> ad.AnnData:
    """Read all features of a 10x matrix; names may repeat.

    Of several genomes in a file of Cell Ranger 2 the genes stand side by side, with the genome in
    front of their names and in ``var["genome"]``.

    Returns
    -------
    Counts, (n_obs, n_vars). ``var``: ``gene_ids``, ``feature_types``, ``genome`` and what else the
    file says of each feature.

    Raises
    ------
    InputError
        If the file has no matrix, or one that is not whole.
    """
    with h5py.File(path, "r") as file:
        parts = {name: _read_group(path, name, file[name]) for name in genomes(file)}
    if not parts:
        msg = f"{path}: got no matrix of 10x, wanted one. Give filtered_feature_bc_matrix.h5."
        raise InputError(msg)
    return join_genomes(path, parts) if len(parts) > 1 else next(iter(parts.values()))


def join_genomes(path: Path, parts: dict[str, ad.AnnData]) -> ad.AnnData:
    """Put the genes of several genomes side by side; a cell without counts of one has zeros there.

    Says so. Names get their genome in front, as Cell Ranger 3 writes them.
    """
    n_cells = {name: part.n_obs for name, part in parts.items()}
    for name, part in parts.items():
        part.var["genome"] = name
        part.var_names = [f"{name}_{gene}" for gene in part.var_names]
    cells = pd.Index(pd.unique(np.concatenate([part.obs_names for part in parts.values()])))
    blocks = [_rows_for(part, cells) for part in parts.values()]
    only = sum(len(cells) - n for n in n_cells.values())
    log.warning(
        "%s: genes of the genomes %s are read together, with the genome in front of their names "
        "and in var['genome']%s",
        path.name,
        ", ".join(parts),
        f"; zeros in one of them for {counted(only, 'cells')} listed for the other only"
        if only
        else "",
    )
    return ad.AnnData(
        sp.hstack(blocks, format="csr"),
        obs=pd.DataFrame(index=cells),
        var=pd.concat([part.var for part in parts.values()]),
    )


def _rows_for(part: ad.AnnData, cells: pd.Index) -> sp.csr_matrix:
    place = part.obs_names.get_indexer(cells)
    rows = np.flatnonzero(place >= 0)
    spread = sp.csr_matrix(
        (np.ones(rows.size, np.float32), (rows, place[rows])), shape=(len(cells), part.n_obs)
    )
    counts: sp.csr_matrix = spread @ part.X
    return counts


def _read_group(path: Path, name: str, group: h5py.Group) -> ad.AnnData:
    n_genes, n_cells = (int(n) for n in group["shape"][()])
    data, indices, indptr = (group[part][()] for part in ("data", "indices", "indptr"))
    if len(indptr) != n_cells + 1 or len(data) != len(indices):
        msg = (
            f"{path}: got {name} of shape {n_genes:,} x {n_cells:,} with {len(indptr):,} column "
            f"starts, {counted(len(data), 'values')} and {counted(len(indices), 'indices')}, which "
            "do not belong together. Write the file again with Cell Ranger."
        )
        raise InputError(msg)
    X = sp.csr_matrix((data.astype(np.float32), indices, indptr), shape=(n_cells, n_genes))
    var = _features(name, group, n_genes)
    return ad.AnnData(X, obs=pd.DataFrame(index=as_text(group["barcodes"][()])), var=var)


def _features(name: str, group: h5py.Group, n_genes: int) -> pd.DataFrame:
    if "features" not in group:  # Cell Ranger 2
        ids = as_text(group["genes"][()])
        symbols = as_text(group["gene_names"][()]) if "gene_names" in group else ids
        var = pd.DataFrame({"gene_ids": ids, "genome": name}, index=symbols)
    else:
        columns = {
            _VAR_NAMES.get(key, key): as_text(values[()])
            for key, values in group["features"].items()
            if isinstance(values, h5py.Dataset) and values.shape == (n_genes,)
        }
        symbols = columns.pop("name") if "name" in columns else columns["gene_ids"]
        var = pd.DataFrame(columns, index=symbols)
    var.index = pd.Index(var.index, dtype=object)
    return var


def as_text(values: NDArray[Any]) -> NDArray[Any]:
    """Bytes as text, in one dimension; all else as it is."""
    if values.dtype.kind not in "SO":
        return values
    text = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.flat]
    return np.array(text, dtype=object)
