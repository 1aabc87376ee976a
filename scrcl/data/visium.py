"""Visium folders as Space Ranger 1 to 4 leave them: spots, and bins or cells of Visium HD."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import Image

from scrcl._keys import SPATIAL
from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.data import matrices
from scrcl.data.archive import open_bytes, plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anndata import AnnData
    from numpy.typing import NDArray

    from scrcl.data.formats import Options

log = logging.getLogger(__name__)

# Newest first; the oldest has no header. Archives put the name of the sample before them.
_POSITIONS = ("tissue_positions.parquet", "tissue_positions.csv", "tissue_positions_list.csv")
_POSITION_COLUMNS = (
    "barcode",
    "in_tissue",
    "array_row",
    "array_col",
    "pxl_row_in_fullres",
    "pxl_col_in_fullres",
)
# Sizes of the bins of Visium HD in the order in which they are taken; Space Ranger itself analyses
# the first.
_BINS = ("square_008um", "square_016um", "square_002um")
_SEGMENTED = "segmented_outputs"
_OUTLINES = "cell_segmentations.geojson"
_MATRICES = ("filtered_feature_bc_matrix", "raw_feature_bc_matrix")


def matches(path: Path) -> bool:
    """Tell a folder that has positions, images or outlines of a tissue."""
    return path.is_dir() and _find(path) is not None


def read(path: Path, options: Options) -> AnnData:
    """Read a Visium folder, one bin size of Visium HD, or its segmented cells.

    Needed: the matrix (``.h5`` or folder, filtered or else raw) and ``spatial/tissue_positions*``, or
    for cells their outlines. Taken along if there: scale factors, images, and ``metadata.tsv``, whose
    columns are joined by barcode, or by place if it has no barcodes (it is then in the order of the
    matrix).

    Returns
    -------
    Counts; ``obs``: ``in_tissue``, ``array_row``, ``array_col`` and the metadata; ``obsm["spatial"]``:
    x and y in pixels of the full image; ``uns["spatial"]``: images and scale factors as in scanpy.

    Raises
    ------
    InputError
        If the matrix or the positions are missing or do not belong together.
    """
    del options
    folder = _find(path)
    assert folder is not None  # it matches
    if folder != path:
        log.warning("%s: reading %s", path.name, folder.relative_to(path))
    is_cells = _is_segmented(folder)
    adata = matrices.read_one(_find_matrix(folder, is_cells=is_cells))
    adata = _place_cells(folder, adata) if is_cells else _place_spots(folder, adata)
    picture = _read_picture(folder)
    if picture:
        adata.uns[SPATIAL] = {_library_name(folder): picture}
    if (folder / "metadata.tsv").is_file():
        _add_metadata(adata, folder / "metadata.tsv")
    return adata


def _find(folder: Path) -> Path | None:
    """Find the folder with the matrix: this one, its ``outs``, its bins, or its cells."""
    for candidate in (folder, folder / "outs"):
        sizes = {path.name: path for path in (candidate / "binned_outputs").glob("square_*um")}
        names = [*(name for name in _BINS if name in sizes), *sorted(sizes)]
        bins = next((sizes[name] for name in names if (sizes[name] / "spatial").is_dir()), None)
        if bins is not None:
            return bins
        if _is_segmented(candidate / _SEGMENTED):
            return candidate / _SEGMENTED
        if (candidate / "spatial").is_dir() or _is_segmented(candidate):
            return candidate
    return (
        folder if next(_position_files(folder), None) else None
    )  # all in one, as archives have it


def _is_segmented(folder: Path) -> bool:
    return any(folder.glob("*feature_cell_matrix*")) or any(folder.glob(f"*{_OUTLINES}*"))


def _place_spots(folder: Path, adata: AnnData) -> AnnData:
    positions = _read_positions(folder)
    placed = adata.obs_names.isin(positions.index)
    if not placed.any():
        msg = (
            f"{folder}: got a matrix and positions without a common barcode ({adata.obs_names[0]}, "
            f"{positions.index[0]}), wanted files of one run. Check that they belong together."
        )
        raise InputError(msg)
    adata = _only(adata, placed, "spots")
    positions = positions.loc[adata.obs_names]
    adata.obs = positions[["in_tissue", "array_row", "array_col"]].copy()
    xy = positions[["pxl_col_in_fullres", "pxl_row_in_fullres"]]
    adata.obsm[SPATIAL] = xy.to_numpy(dtype=np.float64)
    return adata


def _place_cells(folder: Path, adata: AnnData) -> AnnData:
    """Put each segmented cell at the centre of mass of its outline, in pixels of the full image."""
    path = next(folder.glob(f"*{_OUTLINES}*"), None)
    if path is None:
        msg = (
            f"{folder}: has {_names(folder)}, lacks {_OUTLINES} with the outlines of the cells. Copy "
            f"it from {_SEGMENTED} of Space Ranger, or give a folder of binned_outputs to read bins."
        )
        raise InputError(msg)
    centres = _read_centres(path)
    numbers = adata.obs_names.str.extract(r"(\d+)(?:-\d+)?$", expand=False)
    cells = pd.to_numeric(pd.Series(numbers), errors="coerce").fillna(-1).astype(int).to_numpy()
    placed = np.isin(cells, centres.index)
    if not placed.any():
        msg = (
            f"{path}: got outlines without a common number ({adata.obs_names[0]}, "
            f"{list(centres.index[:1])}), wanted files of one run. Check that they belong together."
        )
        raise InputError(msg)
    adata = _only(adata, placed, "cells")
    adata.obsm[SPATIAL] = centres.loc[cells[placed]].to_numpy(dtype=np.float64)
    log.info("%s: positions are the centres of the cells in %s", folder.name, path.name)
    return adata


def _only(adata: AnnData, placed: NDArray[np.bool_], what: str) -> AnnData:
    if placed.all():
        return adata
    log.warning("left out: %s without a position", counted((~placed).sum(), what))
    return adata[placed].copy()


def _read_centres(path: Path) -> pd.DataFrame:
    """Find the centre (x, y) of each outline, by the number of its cell."""
    try:
        with open_bytes(path) as file:
            features = json.load(file)["features"]
        places = {
            int(feature["properties"]["cell_id"]): _centre(feature["geometry"])
            for feature in features
        }
    except (ValueError, KeyError, TypeError, IndexError) as error:
        msg = (
            f"{path}: got outlines that cannot be read ({type(error).__name__}: {error}), wanted "
            "GeoJSON with a cell_id and a polygon for each cell. Copy the original file."
        )
        raise InputError(msg) from error
    return pd.DataFrame.from_dict(places, orient="index", columns=["x", "y"])


def _centre(geometry: dict[str, Any]) -> tuple[float, float]:
    """Centre of mass of a polygon (its outer ring); of several, of the largest."""
    shapes = geometry["coordinates"]
    rings = [shape[0] for shape in shapes] if geometry["type"] == "MultiPolygon" else [shapes[0]]
    moments = [_moments(np.asarray(ring, dtype=np.float64)[:, :2]) for ring in rings]
    _, x, y = max(moments)
    return x, y


def _moments(ring: NDArray[np.float64]) -> tuple[float, float, float]:
    """Area and centre of mass of a closed ring, (n_corners, 2)."""
    origin = ring[0]
    x, y = (ring - origin).T  # far from zero, the products would lose digits
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    area = float(cross.sum()) / 2
    if area == 0:
        return 0.0, float(ring[:, 0].mean()), float(ring[:, 1].mean())
    centre_x = float(((x + np.roll(x, -1)) * cross).sum()) / (6 * area)
    centre_y = float(((y + np.roll(y, -1)) * cross).sum()) / (6 * area)
    return abs(area), centre_x + float(origin[0]), centre_y + float(origin[1])


def _find_matrix(folder: Path, *, is_cells: bool) -> Path:
    stems = [name.replace("_bc_", "_cell_") for name in _MATRICES] if is_cells else _MATRICES
    for stem in stems:
        # Archives such as GEO put the name of the sample before the names of the files.
        found = sorted(folder.glob(f"*{stem}.h5")) + sorted(folder.glob(f"*{stem}/*.mtx*"))
        if found:
            if stem.startswith("raw"):
                log.warning(
                    "%s: reading the raw matrix %s, as there is no filtered one: it has all spots, "
                    "also those off the tissue",
                    folder.name,
                    found[0].name,
                )
            return found[0]
    loose = [path for path in sorted(folder.iterdir()) if plain_name(path).endswith(".mtx")]
    if len(loose) == 1:
        return loose[0]
    msg = (
        f"{folder}: got {_names(folder)}, wanted {stems[0]}.h5 or a folder {stems[0]}. Copy it from "
        "the outs folder of Space Ranger."
    )
    raise InputError(msg)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())[:8]


def _position_files(folder: Path) -> Iterator[Path]:
    """Files of positions in ``spatial/`` or, as archives have it, beside the matrix."""
    for place in (folder / "spatial", folder):
        for name in _POSITIONS:
            for path in sorted(place.glob(f"*{name}*")):
                if plain_name(path).endswith(name):
                    yield path


def _read_positions(folder: Path) -> pd.DataFrame:
    """Positions by barcode, whichever of the three formats there is."""
    path = next(_position_files(folder), None)
    if path is None:
        msg = (
            f"{folder / 'spatial'}: got no positions of the spots, wanted one of "
            f"{list(_POSITIONS)}. Copy it from the spatial folder of Space Ranger."
        )
        raise InputError(msg)
    if plain_name(path).endswith(".parquet"):
        table = _read_parquet(path)
    else:
        with open_bytes(path) as file:
            has_header = b"barcode" in file.readline()
        names = None if has_header else list(_POSITION_COLUMNS)
        with open_bytes(path) as file:
            table = pd.read_csv(
                file, header=0 if has_header else None, names=names, encoding="utf-8-sig"
            )
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
    places = (folder / "spatial", folder)
    factors = next((p for f in places for p in sorted(f.glob("*scalefactors_json.json*"))), None)
    if factors is None:
        return {}
    with open_bytes(factors) as file:
        scale = json.load(file)
    images = {
        size: _read_image(path)
        for size in ("hires", "lowres")
        for path in sorted(factors.parent.glob(f"*tissue_{size}_image.*"))[:1]
    }
    return {"images": images, "scalefactors": scale, "metadata": {}}


def _read_image(path: Path) -> NDArray[np.uint8]:
    with open_bytes(path) as file, Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def _library_name(folder: Path) -> str:
    """Name of the sample: its folder, not one of the folders that Space Ranger makes in it."""
    parts = folder.absolute().parts
    own = {"outs", "binned_outputs", _SEGMENTED}
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
        problem = (
            "repeated barcodes" if by_name else f"{counted(len(table), 'rows')} without barcodes"
        )
        msg = (
            f"{path}: got {problem}, wanted one row for each of {adata.n_obs:,} spots, in the "
            "order of the matrix or with barcodes. Use the metadata.tsv of this slice."
        )
        raise InputError(msg)
    for column in table.columns.difference(adata.obs.columns, sort=False):
        adata.obs[column] = table[column].to_numpy()
