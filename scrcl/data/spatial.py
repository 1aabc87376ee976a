"""Graphs over the spots of a tissue: nearest, within a radius, or Delaunay; one block per slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.spatial import Delaunay, KDTree, QhullError

from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.data.graph import symmetric_graph

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from numpy.typing import ArrayLike, NDArray

    CSR: TypeAlias = sp.csr_matrix
    Edges: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]

# Candidates beyond the k nearest, so that one query settles the ties of a regular grid.
_SPARE = 12
# Spots in one place beyond which their ties are left to the search tree's order.
_MAX_CANDIDATES = 512
# A radius that holds more spots than this on average is a mistake that would fill the memory.
_MAX_MEAN_DEGREE = 500

# Beyond, the square of a distance is no number any more.
_FARTHEST = 1e150


def spatial_graph(
    coords: ArrayLike,
    *,
    n_neighbors: int | None = None,
    radius: float | None = None,
    delaunay: bool = False,
    slices: ArrayLike | None = None,
) -> CSR:
    """Graph of neighbouring spots, without edges between slices.

    Parameters
    ----------
    coords
        Positions, ``(n_obs, 2)`` or ``(n_obs, 3)``, in any unit.
    n_neighbors
        Link each spot to this many nearest ones, not counting itself (the paper's graph); ties as
        in :func:`nearest_spots`, so that the graph does not depend on the order of the spots.
    radius
        Link spots that are at most this far apart, in the unit of ``coords``. A spot may end up
        without neighbours. Together with ``delaunay``: drop longer edges.
    delaunay
        Link the corners of Delaunay triangles; spots in one place share their neighbours.
    slices
        Slice of each spot, ``(n_obs,)``; ``None`` if there is one.

    Returns
    -------
    ``(n_obs, n_obs)``, binary, symmetric, without self loops.

    Raises
    ------
    InputError
        If not one way of linking is chosen, the radius holds too many spots, or Delaunay triangles
        do not exist because the positions lie on one line.
    """
    table = as_coords(coords)
    link = _linker(n_neighbors, radius, delaunay=delaunay)
    members = _slice_members(slices, len(table))
    edges = [(own[rows], own[cols]) for own in members for rows, cols in [link(table[own])]]
    rows, cols = (np.concatenate(ends) for ends in zip(*edges, strict=True))
    return symmetric_graph(rows, cols, len(table))


def nearest_spots(coords: ArrayLike, n_neighbors: int) -> NDArray[np.intp]:
    """Find each spot's ``n_neighbors`` nearest other spots, nearest first.

    Spots that are equally far go by position, leftmost and then lowest first: on a regular grid the
    answer does not depend on the order of the spots. Only spots in the same place go by order.

    Parameters
    ----------
    coords
        Positions, ``(n_obs, 2)`` or ``(n_obs, 3)``, in any unit.
    n_neighbors
        Number of neighbours, the spot itself not counted; cut to ``n_obs - 1``.

    Returns
    -------
    Row numbers, ``(n_obs, min(n_neighbors, n_obs - 1))``.

    Raises
    ------
    InputError
        If the table has another shape or a position is not finite.
    """
    table = as_coords(coords)
    n_obs = len(table)
    k = max(min(n_neighbors, n_obs - 1), 0)
    nearest = np.empty((n_obs, k), dtype=np.intp)
    tree, width, pending = KDTree(table), k + 1 + _SPARE, np.arange(n_obs)
    while k > 0 and pending.size:
        width = min(width, n_obs)
        distance, index = (np.asarray(part) for part in tree.query(table[pending], k=width))
        # With the spot itself in the list, place k holds the k-th other one. Where the distance
        # does not grow behind it, equally far spots may be missing from the list: look further.
        settled = distance[:, -1] > distance[:, k]
        if width == n_obs or width > _MAX_CANDIDATES:
            settled[:] = True
        done = pending[settled]
        order = _by_distance_and_position(table, done, index[settled], distance[settled])
        nearest[done] = np.take_along_axis(index[settled], order[:, :k], axis=1)
        pending, width = pending[~settled], 2 * width
    return nearest


def as_coords(coords: ArrayLike) -> NDArray[np.float64]:
    """Return positions as a float64 table; refuse other shapes and positions that are not finite.

    Parameters
    ----------
    coords
        ``(n_obs, 2)`` or ``(n_obs, 3)``, in any unit.
    """
    table = np.asarray(coords, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] not in {2, 3}:
        msg = (
            f"positions: got shape {table.shape}, wanted 2 or 3 columns. "
            "Keep one row per spot and the coordinates only."
        )
        raise InputError(msg)
    n_bad = int((~np.isfinite(table)).any(axis=1).sum())
    if n_bad:
        msg = (
            f"positions: got {counted(n_bad, 'spots')} without a finite position, wanted none. "
            "Drop these spots or fill in their positions."
        )
        raise InputError(msg)
    farthest = np.abs(table).max(initial=0.0)
    if farthest > _FARTHEST:
        msg = (
            f"positions: got one of {farthest:g}, wanted none beyond {_FARTHEST:g}, from where "
            "distances overflow. Check what the columns hold."
        )
        raise InputError(msg)
    return table


def _linker(
    n_neighbors: int | None, radius: float | None, *, delaunay: bool
) -> Callable[[NDArray[np.float64]], Edges]:
    if (n_neighbors is not None) + (radius is not None or delaunay) != 1:
        msg = (
            f"spatial graph: got n_neighbors={n_neighbors}, radius={radius}, delaunay={delaunay}, "
            "wanted one way of linking spots. Give n_neighbors, or radius and/or delaunay."
        )
        raise InputError(msg)
    if n_neighbors is not None:
        return lambda coords: _nearest_edges(coords, n_neighbors)
    if delaunay:
        return lambda coords: _delaunay_edges(coords, radius)
    assert radius is not None  # the only case left
    return lambda coords: _radius_edges(coords, radius)


def _slice_members(slices: ArrayLike | None, n_obs: int) -> list[NDArray[np.intp]]:
    if slices is None:
        return [np.arange(n_obs)]
    _, codes = np.unique(np.asarray(slices), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _nearest_edges(coords: NDArray[np.float64], n_neighbors: int) -> Edges:
    nearest = nearest_spots(coords, n_neighbors)
    return np.repeat(np.arange(coords.shape[0]), nearest.shape[1]), nearest.ravel()


def _by_distance_and_position(
    table: NDArray[np.float64],
    spots: NDArray[np.intp],
    index: NDArray[np.intp],
    distance: NDArray[np.float64],
) -> NDArray[np.intp]:
    """Order each list by distance, then by position along each axis, the spot itself last."""
    away = np.where(index == spots[:, None], np.inf, distance)
    axes = table[index].transpose(2, 0, 1)  # (n_dims, n_spots, n_listed)
    return np.lexsort((index, *axes[::-1], away), axis=1)


def _radius_edges(coords: NDArray[np.float64], radius: float) -> Edges:
    tree = KDTree(coords)
    n_obs = coords.shape[0]
    degree = (tree.count_neighbors(tree, radius) - n_obs) / n_obs
    if degree > _MAX_MEAN_DEGREE:
        msg = (
            f"radius: got {radius}, which holds {degree:,.0f} spots on average, wanted at most "
            f"{_MAX_MEAN_DEGREE}. Give a smaller radius, in the unit of the positions."
        )
        raise InputError(msg)
    pairs = tree.query_pairs(radius, output_type="ndarray")
    return pairs[:, 0], pairs[:, 1]


def _delaunay_edges(coords: NDArray[np.float64], radius: float | None) -> Edges:
    places, place = np.unique(coords, axis=0, return_inverse=True)
    try:
        triangles = Delaunay(places).simplices
    except (QhullError, ValueError) as error:
        msg = (
            f"spatial graph: got {len(places)} different positions without a triangle between "
            "them, wanted some that are not on one line. Use n_neighbors instead."
        )
        raise InputError(msg) from error
    corners = [
        (triangles[:, i], triangles[:, j]) for i in range(triangles.shape[1]) for j in range(i)
    ]
    rows, cols = (np.concatenate(ends) for ends in zip(*corners, strict=True))
    if radius is not None:
        short = np.linalg.norm(places[rows] - places[cols], axis=1) <= radius
        rows, cols = rows[short], cols[short]
    between = symmetric_graph(rows, cols, len(places)) + sp.eye(len(places), format="csr")
    # Every spot takes over the neighbours of its place, and the other spots of that place.
    n_obs = coords.shape[0]
    at = sp.csr_matrix((np.ones(n_obs), (np.arange(n_obs), place.ravel())), (n_obs, len(places)))
    rows, cols = (at @ between @ at.T).nonzero()
    return rows, cols
