"""Several processes, started by ``torchrun``, that train one network.

The first does all that a single one does; the others only train. Every process reads and prepares
the data, and the first tells the others which seed comes next. The cells are shared out for training:
every process evaluates its share of the loss, and the shares add up to the loss. What a share needs
from the cells of others comes through `Processes.total` and `Processes.gather`; a process alone gets
back what it gave, without a copy.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

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


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a training, and which cells this one has.

    Attributes
    ----------
    rank, size
        Number of this process, from 0, and number of all.
    n_obs
        Number of cells of all.
    """

    rank: int = 0
    size: int = 1
    n_obs: int = 0

    @property
    def rows(self) -> slice:
        """The cells of this process: a stretch as long as the others', but for one cell."""
        return slice(self._start(self.rank), self._start(self.rank + 1))

    def total(self, x: Tensor) -> Tensor:
        """Sum of the ``x`` of all processes, which have the same shape; differentiable."""
        return x if self.size == 1 else _Total.apply(x)  # type: ignore[no-untyped-call]

    def gather(self, x: Tensor) -> Tensor:
        """Rows of all processes in order, (n_obs, n_features); of several, no gradient passes."""
        if self.size == 1:
            return x
        longest = -(-self.n_obs // self.size)
        padded = F.pad(x, (0, 0, 0, longest - len(x))).contiguous()
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded)
        lengths = [self._start(rank + 1) - self._start(rank) for rank in range(self.size)]
        return torch.cat([part[:n] for part, n in zip(parts, lengths, strict=True)])

    def _start(self, rank: int) -> int:
        return rank * self.n_obs // self.size


def current_processes(n_obs: int) -> Processes:
    """Return the processes that were started together, or this one alone."""
    if not (dist.is_available() and dist.is_initialized()):
        return Processes(n_obs=n_obs)
    return Processes(dist.get_rank(), dist.get_world_size(), n_obs)


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004 - torch's signature
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        total = grad.clone()
        dist.all_reduce(total)
        return total
