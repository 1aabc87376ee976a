"""Several processes that train together (torchrun), each with some rows of the data.

Every process evaluates its share of the loss, and the shares add up to the loss. What a share needs
from the cells of others comes through `Processes.total` and `Processes.gather`. A process alone gets
back what it gave, without a copy.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F


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
