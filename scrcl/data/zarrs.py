"""Stores of zarr: AnnData, and SpatialData with one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np

from scrcl._keys import SPATIAL
from scrcl._validate import InputError
from scrcl.data.lazy import open_large

if TYPE_CHECKING:
    from pathlib import Path

    from scrcl.data.formats import Options


def matches(path: Path) -> bool:
    """Tell a store by the ending of the folder."""
    return path.is_dir() and path.suffix.lower() == ".zarr"


def read(path: Path, options: Options) -> ad.AnnData:
    """Read an AnnData, or the one table of a SpatialData store."""
    del options
    if (path / "tables").is_dir():
        return _read_spatialdata(path)
    return open_large(path) or ad.read_zarr(path)


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
