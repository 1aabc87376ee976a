"""The one kind of error a user can cause, and the checks that raise it."""

import math
import numbers
import operator
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, TypeVar

Number = TypeVar("Number", int, float)
Value = TypeVar("Value")


_LONGEST = 200  # characters of a value in a message


class InputError(ValueError):
    """Bad input from the user: one line that says what was got, what was wanted and what to do."""


def check_range(
    value: Number,
    name: str,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
    hint: str = "",
) -> Number:
    """Return ``value`` if it is a finite number within the bounds.

    Parameters
    ----------
    value
        The number to check.
    name
        What the user calls it.
    low, high
        Bounds, themselves allowed unless `open_low` or `open_high`.
    open_low, open_high
        Leave the bound itself out.
    hint
        What to do, added to the message.

    Raises
    ------
    InputError
        If ``value`` is not finite or lies outside.
    """
    above = value > low if open_low else value >= low
    below = value < high if open_high else value <= high
    if above and below and _is_finite(value):
        return value
    wanted = _interval(low, high, open_low=open_low, open_high=open_high)
    raise InputError(_message(name, value, wanted, hint))


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floating-point numbers
        return False


def check_integer(value: Any, name: str, *, hint: str = "") -> int:
    """Return ``value`` as an int if it is a whole number of any kind, but no bool.

    Examples
    --------
    >>> check_integer(4.0, "n_clusters")
    4

    Raises
    ------
    InputError
        If it is not.
    """
    is_bool = type(value).__name__ in {"bool", "bool_"}  # numpy's, too
    if not is_bool and hasattr(value, "__index__"):
        with suppress(TypeError):
            return operator.index(value)
    if not is_bool and isinstance(value, numbers.Real) and float(value).is_integer():
        return int(float(value))
    raise InputError(_message(name, value, "a whole number", hint))


def check_positive(value: Number, name: str, *, hint: str = "") -> Number:
    """Return ``value`` if it is finite and above zero, else raise `InputError`."""
    return check_range(value, name, 0, open_low=True, hint=hint)


def check_one_of(value: Value, name: str, allowed: Collection[Value], *, hint: str = "") -> Value:
    """Return ``value`` if it is among ``allowed``, else raise `InputError` listing them."""
    if value in allowed:
        return value
    raise InputError(_message(name, value, f"one of {list(allowed)}", hint))


def check_key(mapping: Mapping[str, Value], key: str, name: str, *, hint: str = "") -> Value:
    """Return ``mapping[key]``, else raise `InputError` listing the keys there are."""
    if key in mapping:
        return mapping[key]
    raise InputError(_message(name, key, f"one of {list(mapping)}", hint))


def _interval(low: float, high: float, *, open_low: bool, open_high: bool) -> str:
    parts = []
    if low > -math.inf:
        parts.append(f"{'above' if open_low else 'at least'} {low:g}")
    if high < math.inf:
        parts.append(f"{'below' if open_high else 'at most'} {high:g}")
    return "a finite number " + " and ".join(parts) if parts else "a finite number"


def shown(value: object) -> str:
    """Write a value for a message, cut if it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits; nested too deeply
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _message(name: str, got: object, wanted: str, hint: str) -> str:
    return f"{name}: got {shown(got)}, wanted {wanted}.{' ' + hint if hint else ''}"
