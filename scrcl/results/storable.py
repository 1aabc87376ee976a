"""What an h5ad file cannot hold, found beforehand and brought into a form that it can.

anndata reads much that it will not write: columns called ``_index``, names with a slash, columns of
mixed types, intervals, dates, objects. No list of these stays true from version to version, so
anndata's own writer is asked: what it writes to a file in memory and reads back is stored as it is,
the rest in the first other form that passes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scrcl.data.lazy import is_lazy

Form: TypeAlias = tuple[str, Callable[[Any], Any]]
"""How it is told (a field of `_Changes`; "" for a form that loses nothing), and how it is made."""

RESERVED = {"_index": "index", "__categories": "categories"}
"""Names that h5ad keeps for itself, and what is called so instead."""
SCALARS = ("builtins", "datetime", "decimal", "fractions", "numpy", "pandas", "pathlib", "uuid")
"""Modules whose single values say all they hold as text; of other objects it would be an address."""
_LEFT_OUT: Any = object()
_ROWS_TRIED = 2
"""Of a matrix of numbers, whose type decides."""
_TOLD = 8
"""Names that a line lists."""


@dataclass(slots=True)
class _Changes:
    """Places of what is stored otherwise than it is."""

    renamed: list[str] = field(default_factory=list)
    as_text: list[str] = field(default_factory=list)
    plainer: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def note(self, how: str, place: str) -> None:
        if how:
            getattr(self, how).append(place)

    def lines(self) -> list[str]:
        """Say them, one line a kind."""
        kinds = (
            ("stored under another name", self.renamed),
            ("stored as text", self.as_text),
            ("stored in a plainer form", self.plainer),
            ("left out", self.left_out),
        )
        return [f"{how}, as h5ad demands: {_listed(names)}" for how, names in kinds if names]


def storable(adata: ad.AnnData) -> tuple[ad.AnnData, list[str]]:
    """Bring an AnnData into a form that can be written as h5ad and read back.

    Parameters
    ----------
    adata
        In memory or backed; not changed. Matrices in memory are shared with what is returned.

    Returns
    -------
    The same cells and genes in the same order. What h5ad cannot hold has another name (a slash
    becomes "_"), is text, is in a plainer form (a tuple an array), or is left out; and a line on
    each of these kinds.
    """
    if adata.isbacked:
        adata = adata.to_memory()
    changes = _Changes()
    obs, var = (_annotation(getattr(adata, axis), axis, changes) for axis in ("obs", "var"))
    parts = {
        name: _matrices(getattr(adata, name), name, index, changes)
        for name, index in (
            ("obsm", obs.index),
            ("varm", var.index),
            ("layers", None),
            ("obsp", None),
            ("varp", None),
        )
    }
    X = _stored(adata.X, "X", _MATRIX, changes)
    X = None if X is _LEFT_OUT else X
    raw = None if adata.raw is None else _raw(adata.raw, changes)
    uns = _mapping(adata.uns, "uns", changes)
    return ad.AnnData(X, obs=obs, var=var, uns=uns, raw=raw, **parts), changes.lines()


def stored_name(name: object) -> str:
    """Name under which :func:`storable` keeps a column or an entry; that of most is their own."""
    text = _text(name).replace("/", "_")
    return RESERVED.get(text, text if text.strip(".") else "unnamed")


# ---------------------------------------------------------------- the parts of an AnnData


def _annotation(frame: pd.DataFrame, place: str, changes: _Changes) -> pd.DataFrame:
    """Table of the cells or the genes, whose names are text."""
    if pd.api.types.infer_dtype(frame.index) != "string":
        names = [_text(name) for name in frame.index]
        frame = frame.set_axis(pd.Index(names, name=frame.index.name, dtype=object))
    return _frame(frame, place, changes)


def _raw(raw: Any, changes: _Changes) -> dict[str, Any] | None:
    X = _stored(raw.X, "raw.X", _MATRIX, changes)
    if X is _LEFT_OUT:
        return None
    var = _annotation(raw.var, "raw.var", changes)
    return {"X": X, "var": var, "varm": _matrices(raw.varm, "raw.varm", var.index, changes)}


def _matrices(
    mapping: Mapping[Any, Any], place: str, index: pd.Index | None, changes: _Changes
) -> dict[str, Any]:
    """Arrays by name; ``index`` names the rows of tables among them."""
    found: dict[str, Any] = {}
    # anndata 0.13 counts X among the layers, under None.
    for old, new in _new_names([key for key in mapping if key is not None], place, changes):
        value, inner = mapping[old], f"{place}[{old!r}]"
        if isinstance(value, pd.DataFrame):
            found[new] = _frame(value if index is None else value.set_axis(index), inner, changes)
        else:
            found[new] = _stored(value, inner, _MATRIX, changes)
    return _without_left_out(found)


def _mapping(mapping: Mapping[Any, Any], place: str, changes: _Changes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for old, new in _new_names(list(mapping), place, changes):
        value, inner = mapping[old], f"{place}[{old!r}]"
        if isinstance(value, Mapping):
            found[new] = _mapping(value, inner, changes)
        elif isinstance(value, pd.DataFrame):
            found[new] = _frame(value, inner, changes)
        else:
            found[new] = _stored(value, inner, _ENTRY, changes)
    return _without_left_out(found)


def _frame(frame: pd.DataFrame, place: str, changes: _Changes) -> pd.DataFrame:
    """Table whose columns and row names can be stored."""
    new_names = [new for _, new in _new_names(list(frame.columns), place, changes)]
    index = frame.index
    if index.nlevels > 1 or not _passes(pd.DataFrame(index=index.rename(None))):
        index = pd.Index([_text(name) for name in index], dtype=object)
        changes.as_text.append(f"the row names of {place}")
    name = None if index.name is None else stored_name(index.name)
    named = frame.set_axis(new_names, axis=1).set_axis(
        index.rename(None if name in new_names else name)
    )
    if _passes(named):
        return named
    columns = {}
    for position, new in enumerate(new_names):
        column = frame.iloc[:, position]
        inner = f"{place}[{frame.columns[position]!r}]"
        values = column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array
        columns[new] = _stored(values, inner, _COLUMN, changes)
    return pd.DataFrame(_without_left_out(columns), index=named.index)


def _new_names(names: list[Any], place: str, changes: _Changes) -> list[tuple[Any, str]]:
    """Each name with the one it is stored under, which is unique."""
    taken = {name for name in names if isinstance(name, str) and stored_name(name) == name}
    seen: set[str] = set()
    pairs = []
    for name in names:
        new = own = stored_name(name)
        n_again = 0
        while new in seen or (new in taken and new != name):
            n_again += 1
            new = f"{own}_{n_again}"
        seen.add(new)
        pairs.append((name, new))
        if new != name:
            changes.renamed.append(f"{place}[{name!r}] as {new!r}")
    return pairs


# ---------------------------------------------------------------- forms of a value


def _stored(value: Any, place: str, forms: Iterable[Form], changes: _Changes) -> Any:
    """Return the first form of a value that can be stored; `_LEFT_OUT` if there is none."""
    for how, form in forms:
        try:
            candidate = form(value)
        except Exception:  # noqa: BLE001  (a value that has no such form)
            continue
        if _passes(_sample(candidate)):
            changes.note(how, place)
            return candidate
    changes.left_out.append(place)
    return _LEFT_OUT


def _without_left_out(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not _LEFT_OUT}


def _passes(value: Any) -> bool:
    """Whether anndata writes a value and reads it back."""
    if is_lazy(value):
        return True  # to try it would be to read it
    in_memory = h5py.File("storable", "w", driver="core", backing_store=False)
    with warnings.catch_warnings(), in_memory as file:
        warnings.filterwarnings("ignore")
        try:
            ad.io.write_elem(file, "value", value)
            ad.io.read_elem(file["value"])
        except Exception:  # noqa: BLE001  (whatever it stumbles over cannot be stored)
            return False
    return True


def _sample(value: Any) -> Any:
    """Take some rows of a matrix of numbers, any other value as it is."""
    is_numbers = isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype.kind in "biufc"
    if is_numbers or getattr(value, "format", None) == "csr":
        return value[:_ROWS_TRIED]
    return value[:, :_ROWS_TRIED] if getattr(value, "format", None) == "csc" else value


def _as_text_column(values: Any) -> pd.Categorical:
    texts = [None if _is_missing(value) else _text(value) for value in values]
    categories = [_text(value) for value in values.categories] if _is_categorical(values) else None
    if categories is not None and len(set(categories)) == len(categories):
        return pd.Categorical(texts, categories=categories, ordered=values.ordered)
    return pd.Categorical(texts)


def _as_same_text(values: Any) -> Any:
    """Text with missing values, which anndata itself stores as categories."""
    _demand(not _is_categorical(values))
    kind = pd.api.types.infer_dtype(np.asarray(values, dtype=object), skipna=True)
    _demand(kind in {"string", "empty"})
    return pd.Categorical([None if _is_missing(v) else str(v) for v in values])


def _as_numbers(values: Any) -> Any:
    _demand(pd.api.types.is_numeric_dtype(values.dtype))
    dense = np.asarray(values)
    return dense if dense.dtype.kind in "biuf" else values.to_numpy(float, na_value=np.nan)


def _as_csr(value: Any) -> Any:
    _demand(sp.issparse(value))
    return sp.csr_matrix(value)


def _as_plain_array(value: Any) -> Any:
    """Array of numbers, or of nothing but text."""
    _demand(not isinstance(value, str | bytes))
    items = sorted(value) if isinstance(value, set | frozenset) else value
    array = np.asarray(items if isinstance(items, np.ndarray) else list(items))
    _demand(array.dtype.kind in "biufc" or all(isinstance(item, str) for item in items))
    return array


def _as_text_array(value: Any) -> Any:
    array = np.asarray(value)
    _demand(array.ndim > 0 and not array.dtype.names)
    _demand(all(_is_scalar(item) for item in array.ravel().tolist()))
    texts = ["" if _is_missing(item) else _text(item) for item in array.astype(object).ravel()]
    return np.array(texts, dtype=object).reshape(array.shape)


def _as_text(value: Any) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        return _text(json.dumps(_jsonable(value)))
    _demand(_is_scalar(value))
    return _text(value)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_text(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [_jsonable(item) for item in value]
    _demand(_is_scalar(value))
    return value if isinstance(value, str | int | float | None) else _text(value)


_SAME: Form = ("", lambda value: value)
_COLUMN: tuple[Form, ...] = (
    _SAME,
    ("", _as_same_text),
    ("plainer", _as_numbers),
    ("as_text", _as_text_column),
)
_MATRIX: tuple[Form, ...] = (
    _SAME,
    ("plainer", _as_csr),
    ("plainer", _as_plain_array),
    ("as_text", _as_text_array),
)
_ENTRY: tuple[Form, ...] = (
    _SAME,
    ("plainer", _as_csr),
    ("plainer", _as_plain_array),
    ("as_text", _as_text_array),
    ("as_text", _as_text),
)


def _demand(condition: bool) -> None:  # noqa: FBT001  (reads as a sentence)
    """Say that a value has no such form if it does not meet a condition."""
    if not condition:
        raise TypeError


def _is_categorical(values: Any) -> bool:
    return isinstance(values.dtype, pd.CategoricalDtype)


def _is_missing(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _is_scalar(value: Any) -> bool:
    module = type(value).__module__.partition(".")[0]
    single = not isinstance(value, Mapping | list | tuple | set | frozenset | np.ndarray)
    return single and not callable(value) and type(value) is not object and module in SCALARS


def _text(value: Any) -> str:
    """Text without what HDF5 has no room for: zero characters and halves of surrogate pairs."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more
