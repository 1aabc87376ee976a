"""One training by several processes, each with some rows of the data: what they tell each other.

Every process evaluates its share of the loss, and the shares add up to the loss. What a share needs
from the cells of others comes through the two operations below; in their backward passes the
gradients of all shares meet. A process alone hears only itself, and nothing is copied.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

from scrcl.nn.blocks import column_blocks

_INT16, _INT64 = torch.iinfo(torch.int16), torch.iinfo(torch.int64)


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
        return _SymmetricProduct.apply(adj, x, self)  # type: ignore[no-any-return, no-untyped-call]

    def mix(self, adj: Tensor, made: Callable[[slice], Tensor], n_columns: int) -> Tensor:
        """``adj @ x`` for an ``x`` that is made some columns at a time; no gradient passes.

        So x never has to exist as a whole, and on a CPU the rows that a cell's neighbours have are
        found in the cache.

        Parameters
        ----------
        adj
            The rows of this process's cells, (n_own, n_obs).
        made
            Makes some columns of this process's rows of x.
        n_columns
            Of x.
        """
        out = adj.values().new_empty(adj.shape[0], n_columns)
        # Sparse products have no half precision.
        with torch.autocast(adj.device.type, enabled=False):
            for columns in column_blocks(n_columns, adj.device):
                out[:, columns] = adj @ self.gather(made(columns).contiguous())
        return out

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

    def dropout_mask(
        self, n_rows: int, n_columns: int, probability: float, device: torch.device
    ) -> Tensor | None:
        """Draw which entries of this process's rows dropout keeps; None if it keeps them all.

        Drawn as a single process draws it, so that the number of processes changes nothing. One byte
        an entry; on a CPU of 16 random bits each, as drawing takes longer than using what is drawn.
        """
        if not probability:
            return None
        shape = (n_rows if self.size == 1 else self.n_obs, n_columns)
        if device.type == "cpu":
            words = torch.empty(-(-shape[0] * shape[1] // 4), dtype=torch.int64)
            bits = words.random_(_INT64.min, None).view(torch.int16)[: shape[0] * shape[1]]
            kept = (bits >= round(_INT16.min + probability * 2**16)).view(shape)
        else:
            kept = torch.empty(shape, dtype=torch.bool, device=device).bernoulli_(1 - probability)
        return kept if self.size == 1 else kept[self.rows]

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
        return world.mix(adj, lambda columns: x[:, columns], x.shape[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None]:
        return None, ctx.world.propagate(ctx.adj, grad), None
