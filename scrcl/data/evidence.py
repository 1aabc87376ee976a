"""What the numbers of a matrix say about themselves: counts, logarithms, linear or other values.

Counts leave traces that survive most of what is done to them. Whole numbers are one. Where every
cell was divided by its total, the values of a cell are still whole multiples of one number, that of
a single count, and if all genes are there, the cells still add up to the same. A logarithm hides
both; undone with the right base, they are back, with another base they are not. That holds cell by
cell, so cells of different kinds in one matrix are found, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.data.look import MAX_LOG, SHAPE, UNDO, look_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scrcl.data.look import Kind, Look, Undo

    Array: TypeAlias = NDArray[np.float64]
    Rows: TypeAlias = NDArray[np.intp]

_SAME_TOTAL = 2e-3
_MULTIPLE = 4e-3  # distance from a whole number that still is one
_MAX_MULTIPLE, _MAX_ERROR = 40.0, 0.1
_DIVISORS = (1, 2, 3)  # the smallest value of a row may be two or three counts
_MIN_VALUES = 3  # different multiples from which on a row speaks for itself
_SURPRISE = np.log(1e5)
_MIN_PAIRS = 5  # of all rows together
_FIRM, _AHEAD = 0.95, 0.1
_SPIKE = 0.1  # share of rows of one total from which on it is no accident
_SOME, _MIN_ROWS = 0.005, 3  # the same for rows of another kind: their share and number
_MIXED_TOTALS = 3.0
_MAX_PARTS = 6  # genes among which a read is shared
_MIN_ZEROS = 5  # of a row, from which on some 1 is to be expected, too
_LEAST_WHOLE = 1e3  # rows of few counts often have the same total by accident
_LEAST_TOTAL, _LARGEST_TOTAL = 0.5, 2e7  # proportions; more than is sequenced, and than is made
_N_TOP = 20  # genes with the largest means
_GAP = 5.0  # between the largest values of rows of logarithms and of linear ones
_LEAST_BINS = 5
_GENES_FOR_BINS = 30  # a few genes may well have the same largest count in all cells
_MOSTLY_WHOLE = 0.3  # share of whole numbers in a row
_FRACTIONS = "counts, some with decimals, as where reads are shared among genes"
_LARGEST = 1e18  # float32 can square it
_LARGEST_LOG = 50.0  # natural: what it is taken of is no number any more in single precision
_NAMES: dict[Kind, str] = {"log": "logarithms", "linear": "linear values"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What a matrix holds, and why.

    Attributes
    ----------
    kind
        ``None``: nothing that can be used.
    text
        The same in a few words.
    base
        Of logarithms.
    total
        To which every cell was brought, if it was.
    thin
        There is little to go by.
    said
        It was not concluded but told.
    open
        The numbers do not tell, so it has to be asked.
    groups
        Rows of different kinds in one matrix: what they hold, and which (of a sample) they are.
    advice
        What to do where there is nothing that can be used.
    low, high
        The smallest and largest value.
    """

    kind: Kind | None
    text: str
    base: float = math.e
    total: float | None = None
    thin: bool = False
    said: bool = False
    open: bool = False
    groups: tuple[tuple[str, Rows], ...] = ()
    advice: str = "Pass the data as they were before that."
    low: float = 0.0
    high: float = 0.0


class _Multiples(NamedTuple):
    """Values of each row over its smallest: how many are whole multiples."""

    hits: NDArray[np.intp]  # (s,)
    tried: NDArray[np.intp]  # (s,)
    unit: Array  # (s,) value of one count
    surprise: Array  # (s,) minus the log of the chance that all are by accident

    @property
    def could_speak(self) -> NDArray[np.bool_]:
        """Rows of which nearly all values would not be multiples by accident."""
        enough: NDArray[np.bool_] = self.surprise >= _SURPRISE
        return enough & (self.tried >= _MIN_VALUES)

    @property
    def speak(self) -> NDArray[np.bool_]:
        """Those of which nearly all are."""
        return self.could_speak & (self.hits >= _FIRM * self.tried)


