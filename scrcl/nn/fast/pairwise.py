"""`scrcl.nn.pairwise.compare` with its backward pass written out.

Autograd's would hold some 16 arrays of the embeddings' size and fill as many anew; this one holds
two, makes as many, and computes the rest a block at a time.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.linalg import vecdot

from scrcl.distributed import Processes
from scrcl.nn.fast.blocks import row_blocks
from scrcl.nn.pairwise import PairwiseKL, sum_over_neighbors
from scrcl.nn.sparse import column_blocks, degree, product_by_columns, symmetric_product

_ALL = slice(None)


def compare(
    e1: Float[Tensor, "n_obs n_hidden"],
    e2: Float[Tensor, "n_obs n_hidden"],
    adj: Float[Tensor, "n_obs n_obs"] | None,
    *,
    temperature: float,
    processes: Processes | None = None,
) -> PairwiseKL:
    """Compare the views of every cell as `scrcl.nn.pairwise.compare` does. Differentiable once."""
    processes = processes or Processes(n_obs=len(e1))
    dots = _Dots.apply(e1, e2, adj, temperature, processes)  # type: ignore[no-untyped-call]
    logsumexp1, logsumexp2, same_cell, mean_gap, px, qy, across = dots
    neighbors = None
    if adj is not None:
        neighbors = sum_over_neighbors(adj, px, qy, across=across, processes=processes)
    all_cells = processes.n_obs * px + processes.total(qy.sum())
    return PairwiseKL(logsumexp1, logsumexp2, same_cell, mean_gap, neighbors, all_cells)


class _Dots(torch.autograd.Function):
    """All dot products of rows that `compare` needs; a tilde marks what has its mean taken off.

    ``p~.x~``, ``q~.y~`` and, across the graph, ``p~_i.(A y~)_i + x~_i.(A q~)_i``, where x and p are
    centred by the means of y and q.
    """

    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes them by position
        ctx: Any,
        e1: Tensor,
        e2: Tensor,
        adj: Tensor | None,
        temperature: float,
        processes: Processes,
    ) -> tuple[Tensor, ...]:
        logsumexp1, logsumexp2, same_cell, mean_gap, px, qy, across = e1.new_empty(7, len(e1))
        for rows in row_blocks(e1):
            logsumexp1[rows] = torch.logsumexp(e1[rows] / temperature, dim=1)
            logsumexp2[rows] = torch.logsumexp(e2[rows] / temperature, dim=1)
        around_q, around_y, mean_q, mean_y = _around(
            e2, logsumexp2, adj, temperature=temperature, processes=processes
        )
        views = (e1, e2, logsumexp1, logsumexp2, mean_q, mean_y)
        centred = _Centred(temperature, *views)
        for rows in row_blocks(e1):
            x, p = centred.view1(rows)
            y, q = centred.view2(rows)
            px[rows], qy[rows] = vecdot(p, x), vecdot(q, y)
            across[rows] = vecdot(p, around_y[rows]) + vecdot(x, around_q[rows])
            apart = x.sub_(y)
            mean_gap[rows] = vecdot(q, apart) + apart @ mean_q
            same_cell[rows] = vecdot(p.sub_(q), apart)
        ctx.save_for_backward(*views)
        # Not among the saved, which stay to the end: a gradient takes the place of one of them.
        ctx.around = around_q, around_y
        ctx.adj, ctx.temperature, ctx.processes = adj, temperature, processes
        return logsumexp1, logsumexp2, same_cell, mean_gap, px, qy, across

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients by logits and by probabilities first, these two then joined by the softmax.

        What one view needs of all cells is gone before the other's is made.
        """
        centred = _Centred(ctx.temperature, *ctx.saved_tensors)
        of = tuple(grad[:, None] for grad in grads)
        around, ctx.around = ctx.around, None
        if around is None:  # this is the second time
            again = {"temperature": ctx.temperature, "processes": ctx.processes}
            around = _around(centred.e2, centred.logsumexp2, ctx.adj, **again)[:2]
        by_e1 = _by_view1(centred, of, *around)
        del around
        return by_e1, _by_view2(centred, of, ctx.adj, ctx.processes), None, None, None


class _Centred(NamedTuple):
    """Both embeddings and what makes logits and probabilities of them, a block at a time."""

    temperature: float
    e1: Tensor
    e2: Tensor
    logsumexp1: Tensor
    logsumexp2: Tensor
    mean_q: Tensor
    mean_y: Tensor

    def view1(self, rows: slice = _ALL, columns: slice = _ALL) -> tuple[Tensor, Tensor]:
        """``x~`` and ``p~``, both new."""
        return self._of(self.e1, self.logsumexp1, rows, columns)

    def view2(self, rows: slice = _ALL, columns: slice = _ALL) -> tuple[Tensor, Tensor]:
        """``y~`` and ``q~``, both new."""
        return self._of(self.e2, self.logsumexp2, rows, columns)

    def _of(
        self, e: Tensor, logsumexp: Tensor, rows: slice, columns: slice
    ) -> tuple[Tensor, Tensor]:
        logits = e[rows, columns] / self.temperature
        soft = (logits - logsumexp[rows, None]).exp_().sub_(self.mean_q[columns])
        return logits.sub_(self.mean_y[columns]), soft

    def logits(self, e: Tensor, rows: slice, columns: slice) -> Tensor:
        """``x~`` or ``y~`` alone, new."""
        return (e[rows, columns] / self.temperature).sub_(self.mean_y[columns])


