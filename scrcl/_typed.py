"""Typed fields from untyped values: what a strict configuration is made of."""

import dataclasses
import numbers
import types
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import yaml

from scrcl._text import counted
from scrcl._validate import InputError, check_one_of, check_range, shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Allowed range of a number, to be put into ``Annotated[float, Bound(...)]``."""

    low: float = -float("inf")
    high: float = float("inf")
    open_low: bool = False
    open_high: bool = False


def coerce_fields(instance: "DataclassInstance", section: str) -> None:
    """Check every field of a frozen dataclass against its annotation, in ``__post_init__``.

    Lists become tuples and integers floats where the annotation says so; nothing else is bent.

    Raises
    ------
    InputError
        Naming ``section.field``, if a value has the wrong type or lies out of bounds.
    """
    for name, hint in get_type_hints(type(instance), include_extras=True).items():
        value = coerce(getattr(instance, name), hint, f"{section}.{name}")
        object.__setattr__(instance, name, value)


def coerce(value: object, hint: Any, name: str) -> object:
    """Return ``value`` as the type that ``hint`` stands for, else raise `InputError`.

    Known hints: bool, int, float, str, ``Literal``, ``tuple[...]``, ``X | None`` and ``Annotated``
    with a `Bound`.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _bounded(coerce(value, args[0], name), args[1], name)
    if origin is Literal:
        return check_one_of(value, name, args)
    if origin is tuple:
        return _coerce_tuple(value, args, name)
    if origin in (Union, types.UnionType):
        return None if value is None else coerce(value, args[0], name)
    return _coerce_scalar(value, hint, name)


def _bounded(number: Any, bound: Bound, name: str) -> object:
    return check_range(number, name, **dataclasses.asdict(bound))


def _coerce_tuple(value: object, hints: tuple[Any, ...], name: str) -> tuple[object, ...]:
    if not isinstance(value, list | tuple) or len(value) != len(hints):
        raise _refusal(value, f"a list of {counted(len(hints), 'values')}", name)
    return tuple(
        coerce(item, hint, f"{name}[{i}]")
        for i, (item, hint) in enumerate(zip(value, hints, strict=True))
    )


def _coerce_scalar(value: object, kind: type, name: str) -> object:
    if isinstance(value, bool):
        if kind is bool:
            return value
    elif kind is str and isinstance(value, str):
        return value
    elif kind is int and isinstance(value, numbers.Integral):
        return int(value)
    elif kind is float and isinstance(value, numbers.Real | str):
        # A string too: YAML 1.1 reads 1e-4, without a dot, as one.
        with suppress(ValueError, OverflowError):
            return float(value)
    wanted = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}[kind]
    raise _refusal(value, wanted, name)


def _refusal(value: object, wanted: str, name: str) -> InputError:
    return InputError(f"{name}: got {shown(value)}, wanted {wanted}.")


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, but without aliases, and without letting the last of equal keys win."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            # A few lines of aliases of aliases stand for more than fits into any memory.
            msg = "got an alias (*name), wanted every value written out. Write it where it is used."
            raise InputError(msg)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        double = sorted({key for key in keys if keys.count(key) > 1})
        if double:
            msg = f"got {double} more than once, wanted each key once. Remove one."
            raise InputError(msg)
        return super().construct_mapping(node, deep)


def read_mapping(path: Path) -> dict[str, object]:
    """Read a YAML file that holds one mapping with unique keys; an empty file is an empty one.

    Raises
    ------
    InputError
        If the file is missing, unreadable, not YAML, or holds something else.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot be read ({error}). Give the path of a YAML file."
        raise InputError(msg) from None
    content = read_yaml(text)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise _refusal(content, "sections such as 'train:' with indented keys", "content")
    return content


def read_yaml(text: object) -> object:
    """Read YAML as plain values: no tags of other types, no aliases, each key once.

    Raises
    ------
    InputError
        If it is not, or is nested too deeply.
    """
    if not isinstance(text, str):
        raise _refusal(text, "a text", "YAML")
    try:
        return _StrictLoader(text).get_single_data()
    except InputError:
        raise
    # Its constructors raise whatever int, float and datetime do (!!int of a word, a 13th month), and
    # AttributeError for a !!timestamp that is none.
    except (
        *(yaml.YAMLError, RecursionError, ValueError, TypeError, LookupError),
        *(AttributeError, ArithmeticError),
    ) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        msg = f"is not valid YAML: {reason}"
        raise InputError(msg) from None
