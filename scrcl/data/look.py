"""Facts about the numbers of a matrix: cheap ones of all rows, closer ones of a sample of rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.data.lazy import each_block

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]
    CSR: TypeAlias = sp.csr_matrix

Kind: TypeAlias = Literal["counts", "log", "linear"]

MAX_LOG = 25.0
"""No logarithm goes beyond: to base 2, that would be 30 million."""
_SAMPLE = 1_000  # rows whose values are looked at one by one
_CHUNK = 10_000_000  # values; what is computed from them must not double the memory
_SMALLEST = 64  # different values of a row: single counts and their first multiples
_WHOLE = 1e-5  # what rounding leaves of a whole number, relative to it
_SAME = 1e-6  # relative difference of two values that are one
_FLOOR = 0.2  # share of a row's values that are its smallest one, from which on it is a floor


class Undo(NamedTuple):
    """A transformation that may have been applied, by its inverse."""

    name: str
    inverse: Callable[[Array], Array]
    slope: Callable[[Array], Array]  # of the inverse
    kind: Kind | None  # ``None``: known, and of no use
    base: float = math.e


_LN2, _LN10 = np.log(2.0), np.log(10.0)
UNDO = (
    Undo("log1p", np.expm1, np.exp, "log"),
    Undo("log2(x + 1)", lambda x: np.expm1(x * _LN2), lambda x: _LN2 * np.exp2(x), "log", 2.0),
    Undo(
        "log10(x + 1)",
        lambda x: np.expm1(x * _LN10),
        lambda x: _LN10 * np.exp(x * _LN10),
        "log",
        10.0,
    ),
    Undo("linear", lambda x: x, np.ones_like, "linear"),
    Undo("square roots", np.square, lambda x: 2 * x, None),
    Undo("arcsinh", np.sinh, np.cosh, None),
    Undo(
        "log1p twice",
        lambda x: np.expm1(np.expm1(x)),
        lambda x: np.exp(x + np.expm1(x)),
        None,
    ),
)
"""The first that fits is taken where several do."""


SHAPE = ("mean", "median", "SD by mean", "SD of logs", "share below 1", "number", "share of whole")
"""What is known of the positive values of a row."""


class Look(NamedTuple):
    """Facts about some rows; ``n`` are all rows, ``s`` the sampled ones with decimals."""

    n_bad: int  # NaN or infinite
    n_negative: int
    n_positive: int
    low: float
    high: float
    is_whole: NDArray[np.bool_]  # (n,) no value with decimals
    has_one: NDArray[np.bool_]  # (n,)
    largest: Array  # (n,)
    totals: Array  # (n,)
    gene_sums: Array  # (n_vars,) of rows with decimals, or of whole numbers up to `MAX_LOG`
    gene_squares: Array  # (n_vars,)
    rows: NDArray[np.intp]  # (s,) which these are
    smallest: Array  # (s, _SMALLEST) different positive values in order, NaN behind
    sums: Array  # (s, len(UNDO)) after each inverse
    shape: (
        Array  # (s, 6) of positive values: mean, median, SD by mean, SD of logs, share < 1, number
    )
    has_floor: NDArray[np.bool_]  # (s,) no zero, and the smallest value again and again


def look_at(X: Any) -> Look:
    """Look at all values once; at those of 1,000 rows closely.

    Parameters
    ----------
    X
        (n_obs, n_vars): NumPy, sparse, or lazy; not changed.

    Raises
    ------
    InputError
        If the matrix does not hold numbers.
    """
    share = min(1.0, _SAMPLE / max(X.shape[0], 1))
    return _joined(each_block(X, lambda rows: _look_at_block(rows, share)))


def _look_at_block(X: Any, share: float) -> Look:
    if not (np.issubdtype(X.dtype, np.number) or X.dtype == np.bool_):
        msg = f"got values of type {X.dtype}, wanted numbers. Store expression as numbers."
        raise InputError(msg)
    n_obs = X.shape[0]
    X = X.astype(np.float32) if X.dtype == np.float16 else X  # which scipy does not take
    # At random: every tenth row may be every row of one plate.
    sampled = np.zeros(n_obs, dtype=bool)
    n_sampled = int(np.ceil(share * n_obs))
    sampled[np.random.default_rng(0).choice(n_obs, n_sampled, replace=False)] = True
    return _joined([_look_at_part(part, sampled[rows]) for rows, part in _parts(X)])


def _parts(X: Any) -> Iterator[tuple[slice, CSR]]:
    """Rows, some at a time, as CSR."""
    n_obs, n_vars = X.shape
    is_sparse = bool(sp.issparse(X))
    X = X.tocsr() if is_sparse else X
    n_values = X.nnz if is_sparse else n_obs * n_vars
    step = max(1, int(_CHUNK * n_obs / max(n_values, 1)))
    for start in range(0, max(n_obs, 1), step):
        rows = slice(start, start + step)
        yield rows, sp.csr_matrix(X if step >= n_obs else X[rows])


def _joined(looks: list[Look]) -> Look:
    if len(looks) == 1:
        return looks[0]
    starts = np.cumsum([0, *(len(look.is_whole) for look in looks)])
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(look, name) for look in looks])
        for name in (
            "is_whole",
            "has_one",
            "largest",
            "totals",
            "smallest",
            "sums",
            "shape",
            "has_floor",
        )
    }
    for name in ("n_bad", "n_negative", "n_positive", "gene_sums", "gene_squares"):
        joined[name] = sum(getattr(look, name) for look in looks)
    joined["rows"] = np.concatenate(
        [look.rows + start for look, start in zip(looks, starts, strict=False)]
    )
    low, high = min(look.low for look in looks), max(look.high for look in looks)
    return Look(low=low, high=high, **joined)


def _look_at_part(part: CSR, sampled: NDArray[np.bool_]) -> Look:
    n_obs, n_vars = part.shape
    values = part.data
    is_float = values.dtype.kind == "f"
    n_bad = int(values.size - np.isfinite(values).sum()) if is_float else 0
    some = n_bad == 0 and values.size > 0
    with_decimals = _with_decimals(values) if some and is_float else None
    is_whole = np.ones(n_obs, dtype=bool)
    if with_decimals is not None and with_decimals.any():
        is_whole = ~_any_of_row(with_decimals, part.indptr)
    low, high = (float(values.min()), float(values.max())) if some else (0.0, 0.0)
    # Of genes, sums are told apart by cells that are not counts, and by small counts.
    of_genes = np.zeros(n_obs, dtype=bool)
    if some:
        of_genes = is_whole if high <= MAX_LOG and is_whole.all() else ~is_whole
    weights = None
    if of_genes.any():
        weights = values.astype(np.float64)
        if not of_genes.all():
            weights[np.repeat(~of_genes, np.diff(part.indptr))] = 0.0
    return Look(
        n_bad=n_bad,
        n_negative=int((values < 0).sum()) if low < 0 else 0,
        n_positive=(values.size if low > 0 else int((values > 0).sum())) if some else 0,
        low=low,
        high=high,
        is_whole=is_whole,
        has_one=_any_of_row(values == 1, part.indptr),
        largest=np.asarray(part.max(1).toarray(), np.float64).ravel() if some else np.zeros(n_obs),
        totals=part @ np.ones(n_vars) if some else np.zeros(n_obs),
        gene_sums=np.zeros(n_vars) if weights is None else _sums(part.indices, weights, n_vars),
        gene_squares=(
            np.zeros(n_vars) if weights is None else _sums(part.indices, weights**2, n_vars)
        ),
        **_closely(part, np.flatnonzero(sampled & ~is_whole & (low >= 0))),
    )


def _any_of_row(marked: NDArray[np.bool_], indptr: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether any of the stored values of each row is marked."""
    before = np.concatenate([[0], np.cumsum(marked)])
    return np.asarray(before[indptr[1:]] > before[indptr[:-1]])


