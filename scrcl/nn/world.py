"""One training by several processes, each with some rows of the data: what they tell each other.

Every process evaluates its share of the loss, and the shares add up to the loss. What a share needs
from the cells of others comes through the two operations below; in their backward passes the
gradients of all shares meet. A process alone hears only itself, and nothing is copied.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class World:
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

    def propagate(self, adj: Tensor, x: Tensor) -> Tensor:
        """``adj @ x`` for a constant symmetric sparse ``adj``, differentiable in ``x``.

        Parameters
        ----------
        adj
            The rows of this process's cells, (n_own, n_obs).
        x
            The same of another matrix, (n_own, n_features).
        """
        # Outside the function, so that the gradient of x comes back in the precision of x.
        return _SymmetricProduct.apply(adj, x.to(adj.dtype), self)  # type: ignore[no-any-return, no-untyped-call]

    def gather(self, x: Tensor) -> Tensor:
        """Rows of all processes in order, (n_obs, n_features); no gradient passes."""
        if self.size == 1:
            return x
        longest = -(-self.n_obs // self.size)
        padded = F.pad(x, (0, 0, 0, longest - len(x))).contiguous()
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded)
        lengths = [self._start(rank + 1) - self._start(rank) for rank in range(self.size)]
        return torch.cat([part[:n] for part, n in zip(parts, lengths, strict=True)])

    def dropout(self, x: Tensor, probability: float, *, training: bool) -> Tensor:
        """Dropout of rows as a single process draws it, so that their number changes nothing.

        Its mask is of bytes: as floats, torch's own on the CPU is as large as ``x``.
        """
        if not training or not probability:
            return x
        if self.size == 1 and x.device.type != "cpu":
            return F.dropout(x, probability)  # one kernel
        n_rows = len(x) if self.size == 1 else self.n_obs
        every = torch.empty(n_rows, x.shape[1], dtype=torch.bool, device=x.device)
        kept = every.bernoulli_(1 - probability)
        kept = kept if self.size == 1 else kept[self.rows]
        return (x * kept).mul_(1 / (1 - probability))

    def _start(self, rank: int) -> int:
        return rank * self.n_obs // self.size


def current_world(n_obs: int) -> World:
    """Return the world of this process: of those that were started together, or alone."""
    if not (dist.is_available() and dist.is_initialized()):
        return World(n_obs=n_obs)
    return World(dist.get_rank(), dist.get_world_size(), n_obs)


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


class _SymmetricProduct(torch.autograd.Function):
    """Sparse times dense whose backward is the same product, as ``adj`` equals its transpose.

    Torch's own backward would convert ``adj`` to its transpose at every step.
    """

    @staticmethod
    def forward(ctx: Any, adj: Tensor, x: Tensor, world: World) -> Tensor:
        ctx.adj, ctx.world = adj, world
        # Sparse products have no half precision.
        with torch.autocast(x.device.type, enabled=False):
            return adj @ world.gather(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None]:
        return None, ctx.world.propagate(ctx.adj, grad), None
