"""A registered data set, from its source to its place under the data folder."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from scrcl._validate import InputError
from scrcl.data.labels import labels
from scrcl.data.read import read
from scrcl.datasets import DatasetSpec, find
from scrcl.fetch.download import download
from scrcl.fetch.sources import ORIGINS
from scrcl.results import atomic_folder, atomic_path, writable
from scrcl.results.atomic import remove_folder, write_json

if TYPE_CHECKING:
    import os
    from contextlib import AbstractContextManager

    from scrcl.fetch.sources import Origin

log = logging.getLogger(__name__)

_DOWNLOADS = ".download"  # under the data folder; what is cut waits here


def fetch(
    name: str,
    data_dir: str | os.PathLike[str] = "datasets",
    *,
    mirror: str | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Path:
    """Download a registered data set; it is at its place complete or not at all.

    Checksums: one that a source publishes is asked for. Where there is none, that of the first
    download is written to ``<data set>.sources.json`` and asked for ever after.

    Parameters
    ----------
    name
        A registered set.
    data_dir
        Folder of the registered sets.
    mirror
        Address of a folder with a copy of the sources, ``<mirror>/<name>/<file>``, tried first.
    overwrite
        Download again what is there.
    progress
        Show a bar for each file.

    Returns
    -------
    The file or folder.

    Raises
    ------
    InputError
        If there is no such set, it takes a browser to get it, or a file cannot be had; the message
        says what to do.
    """
    spec = find(name)
    if spec.path is None:
        msg = f"fetch: got {name}, wanted a set that needs a file. It is there: {spec.source}."
        raise InputError(msg)
    target = Path(data_dir).expanduser() / spec.path
    if target.exists() and not overwrite:
        log.info("%s is there: %s", name, target)
        return target
    origin = ORIGINS[name]
    if not origin.files:
        raise InputError(_takes_a_browser(name, target))
    cache = Path(data_dir).expanduser() / _DOWNLOADS / name
    with writable(target):
        cache.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        _download_all(name, origin, cache, _record(target), mirror=mirror, progress=progress)
        with _atomic(target, replace=overwrite) as part:
            _build(spec, origin, cache, part)
        remove_folder(cache)
        with suppress(OSError):  # other sets wait there
            cache.parent.rmdir()
    log.info("%s: %s", name, target)
    return target


def _takes_a_browser(name: str, target: Path) -> str:
    others = [known for known, origin in ORIGINS.items() if origin.files]
    return (
        f"fetch: got {name}, which cannot be had without a browser, wanted one of {others}. For "
        f"{name}, {ORIGINS[name].browser}; then put it at {target.absolute()}."
    )


def _record(target: Path) -> Path:
    return target.with_name(f"{target.name}.sources.json")


def _atomic(target: Path, *, replace: bool) -> AbstractContextManager[Path]:
    if target.suffix == ".h5ad":
        return atomic_path(target)
    return atomic_folder(target, replace=replace)


def _download_all(
    name: str, origin: Origin, cache: Path, record: Path, *, mirror: str | None, progress: bool
) -> None:
    """Download what is not there, and keep a record of where it came from and its checksum."""
    known: dict[str, dict[str, object]] = (
        json.loads(record.read_text("utf-8")) if record.is_file() else {}
    )
    found: dict[str, object] = {}
    for remote in origin.files:
        copies = () if mirror is None else (f"{mirror.rstrip('/')}/{name}/{remote.name}",)
        recorded = known.get(remote.name, {}).get("sha256")
        wanted = remote.sha256 or (None if recorded is None else str(recorded))
        try:
            sha256 = download(
                (*copies, *remote.urls), cache / remote.name, sha256=wanted, progress=progress
            )
        except InputError as error:
            if wanted is None or remote.sha256 is not None or "wrong checksum" not in str(error):
                raise
            msg = f"{error} If the source is meant to have changed, remove {record}."
            raise InputError(msg) from None
        found[remote.name] = {"sha256": sha256, "source": remote.urls[0]}
    if any(remote.sha256 is None for remote in origin.files) and not known:
        log.warning(
            "%s: its source publishes no checksum; what came is trusted, and its SHA-256 is "
            "recorded in %s", name, record,
        )  # fmt: skip
    write_json(record, found)


def _build(spec: DatasetSpec, origin: Origin, cache: Path, part: Path) -> None:
    """Make the data set, and make sure that it can be read before it takes its place."""
    try:
        origin.build({remote.name: cache / remote.name for remote in origin.files}, part)
        adata = read(part, task=spec.task)
        truth = labels(adata, search=spec.label_keys)
    except InputError as error:
        msg = f"{error} What was downloaded is in {cache}: remove it to download it again."
        raise InputError(msg) from error
    got = (0, 0) if truth is None else (int(truth.notna().sum()), truth.nunique())
    if got != (spec.n_obs, spec.n_classes):
        log.warning(
            "%s: got %s annotated cells in %d classes, the paper has %s in %d: its numbers may "
            "not be comparable", spec.name, f"{got[0]:,}", got[1], f"{spec.n_obs:,}", spec.n_classes,
        )  # fmt: skip
