"""Cells a block at a time, and products of matrices as fast as the machine has them.

Arrays of all cells are slow to pass over: they leave the cache, and where they are new the system
has to hand out every page. So what is done to each cell is done to a block of cells, one operation
after the other, and only what all cells need is as long as the data.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

CPU_BLOCK, DEVICE_BLOCK = 512, 65_536
"""Cells of a block: what fits into a processor's cache, what keeps a graphics card busy."""
CPU_COLUMNS = 128
"""Columns of a block, where it has all cells; graphics cards take them all."""


def row_blocks(x: Tensor) -> Iterator[slice]:
    """Yield slices that cover the rows of ``x``; one slice if there are few."""
    size = CPU_BLOCK if x.device.type == "cpu" else DEVICE_BLOCK
    for start in range(0, len(x), size):
        yield slice(start, min(start + size, len(x)))


def column_blocks(n_columns: int, device: torch.device) -> Iterator[slice]:
    """Yield slices that cover the columns of an array of all cells."""
    size = CPU_COLUMNS if device.type == "cpu" else n_columns
    for start in range(0, n_columns, size):
        yield slice(start, min(start + size, n_columns))


def precision_of(x: Tensor) -> torch.dtype:
    """Dtype in which products of ``x`` are computed: that of autocast where it is on, else its own."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def product(
    x: Float[Tensor, "n_rows n_in"],
    weight: Float[Tensor, "n_out n_in"],
    precision: torch.dtype,
) -> Float[Tensor, "n_rows n_out"]:
    """``x @ weight.T`` of matrices or views of them, computed in ``precision``; no gradient passes.

    Single precision on a CPU goes to oneDNN. It reaches the full rate of the machine in the shapes of
    a training step, while ``torch.mm`` had some 60 % of it on the AMD processor where it was tried.
    """
    if precision != x.dtype:
        return F.linear(x.to(precision), weight.to(precision)).to(x.dtype)
    if _HAS_ONEDNN and x.device.type == "cpu" and x.dtype == torch.float32:
        # What torch's compiler calls for a linear layer.
        fast: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")  # noqa: SLF001
        return fast
    return F.linear(x, weight)


_HAS_ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")
