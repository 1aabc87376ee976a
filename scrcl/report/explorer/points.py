"""Where the explorer draws each cell: in the plane of the embedding, and on the tissue."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from scrcl._keys import UMAP
from scrcl.pl.embedding import MAX_LAYOUT
from scrcl.pl.spatial import find_slices
from scrcl.report.explorer.pack import packed, plane

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scrcl.pl.spatial import Slice

MAX_POINTS = MAX_LAYOUT
"""Cells that a page holds, at most."""
_MAX_PIXELS = 1400  # of an image, along its longer side
_QUALITY = 82  # of a JPEG
_GAP = 0.06  # between slices, of the size of the largest


def shown_cells(adata: AnnData, *, tissue: bool) -> NDArray[np.intp]:
    """Choose the cells that the page holds, ascending: all that have a place, or a sample of these.

    Those that the figures lay out come first, of which there are `MAX_POINTS` at most; others that
    lie on a tissue are added at random.
    """
    laid_out = np.zeros(adata.n_obs, dtype=bool)
    if UMAP in adata.obsm:
        laid_out = np.isfinite(np.asarray(adata.obsm[UMAP])).all(axis=1)
    others = np.flatnonzero(~laid_out) if tissue else np.zeros(0, dtype=np.intp)
    chosen = np.flatnonzero(laid_out)
    room = MAX_POINTS - len(chosen)
    if len(others) > room:
        others = np.random.default_rng(0).choice(others, room, replace=False)
    return np.sort(np.concatenate([chosen, others]))


def read_planes(adata: AnnData, *, tissue: bool, slice_key: str | None) -> list[dict[str, Any]]:
    """Say where the cells lie in each plane there is: ``title``, ``xy``, ``frame`` and more.

    Parameters
    ----------
    adata
        The cells that are shown.
    tissue
        Whether they are spots.
    slice_key
        Column of ``obs`` that tells slices apart. They lie side by side, each on its image.

    Returns
    -------
    One entry a plane: ``title``; ``xy``, the codes of the positions; ``frame``, what undoes these
    (see `plane`); ``down``, whether y grows downwards; ``diameter`` of a spot, 0 if points have
    none; ``slices``, each with ``name``, ``low`` and ``high`` corner and, where there is an image,
    ``image`` and the two corners ``image_low`` and ``image_high`` that it spans.
    """
    planes = []
    if UMAP in adata.obsm and np.isfinite(np.asarray(adata.obsm[UMAP])).any():
        planes.append(_entry("UMAP", np.asarray(adata.obsm[UMAP])))
    if tissue:
        planes.append(_tissue(adata, find_slices(adata, slice_key, with_image=True)))
    return planes


def _entry(title: str, xy: NDArray[np.floating], **more: Any) -> dict[str, Any]:
    codes, frame = plane(xy)
    basic = {"title": title, "xy": packed(codes.T), "frame": frame}
    return basic | {"down": False, "diameter": 0.0, "slices": []} | more


def _tissue(adata: AnnData, slices: list[Slice]) -> dict[str, Any]:
    """Lay slices out in rows, as many as columns."""
    xy = np.full((adata.n_obs, 2), np.nan)
    n_abreast = int(np.ceil(np.sqrt(len(slices))))
    cell = np.max([np.ptp(piece.xy, axis=0) for piece in slices], axis=0)
    step = cell + _GAP * cell.max() + 2 * slices[0].diameter
    told = []
    for number, piece in enumerate(slices):
        corner = step * np.array([number % n_abreast, number // n_abreast])
        shift = corner - piece.xy.min(axis=0)
        xy[piece.shown] = piece.xy + shift
        entry: dict[str, Any] = {"name": piece.name, "low": corner.tolist()}
        entry["high"] = (corner + np.ptp(piece.xy, axis=0)).tolist()
        if piece.image is not None:
            entry |= _image(piece, piece.image.pixels, piece.image.scale, shift)
        told.append(entry)
    diameter = float(np.median([piece.diameter for piece in slices]))
    return _entry("Tissue", xy, down=True, diameter=diameter, slices=told)


def _image(
    piece: Slice, pixels: NDArray[Any], scale: float, shift: NDArray[np.float64]
) -> dict[str, Any]:
    """Cut out of an image what lies under the spots; as JPEG, and the corners that it spans."""
    margin = 2 * piece.diameter
    low, high = piece.xy.min(axis=0) - margin, piece.xy.max(axis=0) + margin
    size = np.array(pixels.shape[1::-1])
    first = np.floor(low * scale).clip(0, size).astype(int)
    last = np.ceil(high * scale).clip(0, size).astype(int)
    if (last - first).min() < 1:  # the spots lie beside it
        return {}
    part = _as_bytes(pixels[first[1] : last[1], first[0] : last[0]])
    picture = Image.fromarray(part).convert("RGB")
    picture.thumbnail((_MAX_PIXELS, _MAX_PIXELS), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    picture.save(buffer, format="jpeg", quality=_QUALITY)
    return {
        "image": f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}",
        "image_low": (first / scale + shift).tolist(),
        "image_high": (last / scale + shift).tolist(),
    }


def _as_bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey or colours from 0 to 255; matplotlib takes shares and whole numbers alike."""
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    values = np.nan_to_num(pixels.astype(np.float64))
    top = 1.0 if pixels.dtype.kind == "f" and values.max(initial=0.0) <= 1 else values.max()
    return np.ascontiguousarray(
        (values.clip(0) * (255 / max(top, 1e-9))).clip(0, 255).astype(np.uint8)
    )
