"""Rows of unit length, without the copies that torch's own backward makes."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

_SHORTEST = 1e-12
"""Rows shorter than this are divided by it, as torch does."""


def unit_rows(h: Float[Tensor, "n_rows n_columns"]) -> Float[Tensor, "n_rows n_columns"]:
    """Scale each row to unit length; rows of zeros stay zeros. Differentiable once."""
    return _UnitRows.apply(h)  # type: ignore[no-any-return, no-untyped-call]


class _UnitRows(torch.autograd.Function):
    """``e = h / |h|``, of which the gradient is ``(g - (g.e) e) / |h|``."""

    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(h, dim=1, keepdim=True).clamp_min_(_SHORTEST)
        e: Tensor = h / length
        ctx.save_for_backward(e, length)
        return e

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        e, length = ctx.saved_tensors
        along = torch.linalg.vecdot(grad, e)[:, None]
        # Of a row that was too short, the length is a constant.
        along = along.masked_fill(length <= _SHORTEST, 0)
        return torch.addcmul(grad, e, along, value=-1).div_(length)
