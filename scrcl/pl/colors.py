"""Colours that stay apart for colour-blind readers, for any number of categories."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = "#d3d3d3"  # cells without a label
SEQUENTIAL = "viridis"

# Okabe and Ito (2008), reordered so that the strongest hues on white come first.
_OKABE_ITO = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#e69f00",
    "#cc79a7",
    "#56b4e9",
    "#f0e442",
    "#000000",
)
# Linear-RGB simulations of full deuteranopia and protanopia (Machado, Oliveira, Fernandes 2009).
_DEUTERANOPIA = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)
_PROTANOPIA = (
    (0.152286, 1.052583, -0.204868),
    (0.114503, 0.786281, 0.099216),
    (-0.003882, -0.048116, 1.051998),
)
# Normal vision tells more colours apart than either deficiency: without this weight the deficiencies
# alone would decide, and the palette would be two hues in many shades.
_NORMAL_WEIGHT = 0.5
# OKLab (Ottosson 2020): linear RGB to cone responses, their cube roots to lightness and two hues.
_RGB_TO_LMS = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_LMS_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


@lru_cache(maxsize=64)
def palette(n_colors: int) -> tuple[str, ...]:
    """Return `n_colors` hex colours, each as far from the earlier ones as possible.

    The first eight are those of Okabe and Ito. Every further colour is the candidate whose
    nearest neighbour among the colours already chosen, white and the grey of missing labels is
    farthest away in OKLab; the distance between two colours is the smallest of those seen with
    normal vision, deuteranopia and protanopia. Palettes are nested: a longer one starts with the
    shorter one, so adding a cluster recolours nothing.
    """
    chosen = list(_OKABE_ITO[:n_colors])
    if n_colors <= len(_OKABE_ITO):
        return tuple(chosen)
    candidates = _candidates()
    seen = _vision(candidates)
    taken = _vision(np.array([_to_rgb(c) for c in (*chosen, MISSING, "#ffffff")]))
    gap = _distance(seen, taken).min(axis=1)
    while len(chosen) < n_colors:
        best = int(gap.argmax())
        chosen.append(_to_hex(candidates[best]))
        gap = np.minimum(gap, _distance(seen, seen[:, best : best + 1])[:, 0])
    return tuple(chosen)


def matched_palette(counts: NDArray[np.integer]) -> tuple[str, ...]:
    """Return colours of labels that repeat those of the clusters they overlap with.

    Each cluster lends its colour to one label at most, so that most cells have the same one in
    both; a label without a cluster of its own gets a colour that no cluster has.

    Parameters
    ----------
    counts
        Cells of each label and cluster, (n_labels, n_clusters).
    """
    n_labels, n_clusters = counts.shape
    colors = palette(n_clusters + n_labels)
    chosen = list(colors[n_clusters:])
    for label, cluster in zip(*linear_sum_assignment(counts, maximize=True), strict=True):
        if counts[label, cluster] > 0:
            chosen[label] = colors[cluster]
    return tuple(chosen)


def sequential(n_colors: int) -> list[str]:
    """Return the colours of numbers from low to high, hexadecimal."""
    return [to_hex(color) for color in colormaps[SEQUENTIAL](np.linspace(0, 1, n_colors))]


def _candidates() -> NDArray[np.float64]:
    """Return a grid over sRGB, shape (n, 3), without near-white, near-black and greyish colours."""
    axis = np.linspace(0.0, 1.0, 18)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness, a, b = _lab(_linear(grid)).T
    usable: NDArray[np.bool_] = (lightness > 0.42) & (lightness < 0.9) & (np.hypot(a, b) > 0.07)
    return grid[usable]


def _vision(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return OKLab of `rgb` (n, 3) under three kinds of vision, shape (3, n, 3)."""
    linear = _linear(rgb)
    deutan = np.clip(linear @ np.array(_DEUTERANOPIA).T, 0.0, 1.0)
    protan = np.clip(linear @ np.array(_PROTANOPIA).T, 0.0, 1.0)
    return np.stack([_NORMAL_WEIGHT * _lab(linear), _lab(deutan), _lab(protan)])


def _distance(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the OKLab distance (n, m) in the kind of vision that separates a pair least."""
    delta = left[:, :, None, :] - right[:, None, :, :]
    smallest: NDArray[np.float64] = np.linalg.norm(delta, axis=-1).min(axis=0)
    return smallest


def _linear(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Undo the sRGB transfer curve."""
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def _lab(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert linear RGB, shape (n, 3), to OKLab, where blues are not overrated as in CIELAB."""
    lab: NDArray[np.float64] = np.cbrt(linear @ np.array(_RGB_TO_LMS).T) @ np.array(_LMS_TO_LAB).T
    return lab


def _to_rgb(color: str) -> tuple[float, ...]:
    return tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _to_hex(rgb: NDArray[np.float64]) -> str:
    return "#" + "".join(f"{round(float(v) * 255):02x}" for v in rgb)
