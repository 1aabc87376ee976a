"""Symmetric KL divergences between the views of cells: what the alignment losses are made of.

Two identities carry it, and both are exact:

- a softmax row sums to one, so any constant added to a row of log-probabilities cancels from
  ``(p - q).(log p - log q)``; the logits x, y can stand in for log p, log q;
- ``sum_j (a - b_j).(c - d_j) = N (a - mean b).(c - mean d) + sum_j (b_j - mean b).(d_j - mean d)``,
  so a sum over all pairs needs only row sums, and the means double as the common shift that
  keeps float32 accurate.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vecdot

from scrcl.distributed import Processes
from scrcl.nn.sparse import degree, symmetric_product


class PairwiseKL(NamedTuple):
    """Divergences of each cell from itself and from others across the views; all (n_obs,).

    With the logits ``x = e1 / temperature``, ``y = e2 / temperature``, their softmax p and q, and
    ``D_ij = (p_i - q_j).(x_i - y_j)``, the symmetric KL between cell i in view 1 and cell j in
    view 2.
    """

    logsumexp1: Tensor
    """Log of the sum of exp(x) over each row."""
    logsumexp2: Tensor
    """The same of y."""
    same_cell: Tensor
    """``D_ii``."""
    mean_gap: Tensor
    """``q_i.(x_i - y_i)``: mean difference of the logits under q."""
    neighbors: Tensor | None
    """Sum of ``D_ij`` over the neighbours j of i; ``None`` without a graph."""
    all_cells: Tensor
    """Sum of ``D_ij`` over all j."""


def compare(
    e1: Float[Tensor, "n_obs n_hidden"],
    e2: Float[Tensor, "n_obs n_hidden"],
    adj: Float[Tensor, "n_obs n_obs"] | None,
    *,
    temperature: float,
    processes: Processes | None = None,
) -> PairwiseKL:
    """Compare the views of every cell.

    ``adj`` is the binary symmetric sparse graph without self loops; ``None``: neighbours are not
    asked for.
    """
    processes = processes or Processes(n_obs=len(e1))
    x, y = e1 / temperature, e2 / temperature
    p, q = torch.softmax(x, dim=1), torch.softmax(y, dim=1)
    logsumexp1, logsumexp2 = torch.logsumexp(x, dim=1), torch.logsumexp(y, dim=1)
    same_cell, mean_gap = vecdot(p - q, x - y), vecdot(q, x - y)
    mean_y, mean_q = (processes.total(rows.sum(0)) / processes.n_obs for rows in (y, q))
    x, p, y, q = x - mean_y, p - mean_q, y - mean_y, q - mean_q
    px, qy = vecdot(p, x), vecdot(q, y)
    neighbors = None
    if adj is not None:
        around_y, around_q = (symmetric_product(adj, rows, processes) for rows in (y, q))
        across = vecdot(p, around_y) + vecdot(x, around_q)
        neighbors = sum_over_neighbors(adj, px, qy, across=across, processes=processes)
    all_cells = processes.n_obs * px + processes.total(qy.sum())
    return PairwiseKL(logsumexp1, logsumexp2, same_cell, mean_gap, neighbors, all_cells)


def sum_over_neighbors(
    adj: Tensor, px: Tensor, qy: Tensor, *, across: Tensor, processes: Processes
) -> Float[Tensor, " n_obs"]:
    """Sum ``D_ij`` over neighbours from ``p~.x~``, ``q~.y~`` and ``p~.(A y~) + x~.(A q~)``."""
    return degree(adj) * px + symmetric_product(adj, qy[:, None], processes)[:, 0] - across
