"""One writer at a time: a lock on a run that names its holder and ends with it."""

from __future__ import annotations

import json
import os
import socket
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scrcl._validate import InputError

try:
    import fcntl
except ImportError:  # Windows, where nobody is kept out
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Keep other processes from writing a run while the block lasts.

    The system holds the lock for the process: it is free again however the process ends. It is on a
    file beside the run, ``.<run>.lock``, which says who holds it; a file that a killed process left
    behind locks nothing.

    Parameters
    ----------
    path
        Folder of the run; it need not be there.

    Raises
    ------
    InputError
        If another one is writing it.
    OSError
        If the folder of the data set cannot be made or written.
    """
    lock = _lock_of(path)
    lock.parent.mkdir(parents=True, exist_ok=True)
    file = _locked(lock)
    try:
        file.truncate()
        file.write(json.dumps(_self()).encode())
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
        file.close()
        with suppress(OSError):  # where a run failed, the folders made for it are not left behind
            lock.parent.rmdir()


def check_not_written(path: Path) -> None:
    """Refuse a run that another process is writing. Changes nothing.

    Raises
    ------
    InputError
        Naming the process.
    """
    lock = _lock_of(path)
    if fcntl is None or not lock.is_file():
        return
    with suppress(OSError), lock.open("rb", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read().decode("utf-8", "replace")
            raise InputError(_refusal(lock, holder)) from None


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _locked(lock: Path) -> FileIO:
    """Open the file and lock it; what a holder that ends has just removed is made anew."""
    while True:
        file = lock.open("a+b", buffering=0)
        file.seek(0)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read().decode("utf-8", "replace")
            file.close()
            raise InputError(_refusal(lock, holder)) from None
        except OSError:  # a file system without locks
            return file
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                return file
        file.close()


def _self() -> dict[str, object]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"process": os.getpid(), "host": socket.gethostname(), "since": now}


def _refusal(lock: Path, holder: str) -> str:
    run = lock.with_name(lock.name.removeprefix(".").removesuffix(".lock"))
    try:
        who = "process {process} on {host} has been writing since {since}".format(
            **json.loads(holder)
        )
    except (ValueError, KeyError, TypeError):
        who = "another process is writing"
    return (
        f"run: got {run}, which {who}, wanted one that nobody writes. Wait until it is done, or "
        "choose another folder with --out."
    )