def _sums(places: NDArray[np.integer], weights: Array, n: int) -> Array:
    return np.asarray(np.bincount(places, weights, n), dtype=np.float64)


def _with_decimals(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    has: NDArray[np.bool_] = np.abs(values - np.rint(values)) > _WHOLE * np.abs(values)
    return has


def _closely(part: CSR, rows: NDArray[np.intp]) -> dict[str, Any]:
    """Look at the values of some rows one by one."""
    smallest = np.full((len(rows), _SMALLEST), np.nan)
    sums, shape = np.zeros((len(rows), len(UNDO))), np.zeros((len(rows), len(SHAPE)))
    has_floor = np.zeros(len(rows), dtype=bool)
    for i, row in enumerate(rows):
        values = np.sort(part.data[part.indptr[row] : part.indptr[row + 1]].astype(np.float64))
        values = values[values > 0]
        different = values[np.diff(values, prepend=0.0) > _SAME * values][:_SMALLEST]
        smallest[i, : different.size] = different
        with np.errstate(over="ignore"):
            sums[i] = [undo.inverse(values).sum() for undo in UNDO]
        mean = values.mean()
        shape[i] = (
            mean,
            np.median(values),
            values.std() / mean,
            np.log(values).std(),
            (values < 1).mean(),
            values.size,
            1 - _with_decimals(values).mean(),
        )
        is_full = values.size == part.shape[1]
        has_floor[i] = is_full and (values <= values[0] * (1 + _SAME)).mean() > _FLOOR
    return {
        "rows": rows,
        "smallest": smallest,
        "sums": sums,
        "shape": shape,
        "has_floor": has_floor,
    }
