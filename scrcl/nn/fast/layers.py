"""The layers of the encoders, with their backward passes written out, a block of cells at a time.

Autograd would keep every intermediate array of (n_obs, n_hidden) and fill new ones on the way back.
These functions keep what cannot be had again: the unit rows that a view is, with their lengths; the
hidden layers of the graph view; and dropout masks of one byte per entry. Each is differentiable once.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from scrcl.distributed import Processes
from scrcl.nn.fast.blocks import precision_of, product, row_blocks
from scrcl.nn.network import LEAK
from scrcl.nn.sparse import product_by_columns, symmetric_product

_SHORTEST = 1e-12
"""Rows shorter than this are divided by it, as torch does."""


def unit_layer(
    x: Float[Tensor, "n_obs n_in"],
    weight: Float[Tensor, "n_out n_in"],
    bias: Float[Tensor, " n_out"],
    *,
    slope: float,
) -> tuple[Float[Tensor, "n_obs n_out"], Float[Tensor, "n_obs 1"]]:
    """Linear layer, activation, rows of unit length: ``h = act(x W^T + b)``, ``e = h / |h|``.

    Parameters
    ----------
    slope
        Of the activation below 0: 0 is ReLU.

    Returns
    -------
    ``e``, whose rows of zeros stay zeros, and ``|h|``.
    """
    return _UnitLayer.apply(x, weight, bias, slope, precision_of(x))  # type: ignore[no-any-return, no-untyped-call]


def graph_layers(
    ax: Float[Tensor, "n_obs n_in"],
    norm_adj: Float[Tensor, "n_obs n_all"],
    first: tuple[Float[Tensor, "n_mid n_in"], Float[Tensor, " n_mid"]],
    second: tuple[Float[Tensor, "n_out n_mid"], Float[Tensor, " n_out"]],
    *,
    kept: Bool[Tensor, "n_obs n_out"] | None,
    scale: float,
    processes: Processes,
) -> Float[Tensor, "n_obs n_out"]:
    """Two graph convolutions: ``u = act(ax W1^T + b1)``, ``drop(act(S u W2^T + b2))``.

    Parameters
    ----------
    ax
        S X1.
    norm_adj
        S, symmetric and constant.
    first, second
        Weight and bias of each.
    kept, scale
        Which entries dropout keeps (None: all), and what those are multiplied by.
    processes
        Those that have the other cells.
    """
    constants = (kept, scale, processes, precision_of(ax))
    return _GraphLayers.apply(ax, norm_adj, *first, *second, *constants)  # type: ignore[no-any-return, no-untyped-call]


def dropped_product(
    x: Float[Tensor, "n_obs n_in"],
    weight: Float[Tensor, "n_out n_in"],
    *,
    kept: Bool[Tensor, "n_obs n_in"] | None,
    scale: float,
) -> Float[Tensor, "n_obs n_out"]:
    """``drop(x) W^T`` in the precision of x, without keeping ``drop(x)``."""
    with torch.autocast(x.device.type, enabled=False):
        return _DroppedProduct.apply(x, weight.to(x.dtype), kept, scale)  # type: ignore[no-any-return, no-untyped-call]


class _UnitLayer(torch.autograd.Function):
    """The gradient by h is ``(g - (g.e) e) / |h|``, and e for its length."""

    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes them by position
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, slope: float, precision: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        e, length = x.new_empty(len(x), len(weight)), x.new_empty(len(x), 1)
        for rows in row_blocks(x):
            h = _activate(_affine(x[rows], weight, bias, precision), slope)
            length[rows] = torch.linalg.vector_norm(h, dim=1, keepdim=True).clamp_min_(_SHORTEST)
            torch.div(h, length[rows], out=e[rows])
        ctx.save_for_backward(x, weight, bias, e, length)
        ctx.slope, ctx.precision = slope, precision
        return e, length

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_e: Tensor, by_length: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, e, length = ctx.saved_tensors
        by_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        by_weight, by_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        for rows in row_blocks(x):
            g, own = by_e[rows], e[rows]
            stretch = by_length[rows] * length[rows] - torch.linalg.vecdot(g, own)[:, None]
            # Of a row that was too short, the length is a constant.
            stretch.masked_fill_(length[rows] <= _SHORTEST, 0)
            g = torch.addcmul(g, own, stretch).div_(length[rows])
            g = _back_through(g, own, ctx.slope)
            by_bias += g.sum(0)
            by_weight += product(g.T, x[rows].T, ctx.precision)
            if by_x is not None:
                by_x[rows] = product(g, weight.T, ctx.precision)
        return by_x, by_weight, by_bias, None, None


class _GraphLayers(torch.autograd.Function):
    """The gradient by u is never held: each block of it goes on to the first weight at once."""

    @staticmethod
    def forward(  # noqa: PLR0913, PLR0917 - torch passes them by position
        ctx: Any,
        ax: Tensor,
        norm_adj: Tensor,
        weight1: Tensor,
        bias1: Tensor,
        weight2: Tensor,
        bias2: Tensor,
        kept: Tensor | None,
        scale: float,
        processes: Processes,
        precision: torch.dtype,
    ) -> Tensor:
        u = ax.new_empty(len(ax), len(weight1))
        mixed = ax.new_empty(len(ax), len(weight2))
        for rows in row_blocks(ax):
            u[rows] = _activate(_affine(ax[rows], weight1, bias1, precision), LEAK)
            mixed[rows] = product(u[rows], weight2, precision)
        out = symmetric_product(norm_adj, mixed, processes)
        for rows in row_blocks(ax):
            _activate(out[rows].add_(bias2), LEAK)
            if kept is not None:
                out[rows].mul_(kept[rows]).mul_(scale)
        ctx.save_for_backward(ax, norm_adj, weight1, bias1, weight2, u, out, kept)
        ctx.scale, ctx.processes, ctx.precision = scale, processes, precision
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        ax, norm_adj, weight1, bias1, weight2, u, out, kept = ctx.saved_tensors
        by_weight1, by_bias1 = torch.zeros_like(weight1), torch.zeros_like(bias1)
        by_weight2, by_bias2 = torch.zeros_like(weight2), grad.new_empty(len(weight2))

        def by_mixed_columns(columns: slice) -> Tensor:
            g = _back_through(grad[:, columns], out[:, columns], LEAK)
            if kept is not None:
                g.mul_(kept[:, columns]).mul_(ctx.scale)
            by_bias2[columns] = g.sum(0)
            return g

        by_mixed = product_by_columns(norm_adj, by_mixed_columns, len(weight2), ctx.processes)
        by_ax = torch.empty_like(ax) if ctx.needs_input_grad[0] else None
        for rows in row_blocks(grad):
            by_weight2 += product(by_mixed[rows].T, u[rows].T, ctx.precision)
            g = _back_through(product(by_mixed[rows], weight2.T, ctx.precision), u[rows], LEAK)
            by_bias1 += g.sum(0)
            by_weight1 += product(g.T, ax[rows].T, ctx.precision)
            if by_ax is not None:
                by_ax[rows] = product(g, weight1.T, ctx.precision)
        return by_ax, None, by_weight1, by_bias1, by_weight2, by_bias2, None, None, None, None


class _DroppedProduct(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes them by position
        ctx: Any, x: Tensor, weight: Tensor, kept: Tensor | None, scale: float
    ) -> Tensor:
        ctx.save_for_backward(x, weight, kept)
        ctx.scale = scale
        out = x.new_empty(len(x), len(weight))
        for rows in row_blocks(x):
            out[rows] = _drop(x[rows], kept, rows) @ weight.T
        return out.mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, kept = ctx.saved_tensors
        by_x, by_weight = torch.empty_like(x), torch.zeros_like(weight)
        for rows in row_blocks(x):
            g = grad[rows] * ctx.scale
            by_weight += g.T @ _drop(x[rows], kept, rows)
            by_x[rows] = _drop(g @ weight, kept, rows)
        return by_x, by_weight, None, None


def _affine(x: Tensor, weight: Tensor, bias: Tensor, precision: torch.dtype) -> Tensor:
    return product(x, weight, precision).add_(bias)


def _activate(h: Tensor, slope: float) -> Tensor:
    """In place; ReLU by itself, which gives no negative zeros."""
    return F.leaky_relu_(h, slope) if slope else F.relu_(h)


def _back_through(grad: Tensor, activated: Tensor, slope: float) -> Tensor:
    """Gradient in front of an activation, from what it gave: anything with the same signs."""
    by_input: Tensor = torch.ops.aten.leaky_relu_backward(grad, activated, slope, True)  # noqa: FBT003
    return by_input


def _drop(x: Tensor, kept: Tensor | None, rows: slice) -> Tensor:
    return x if kept is None else x * kept[rows]
