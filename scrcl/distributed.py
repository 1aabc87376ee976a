"""Several processes, started by ``torchrun``, that train one network.

The first does all that a single one does; the others only train. Every process reads and prepares
the data, the cells are shared out for training, and the first tells the others which seed comes
next. How a step is shared out is in `scrcl.nn`.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from scrcl._validate import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def processes(device: torch.device, *, one_only: str | None = None) -> Iterator[int]:
    """Meet the other processes that torchrun has started; yields the number of this one, from 0.

    Parameters
    ----------
    device
        Where to train.
    one_only
        Why there can only be one; ``None``: there can be several.

    Raises
    ------
    InputError
        If there are several and there can only be one.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield 0
        return
    if one_only is not None:
        msg = f"processes: got {size}, wanted one: {one_only}. Start the script without torchrun."
        raise InputError(msg)
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield dist.get_rank()
    finally:
        dist.destroy_process_group()


def announce(seed: int | None) -> None:
    """Tell the other processes, if there are any, which seed is trained next; ``None``: no more."""
    if dist.is_available() and dist.is_initialized():
        dist.broadcast_object_list([seed], src=0)


def announced_seeds() -> Iterator[int]:
    """Yield the seeds that the first process announces."""
    while True:
        said: list[int | None] = [None]
        dist.broadcast_object_list(said, src=0)
        if said[0] is None:
            return
        yield said[0]
