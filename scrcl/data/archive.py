"""Compressed files: read as they are, or unpacked for as long as they are read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from scrcl._validate import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPRESSED = (".gz", ".bz2", ".xz", ".zip")
"""Endings that a file may have behind its own."""
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# Readers of these need to jump about in the file.
_NOT_STREAMED = (".h5ad", ".h5", ".hdf5", ".h5mu", ".loom")


def plain_name(path: Path) -> str:
    """Name in lower case and without the ending of its compression."""
    name = path.name.lower()
    return next((name.removesuffix(end) for end in COMPRESSED if name.endswith(end)), name)


def first_bytes(path: Path, n: int = 64) -> bytes:
    """First bytes of a file, as they are on disk."""
    with path.open("rb") as file:
        return file.read(n)


def open_bytes(path: Path) -> BinaryIO:
    """Open a file decompressed. Its first bytes tell how it is compressed; names often do not.

    Browsers, for instance, unpack a download and leave its name.
    """
    start = first_bytes(path, 6)
    if start.startswith(b"\x1f\x8b"):
        return cast("BinaryIO", gzip.open(path, "rb"))
    if start.startswith(b"BZh"):
        return cast("BinaryIO", bz2.open(path, "rb"))
    if start == b"\xfd7zXZ\x00":
        return cast("BinaryIO", lzma.open(path, "rb"))
    return path.open("rb")


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Path to what an archive, or a compressed file of HDF5, holds; other paths stay as they are.

    An archive with one file or one folder gives this, one with more the folder of all. What is
    unpacked is removed at the end of the block.

    Raises
    ------
    InputError
        If the archive is damaged.
    """
    if path.is_dir() or not (_is_archive(path) or _is_packed_hdf5(path)):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="scrcl-") as scratch:
        folder = Path(scratch) / _stem(path)
        folder.mkdir()
        try:
            _unpack(path, folder)
        except (OSError, EOFError, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile) as error:
            msg = (
                f"{path}: got an archive that cannot be unpacked ({error}), wanted a whole one. "
                "It may be cut short: copy or download it again."
            )
            raise InputError(msg) from error
        yield _only_one(folder)


def _is_archive(path: Path) -> bool:
    if path.name.lower().endswith(_TARS):
        return True
    return first_bytes(path, 4) == b"PK\x03\x04" and not is_workbook(path)


def is_workbook(path: Path) -> bool:
    """Whether a file is a workbook of Excel: a zip archive itself."""
    if first_bytes(path, 4) != b"PK\x03\x04":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile:
        return False


def _is_packed_hdf5(path: Path) -> bool:
    start = first_bytes(path, 6)
    packed = start.startswith((b"\x1f\x8b", b"BZh")) or start == b"\xfd7zXZ\x00"
    return packed and plain_name(path).endswith(_NOT_STREAMED)


def _unpack(path: Path, folder: Path) -> None:
    if path.name.lower().endswith(_TARS):
        with tarfile.open(path) as tar:
            tar.extractall(folder, filter="data")
    elif zipfile.is_zipfile(path) or first_bytes(path, 4) == b"PK\x03\x04":
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
    else:
        with open_bytes(path) as packed, (folder / plain_name(path)).open("wb") as file:
            shutil.copyfileobj(packed, file)


def _only_one(folder: Path) -> Path:
    """Descend while there is but one thing, without what macOS and editors add."""
    found = [p for p in folder.iterdir() if not p.name.startswith(("__MACOSX", "."))]
    if len(found) != 1 or folder.suffix == ".zarr":
        return folder
    return _only_one(found[0]) if found[0].is_dir() and not _has_meaning(found[0]) else found[0]


def _has_meaning(folder: Path) -> bool:
    """Whether a folder is told by its own name or by more than one thing in it."""
    return folder.suffix == ".zarr" or len(list(folder.iterdir())) != 1


def _stem(path: Path) -> str:
    name = path.name
    for end in (*_TARS, *COMPRESSED):
        if name.lower().endswith(end):
            return name[: -len(end)]
    return name