def conclude(X: Any, *, hint: Kind | None = None, base: float | None = None) -> Conclusion:
    """Tell what a matrix holds.

    Parameters
    ----------
    X
        (n_obs, n_vars): NumPy, sparse, or lazy; not changed.
    hint
        What its name or history suggests; only heard where the numbers leave it open.
    base
        Of logarithms, from the same source.

    Raises
    ------
    InputError
        If a value is NaN or infinite, or the matrix does not hold numbers.
    """
    look = look_at(X)
    if look.n_bad:
        msg = (
            f"got {counted(look.n_bad, 'values')} NaN or infinite, wanted finite numbers. "
            "Set them to 0 or drop their cells or genes first."
        )
        raise InputError(msg)
    about = _of(look, hint=hint, base=base)
    if look.high > _LARGEST:
        about = _too_large(look, "values beyond what single precision can square")
    elif about.kind == "log" and look.high * math.log(about.base) > _LARGEST_LOG:
        about = _too_large(look, "logarithms of numbers beyond all counts")
    return replace(about, low=look.low, high=look.high)


def _too_large(look: Look, what: str) -> Conclusion:
    advice = (
        "Look for the cells or genes that hold them; they may be damaged or fill in for missing."
    )
    return Conclusion(kind=None, text=f"{what} (up to {look.high:.3g})", advice=advice)


def _of(look: Look, *, hint: Kind | None, base: float | None) -> Conclusion:
    if look.n_negative:
        return _negative(look)
    if look.is_whole.all():
        return _whole(look)
    if look.has_floor.mean() > 0.5:
        text = "no zero, and in each cell the smallest value again and again, as if shifted"
        return Conclusion(kind=None, text=text, open=True)
    base = base or _base(look)
    return (
        _by_structure(look)
        or _scaled(look)
        or _with_fractions(look)
        or _by_shape(look, hint=hint, base=base)
    )


def _negative(look: Look) -> Conclusion:
    if look.is_whole.all():
        text = (
            f"negative counts ({counted(look.n_negative, 'numbers')} below 0, down to "
            f"{look.low:,.0f}), as where numbers went over the end of their type or too much was subtracted"
        )
        advice = (
            "Write the counts anew with a type that holds them, or take those before correction."
        )
        return Conclusion(kind=None, text=text, advice=advice)
    text = (
        f"negative values ({look.n_negative:,}, down to {look.low:.3g}), as after scaling or "
        "batch correction, or in residuals"
    )
    return Conclusion(kind=None, text=text)


def _whole(look: Look) -> Conclusion:
    if look.high <= 1:
        text = "counts (only 0 and 1)" if look.high else "counts (nothing but zeros)"
        return Conclusion(kind="counts", text=text)
    totals = look.totals[look.totals > 0]
    if mixed := _whole_of_two_kinds(look):
        return mixed
    # Cells that were brought to the same number of counts have it exactly, rounded ones nearly.
    are_same = np.unique(totals, return_counts=True)[1].max() > 0.5 * len(totals)
    if len(totals) >= 10 and not are_same and _spike(totals, 5 * _SAME_TOTAL).mean() >= _FIRM:
        total = float(np.median(totals))
        text = f"values per {_number(total)}, rounded"
        return Conclusion(kind="linear", text=text, total=total)
    return _no_counts(look) or Conclusion(kind="counts", text="counts (whole numbers)")


def _no_counts(look: Look) -> Conclusion | None:
    """Know whole numbers that are none by which of them there are."""
    if _are_ranks(look):
        text = f"whole numbers up to {look.high:,.0f} in nearly every cell, as ranks or bins"
        return Conclusion(kind=None, text=text, open=True)
    n_values = len(look.is_whole) * len(look.gene_sums)
    n_zeros = n_values - look.n_positive
    is_sparse = n_zeros > max(0.1 * n_values, _MIN_ZEROS * len(look.is_whole))
    without_one = 1 - look.has_one[look.totals > 0].mean() if is_sparse else 0.0
    if look.high > MAX_LOG and without_one > 0.9 and look.n_positive >= 100:
        text = "whole numbers, but hardly a 1, as rounded linear values"
        return Conclusion(kind="linear", text=text, thin=True)
    if look.high <= MAX_LOG and _are_rounded_logs(look, without_one):
        text = (
            f"whole numbers up to {look.high:.0f} that vary less than counts, as rounded logarithms"
        )
        return Conclusion(kind=None, text=text, open=True)
    return None


