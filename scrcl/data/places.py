"""Where spots lie: positions under the names that people give them, and spots without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.spatial import KDTree

from scrcl._keys import SPATIAL
from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.data.overlap import is_slice_name, overlap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray


# Other names of the table in obsm, without "X_" in front; the first that is there is taken.
_TABLES = (
    "spatial", "spatial_coords", "spatial_coordinates", "spatialcoords", "coords", "coordinates",
    "xy_coordinates", "xy_coords", "xy_loc", "xy", "xyz", "spatial_xy", "spatial_stereoseq",
    "spatial3d", "spatial_3d", "spatial_2d", "spatial_um", "spatial_global", "spatial_fov", "centroids", "centroid", "locations", "positions",
)  # fmt: skip
# Columns of obs (or of a table in obsm) that hold x and y, in small letters. Positions in the whole
# slide come before those in a field of view, and measured ones before the numbers of an array.
_COLUMNS = (
    ("x", "y"), ("x_centroid", "y_centroid"), ("centroid_x", "centroid_y"),
    ("x_slide_mm", "y_slide_mm"), ("centerx_global_px", "centery_global_px"),
    ("x_global_px", "y_global_px"), ("global_x", "global_y"), ("center_x", "center_y"),
    ("pxl_col_in_fullres", "pxl_row_in_fullres"), ("pxl_col", "pxl_row"), ("imagecol", "imagerow"),
    ("x_coord", "y_coord"), ("xcoord", "ycoord"), ("x_coords", "y_coords"),
    ("coord_x", "coord_y"), ("coord_1", "coord_2"), ("spatial_x", "spatial_y"),
    ("spatial1", "spatial2"), ("spatial_1", "spatial_2"), ("x_location", "y_location"),
    ("x_position", "y_position"), ("pos_x", "pos_y"), ("x_pos", "y_pos"), ("x_um", "y_um"),
    ("x_px", "y_px"), ("x_pixel", "y_pixel"), ("pixel_x", "pixel_y"), ("new_x", "new_y"),
    ("centerx_local_px", "centery_local_px"), ("x_local_px", "y_local_px"),
    ("array_col", "array_row"), ("col", "row"),
)  # fmt: skip
_DEPTH = ("z", "z_centroid", "centroid_z", "center_z", "z_coord", "z_um")
# The rows of a Visium array lie closer than every other of its columns, whose numbers go by two.
_HEXAGONAL = np.sqrt(3.0)
# A spot whose few nearest lie this many times farther than is usual lies apart from the tissue.
_FAR = 20.0
_NEAREST = 4


class Places(NamedTuple):
    """Positions, and what is to be told of them."""

    coords: NDArray[np.float64]  # (n_obs, 2) or (n_obs, 3), in any unit; NaN: the spot has none
    notes: list[str]


def find_places(adata: AnnData, slice_key: str | None = None) -> Places:
    """Find the positions of the spots.

    They are looked for in ``obsm["spatial"]``, in ``obsm`` under other usual names, and in pairs of
    columns of ``obs``. Text, tables with further columns and any kind of number are read; a spot
    whose position is not a number has none. If groups that may be slices lie over one another and
    another table keeps them apart, that one is taken.

    Parameters
    ----------
    adata
        Spots; not changed.
    slice_key
        Column of ``obs`` that tells slices apart.

    Raises
    ------
    InputError
        If there are no positions, they cannot be read, or slices lie over one another and no
        `slice_key` tells them apart.
    """
    source, coords, notes = first_places(adata)
    if source != f"obsm[{SPATIAL!r}]":
        notes.insert(0, f"positions: taken from {source}")
    clash = overlap(adata, coords, slice_key)
    if clash is not None:
        told = clash.told(source)
        tables = list(_tables(adata))[1:]
        other = next(
            (name for name, table in tables if _keeps_apart(adata, name, table, slice_key)),
            None,
        )
        if other is None:
            msg = f"positions: {told}, wanted places in one tissue. {clash.remedy}"
            raise InputError(msg)
        coords, notes = read_positions(dict(tables)[other], other)
        notes.append(f"positions: {told}; {other} keeps them apart and is taken")
    n_without = int(np.isnan(coords[:, 0]).sum())
    if n_without:
        notes.append(
            f"left out, without a domain: {counted(n_without, 'spots')} without a position"
        )
    return Places(coords, [*notes, *_far_away(adata.obs_names, coords)])


def first_places(adata: AnnData) -> tuple[str, NDArray[np.float64], list[str]]:
    """Find where positions are and read them, whatever slices there are: see `find_places`.

    Returns
    -------
    What holds them, for messages; positions; notes.
    """
    source, table = next(iter(_tables(adata)), ("", None))
    if not source:
        msg = (
            f"obsm[{SPATIAL!r}]: got none (obsm has {sorted(adata.obsm)}), wanted the positions of "
            "the spots. Add them, or use runSC.py for data without positions."
        )
        raise InputError(msg)
    return source, *read_positions(table, source)


def read_positions(table: Any, source: str) -> tuple[NDArray[np.float64], list[str]]:
    """Read a table of positions of any kind.

    Parameters
    ----------
    table
        Array or data frame of numbers or text, or such with further columns if these have names,
        (n_obs, n_columns).
    source
        What it is called in messages.

    Returns
    -------
    (n_obs, 2) or (n_obs, 3), NaN where there is no position; and notes.

    Raises
    ------
    InputError
        If it has another shape, or no position in it can be read.
    """
    notes: list[str] = []
    if sp.issparse(table):
        sparse: Any = table
        table = sparse.toarray()
    if isinstance(table, np.ndarray) and table.dtype.names:
        table = pd.DataFrame({name: table[name] for name in table.dtype.names})
    if isinstance(table, pd.DataFrame):
        table = _coordinate_columns(table, source, notes)
    array = np.asarray(table)
    if array.ndim != 2 or array.shape[1] not in {2, 3}:
        msg = (
            f"positions: {source} has shape {array.shape}, wanted 2 or 3 columns. "
            "Keep one row per spot and the coordinates only."
        )
        raise InputError(msg)
    coords = np.column_stack([_as_numbers(column) for column in array.T])
    without = ~np.isfinite(coords).all(axis=1)
    coords[without] = np.nan
    if without.all():
        msg = (
            f"positions: {source} holds no number that could be one, such as {array[0].tolist()}, "
            "wanted x and y of each spot. Store them as numbers."
        )
        raise InputError(msg)
    if coords.shape[1] == 3 and np.ptp(coords[~without, 2]) == 0 and len(coords) > 1:
        coords = coords[:, :2]  # a lone section of a stack: no triangles in space
    return coords, notes


def in_tissue(adata: AnnData) -> tuple[NDArray[np.bool_], list[str]]:
    """Tell spots on the tissue, (n_obs,), from the background around it, by ``obs["in_tissue"]``.

    Raises
    ------
    InputError
        If none is on the tissue.
    """
    on = np.ones(adata.n_obs, dtype=bool)
    if IN_TISSUE not in adata.obs:
        return on, []
    text = pd.Series(np.asarray(adata.obs[IN_TISSUE], dtype=object)).astype(str).str.strip()
    off = text.str.lower().isin(_OFF).to_numpy()
    unknown = ~off & ~text.str.lower().isin(_ON).to_numpy()
    notes = []
    if off.any():
        notes.append(
            f"left out, without a cluster: {counted(off.sum(), 'spots')} that "
            f"obs[{IN_TISSUE!r}] does not put on the tissue"
        )
    if unknown.any():
        notes.append(
            f"obs[{IN_TISSUE!r}]: {counted(unknown.sum(), 'spots')} with neither 0 nor 1 in it "
            f"({text[unknown].iloc[0]!r}): taken to be on the tissue"
        )
    if off.all():
        msg = (
            f"obs[{IN_TISSUE!r}]: got no spot on the tissue, wanted some with 1. "
            "Check the column, or drop it to use all spots."
        )
        raise InputError(msg)
    return ~off, notes


IN_TISSUE = "in_tissue"
"""Column of ``obs``: 1 for a spot on the tissue, 0 for background."""
_ON = {"1", "1.0", "true", "t", "yes", "y", "in", "tissue", "in_tissue"}
_OFF = {"0", "0.0", "false", "f", "no", "n", "out", "background", "off"}


def place_columns(adata: AnnData) -> list[str]:
    """Columns of ``obs`` that hold positions or say whether a spot is on the tissue."""
    lower = {str(name).lower(): name for name in reversed(list(adata.obs))}
    known = [*(name for pair in _COLUMNS for name in pair), *_DEPTH, IN_TISSUE]
    return [lower[name] for name in known if name in lower]


def place_tables(adata: AnnData) -> list[str]:
    """Keys of ``obsm`` that hold positions."""
    lower = {str(key).lower().removeprefix("x_"): key for key in reversed(list(adata.obsm))}
    found = [lower[name] for name in _TABLES if name in lower]
    return [SPATIAL, *(key for key in found if key != SPATIAL)] if SPATIAL in adata.obsm else found


def _tables(adata: AnnData) -> Iterable[Any]:
    """Yield name and content of everything that may be the positions, the likeliest first."""
    for key in place_tables(adata):
        yield f"obsm[{key!r}]", adata.obsm[key]
    for names in _pairs(list(adata.obs)):
        frame = adata.obs[list(names)]
        if _is_visium_array(names, frame):
            frame = frame.astype(float) * np.array([1.0, _HEXAGONAL])
        yield f"obs[{', '.join(map(repr, names))}]", frame.to_numpy()


def _pairs(columns: Sequence[Any]) -> Iterable[tuple[Any, ...]]:
    """Yield columns that hold x and y (and z), the likeliest first."""
    lower = {str(name).lower(): name for name in reversed(columns)}
    depth = next((lower[name] for name in _DEPTH if name in lower), None)
    for x, y in _COLUMNS:
        if x in lower and y in lower:
            measured = depth is not None and x[-3:] != "col"
            yield (lower[x], lower[y], depth) if measured else (lower[x], lower[y])


def _is_visium_array(names: tuple[Any, ...], frame: pd.DataFrame) -> bool:
    """Whether these are rows and columns of a hexagonal array, of which every other is empty."""
    if tuple(map(str, names)) != ("array_col", "array_row"):
        return False
    numbers = frame.apply(pd.to_numeric, errors="coerce").sum(axis=1)
    return bool(numbers.notna().all() and (numbers % 2 == 0).all() and len(frame) > 1)


def _coordinate_columns(table: pd.DataFrame, source: str, notes: list[str]) -> Any:
    """Choose the columns of a table that are coordinates: by name, else all that hold numbers."""
    names = next(iter(_pairs(list(table))), None)
    if names is None:
        names = tuple(
            name
            for name in table
            if np.isfinite(_as_numbers(table[name].to_numpy())).any() and not is_slice_name(name)
        )
    left = [name for name in table if name not in names]
    if left and len(names) in {2, 3}:
        notes.append(
            f"positions: {source} has columns {list(map(str, table))}, of which "
            f"{', '.join(map(str, names))} are taken"
        )
    return table[list(names)].to_numpy(dtype=object)


def _as_numbers(column: Any) -> NDArray[np.float64]:
    """Numbers, also where they are written as text; NaN for all else."""
    values: NDArray[Any] = np.asarray(column)
    if values.dtype.kind not in "biuf":
        text = [v.decode(errors="replace") if isinstance(v, bytes) else v for v in values.tolist()]
        values = np.asarray(pd.to_numeric(pd.Series(text, dtype=object), errors="coerce"))
    numbers: NDArray[np.float64] = values.astype(np.float64)
    return numbers


def _keeps_apart(adata: AnnData, source: str, table: Any, slice_key: str | None) -> bool:
    try:
        coords, _ = read_positions(table, source)
        refuse_one_place(coords)
    except InputError:
        return False
    return overlap(adata, coords, slice_key) is None


def refuse_one_place(coords: NDArray[np.float64]) -> None:
    """Refuse positions, (n_obs, n_dims), that are all the same: nothing is near to anything then."""
    there = coords[~np.isnan(coords[:, 0])]
    if len(there) > 1 and (there == there[0]).all():
        msg = (
            f"positions: got all {len(there):,} spots in one place, wanted places that differ. "
            "Give the true positions, or use runSC.py for data without them."
        )
        raise InputError(msg)


def _far_away(names: pd.Index, coords: NDArray[np.float64]) -> list[str]:
    """Say which spots lie far from all others: a stray position, or a wrong one."""
    there = np.flatnonzero(~np.isnan(coords[:, 0]))
    places = np.unique(coords[there], axis=0)
    if len(places) <= 2 * _NEAREST:
        return []
    distance = np.ravel(KDTree(places).query(coords[there], k=[_NEAREST + 1])[0])
    far = there[distance > _FAR * np.median(distance)]
    if not len(far):
        return []
    first = f"the first: {names[far[0]]!r}"
    return [f"{counted(len(far), 'spots')} far from all others ({first}): check the positions"]
