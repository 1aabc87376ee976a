"""Model files: a folder with ``model.json`` and ``model.safetensors``. Neither can hold code."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from scrcl._validate import InputError, check_one_of, check_positive, shown
from scrcl.config import config_from_text
from scrcl.data.basis import Basis
from scrcl.methods import get_method
from scrcl.results.atomic import atomic_folder, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from scrcl.methods import Arrays, ArrayShape

FORMAT = 2
"""Version of the format that is written. Files of version 1 have no tree and no reduction."""
READ = (1, 2)
JSON, TENSORS = "model.json", "model.safetensors"

# Arrays of the data, as `ArrayShape`; those of a clustering method are its own. {0} is what the
# pattern caught. All sizes of one name have to be the same.
_SHAPES = (
    (r"basis\.shares", "f", ("all genes",)),
    (r"basis\.(?:log_means|input_means|deviations)", "f", ("genes",)),
)


def write_model(path: Path, info: Mapping[str, Any], arrays: Arrays, *, overwrite: bool) -> None:
    """Write a model folder, whole or not at all.

    Raises
    ------
    InputError
        If there is something at ``path`` and it was not said to replace it, or it is there and no
        model, or it cannot be written.
    """
    if path.exists() and not (overwrite and _is_replaceable(path)):
        what = "a model" if _is_replaceable(path) else "something that is no model"
        hint = "overwrite=True replaces it." if _is_replaceable(path) else "Choose another path."
        msg = f"save: got {path}, where {what} is, wanted a new path. {hint}"
        raise InputError(msg)
    with atomic_folder(path, replace=overwrite) as part:
        try:
            save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, part / TENSORS)
        except SafetensorError as error:  # arrays are checked: what is left is the system's refusal
            raise OSError(str(error)) from error
        write_json(part / JSON, {"format": "scrcl-model", "version": FORMAT, **info})


def read_model(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Read a model folder; what is in it can only be text and numbers.

    Raises
    ------
    InputError
        If it is no model, is of another version, is damaged, or its parts do not fit together.
    """
    info = _read_json(path / JSON)
    version = info.get("version")
    if info.get("format") != "scrcl-model" or not isinstance(version, int):
        msg = f"{path / JSON}: got no scrcl model, wanted the folder that ScRCL.save wrote."
        raise InputError(msg)
    if version not in READ:
        newer = version > FORMAT
        hint = "Update scrcl." if newer else "Train the model again."
        msg = (
            f"{path}: got format version {version}, written by scrcl {info.get('scrcl', '?')}, wanted "
            f"one of {READ}, which this scrcl reads. {hint}"
        )
        raise InputError(msg)
    try:
        arrays = load_file(path / TENSORS)
    except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
        raise InputError(_damaged(path / TENSORS, error)) from error
    genes, all_genes = (info.get(key, []) for key in ("genes", "all_genes"))
    for names in (genes, all_genes):
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            msg = f"{path / JSON}: got genes {shown(names)}, wanted a list of names. Save it again."
            raise InputError(msg)
    sizes = {
        "genes": len(genes),
        "all genes": len(all_genes),
        "clusters": info.get("n_clusters"),
    }
    _check_shapes(path / TENSORS, arrays, sizes, (*_SHAPES, *_method_shapes(path, info)))
    return info, arrays


def _is_replaceable(path: Path) -> bool:
    return {entry.name for entry in path.iterdir()} <= {JSON, TENSORS} if path.is_dir() else False


def _read_json(path: Path) -> dict[str, Any]:
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(_damaged(path, error)) from error
    if not isinstance(info, dict):
        msg = f"{path}: got {type(info).__name__}, wanted a JSON object. Save the model again."
        raise InputError(msg)
    return info


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"{path}: cannot be read ({error}), wanted a file of a model folder that ScRCL.save wrote. "
        "Copy or save it again."
    )


def _method_shapes(path: Path, info: Mapping[str, Any]) -> tuple[ArrayShape, ...]:
    """Arrays of the clustering method that the model's configuration names."""
    try:
        config = config_from_text(info["config"], info["task"])
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{path}: got none or an unusable {error}, wanted a whole model. Save it again."
        raise InputError(msg) from error
    return get_method(config.cluster.method).fitted.shapes


def _check_shapes(
    path: Path, arrays: Arrays, sizes: dict[str, Any], shapes: Iterable[ArrayShape]
) -> None:
    """Refuse arrays that are unknown, of another kind of number, not finite or of another shape."""
    for name, array in sorted(arrays.items()):
        kind, wanted = _expected(path, name, shapes)
        for axis, size in enumerate(wanted):
            if array.ndim == len(wanted):
                sizes[size] = array.shape[axis] if sizes.get(size) is None else sizes[size]
        shape = tuple(sizes.get(size) for size in wanted)
        if array.shape != shape or array.dtype.kind != kind:
            msg = (
                f"{path}: got {name} of shape {array.shape} and type {array.dtype}, wanted "
                f"{shape} ({' x '.join(wanted)}) of kind {kind!r}. Copy or save the model again."
            )
            raise InputError(msg)
        if kind == "f" and not np.isfinite(array).all():
            msg = f"{path}: got values in {name} that are not finite, wanted finite ones. Save it again."
            raise InputError(msg)
    labels = arrays.get("space.labels")
    if (
        labels is None
        or not len(labels)
        or not 0 <= labels.min() <= labels.max() < sizes["clusters"]
    ):
        msg = f"{path}: got no clusters, or some beyond {sizes['clusters']}. Copy or save it again."
        raise InputError(msg)


def _expected(path: Path, name: str, shapes: Iterable[ArrayShape]) -> tuple[str, tuple[str, ...]]:
    for pattern, kind, dims in shapes:
        if found := re.fullmatch(pattern, name):
            return kind, tuple(dim.format(*found.groups()) for dim in dims)
    msg = f"{path}: got an array {name!r}, wanted those of a model of its kind. Save it again."
    raise InputError(msg)


def basis_state(basis: Basis) -> tuple[dict[str, Any], Arrays]:
    """Text and arrays of a model file that say how new cells are brought to the training's values."""
    info = {
        "kind": basis.kind,
        "target_sum": basis.target_sum,
        "median_total": basis.median_total,
        "model_input": basis.model_input,
        "genes": list(basis.genes),
        "all_genes": list(basis.all_genes),
    }
    arrays: Arrays = {
        "basis.shares": basis.shares,
        "basis.log_means": basis.log_means,
        "basis.input_means": basis.input_means,
    }
    if basis.deviations is not None:
        arrays["basis.deviations"] = basis.deviations
    return info, arrays


def basis_from(info: dict[str, Any], arrays: Arrays) -> Basis:
    """Undo `basis_state`.

    Raises
    ------
    InputError, KeyError, TypeError
        If it did not come from there.
    """
    check_one_of(info["model_input"], "model_input", ("counts", "log", "scaled"))
    for key in ("target_sum", "median_total"):
        if info.get(key) is not None:
            check_positive(info[key], key)
    if not set(info["genes"]) <= set(info["all_genes"]):
        msg = "genes: got some that are not among all_genes, wanted none"
        raise InputError(msg)
    return Basis(
        kind="linear" if info["kind"] == "other" else info["kind"],  # its former name
        target_sum=info["target_sum"],
        median_total=info.get("median_total"),
        model_input=info["model_input"],
        all_genes=pd.Index(info["all_genes"], dtype=object),
        genes=pd.Index(info["genes"], dtype=object),
        shares=arrays["basis.shares"],
        log_means=arrays["basis.log_means"],
        input_means=arrays["basis.input_means"],
        deviations=arrays.get("basis.deviations"),
    )
