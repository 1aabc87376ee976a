"""Arrays as text that a page can hold: quantised where that is all a reader can see, compressed."""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NOWHERE: Final = 65_535
"""Code of a position, a category or a cluster that is missing."""


def packed(array: NDArray[Any]) -> str:
    """Write an array as it lies in memory, little-endian: deflated, in base 64."""
    return _text(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())


def packed_words(words: Sequence[str]) -> str:
    """Write names, as JSON, deflated, in base 64."""
    return _text(json.dumps(list(words), ensure_ascii=False).encode())


def packed_sparse(codes: NDArray[np.uint8]) -> str:
    """Write codes of which many are 0: one bit for each that is not, then these themselves."""
    return _text(np.packbits(codes > 0, bitorder="little").tobytes() + codes[codes > 0].tobytes())


def plane(xy: NDArray[np.floating]) -> tuple[NDArray[np.uint16], list[float]]:
    """Bring positions to whole numbers, the same unit for x and y.

    Parameters
    ----------
    xy
        (n, 2); NaN: nowhere.

    Returns
    -------
    Codes from 0, (n, 2), `NOWHERE` for those that are nowhere; and what undoes it: the smallest x,
    the smallest y, and the unit.
    """
    there = np.isfinite(xy).all(axis=1)
    low = xy[there].min(axis=0).astype(np.float64)
    span = float((xy[there].max(axis=0) - low).max())
    unit = span / (NOWHERE - 1) if span > 0 else 1.0
    codes = np.full(xy.shape, NOWHERE, dtype=np.uint16)
    codes[there] = np.rint((xy[there] - low) / unit)
    return codes, [*low.tolist(), unit]


def steps(values: NDArray[np.floating], n_steps: int) -> tuple[NDArray[np.uint8], float]:
    """Bring values to so many steps from 0 to the greatest; only 0 is 0.

    Returns
    -------
    Codes, (n,), and the greatest value.
    """
    top = float(values.max(initial=0.0))
    if top <= 0:
        return np.zeros(len(values), dtype=np.uint8), 0.0
    return np.ceil(values.clip(0) * (n_steps / top)).clip(0, n_steps).astype(np.uint8), top


def _text(content: bytes) -> str:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(deflate.compress(content) + deflate.flush()).decode()