def _around(
    e2: Tensor, logsumexp2: Tensor, adj: Tensor | None, *, temperature: float, processes: Processes
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute ``A q~`` and ``A y~``, and the means of q and y."""
    mean_q, mean_y = e2.new_empty(2, e2.shape[1])

    def q_columns(columns: slice) -> Tensor:
        q = (e2[:, columns] / temperature).sub_(logsumexp2[:, None]).exp_()
        mean_q[columns] = processes.total(q.sum(0)) / processes.n_obs
        return q.sub_(mean_q[columns])

    def y_columns(columns: slice) -> Tensor:
        y = e2[:, columns] / temperature
        mean_y[columns] = processes.total(y.sum(0)) / processes.n_obs
        return y.sub_(mean_y[columns])

    around_q, around_y = (
        _over_graph(adj, made, like=e2, processes=processes) for made in (q_columns, y_columns)
    )
    return around_q, around_y, mean_q, mean_y


def _over_graph(
    adj: Tensor | None,
    make_columns: Callable[[slice], Tensor],
    *,
    like: Tensor,
    processes: Processes,
) -> Tensor:
    """Multiply A with an x that is made some columns at a time; zeros without a graph."""
    if adj is not None:
        return product_by_columns(adj, make_columns, like.shape[1], processes)
    for columns in column_blocks(like.shape[1], like.device):
        make_columns(columns)
    return torch.zeros_like(like)


def _by_view1(
    centred: _Centred, of: tuple[Tensor, ...], around_q: Tensor, around_y: Tensor
) -> Tensor:
    """Gradient by e1, in the place of ``around_q``."""
    mass1, _, same_cell, mean_gap, px, _, across = of
    for rows in row_blocks(around_q):
        x, p = centred.view1(rows)
        y, q = centred.view2(rows)
        by_p = around_y[rows].mul_(across[rows]).addcmul_(x, px[rows])
        by_p.addcmul_(x.sub_(y), same_cell[rows])
        by_x = around_q[rows].mul_(across[rows]).addcmul_(p, px[rows] + same_cell[rows])
        by_x.addcmul_(q, mean_gap[rows] - same_cell[rows]).addcmul_(centred.mean_q, mean_gap[rows])
        _through_softmax(by_x, by_p, p.add_(centred.mean_q), mass1[rows])
        by_x.div_(centred.temperature)
    return around_q


def _by_view2(
    centred: _Centred, of: tuple[Tensor, ...], adj: Tensor | None, processes: Processes
) -> Tensor:
    """Gradient by e2, the means included, on which all cells depend."""
    _, mass2, same_cell, mean_gap, px, qy, across = of
    # Of the gradients by x~, y~, p~ and q~, the means' are the sums over all cells. There, same_cell
    # and mean_gap cancel, and A's columns sum to what its rows do.
    of_1, of_2 = px, qy
    if adj is not None:
        of_1 = px + degree(adj)[:, None] * across
        of_2 = qy + symmetric_product(adj, across, processes)
    by_mean_y, by_mean_q = torch.empty_like(centred.mean_y), torch.empty_like(centred.mean_q)

    def x_columns(columns: slice) -> Tensor:
        x, y = centred.logits(centred.e1, _ALL, columns), centred.logits(centred.e2, _ALL, columns)
        by_mean_q[columns] = (of_1.T @ x + of_2.T @ y)[0]
        return x.mul_(across)

    def p_columns(columns: slice) -> Tensor:
        (_, p), (_, q) = centred.view1(columns=columns), centred.view2(columns=columns)
        by_mean_y[columns] = (of_1.T @ p + of_2.T @ q)[0]
        return p.mul_(across)

    around_x, around_p = (
        _over_graph(adj, made, like=centred.e1, processes=processes)
        for made in (x_columns, p_columns)
    )
    by_mean_q, by_mean_y = (processes.total(by) / processes.n_obs for by in (by_mean_q, by_mean_y))
    for rows in row_blocks(around_x):
        x, p = centred.view1(rows)
        y, q = centred.view2(rows)
        by_q = around_x[rows].sub_(by_mean_q).addcmul_(y, qy[rows])
        by_q.addcmul_(x.sub_(y), mean_gap[rows] - same_cell[rows])
        by_y = around_p[rows].sub_(by_mean_y).addcmul_(p, -same_cell[rows])
        by_y.addcmul_(q, qy[rows] + same_cell[rows] - mean_gap[rows])
        by_y.addcmul_(centred.mean_q, -mean_gap[rows])
        _through_softmax(by_y, by_q, q.add_(centred.mean_q), mass2[rows])
        by_y.div_(centred.temperature)
    return around_p


def _through_softmax(by_x: Tensor, by_p: Tensor, p: Tensor, by_mass: Tensor) -> None:
    """Add to the gradient by logits what comes to them through p and through their mass."""
    by_x.addcmul_(p, by_p.sub_(vecdot(p, by_p)[:, None]).add_(by_mass))