def _whole_of_two_kinds(look: Look) -> Conclusion | None:
    """Find rows of one large total and hardly a 1 beside others: no counts, even if made fewer."""
    same = _spike(np.where(look.totals > _LEAST_WHOLE, look.totals, np.nan))
    others = ~same & (look.totals > 0)
    if min(same.sum(), others.sum()) < _SPIKE * len(same):
        return None
    if look.has_one[same].mean() > 0.1 or look.has_one[others].mean() < 0.5:
        return None
    total = float(np.median(look.totals[same]))
    return _mixed(look, {}, whole=others, same=(f"values per {_number(total)}, rounded", same))


def _are_ranks(look: Look) -> bool:
    """Tell them by the largest value, which is the same in all cells, as counts have it if small."""
    n_vars = len(look.gene_sums)
    all_ranks = [n_vars * (n_vars - 1) / 2, n_vars * (n_vars + 1) / 2]
    has_most = look.largest == look.high
    if len(has_most) < 10 or n_vars < _GENES_FOR_BINS:
        return False
    if look.high < _LEAST_BINS or has_most.mean() < _FIRM:
        return False
    return bool(np.ptp(look.totals) > 0 or look.totals[0] in all_ranks)


def _are_rounded_logs(look: Look, without_one: float) -> bool:
    """Tell them by this: counts vary as Poisson does or more, and where most are 0, many are 1."""
    means, ratios = _mean_and_fano(look, len(look.is_whole))
    ratios = ratios[means >= 3]
    if ratios.size >= 5 and 0 < np.median(ratios) < 0.3:
        return True
    return look.n_positive >= 100 and without_one > 0.5


def _mean_and_fano(look: Look, n_rows: int) -> tuple[Array, Array]:
    """Mean of each gene that is there, and variance over mean."""
    means = look.gene_sums / max(n_rows, 1)
    variances = look.gene_squares / max(n_rows, 1) - means**2
    there = means > 0
    return means[there], np.maximum(variances[there], 0.0) / means[there]


# ------------------------------------------------------------------- multiples and equal totals


def _by_structure(look: Look) -> Conclusion | None:
    """Conclude from multiples of a count in each row, and from equal sums of the rows."""
    found = [_multiples(look.smallest, undo) for undo in UNDO]
    is_total = (look.sums > _LEAST_TOTAL) & (look.sums < _LARGEST_TOTAL)
    alike = [_spike(sums) for sums in np.where(is_total, look.sums, np.nan).T]
    if several := _several_spikes(alike):
        return _mixed(look, several)
    best = int(np.argmax([multiples.speak.sum() for multiples in found]))
    speak = found[best].speak
    chosen: int | None = best
    if speak.sum() >= _MIN_ROWS:
        if mixed := _other_rows(look, found, alike, best):
            return mixed
        if speak.sum() < 0.5 * found[best].could_speak.sum():
            return None
    else:
        chosen = _by_pairs(found, alike, look.sums)
    if chosen is None:
        return None
    return _structured(look, chosen, found[chosen], alike[chosen])


