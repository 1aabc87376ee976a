"""One file from the network: resumed where it was cut, checked, whole or not there."""

from __future__ import annotations

import json
import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pooch
import requests
from tqdm import tqdm

from scrcl._validate import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

_TRIES = 5
_PAUSE = 1.0  # seconds before a cut download goes on
_TIMEOUT = (10, 60)  # seconds to connect, and between two pieces
_PIECE = 1 << 16


def download(
    urls: Sequence[str],
    target: Path,
    *,
    sha256: str | None = None,
    progress: bool = False,
) -> str:
    """Download a file from the first of several addresses that gives it.

    A download that is cut goes on where it stopped, in this call and in the next one; what is there
    of it waits in ``<target>.part``. A file that is there already is checked and used.

    Parameters
    ----------
    urls
        The same file at several places.
    target
        Where it goes; its folder is made.
    sha256
        What it must have; ``None``: not known.
    progress
        Show a bar on stderr.

    Returns
    -------
    The SHA-256 of the file.

    Raises
    ------
    InputError
        If no address gives the file whole and with the right checksum.
    """
    logging.getLogger("pooch").setLevel(logging.ERROR)  # we say what happens
    problems = []
    for url in urls:
        try:
            pooch.retrieve(
                url,
                known_hash=None if sha256 is None else f"sha256:{sha256}",
                fname=target.name,
                path=target.parent,
                downloader=_Resumable(target.with_name(f"{target.name}.part"), progress=progress),
            )
        except (requests.RequestException, ValueError) as error:
            problems.append(f"{url}: {_reason(error)}")
            log.warning("%s", problems[-1])
        else:
            return str(pooch.file_hash(str(target), alg="sha256"))
    msg = (
        f"fetch: got no {target.name} ({'; '.join(problems)}), wanted it from one of these. "
        "Run again to go on where it stopped, give another place with --mirror, or get the file "
        f"in a browser and put it at {target.absolute()}."
    )
    raise InputError(msg)


def _reason(error: Exception) -> str:
    """Say in a few words why there is no file."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"{response.status_code} {response.reason}"
    if isinstance(error, _CutError):
        return str(error)
    if isinstance(error, requests.RequestException):
        return "no connection" if isinstance(error, requests.ConnectionError) else str(error)
    hashes = re.findall(r"[0-9a-f]{64}", str(error))  # pooch says what it wanted, then what came
    return f"wrong checksum, {hashes[-1]}" if hashes else str(error)


class _CutError(requests.RequestException):
    """The connection ended before the file did."""


@dataclass
class _Resumable:
    """A downloader in the form that pooch calls; pooch itself begins anew each time.

    A part goes on only if the server says that its file is still the same one (``If-Range`` with an
    ETag or a date): two halves of two versions are never joined.
    """

    part: Path
    progress: bool

    def __call__(self, url: str, output_file: str, _: object) -> None:
        for attempt in range(_TRIES):
            before = self._size()
            try:
                self._go_on(url)
                break
            except (requests.ConnectionError, requests.Timeout, _CutError) as error:
                size = self._size()
                if size <= before:  # nothing came: there is no use in asking again and again
                    raise
                if attempt + 1 == _TRIES:
                    msg = f"cut {_TRIES} times, {size:,} bytes are kept"
                    raise _CutError(msg) from error
                log.warning("%s: cut after %s bytes, going on", url, f"{size:,}")
                time.sleep(_PAUSE)
        self.part.replace(output_file)
        self._tag.unlink(missing_ok=True)

    @property
    def _tag(self) -> Path:
        """Where the part comes from, and of which version of the file it is."""
        return self.part.with_name(f"{self.part.name}.json")

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _go_on(self, url: str) -> None:
        headers = {"User-Agent": "scrcl", "Accept-Encoding": "identity"}
        there, version = self._size(), self._version(url)
        if there and version is not None:
            headers |= {"Range": f"bytes={there}-", "If-Range": version}
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                self.part.unlink()  # longer than the file: not a part of it
                msg = "the part that was there does not belong to this file"
                raise _CutError(msg)
            response.raise_for_status()
            same = response.headers.get("Content-Range", "").startswith(f"bytes {there}-")
            start = there if response.status_code == requests.codes.partial_content and same else 0
            length = response.headers.get("Content-Length")
            whole = None if length is None else start + int(length)
            response.raw.enforce_content_length = False  # keep the last piece; checked below
            self._write(url, response, start, whole)
        if whole is not None and self._size() != whole:
            msg = f"cut after {self._size():,} of {whole:,} bytes"
            raise _CutError(msg)

    def _write(self, url: str, response: requests.Response, start: int, whole: int | None) -> None:
        self._tag.write_text(json.dumps({"url": url, "version": _version_of(response)}))
        name = self.part.name.removesuffix(".part")
        bar = tqdm(
            desc=name, total=whole, initial=start, unit="B", unit_scale=True,
            disable=not self.progress,
        )  # fmt: skip
        with self.part.open("ab" if start else "wb") as file, bar:
            try:
                for piece in response.iter_content(_PIECE):
                    file.write(piece)
                    bar.update(len(piece))
            except requests.exceptions.ChunkedEncodingError as error:
                raise _CutError(str(error)) from error

    def _version(self, url: str) -> str | None:
        """Version of the file that the part is of; ``None`` if that cannot be told."""
        try:
            tag: dict[str, Any] = json.loads(self._tag.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return tag["version"] if tag.get("url") == url else None


def _version_of(response: requests.Response) -> str | None:
    """ETag, if it promises equal bytes, else date of change."""
    etag = response.headers.get("ETag")
    if etag is not None and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")
