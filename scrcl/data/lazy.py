"""Matrices that stay on disk: rows are read some at a time, when they are needed.

A matrix is lazy if it is a dask array whose blocks are rows: AnnData and scanpy take these. What is
small enough is loaded as it always was.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

import h5py
import numpy as np
import scipy.sparse as sp

from scrcl._memory import fits, free_memory
from scrcl._validate import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import anndata as ad

log = logging.getLogger(__name__)

T = TypeVar("T")

ROWS = 8_192
"""Cells of a block."""
MAX_LOADED = 50_000
"""Cells that are loaded of data on disk where genes are tested and drawn."""
_COPIES = 3
"""Of a matrix that preprocessing in memory holds at the same time."""


def is_lazy(X: Any) -> bool:
    """Tell a matrix on disk from one in memory; dask itself is imported for the former only."""
    return type(X).__module__.partition(".")[0] == "dask"


def each_block(X: Any, of: Callable[[Any], T]) -> list[T]:
    """Apply a function to every block of rows; a matrix in memory is one block.

    Parameters
    ----------
    X
        (n_obs, n_vars).
    of
        What to find out about some rows. Called by several threads.
    """
    if not is_lazy(X):
        return [of(X)]
    from dask.base import compute  # noqa: PLC0415  (only data on disk need it)
    from dask.delayed import delayed  # noqa: PLC0415

    found: tuple[T, ...] = compute(  # type: ignore[no-untyped-call]
        *(delayed(of)(rows) for rows in X.to_delayed().ravel())
    )
    return list(found)


def in_memory(X: Any) -> Any:
    """Read all of a lazy matrix; others stay as they are."""
    return X.compute() if is_lazy(X) else X


def load(matrix: Any) -> Any:
    """Bring what a backed AnnData leaves on disk into memory where it fits, else make it lazy.

    Raises
    ------
    InputError
        If it does not fit and is stored gene by gene.
    """
    if is_lazy(matrix):
        return matrix if matrix.numblocks[1] == 1 else matrix.rechunk({1: -1})  # whole rows
    if matrix is None or sp.issparse(matrix):
        return matrix
    if isinstance(matrix, h5py.Dataset):
        return matrix[()] if _fits(_size(matrix)) else _lazily(matrix)
    if hasattr(matrix, "to_memory"):
        return matrix.to_memory() if _fits(_size(matrix.group)) else _lazily(matrix.group)
    return np.asarray(matrix)


def loaded_sample(adata: ad.AnnData, n_obs: int = MAX_LOADED) -> tuple[ad.AnnData, list[str]]:
    """Load a random sample of cells whose matrices are lazy; other data stay as they are.

    Parameters
    ----------
    adata
        Not changed.
    n_obs
        Cells of the sample, at most.

    Returns
    -------
    Cells in memory, and what is to be told about them.
    """
    if not any(map(is_lazy, (adata.X, *adata.layers.values()))):
        return adata, []
    some = min(n_obs, adata.n_obs)
    rows = np.sort(np.random.default_rng(0).choice(adata.n_obs, some, replace=False))
    note = f"{some:,} random cells of {adata.n_obs:,}: the expression of all does not fit in memory"
    return adata[rows].to_memory(), [note]


def open_large(path: Path) -> ad.AnnData | None:
    """Open an ``.h5ad`` or ``.zarr`` whose matrices do not fit into memory, and say so.

    Returns
    -------
    All but the matrices in memory, these lazy; ``None`` if everything fits, or the file is of an
    old format that has to be read as a whole.

    Raises
    ------
    InputError
        If a matrix is stored gene by gene, so that cells cannot be read some at a time.
    """
    from anndata.experimental import read_dispatched  # noqa: PLC0415  (slow)

    store = _open(path)
    if store.attrs.get("encoding-type") != "anndata":
        return None
    matrices = [place for place in ("X", "raw/X") if place in store]
    matrices += [f"layers/{name}" for name in store.get("layers", {})]
    size = sum(_size(store[place]) for place in matrices)
    if _fits(size):
        return None
    log.warning(
        "%s: its matrices take %.1f GB and %.1f GB are free, so they are read from disk in blocks",
        path.name,
        size / 1e9,
        free_memory() / 1e9,
    )

    def read(reader: Any, name: str, element: Any, *, iospec: Any) -> Any:
        del iospec  # told by the place
        return _lazily(element) if name.strip("/") in matrices else reader(element)

    adata: ad.AnnData = read_dispatched(store, read)
    return adata


def _open(path: Path) -> Any:
    if path.suffix != ".zarr":
        return h5py.File(path, "r")  # open as long as something reads from it
    import zarr  # noqa: PLC0415  (slow)

    return zarr.open(path, mode="r")


def _lazily(element: Any) -> Any:
    from anndata.experimental import read_elem_lazy  # noqa: PLC0415  (slow)

    if element.attrs.get("encoding-type") == "csc_matrix":
        msg = (
            f"{element.name}: got a matrix of {_size(element) / 1e9:.1f} GB that is stored gene by "
            "gene (CSC), wanted one stored cell by cell (CSR), of which some cells can be read at "
            "a time. Convert it where there is more memory: adata.X = adata.X.tocsr()."
        )
        raise InputError(msg)
    if hasattr(element, "dtype"):
        n_obs, n_vars = element.shape
        return read_elem_lazy(element, chunks=(min(ROWS, n_obs), n_vars))
    n_obs, n_vars = map(int, element.attrs["shape"])
    shapes = {part: element[part].shape for part in ("data", "indices", "indptr")}
    if shapes["data"] != shapes["indices"] or shapes["indptr"] != (n_obs + 1,):
        raise InputError(_damaged(element.name, f"shape {n_obs} x {n_vars}, parts of {shapes}"))
    stored = read_elem_lazy(element, chunks=(min(ROWS, n_obs), n_vars))

    def whole(rows: Any) -> Any:
        try:
            rows.check_format(full_check=True)
        except (ValueError, TypeError, IndexError) as error:
            raise InputError(_damaged(element.name, str(error))) from None
        return rows

    return stored.map_blocks(whole, dtype=stored.dtype, meta=stored._meta)  # noqa: SLF001  (no other way)


def _damaged(name: str, why: str) -> str:
    return (
        f"{name.strip('/')}: got a sparse matrix whose parts do not fit together ({why}), wanted a "
        "whole one. The file is damaged: copy it or write it again."
    )


def _size(element: Any) -> int:
    """Bytes of a stored matrix in memory."""
    parts = [element] if hasattr(element, "dtype") else [element["data"], element["indices"]]
    return sum(int(np.prod(part.shape)) * part.dtype.itemsize for part in parts)


def _fits(size: int) -> bool:
    return fits(size * _COPIES)