def _other_rows(
    look: Look, found: list[_Multiples], alike: list[NDArray[np.bool_]], best: int
) -> Conclusion | None:
    """Find rows that speak for something else than most."""
    speak = [multiples.speak for multiples in found]
    groups = {UNDO[best].name: speak[best]}
    rest = ~speak[best]
    for i in np.argsort([-rows.sum() for rows in speak], kind="stable"):
        own = speak[i] & rest
        if i != best and own.sum() >= _enough(own):
            groups[UNDO[i].name] = own
        rest &= ~own
    # Rows whose values are no multiples of a count do not speak; their totals may.
    if speak[best].mean() < _FIRM and alike[best][speak[best]].mean() >= _FIRM:
        others = rest & ~alike[best] & (found[best].tried >= _MIN_VALUES)
        if others.sum() >= 5 * _enough(others):
            groups["something else"] = others
    if len(groups) > 1:
        return _mixed(look, groups)
    too_large = ~look.is_whole & (look.largest > MAX_LOG)
    if UNDO[best].kind == "log" and too_large.sum() >= _enough(too_large):
        return _mixed(look, groups, linear=too_large)
    return None


def _enough(rows: NDArray[np.bool_]) -> float:
    """Return the number of rows from which on they are no accident."""
    return max(_MIN_ROWS, _SOME * len(rows))


def _multiples(smallest: Array, undo: Undo) -> _Multiples:
    """Divide the values of each row by the smallest, or by a half or a third of it."""
    hits, tried, surprise = [], [], []
    with np.errstate(over="ignore", invalid="ignore"):
        values = undo.inverse(smallest)
        relative = _rounding(smallest) * undo.slope(smallest) / values
        ratios = values / values[:, :1]
        # Whole numbers are multiples of 1 before all else: they do not speak for roots or logarithms.
        may_speak = np.full(values.shape, undo.kind == "linear") | (smallest != np.rint(smallest))
        errors = ratios * (relative + relative[:, :1])
        for divisor in _DIVISORS:
            multiples, allowed = ratios * divisor, errors * divisor
            usable = (multiples <= _MAX_MULTIPLE) & (allowed < _MAX_ERROR)
            usable[:, 0] = False
            usable &= may_speak
            usable &= ratios > 1 + 4 * errors  # the same count, otherwise rounded
            allowed = np.maximum(_MULTIPLE, allowed)
            is_hit = np.abs(multiples - np.rint(multiples)) <= allowed
            n_tried = usable.sum(1)
            if divisor > 1:
                n_tried[n_tried < _MIN_VALUES] = 0
            hits.append(np.where(n_tried, (is_hit & usable).sum(1), 0))
            tried.append(n_tried)
            surprise.append(-np.log(2 * allowed, where=usable, out=np.zeros_like(allowed)).sum(1))
    share = np.array(hits) / np.maximum(tried, 1) - 0.02 * np.arange(len(_DIVISORS))[:, None]
    chosen = share.argmax(0), np.arange(len(smallest))
    unit = values[:, 0] / np.array(_DIVISORS)[chosen[0]]
    return _Multiples(
        np.array(hits)[chosen], np.array(tried)[chosen], unit, np.array(surprise)[chosen]
    )


def _rounding(smallest: Array) -> Array:
    """Error of the values: of single precision, or of the half precision or decimals they have."""
    known = smallest[np.isfinite(smallest)]
    if np.array_equal(known, known.astype(np.float16)):
        return smallest * 2.0**-11
    for decimals in (1, 2, 3, 4):
        scaled = known * 10.0**decimals
        if (np.abs(scaled - np.rint(scaled)) < 1e-5 * scaled).mean() > _FIRM:
            return np.full_like(smallest, 0.5 * 10.0**-decimals)
    return smallest * 2.0**-23


def _by_pairs(found: list[_Multiples], alike: list[NDArray[np.bool_]], sums: Array) -> int | None:
    """Choose where rows have too few values each to speak for themselves, or none that tell."""
    tried = np.array([multiples.tried.sum() for multiples in found])
    hits = np.array([multiples.hits.sum() for multiples in found])
    share = np.where(tried >= _MIN_PAIRS, hits / np.maximum(tried, 1), 0.0)
    same = np.array([rows.mean() if len(rows) > 1 else 0.0 for rows in alike])
    if share.max() >= _FIRM:
        close = np.flatnonzero(share > share.max() - _AHEAD)
        return int(close[np.argmax(same[close] >= _FIRM)])
    if same.max() < _FIRM:
        return None
    # Logarithms of values far below 1 are nearly these values: one of both is equal to the last digit.
    spread = [
        np.ptp(np.log(sums[rows, i])) if share >= _FIRM else np.inf
        for i, (rows, share) in enumerate(zip(alike, same, strict=True))
    ]
    return int(np.argmin(spread))


