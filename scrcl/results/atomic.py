"""Files and folders that are there complete or not at all."""

import csv
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from scrcl._validate import InputError

_BEFORE = ".before"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it takes the place of ``path`` when all went well.

    The temporary file lies in the same folder (so that the last step is one rename) and keeps the
    suffix (by which many writers choose their format).

    Raises
    ------
    InputError
        If the operating system refuses to write.
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        with writable(path):
            yield part
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a new folder to fill; it becomes ``path`` when all went well.

    With ``replace``, a folder that is there is removed just before that.

    Raises
    ------
    InputError
        If the operating system refuses to write, or ``path`` is there and not empty.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with writable(path):
            remove_folder(part)
            part.mkdir(parents=True)
            yield part
            if replace:
                remove_folder(path)
            part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def kept_on_failure(paths: Iterable[Path]) -> Iterator[None]:
    """Put files back as they were, or remove them if they were not there, if the block fails.

    They have to be replaced, as `atomic_path` does, not written to.

    Raises
    ------
    InputError
        If the operating system refuses to write.
    """
    before: dict[Path, Path | None] = {}
    try:
        for path in paths:
            with writable(path):
                before[path] = _second_name(path) if path.exists() else None
        try:
            yield
        except BaseException:
            for path, aside in before.items():
                if aside is None:
                    path.unlink(missing_ok=True)
                else:
                    aside.replace(path)
            raise
    finally:
        for aside in filter(None, before.values()):
            aside.unlink(missing_ok=True)


def _second_name(path: Path) -> Path:
    """Give a file a second name; where the file system knows no such thing, copy it."""
    other = path.with_name(f".{path.name}{_BEFORE}")
    other.unlink(missing_ok=True)
    try:
        other.hardlink_to(path)
    except OSError:
        shutil.copy2(path, other)
    return other


def remove_folder(path: Path) -> None:
    """Remove a folder and all in it, if it is there."""
    if path.exists():
        shutil.rmtree(path)


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turn a refusal of the operating system into one line for the user."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        msg = (
            f"output: cannot write {path} ({reason}), wanted a folder that can be written to and "
            "has room. Choose another with --out."
        )
        raise InputError(msg) from error


def write_csv(table: pd.DataFrame, path: Path, *, index: bool = False, **options: Any) -> None:
    """Write a table as pandas does, but so that what has a carriage return in a name is read back.

    Readers take one for the end of a row unless it is quoted, and Python 3.11 does not quote it.

    Parameters
    ----------
    table
        With any names.
    path
        The file, written in place: see `atomic_path`.
    index
        Whether the index is a column.
    **options
        For ``DataFrame.to_csv``.
    """
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if _has_return(table) else csv.QUOTE_MINIMAL
    table.to_csv(path, index=index, quoting=quoting, **options)


def _has_return(table: pd.DataFrame) -> bool:
    columns = [pd.Series(column.unique()) for _, column in table.items()]
    texts = [table.index.to_series(), table.columns.to_series(), *columns]
    return any(
        text.astype(str).str.contains("\r", regex=False).any()
        for text in texts
        if not pd.api.types.is_numeric_dtype(text)
    )


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a mapping as JSON, atomically; NumPy scalars become plain ones, NaN becomes null."""
    with atomic_path(path) as part:
        part.write_text(json.dumps(plain(content), indent=2) + os.linesep, encoding="utf-8")


def plain(value: object) -> object:
    """Return ``value`` made of what JSON knows."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
