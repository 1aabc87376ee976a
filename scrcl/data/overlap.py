"""Slices that lie over one another: sections or fields of view with coordinates of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.spatial import ConvexHull, KDTree, QhullError

from scrcl._keys import SPATIAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

# Columns that tell slices apart where they do: in small letters, letters alone.
_NAMES = {
    "library", "libraryid", "librarykey", "fov", "fovid", "field", "fieldofview", "section",
    "sectionid", "sectionlabel", "brainsectionlabel", "slice", "sliceid", "slicename", "slide",
    "slideid", "slidename", "slideno", "slideidnumeric", "sample", "sampleid", "samplename",
    "batch", "batchid", "origident", "puck", "puckid", "chip", "chipid", "capturearea", "image",
    "imageid", "imagename", "tile", "tileid", "roi", "roiid", "core", "coreid", "tma", "specimen",
    "specimenid", "replicate", "dataset", "datasetid", "donor", "donorid", "mouse", "mouseid",
    "animal", "animalid", "patient", "patientid", "bregma", "regionid", "run", "runid", "scan",
}  # fmt: skip
# Groups lie over one another if more of the spots than this are among those of another group.
_MAX_COVERED = 0.05
# Usual distances between spots of a group within which a place still is the group's.
_REACH = 2.0
_MAX_GROUPS = 2_000
# Cell names end in a number for each sample where samples were joined ("AAAC-1-0", "AAAC-1_2").
_ENDING = r"[-_](\d{1,3})$"
_MIN_SPOTS_OF_ENDING = 20
# More spots than this lie where another one does: there is a second layer of them.
_MAX_SHARED = 0.2


class Clash(NamedTuple):
    """Groups of spots that lie over one another."""

    what: str
    """What tells them apart, for messages."""
    key: str | None
    """Its column of ``obs``, if it is one."""
    pair: tuple[str, str]
    """Two of the groups."""
    n_groups: int
    within: str | None = None
    """Column of ``obs`` that was said to tell slices apart, and does not."""

    def told(self, source: str) -> str:
        """Say what was found."""
        one, other = self.pair
        return (
            f"{source} lays the {self.n_groups:,} groups of {self.what} over one another "
            f"({one!r} and {other!r}, for instance)"
        )

    @property
    def remedy(self) -> str:
        """Say what to do."""
        if self.within is not None:
            return (
                f"{self.within!r} does not tell them apart: give --slice-key a column of obs that "
                f"joins it with {self.what}."
            )
        if self.key is None:
            return (
                "Put what tells slices apart into a column of obs, and name it: --slice-key COLUMN "
                "(slice_key in Python)."
            )
        return (
            f"Tell them apart: --slice-key {self.key} (slice_key={self.key!r} in Python). If they "
            "are one slice, drop that column."
        )


def overlap(
    adata: AnnData, coords: NDArray[np.float64], slice_key: str | None = None
) -> Clash | None:
    """Find groups of spots that lie over one another; ``None`` if there are none.

    Groups are those of columns whose names or values are those of slices, see `slice_columns`, of a
    data frame of positions, and of cell names that end in the number of a sample. Fields of view
    that tile a tissue, and sections side by side, do not lie over one another.

    Parameters
    ----------
    adata
        Spots.
    coords
        Their positions, (n_obs, 2) or (n_obs, 3), NaN for spots without one.
    slice_key
        Column of ``obs`` that tells slices apart: within each, groups are looked at by themselves.
    """
    there = ~np.isnan(coords[:, 0])
    slices = [there]
    if slice_key is not None and slice_key in adata.obs:
        own = adata.obs[slice_key].astype(str).to_numpy()
        slices = [there & (own == name) for name in np.unique(own)]
    for what, key, column in _groupings(adata):
        if key is not None and key == slice_key:
            continue
        for spots in slices:
            groups = column[spots]
            n_groups = groups.nunique()
            if 2 <= n_groups <= min(_MAX_GROUPS, len(groups) // 2):
                pair = _covered(coords[spots], groups)
                if pair is not None:
                    return Clash(what, key, pair, n_groups, slice_key)
    return None if slice_key is not None else _unnamed_layers(adata, coords[there])


def slice_columns(adata: AnnData) -> list[str]:
    """Columns of ``obs`` that may tell slices apart: by their name, or by naming the images."""
    return [str(name) for name in adata.obs if _tells_slices(adata, name, adata.obs[name])]


def is_slice_name(name: Any) -> bool:
    """Whether a column of this name tells slices apart, where it does tell something apart."""
    return "".join(c for c in str(name).lower() if c.isalpha()) in _NAMES


def _unnamed_layers(adata: AnnData, coords: NDArray[np.float64]) -> Clash | None:
    """Find spots that share places where there are several images, and nothing says whose is whose."""
    entries = sorted(_entries(adata))
    shared = 1 - len(np.unique(coords, axis=0)) / max(len(coords), 1)
    if len(entries) < 2 or shared <= _MAX_SHARED:
        return None
    return Clash(f"uns[{SPATIAL!r}]", None, (entries[0], entries[1]), len(entries))


def _groupings(adata: AnnData) -> Iterator[tuple[str, str | None, pd.Series]]:
    """Yield what may tell slices apart: what it is called, its column of obs, the group of each."""
    for name in slice_columns(adata):
        yield f"obs[{name!r}]", name, _as_text(adata.obs[name])
    table = adata.obsm.get(SPATIAL)
    if isinstance(table, pd.DataFrame):
        for column in map(str, table):
            if _tells_slices(adata, column, table[column]):
                yield f"obsm[{SPATIAL!r}][{column!r}]", None, _as_text(table[column])
    endings = pd.Series(adata.obs_names.astype(str), dtype=object).str.extract(_ENDING)[0]
    if endings.notna().all() and endings.nunique() * _MIN_SPOTS_OF_ENDING <= len(endings):
        yield "the numbers at the end of the cell names", None, endings


def _as_text(column: pd.Series) -> pd.Series:
    return column.astype(object).map(str, na_action="ignore").reset_index(drop=True)


def _tells_slices(adata: AnnData, name: Any, column: pd.Series) -> bool:
    if is_slice_name(name):
        return True
    entries = _entries(adata)
    return len(entries) > 1 and set(map(str, column.dropna().unique())) == entries


def _entries(adata: AnnData) -> set[str]:
    """Names of the entries of ``uns["spatial"]`` that describe a slice."""
    libraries = adata.uns.get(SPATIAL)
    if not isinstance(libraries, Mapping):
        return set()
    return {str(name) for name, entry in libraries.items() if isinstance(entry, Mapping)} - {
        "images",
        "scalefactors",
        "metadata",
    }


def _covered(coords: NDArray[np.float64], groups: pd.Series) -> tuple[str, str] | None:
    """Two groups that lie over one another, if too many spots are among those of another group."""
    codes, names = pd.factorize(groups.to_numpy(), sort=True)
    members = [np.flatnonzero(codes == code) for code in range(len(names))]
    low = np.array([coords[own].min(axis=0) for own in members])
    high = np.array([coords[own].max(axis=0) for own in members])
    covered = np.zeros(len(coords), dtype=bool)
    worst = (0, 0, 0)  # spots, their group, group that lies over it
    for number, own in enumerate(members):
        near = (low <= high[number]).all(axis=1) & (high >= low[number]).all(axis=1)
        near[number] = False
        if not near.any():
            continue
        spots = np.concatenate([members[other] for other in np.flatnonzero(near)])
        among = spots[_among(coords[spots], coords[own])]
        covered[among] = True
        if len(among):
            counts = np.bincount(codes[among])
            worst = max(worst, (int(counts.max()), int(counts.argmax()), number))
    if covered.mean() <= _MAX_COVERED:
        return None
    return str(names[worst[2]]), str(names[worst[1]])


def _among(spots: NDArray[np.float64], group: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the spots lie inside the outline of a group and close to one of it."""
    low, high = group.min(axis=0), group.max(axis=0)
    inside: NDArray[np.bool_] = ((spots >= low) & (spots <= high)).all(axis=1)
    if not inside.any():
        return inside
    places = np.unique(group, axis=0)
    tree = KDTree(places)
    spacing = np.median(tree.query(places, k=[2])[0]) if len(places) > 1 else 0.0
    tolerance = 1e-9 * float((high - low).max())
    inside[inside] = np.asarray(tree.query(spots[inside])[0]) <= _REACH * spacing + tolerance
    try:
        hull = ConvexHull(places[:, :2])
    except (QhullError, ValueError):  # on one line, or too few
        return inside
    distance = spots[:, :2] @ hull.equations[:, :2].T + hull.equations[:, 2]
    inside &= (distance <= tolerance).all(axis=1)
    return inside
