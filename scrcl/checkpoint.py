"""A training that was cut off goes on where it was: one file, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scrcl._validate import InputError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 2


@dataclass(slots=True, kw_only=True)
class Checkpoint:
    """The file that a training is saved to now and then.

    Attributes
    ----------
    path
        The file.
    every_s
        Seconds between two savings, at least: the time that a cut costs, at most. Saving costs a
        copy of the network and of Adam's two moments to the disk.
    """

    path: Path
    every_s: float = 60.0
    _last: float = field(default_factory=time.monotonic, init=False)

    def load(self, identity: str) -> dict[str, Any] | None:
        """Return what was saved, on the CPU; ``None`` if nothing was.

        Only tensors and plain values are read: the file cannot run code.

        Parameters
        ----------
        identity
            Of the training that wants to go on, from `identify`.

        Raises
        ------
        InputError
            If the file is not readable, or of another training.
        """
        if not self.path.exists():
            return None
        try:
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:  # whatever torch stumbles over in what is no checkpoint
            msg = (
                f"checkpoint: got {self.path}, which cannot be read ({_first_line(error)}), wanted "
                "one that was written here. Remove it to train from the start."
            )
            raise InputError(msg) from error
        if not isinstance(saved, dict) or (saved.get("format"), saved.get("identity")) != (
            FORMAT,
            identity,
        ):
            msg = (
                f"checkpoint: got {self.path} of another training (data, settings or version "
                "differ), wanted one of this. Remove it to train from the start."
            )
            raise InputError(msg)
        state: dict[str, Any] = saved["state"]
        return state

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._last >= self.every_s

    def save(self, identity: str, state: dict[str, Any]) -> None:
        """Replace the file.

        Raises
        ------
        OSError
            If it cannot be written; the old one is still there.
        """
        part = self.path.with_name(f".{self.path.name}.part")
        try:
            with part.open("wb") as file:
                torch.save({"format": FORMAT, "identity": identity, "state": state}, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        except RuntimeError as error:  # torch puts its own in the place of the system's
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise
        finally:
            part.unlink(missing_ok=True)
            self._last = (
                time.monotonic()
            )  # after it: a slow disk must not be written to all the time


def identify(*parts: object) -> str:
    """SHA-256 of what decides a training: arrays by their content, the rest by ``repr``."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, torch.Tensor | np.ndarray):
            values = np.asarray(part.detach().cpu() if isinstance(part, torch.Tensor) else part)
            digest.update(repr((values.dtype, values.shape)).encode() + values.tobytes())
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
