"""Domains, annotations and scores on the tissue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.collections import EllipseCollection
from scipy.spatial import KDTree

from scrcl._keys import CLUSTERS, CONFIDENCE, SPATIAL
from scrcl._validate import check_one_of
from scrcl.data.expression import group_labels
from scrcl.data.validate import spatial_coords
from scrcl.pl.columns import Column, read_columns
from scrcl.pl.panels import Points, draw_points, explain, width_beside
from scrcl.pl.style import new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.collections import Collection
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_PANEL = 4.0  # inches, height
_TITLES = {"scRCL clusters": "scRCL domains"}


class _Image(NamedTuple):
    """Histology image of a slice."""

    pixels: NDArray[Any]  # (height, width) or (height, width, 3 or 4)
    scale: float  # pixels for one unit of the spots' coordinates
    spot_diameter: float | None  # in units of the coordinates


class Slice(NamedTuple):
    """One section of tissue."""

    name: str
    shown: NDArray[np.bool_]  # (n_obs,) its spots
    xy: NDArray[np.float64]  # (n_shown, 2)
    diameter: float  # of a spot, in units of xy
    image: _Image | None


def spatial_domains(
    adata: AnnData,
    color: str | Sequence[str] = CLUSTERS,
    *,
    slice_key: str | None = None,
    image: bool = True,
) -> Figure:
    """Draw spots where they lie, coloured by domain, annotation, score or gene.

    With a histology image in ``uns["spatial"]`` the spots lie on it in their true size; without,
    they are as wide as the usual distance between neighbours. The y axis points down, as in images.

    Parameters
    ----------
    adata
        Spots with ``obsm["spatial"]``; not changed.
    color
        Columns of ``obs`` or genes, for instance the domains and the annotation to compare them
        with. One panel each; spots without a label are grey.
    slice_key
        Column of ``obs`` that tells sections apart. Each gets its own panel, with the image that
        ``uns["spatial"]`` holds under its name; colours mean the same in all. With several
        colourings, sections are rows.
    image
        Draw the histology image, if there is one.

    Raises
    ------
    InputError
        If positions, the colouring or the slice column are missing.
    """
    columns = read_columns(adata, [color] if isinstance(color, str) else color)
    return _draw(adata, columns, slice_key, with_image=image, limits=None)


def spatial_confidence(
    adata: AnnData,
    color: str = CONFIDENCE,
    *,
    slice_key: str | None = None,
    image: bool = False,
) -> Figure:
    """Draw how sure the domain of each spot is, on the fixed scale from 0 to 1.

    Parameters
    ----------
    adata
        Spots with ``obsm["spatial"]``; not changed.
    color
        Column of ``obs`` with values from 0 to 1; spots without one are grey.
    slice_key, image
        As in :func:`spatial_domains`.

    Raises
    ------
    InputError
        If positions, the confidence or the slice column are missing.
    """
    check_one_of(color, "obs column", list(adata.obs), hint="Run with method 'consensus'.")
    values = adata.obs[color].to_numpy(dtype=np.float64)
    columns = [Column("confidence of the domain", values, None)]
    return _draw(adata, columns, slice_key, with_image=image, limits=(0.0, 1.0))


def _draw(
    adata: AnnData,
    columns: list[Column],
    slice_key: str | None,
    *,
    with_image: bool,
    limits: tuple[float, float] | None,
) -> Figure:
    slices = find_slices(adata, slice_key, with_image=with_image)
    one_column = len(columns) == 1
    n_panels = len(slices) * len(columns)
    n_abreast = int(np.ceil(np.sqrt(n_panels))) if one_column else len(columns)
    n_rows = -(-n_panels // n_abreast)
    width = _PANEL * float(np.clip(np.median([_aspect(s) for s in slices]), 0.5, 2.5))
    size = (width, _PANEL)
    # A lone column is explained once, at the end of the first row; else each one in its panel there.
    beside = sum(width_beside(column, _PANEL) for column in columns)
    fig = new_figure(n_abreast * width + beside, n_rows * (_PANEL + 0.3))
    axes = fig.subplots(n_rows, n_abreast, squeeze=False).ravel()
    panels = [(piece, column) for piece in slices for column in columns]
    for position, (ax, (piece, column)) in enumerate(zip(axes, panels, strict=False)):
        collection = _draw_slice(ax, piece, column, size=size, limits=limits)
        ax.set_title(_title(piece, column, n_slices=len(slices), one_column=one_column))
        explained = position == n_abreast - 1 if one_column else position < n_abreast
        if explained:
            explain(ax, column, collection, _PANEL)
    for ax in axes[n_panels:]:
        ax.remove()
    return fig


def _draw_slice(
    ax: Axes,
    piece: Slice,
    column: Column,
    *,
    size: tuple[float, float],
    limits: tuple[float, float] | None,
) -> Collection:
    margin = max(1.5 * piece.diameter, 0.03 * float(np.ptp(piece.xy, axis=0).max()))
    low, high = piece.xy.min(axis=0) - margin, piece.xy.max(axis=0) + margin
    ax.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), aspect="equal")
    ax.axis("off")
    if piece.image is not None:
        height, width = np.array(piece.image.pixels.shape[:2]) / piece.image.scale
        ax.imshow(piece.image.pixels, extent=(0, width, height, 0), cmap="gray", zorder=0)
        ax.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]))
    spots = round_spots(piece.diameter)
    return draw_points(ax, piece.xy, column, spots, size=size, shown=piece.shown, limits=limits)


def round_spots(diameter: float) -> Points:
    """Return what adds spots of this diameter, in units of the coordinates, to axes."""

    def spots(ax: Axes, xy: NDArray[np.floating]) -> Collection:
        wide = [diameter]
        collection = EllipseCollection(
            wide, wide, [0], units="xy", offsets=xy, offset_transform=ax.transData, linewidths=0
        )
        ax.add_collection(collection, autolim=False)
        return collection

    return spots


def _title(piece: Slice, column: Column, *, n_slices: int, one_column: bool) -> str:
    name = _TITLES.get(column.title, column.title)
    if n_slices == 1:
        return name
    return piece.name if one_column else f"{piece.name}: {name}"


def find_slices(adata: AnnData, slice_key: str | None, *, with_image: bool) -> list[Slice]:
    """Return the sections of a tissue, one if `slice_key` is None, with their images if asked.

    Spots without a position are in none of them.
    """
    coords = spatial_coords(adata, slice_key)[:, :2]
    there = np.isfinite(coords[:, 0])
    if slice_key is None:
        masks = {"": there}
    else:
        labels = group_labels(adata, slice_key)
        masks = {name: np.asarray(labels == name) & there for name in labels.categories}
        masks = {name: shown for name, shown in masks.items() if shown.any()}
    slices = []
    for name, shown in masks.items():
        found = _find_image(adata, name, n_slices=len(masks)) if with_image else None
        diameter = found.spot_diameter if found is not None else None
        xy = coords[shown]
        slices.append(Slice(name, shown, xy, diameter or _spacing(xy), found))
    return slices


def _find_image(adata: AnnData, name: str, *, n_slices: int) -> _Image | None:
    """Find the sharpest image of a slice that has a scale factor; None if there is none.

    The image of a lone slice may go by any name. What has not the form that scanpy and squidpy give
    to ``uns["spatial"]`` is no image: other programs keep other things there.
    """
    libraries = _libraries(adata)
    if name not in libraries and (n_slices > 1 or len(libraries) != 1):
        return None
    library = libraries[name] if name in libraries else next(iter(libraries.values()))
    factors, images = _mapping(library.get("scalefactors")), _mapping(library.get("images"))
    for resolution in ("hires", "lowres"):
        pixels = _pixels(images.get(resolution))
        scale = _positive(factors.get(f"tissue_{resolution}_scalef"))
        if pixels is not None and scale is not None:
            return _Image(pixels, scale, _positive(factors.get("spot_diameter_fullres")))
    return None


def _libraries(adata: AnnData) -> dict[str, Mapping[str, Any]]:
    """Entries of ``uns["spatial"]``, which may itself be the only one."""
    content = _mapping(adata.uns.get(SPATIAL))
    if "images" in content or "scalefactors" in content:
        return {"": content}
    return {str(name): entry for name, entry in content.items() if isinstance(entry, Mapping)}


def _mapping(content: Any) -> Mapping[str, Any]:
    return content if isinstance(content, Mapping) else {}


def _pixels(image: Any) -> NDArray[Any] | None:
    """Pixels that can be drawn: grey, or red, green and blue (and how opaque)."""
    pixels = np.asarray(image) if image is not None else np.empty(0)
    is_image = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in {1, 3, 4})
    return pixels if is_image and pixels.size and pixels.dtype.kind in "biuf" else None


def _positive(value: Any) -> float | None:
    """Return a number above 0 as such; None for all else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _spacing(xy: NDArray[np.float64]) -> float:
    """Return the usual distance between neighbouring places (several spots may share one).

    To the second nearest: on a grid that is the nearest too, while the nearest cells of a tissue
    come in pairs and say little about the space between the others.
    """
    places = np.unique(xy, axis=0)
    if len(places) < 2:
        return 1.0
    distance, _ = KDTree(places).query(places, k=[min(3, len(places))])
    return float(np.median(distance))


def _aspect(piece: Slice) -> float:
    width, height = np.ptp(piece.xy, axis=0) + 3 * piece.diameter
    return float(width / height)