def _structured(
    look: Look, chosen: int, multiples: _Multiples, alike: NDArray[np.bool_]
) -> Conclusion:
    """Put in words what structure was found, after a last check of rows that it cannot explain."""
    undo, sums = UNDO[chosen], look.sums[:, chosen]
    total = float(np.median(sums)) if len(alike) > 1 and alike.mean() >= _FIRM else None
    is_multiple = multiples.hits.sum() >= _FIRM * max(multiples.tried.sum(), _MIN_PAIRS)
    what = "counts" if is_multiple else "values"
    units = multiples.unit[multiples.tried > 0] if is_multiple else np.zeros(0)
    unit = float(units[0]) if total is None and units.size > 1 and _spike(units).all() else None
    if undo.kind == "linear" and unit is not None and unit < 1:
        return Conclusion(kind="counts", text=f"counts in steps of {unit:.3g}")
    if undo.kind == "linear" and total is None and units.size and _are_fractions(units):
        return Conclusion(kind="counts", text=_FRACTIONS)
    mixed = _unexplained(look, undo, total) or _one_total_and_none(look, undo, multiples, alike)
    if mixed is None and total is None:
        mixed = _two_totals(look, undo, what, sums)
    if mixed is not None:
        return mixed
    if unit is not None and abs(unit - 1) < 0.01:
        of = "counts as they are, not brought to one total"
    elif total is None:
        of = f"{what}, each cell divided by a number of its own"
    else:
        of = f"{what} per {_number(total)}"
    text = of if undo.kind == "linear" else f"{undo.name} of {of}"
    natural = ", natural log" if undo.kind == "log" and undo.base == math.e else ""
    return Conclusion(kind=undo.kind, text=text + natural, base=undo.base, total=total)


def _are_fractions(units: Array) -> bool:
    """Tell whether 1 is a few units in nearly all rows."""
    parts = np.rint(1 / units)
    is_part = (parts >= 1) & (parts <= _MAX_PARTS) & (np.abs(parts * units - 1) < 0.01)
    return bool(is_part.mean() >= _FIRM)


def _one_total_and_none(
    look: Look, undo: Undo, multiples: _Multiples, alike: NDArray[np.bool_]
) -> Conclusion | None:
    """Find rows of counts as they are beside rows that were brought to one total."""
    is_one = (multiples.tried > 0) & (np.abs(multiples.unit - 1) < 0.01)
    as_they_are, brought = is_one & ~alike, alike & ~is_one
    if min(as_they_are.sum(), brought.sum()) < _enough(alike) or (is_one | alike).mean() < 0.9:
        return None
    what = f"{undo.name} of counts"
    groups = {what: as_they_are, f"{what} per one total": brought}
    return _mixed(look, groups)


def _unexplained(look: Look, undo: Undo, total: float | None) -> Conclusion | None:
    """Find rows of whole numbers beside rows with decimals."""
    whole = look.is_whole & (look.largest > 0)
    if undo.kind == "linear" and total is not None:
        whole &= np.abs(look.totals / total - 1) > _SAME_TOTAL
    elif undo.kind == "linear" and whole.any():  # multiples may be whole numbers, too
        whole &= _are_smaller(look, whole)
    if whole.sum() < _enough(whole):
        return None
    return _mixed(look, {undo.name: np.ones(len(look.rows), bool)}, whole=whole)


def _are_smaller(look: Look, whole: NDArray[np.bool_]) -> bool:
    """Tell whether rows of whole numbers add up to far less than those with decimals."""
    others = np.median(look.totals[~look.is_whole])
    return bool(others > _MIXED_TOTALS * np.median(look.totals[whole]))


