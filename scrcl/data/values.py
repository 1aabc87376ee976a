"""What kind of numbers a matrix holds, and which of an AnnData's matrices to work on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.data.lazy import each_block, is_lazy, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    CSR: TypeAlias = sp.csr_matrix

Kind: TypeAlias = Literal["counts", "log", "scaled", "other"]

# Where counts are kept beside X: the scverse habit, and that of the MOSTA files.
COUNT_LAYERS = ("counts", "count", "raw_counts")
# log2(x + 1) of a billion is 30; linear expression values of any use go beyond that.
_MAX_LOG = 30.0
# Rows of a normalised but not logged matrix add up to the same total, give or take rounding.
_SAME_TOTAL = 1e-3
_CHUNK = 10_000_000


class Values(NamedTuple):
    """The matrix to work on."""

    X: CSR  # (n_obs, n_vars), float32, sorted, without stored zeros; or lazy, of such blocks
    var_names: pd.Index
    kind: Kind  # never "scaled"
    source: str  # for messages: "X", "layers['counts']", ".raw"


class _Look(NamedTuple):
    """What some rows of a matrix hold."""

    n_bad: int  # NaN or infinite
    low: float
    high: float
    is_whole: bool
    totals: NDArray[np.float64]  # of each row


def detect_values(X: Any) -> Kind:
    """Tell counts from log-normalised, scaled and other values.

    Returns
    -------
    ``"counts"``: whole numbers, of any dtype. ``"log"``: not whole, and small enough to be
    logarithms. ``"scaled"``: some are negative. ``"other"``: positive and linear, such as RPKM.

    Raises
    ------
    InputError
        If a value is NaN or infinite, or the matrix does not hold numbers.
    """
    looks = each_block(X, _look)
    if n_bad := sum(look.n_bad for look in looks):
        msg = (
            f"got {n_bad:,} values that are NaN or infinite, wanted finite numbers. "
            "Set them to 0 or drop their cells or genes first."
        )
        raise InputError(msg)
    if min(look.low for look in looks) < 0:
        return "scaled"
    if all(look.is_whole for look in looks):
        return "counts"
    is_linear = max(look.high for look in looks) > _MAX_LOG
    return (
        "other" if is_linear or _alike(np.concatenate([look.totals for look in looks])) else "log"
    )


def find_values(adata: AnnData) -> Values:
    """Choose counts if there are any, else logarithms, else other values that are not negative.

    Looked at in this order: ``layers["counts"]``, ``X``, ``.raw``. A scaled matrix cannot be taken
    back to expression, so it is never chosen.

    Raises
    ------
    InputError
        If every matrix holds negative values, or one holds NaN or infinite ones.
    """
    found: dict[Kind, Values] = {}
    for source, matrix, var_names in _matrices(adata):
        loaded = load(matrix)
        kind = _detect_named(loaded, source)
        if kind not in found:
            found[kind] = Values(loaded, var_names, kind, source)
        if kind == "counts":
            break
    order: tuple[Kind, ...] = ("counts", "log", "other")
    for kind in order:
        if kind in found:
            return found[kind]._replace(X=as_csr(found[kind].X))
    msg = (
        "X: got negative values and neither layers['counts'] nor .raw without them, wanted counts "
        "or log-normalised expression. Pass the data as they were before scaling."
    )
    raise InputError(msg)


def as_csr(X: Any) -> CSR:
    """``X`` as float32 CSR, sorted, without duplicates or stored zeros; ``X`` stays as it is.

    Memory is shared with ``X`` where nothing had to change. Indices are 32-bit where they fit: not
    every routine downstream takes 64-bit ones. A lazy matrix stays lazy; its blocks will be so.
    """
    if is_lazy(X):
        lazy: CSR = X.map_blocks(as_csr, dtype=np.float32, meta=sp.csr_matrix((0, 0)))
        return lazy
    csr = sp.csr_matrix(X, dtype=np.float32)
    if not csr.has_canonical_format:
        csr = csr.copy()
        csr.sum_duplicates()
    if csr.nnz and not csr.data.all():
        csr = csr.copy()
        csr.eliminate_zeros()
    if csr.indices.dtype == np.int64 and max(csr.nnz, csr.shape[1]) <= np.iinfo(np.int32).max:
        index = (csr.indices.astype(np.int32), csr.indptr.astype(np.int32))
        csr = sp.csr_matrix((csr.data, *index), shape=csr.shape)
    return csr


def _matrices(adata: AnnData) -> Iterator[tuple[str, Any, pd.Index]]:
    for key in COUNT_LAYERS:
        if key in adata.layers:
            yield f"layers[{key!r}]", adata.layers[key], adata.var_names
    if adata.X is not None:
        yield "X", adata.X, adata.var_names
    if adata.raw is not None:
        yield ".raw", adata.raw.X, adata.raw.var_names


def _detect_named(X: Any, source: str) -> Kind:
    try:
        return detect_values(X)
    except InputError as error:
        msg = f"{source}: {error}"
        raise InputError(msg) from None


def _stored_values(X: Any) -> NDArray[Any]:
    """Return the numbers to look at: for a sparse matrix those that are stored (the rest are zero)."""
    is_sparse = sp.issparse(X)
    values = np.asarray(X.data if is_sparse else X).reshape(-1)
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == np.bool_):
        msg = f"got values of type {values.dtype}, wanted numbers. Store expression as numbers."
        raise InputError(msg)
    return values


def _chunks(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Pieces small enough that what is computed from them does not double the memory."""
    return (values[i : i + _CHUNK] for i in range(0, values.size, _CHUNK))


def _look(X: Any) -> _Look:
    values = _stored_values(X)
    n_bad = sum(int(chunk.size - np.isfinite(chunk).sum()) for chunk in _chunks(values))
    if n_bad or not values.size:
        return _Look(n_bad, 0.0, 0.0, is_whole=True, totals=np.zeros(X.shape[0]))
    whole = all(np.array_equal(chunk, np.rint(chunk)) for chunk in _chunks(values))
    totals = np.zeros(0) if whole else np.asarray(X.sum(1), dtype=np.float64).ravel()
    return _Look(0, float(values.min()), float(values.max()), is_whole=whole, totals=totals)


def _alike(totals: NDArray[np.float64]) -> bool:
    totals = totals[totals > 0]
    return bool(totals.size > 1 and np.ptp(totals) <= _SAME_TOTAL * totals.mean())
