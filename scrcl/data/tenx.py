"""10x Genomics: matrices, and Visium folders as Space Ranger 1, 2 and 3 (HD) leave them."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scanpy as sc
from PIL import Image

from scrcl._keys import SPATIAL
from scrcl._validate import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

_MATRIX = "filtered_feature_bc_matrix"
# Newest first; the oldest has no header.
_POSITIONS = ("tissue_positions.parquet", "tissue_positions.csv", "tissue_positions_list.csv")
_POSITION_COLUMNS = (
    "barcode",
    "in_tissue",
    "array_row",
    "array_col",
    "pxl_row_in_fullres",
    "pxl_col_in_fullres",
)
_HD_BIN = "square_008um"  # what Space Ranger itself analyses


def find_visium(folder: Path) -> Path | None:
    """Find the folder that has ``spatial/`` in it: this one, its ``outs``, or its 8 um HD bins."""
    candidates = (folder, folder / "outs")
    for candidate in candidates:
        bins = candidate / "binned_outputs" / _HD_BIN
        if (bins / "spatial").is_dir():
            log.warning("Visium HD: reading the bins of %s", bins)
            return bins
    return next((c for c in candidates if (c / "spatial").is_dir()), None)


def read_visium(folder: Path) -> AnnData:
    """Read a Visium folder, or one bin size of Visium HD.

    Needed: the filtered matrix (``.h5`` or folder) and ``spatial/tissue_positions*``. Taken along
    if there: scale factors, images, and ``metadata.tsv``, whose columns are joined by barcode, or
    by place if it has no barcodes (it is then in the order of the matrix).

    Returns
    -------
    Counts; ``obs``: ``in_tissue``, ``array_row``, ``array_col`` and the metadata; ``obsm["spatial"]``:
    x and y in pixels of the full image; ``uns["spatial"]``: images and scale factors as in scanpy.

    Raises
    ------
    InputError
        If the matrix or the positions are missing or do not belong together.
    """
    adata = read_10x_matrix(_find_matrix(folder))
    positions = _read_positions(folder / "spatial")
    placed = adata.obs_names.isin(positions.index)
    if not placed.any():
        msg = (
            f"{folder}: got a matrix and positions without a common barcode ({adata.obs_names[0]}, "
            f"{positions.index[0]}), wanted files of one run. Check that they belong together."
        )
        raise InputError(msg)
    if not placed.all():
        log.warning("%s spots have no position and are left out", f"{(~placed).sum():,}")
        adata = adata[placed].copy()
    positions = positions.loc[adata.obs_names]
    adata.obs = positions[["in_tissue", "array_row", "array_col"]].copy()
    xy = positions[["pxl_col_in_fullres", "pxl_row_in_fullres"]]
    adata.obsm[SPATIAL] = xy.to_numpy(dtype=np.float64)
    picture = _read_picture(folder / "spatial")
    if picture:
        adata.uns[SPATIAL] = {_library_name(folder): picture}
    if (folder / "metadata.tsv").is_file():
        _add_metadata(adata, folder / "metadata.tsv")
    return adata


def read_10x_matrix(path: Path) -> AnnData:
    """Read the gene expression of a 10x matrix, ``.h5`` file or ``.mtx`` folder; names may repeat."""
    return sc.read_10x_h5(path) if path.is_file() else sc.read_10x_mtx(path, make_unique=False)


def _find_matrix(folder: Path) -> Path:
    # Archives such as GEO put the name of the sample before the names of the files.
    found = sorted(folder.glob(f"*{_MATRIX}.h5")) + sorted(folder.glob(f"*{_MATRIX}/"))
    if not found:
        msg = (
            f"{folder}: got {sorted(p.name for p in folder.iterdir())[:8]}, wanted {_MATRIX}.h5 or "
            f"a folder {_MATRIX}. Copy it from the outs folder of Space Ranger."
        )
        raise InputError(msg)
    return found[0]


def _read_positions(folder: Path) -> pd.DataFrame:
    """Positions by barcode, whichever of the three formats there is."""
    path = next((folder / name for name in _POSITIONS if (folder / name).is_file()), None)
    if path is None:
        msg = (
            f"{folder}: got no positions of the spots, wanted one of {list(_POSITIONS)}. "
            "Copy it from the spatial folder of Space Ranger."
        )
        raise InputError(msg)
    if path.suffix == ".parquet":
        table = _read_parquet(path)
    else:
        with path.open() as file:
            has_header = file.readline().startswith("barcode,")
        names = None if has_header else list(_POSITION_COLUMNS)
        table = pd.read_csv(path, header=0 if has_header else None, names=names)
    missing = [column for column in _POSITION_COLUMNS if column not in table]
    if missing:
        msg = f"{path}: got columns {list(table)}, wanted also {missing}. Use the original file."
        raise InputError(msg)
    return table.set_index("barcode")


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        msg = (
            f"{path}: got a parquet file, wanted the package that reads it. "
            "Install it: pip install 'scrcl[spatial]'."
        )
        raise InputError(msg) from error


def _read_picture(folder: Path) -> dict[str, Any]:
    """Images and scale factors, where there are any; nothing without scale factors."""
    factors = folder / "scalefactors_json.json"
    if not factors.is_file():
        return {}
    images = {
        size: _read_image(path)
        for size in ("hires", "lowres")
        for path in sorted(folder.glob(f"tissue_{size}_image.*"))[:1]
    }
    return {"images": images, "scalefactors": json.loads(factors.read_text()), "metadata": {}}


def _read_image(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _library_name(folder: Path) -> str:
    """Name of the sample: its folder, not one of the folders that Space Ranger makes in it."""
    parts = folder.absolute().parts
    own = {"outs", "binned_outputs"}
    return next(p for p in reversed(parts) if p not in own and not p.startswith("square_"))


def _add_metadata(adata: AnnData, path: Path) -> None:
    table = pd.read_csv(path, sep="\t")
    if not table.index.isin(adata.obs_names).any():  # R leaves the name of the row names out
        first = table.columns[0]
        if table[first].isin(adata.obs_names).any():
            table = table.set_index(first)
    by_name = table.index.isin(adata.obs_names).any()
    if by_name and table.index.is_unique:
        table = table.reindex(adata.obs_names)
    elif by_name or len(table) != adata.n_obs:
        problem = "repeated barcodes" if by_name else f"{len(table):,} rows without barcodes"
        msg = (
            f"{path}: got {problem}, wanted one row for each of {adata.n_obs:,} spots, in the "
            "order of the matrix or with barcodes. Use the metadata.tsv of this slice."
        )
        raise InputError(msg)
    for column in table.columns.difference(adata.obs.columns, sort=False):
        adata.obs[column] = table[column].to_numpy()