def _two_totals(look: Look, undo: Undo, what: str, sums: Array) -> Conclusion | None:
    parts = _several_totals(sums)
    if not parts or max(t for t, _ in parts) < _MIXED_TOTALS * min(t for t, _ in parts):
        return None
    names = {f"{undo.name} of {what} per {_number(total)}": rows for total, rows in parts}
    return _mixed(look, names)


def _spike(totals: Array, tolerance: float = _SAME_TOTAL) -> NDArray[np.bool_]:
    """Rows that have the most common total."""
    with np.errstate(divide="ignore"):
        logs = np.log(totals)
    usable = np.isfinite(logs)
    if not usable.any():
        return np.zeros(len(totals), dtype=bool)
    ordered = np.sort(logs[usable])
    ends = np.searchsorted(ordered, ordered + tolerance, side="right")
    start = int(np.argmax(ends - np.arange(len(ordered))))
    near: NDArray[np.bool_] = np.abs(logs - ordered[start : ends[start]].mean()) <= tolerance
    return near & usable


def _several_spikes(alike: list[NDArray[np.bool_]]) -> dict[str, NDArray[np.bool_]]:
    """Rows of equal sums after one inverse, and other rows after another."""
    order = np.argsort([-rows.mean() for rows in alike], kind="stable")
    first, second = order[:2]
    rest = alike[second] & ~alike[first]
    if min(alike[first].mean(), rest.mean()) < _SPIKE or (alike[first] | rest).mean() < 0.9:
        return {}
    return {UNDO[first].name: alike[first], UNDO[second].name: rest}


def _several_totals(sums: Array) -> list[tuple[float, NDArray[np.bool_]]]:
    """Two totals that together nearly all rows have."""
    first = _spike(sums)
    rest = np.where(first, np.nan, sums)
    second = _spike(rest)
    is_two = min(first.sum(), second.sum()) >= _enough(first)
    if not is_two or first.mean() < _SPIKE or (first | second).mean() < 0.9:
        return []
    return [(float(np.median(sums[rows])), rows) for rows in (first, second)]


def _mixed(
    look: Look,
    groups: dict[str, NDArray[np.bool_]],
    *,
    whole: NDArray[np.bool_] | None = None,
    linear: NDArray[np.bool_] | None = None,
    logs: NDArray[np.bool_] | None = None,
    same: tuple[str, NDArray[np.bool_]] | None = None,
) -> Conclusion:
    """Values of several kinds: ``groups`` of the sampled rows, the others of all rows."""
    rows = [(name, look.rows[own]) for name, own in groups.items()]
    if whole is not None:
        rows.append(("whole numbers", np.flatnonzero(whole)))
    if linear is not None:
        rows.append((f"values above {MAX_LOG:.0f}", np.flatnonzero(linear)))
    if logs is not None:
        rows.append((f"values up to {MAX_LOG:.0f}", np.flatnonzero(logs)))
    if same is not None:
        rows.append((same[0], np.flatnonzero(same[1])))
    return Conclusion(kind=None, text="values of several kinds", groups=tuple(rows))


def _number(total: float) -> str:
    """Write a total as it was meant: 10,000 and not 9,999.7."""
    short = float(f"{total:.2g}")
    total = short if abs(total / short - 1) < _SAME_TOTAL else total
    return f"{total:,.0f}" if total >= 100 else f"{total:.3g}"


# --------------------------------------------------------------------------------- shape alone


def _scaled(look: Look) -> Conclusion | None:
    """Genes that were divided by their standard deviation have one of 1."""
    n_rows = len(look.is_whole) - int((look.is_whole & (look.largest > 0)).sum())
    means = look.gene_sums / n_rows
    spread = np.sqrt(np.maximum(look.gene_squares - n_rows * means**2, 0) / max(n_rows - 1, 1))
    spread = spread[means > 0]
    if n_rows >= 10 and spread.size >= 5 and (np.abs(spread - 1) < 0.01).mean() > 0.2:
        text = "genes that all have a standard deviation of 1, as scaled values"
        return Conclusion(kind=None, text=text)
    return None


