"""Cells a block at a time, and products of matrices as fast as the machine has them.

Arrays of all cells are slow to pass over: they leave the cache, and where they are new the system
has to hand out every page. So what is done to each cell is done to a block of cells, one operation
after the other, and only what all cells need is as long as the data.
"""

import platform
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

CPU_BLOCK, DEVICE_BLOCK = 512, 65_536
"""Cells of a block: what fits into a processor's cache, what keeps a graphics card busy."""


def row_blocks(x: Tensor) -> Iterator[slice]:
    """Yield slices that cover the rows of ``x``; one slice if there are few."""
    size = CPU_BLOCK if x.device.type == "cpu" else DEVICE_BLOCK
    for start in range(0, len(x), size):
        yield slice(start, min(start + size, len(x)))


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

    Single precision goes to oneDNN on a CPU where it is the faster one, see `prefers_onednn`.
    """
    if precision != x.dtype:
        return F.linear(x.to(precision), weight.to(precision)).to(x.dtype)
    if x.device.type == "cpu" and x.dtype == torch.float32 and prefers_onednn():
        # What torch's compiler calls for a linear layer.
        fast: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")  # noqa: SLF001
        return fast
    return F.linear(x, weight)


@cache
def prefers_onednn() -> bool:
    """Whether oneDNN multiplies matrices faster here than ``torch.mm``.

    Torch's own product is MKL's, which takes slower paths on processors that Intel did not make: a
    matter of the machine, not of a measurement, so that the same machine gives the same bits. The
    operator is a private one: where it is missing, ``torch.mm`` does.
    """
    there = hasattr(torch.ops.mkldnn, "_linear_pointwise")
    has_mkl: bool = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    return there and has_mkl and cpu_vendor() != "GenuineIntel"


def cpu_vendor() -> str:
    """Vendor of the processor as Linux says it (``AuthenticAMD``); "" where that is unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = platform.processor().split()  # Windows: "... Family 6 Model 158, GenuineIntel"
        return lines[-1] if lines else ""
    return next((line.split(":")[1].strip() for line in lines if line.startswith("vendor_id")), "")
