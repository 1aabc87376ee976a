"""Several processes, one run: the first does all that a single one does, the others help to train.

Started by ``torchrun``. Every process reads and preprocesses the data; the cells are then shared out
for training, where the first tells the others which seed comes next. It alone clusters and writes.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from scrcl._validate import InputError
from scrcl.methods import get_method
from scrcl.model.pipeline import train

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scrcl.checkpoint import Checkpoint
    from scrcl.experiment.settings import Experiment
    from scrcl.methods import TrainingData


@contextmanager
def processes(experiment: Experiment, device: torch.device) -> Iterator[int]:
    """Meet the other processes that torchrun has started; yields the number of this one, from 0.

    Raises
    ------
    InputError
        If there are several and they have nothing to share: no network is trained, or labels watch
        every epoch.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield 0
        return
    method = experiment.config.cluster.method
    if experiment.oracle or not get_method(method).needs_network:
        why = (
            "--oracle watches"
            if experiment.oracle
            else f"cluster.method {method} trains no network"
        )
        msg = f"processes: got {size}, wanted one: {why}. Start the script without torchrun."
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


def follow(data: TrainingData, checkpoint: Callable[[int], Checkpoint]) -> None:
    """Train along with the first process until it has no more seeds."""
    while (seed := _next_seed()) is not None:
        train(data, seed, checkpoint=checkpoint(seed))


def _next_seed() -> int | None:
    said: list[int | None] = [None]
    dist.broadcast_object_list(said, src=0)
    return said[0]
