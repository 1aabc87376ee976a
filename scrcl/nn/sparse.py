"""Products with the symmetric sparse graph of the cells."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from scrcl.distributed import Processes

CPU_COLUMNS = 128
"""Columns of a block that has all cells; graphics cards take them all."""


def symmetric_product(
    adj: Float[Tensor, "n_own n_obs"], x: Float[Tensor, "n_own n_features"], processes: Processes
) -> Float[Tensor, "n_own n_features"]:
    """``adj @ x`` for a constant symmetric sparse ``adj``, differentiable in ``x``.

    Of several processes, each has the rows of its own cells in both.
    """
    return _SymmetricProduct.apply(adj, x, processes)  # type: ignore[no-any-return, no-untyped-call]


def product_by_columns(
    adj: Float[Tensor, "n_own n_obs"],
    make_columns: Callable[[slice], Tensor],
    n_columns: int,
    processes: Processes,
) -> Float[Tensor, "n_own n_columns"]:
    """``adj @ x`` for an ``x`` that is made some columns at a time; no gradient passes.

    So x never has to exist as a whole, and on a CPU the rows that a cell's neighbours have are
    found in the cache.
    """
    out = adj.values().new_empty(adj.shape[0], n_columns)
    # Sparse products have no half precision.
    with torch.autocast(adj.device.type, enabled=False):
        for columns in column_blocks(n_columns, adj.device):
            out[:, columns] = adj @ processes.gather(make_columns(columns).contiguous())
    return out


def column_blocks(n_columns: int, device: torch.device) -> Iterator[slice]:
    """Yield slices that cover the columns of an array of all cells."""
    size = CPU_COLUMNS if device.type == "cpu" else n_columns
    for start in range(0, n_columns, size):
        yield slice(start, min(start + size, n_columns))


def degree(adj: Float[Tensor, "n_own n_obs"]) -> Float[Tensor, " n_own"]:
    """Count the neighbours of each cell."""
    return adj.crow_indices().diff().to(adj.dtype)


class _SymmetricProduct(torch.autograd.Function):
    """Sparse times dense whose backward is the same product, as ``adj`` equals its transpose.

    Torch's own backward would convert ``adj`` to its transpose at every step.
    """

    @staticmethod
    def forward(ctx: Any, adj: Tensor, x: Tensor, processes: Processes) -> Tensor:
        ctx.adj, ctx.processes = adj, processes
        return product_by_columns(adj, lambda columns: x[:, columns], x.shape[1], processes)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None]:
        return None, symmetric_product(ctx.adj, grad, ctx.processes), None