def _with_fractions(look: Look) -> Conclusion | None:
    """Know counts of which some were shared among genes, and values that go from 0 to 1."""
    if look.high <= 1:
        text = "values from 0 to 1, as after scaling of each gene, or ranking"
        return Conclusion(kind=None, text=text, open=True)
    is_mostly_whole = look.shape[:, SHAPE.index("share of whole")] > _MOSTLY_WHOLE
    if is_mostly_whole.mean() < _FIRM:
        return None
    return Conclusion(kind="counts", text=_FRACTIONS)


def _base(look: Look) -> float:
    """Guess the base if nothing tells it: 2 where e would mean impossibly large totals."""
    natural, binary = look.sums[:, 0].max(), look.sums[:, 1].max()
    return 2.0 if natural > _LARGEST_TOTAL >= binary else math.e


def _by_shape(look: Look, *, hint: Kind | None, base: float) -> Conclusion:
    """Conclude from how values vary: counts and linear ones widely, logarithms little."""
    whole = look.is_whole & (look.largest > 0)
    n_rows = len(look.is_whole) - int(whole.sum())
    means, ratios = _mean_and_fano(look, n_rows)
    fano = float(np.median(ratios[np.argsort(-means, kind="stable")[:_N_TOP]]))
    kind = _kind_by_shape(look, fano)
    mean, _, _, spread, *_ = np.median(look.shape, axis=0)
    if kind == "linear":
        is_like_counts = hint == "counts" or (mean <= 30 and spread < 1.3)
        kind = "counts" if is_like_counts else "linear"
    elif kind is None:
        kind = hint
    is_log = kind == "log"
    if kind == "linear" and whole.any():
        whole &= _are_smaller(look, whole)
    if kind in {"log", "linear"} and whole.sum() >= _enough(whole):
        return _mixed(look, {_NAMES[kind]: np.ones(len(look.rows), bool)}, whole=whole)
    if look.high > MAX_LOG and (logs := _much_smaller(look, ~whole)) is not None:
        return _mixed(look, {}, linear=look.largest > MAX_LOG, logs=logs)
    if kind is None:
        text = "values with decimals that may be counts or logarithms"
        return Conclusion(kind=None, text=text, open=True)
    text = {
        "counts": "counts with decimals, as expected or corrected counts are",
        "log": f"logarithms, taken as {'natural ones' if base == math.e else f'to base {base:g}'}",
        "linear": "linear values with decimals, as RPKM and corrected counts are",
    }[kind]
    return Conclusion(kind=kind, text=text, base=base if is_log else math.e, thin=hint != kind)


def _much_smaller(look: Look, used: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Rows that may be logarithms beside rows that cannot, with a wide gap between the two."""
    small = used & (look.largest > 0) & (look.largest <= MAX_LOG)
    large = look.largest > MAX_LOG
    if min(small.sum(), large.sum()) < _enough(used):
        return None
    n_values = look.shape[
        :, SHAPE.index("number")
    ]  # logarithms of a cell are as many as its counts
    is_small, is_large = small[look.rows], large[look.rows]
    if not (is_small.any() and is_large.any()):
        return None
    if np.median(n_values[is_small]) < 0.5 * np.median(n_values[is_large]):
        return None
    gap = np.quantile(look.largest[large], 0.05) / np.quantile(look.largest[small], 0.95)
    return small if gap > _GAP else None


def _kind_by_shape(look: Look, fano: float) -> Kind | None:
    """Apply bounds that benchmarks/values.py found on real data; ``fano`` is of the top genes."""
    mean, median, variation, _, below_one, *_ = np.median(look.shape, axis=0)
    if look.high > MAX_LOG:
        return "linear"
    is_even = (variation < 0.4 and below_one < 0.1) or mean < 1.1 * median
    is_full = look.n_positive > 0.9 * len(look.is_whole) * len(look.gene_sums)
    if fano < 0.6 or (mean > 1.5 and is_even and not is_full):
        return "log"
    if fano > 0.8 and (variation > 0.6 or (below_one > 0.4 and mean < 1.3)):
        return "linear"
    return None
