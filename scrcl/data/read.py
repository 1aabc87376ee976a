"""Files and folders to AnnData; only reading happens here."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anndata as ad
import h5py
import numpy as np
import scanpy as sc

from scrcl._keys import SPATIAL, SPATIAL_GRAPH
from scrcl._validate import InputError, check_one_of
from scrcl.data.hdf5 import read_h5, read_loom
from scrcl.data.lazy import open_large
from scrcl.data.rds import read_rds
from scrcl.data.tables import TABLE_SUFFIXES, Genes, is_table, read_table
from scrcl.data.tenx import find_visium, read_10x_matrix, read_visium
from scrcl.data.validate import check_adata, spatial_coords, unique_names

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

log = logging.getLogger(__name__)


def read(
    path: str | os.PathLike[str],
    *,
    task: Literal["sc", "st"] = "sc",
    backed: bool = False,
    genes: Genes = "auto",
) -> ad.AnnData:
    """Read expression data, told apart by what is there.

    A file: ``.h5ad``; ``.h5`` of 10x, of Cell BLAST or with X and Y; ``.loom``; ``.rds`` with a
    SingleCellExperiment or a matrix; a table (``.csv``, ``.tsv``, also ``.gz``). A folder: Visium (Space Ranger 1 and 2), one bin size of
    Visium HD, a 10x matrix folder, or a ``.zarr`` of AnnData or SpatialData. Names of cells and
    genes come back unique, and what was done to make them so is logged. Matrices of an AnnData that
    do not fit into memory stay on disk and are read in blocks when they are needed (dask arrays);
    that is logged, too.

    Parameters
    ----------
    path
        File or folder.
    task
        ``"st"`` asks for positions in ``obsm["spatial"]`` (or a ready spatial graph).
    backed
        Leave the matrix of an ``.h5ad`` on disk whatever its size, as anndata does.
    genes
        Where a table has its genes: in ``rows`` or ``columns``; ``auto`` tells from the names.

    Raises
    ------
    InputError
        If there is nothing at the path, it cannot be read, is empty, or has no positions and
        ``task`` needs them.
    """
    check_one_of(task, "task", ("sc", "st"))
    path = Path(path).expanduser()
    if not path.exists():
        msg = (
            f"input: got {path}, which does not exist (looked for {path.absolute()}), wanted an "
            ".h5ad file or a folder. Check the path, or name a benchmark set with --dataset."
        )
        raise InputError(msg)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*names are not unique", UserWarning)  # not for long
        adata = _read_folder(path) if path.is_dir() else _read_file(path, genes, backed=backed)
        _make_names_unique(adata)
    try:
        check_adata(adata)
        if task == "st" and SPATIAL_GRAPH not in adata.obsp:
            spatial_coords(adata)
    except InputError as error:
        msg = f"{path}: {error}"
        raise InputError(msg) from None
    return adata


def _read_file(path: Path, genes: Genes, *, backed: bool) -> ad.AnnData:
    if is_table(path):
        return _guarded(lambda: read_table(path, genes=genes), path, "a table")
    if path.suffix == ".rds":
        return _guarded(lambda: read_rds(path), path, "an R object")
    if path.suffix not in {".h5ad", ".h5", ".loom"}:
        msg = (
            f"{path}: got a {path.suffix or 'file without ending'}, wanted .h5ad, .h5, .loom, "
            f".rds, {', '.join(TABLE_SUFFIXES)} or a folder. Convert it to .h5ad, for instance "
            "with anndata."
        )
        raise InputError(msg)
    if not h5py.is_hdf5(path):
        msg = (
            f"{path}: got a file that is not HDF5, wanted {path.suffix}. It may be cut short or a "
            "web page saved under that name: download it again."
        )
        raise InputError(msg)
    if path.suffix == ".h5":
        return _guarded(lambda: read_h5(path), path, "a matrix in HDF5")
    if path.suffix == ".loom":
        return _guarded(lambda: read_loom(path), path, "a loom file")
    if backed:
        return _guarded(lambda: sc.read_h5ad(path, backed="r"), path, "an AnnData")
    return _guarded(lambda: open_large(path) or sc.read_h5ad(path), path, "an AnnData")


def _read_folder(path: Path) -> ad.AnnData:
    if path.suffix == ".zarr":
        if (path / "tables").is_dir():
            return _guarded(lambda: _read_spatialdata(path), path, "a SpatialData store")
        return _guarded(lambda: open_large(path) or ad.read_zarr(path), path, "an AnnData zarr")
    visium = find_visium(path)
    if visium is not None:
        return _guarded(lambda: read_visium(visium), visium, "a Visium folder")
    if any(path.glob("*matrix.mtx*")):
        return _guarded(lambda: read_10x_matrix(path), path, "a 10x matrix folder")
    msg = (
        f"{path}: got a folder with {sorted(p.name for p in path.iterdir())[:8]}, wanted a Visium "
        "folder (filtered_feature_bc_matrix.h5 and spatial/), matrix.mtx, or a .zarr. "
        "Give the folder that holds these."
    )
    raise InputError(msg)


def _guarded(reader: Callable[[], ad.AnnData], path: Path, what: str) -> ad.AnnData:
    """Run a library's reader; whatever it stumbles over is the file's fault."""
    try:
        return reader()
    except InputError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0:1] or [type(error).__name__]
        msg = (
            f"{path}: got something that cannot be read as {what} ({reason[0]}). "
            "Check the file, or download it again."
        )
        raise InputError(msg) from error


def _read_spatialdata(path: Path) -> ad.AnnData:
    """Take the one table of a SpatialData store, with the centroids of what it annotates."""
    try:
        import spatialdata  # noqa: PLC0415  (heavy and optional)
    except ModuleNotFoundError as error:
        msg = (
            f"{path}: got a SpatialData store, wanted the package that reads it. "
            "Install it: pip install 'scrcl[spatial]'."
        )
        raise InputError(msg) from error
    store = spatialdata.read_zarr(path)
    tables = dict(store.tables)
    if len(tables) != 1:
        msg = (
            f"{path}: got a SpatialData store with tables {sorted(tables)}, wanted one. "
            "Save the wanted table as .h5ad: sdata.tables[name].write_h5ad(...)."
        )
        raise InputError(msg)
    (adata,) = tables.values()
    if SPATIAL not in adata.obsm:
        attrs = adata.uns["spatialdata_attrs"]
        region, instances = attrs["region"], adata.obs[attrs["instance_key"]]
        if not isinstance(region, str):
            msg = (
                f"{path}: got a table over regions {list(region)} without obsm['spatial'], wanted "
                "one region. Save its table with positions as .h5ad."
            )
            raise InputError(msg)
        centroids = spatialdata.get_centroids(store[region]).compute()
        adata.obsm[SPATIAL] = centroids.loc[instances].to_numpy(dtype=np.float64)
    return adata


def _make_names_unique(adata: ad.AnnData) -> None:
    notes: list[str] = []
    adata.obs_names = unique_names(adata.obs_names, "cell", notes)
    adata.var_names = unique_names(adata.var_names, "gene", notes)
    for note in notes:
        log.warning("%s", note)
