"""What the alignment losses need to know of each cell, in few passes over the embeddings.

Two identities carry it, and both are exact:

- a softmax row sums to one, so any constant added to a row of log-probabilities cancels from
  ``(p - q).(log p - log q)``; the logits x, y can stand in for log p, log q;
- ``sum_j (a - b_j).(c - d_j) = N (a - mean b).(c - mean d) + sum_j (b_j - mean b).(d_j - mean d)``,
  so a sum over all pairs needs only row sums, and the means double as the common shift that
  keeps float32 accurate.

The backward pass is written out. Autograd's would hold some 16 arrays of the embeddings' size and
fill as many anew; this one holds two, makes as many, and computes the rest a block at a time.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.linalg import vecdot

from scrcl.nn.blocks import row_blocks
from scrcl.nn.world import World

_ALL = slice(None)


class Pairs(NamedTuple):
    """Both views of each cell beside each other and beside those of other cells; all (n_obs,).

    With the logits ``x = e1 / temperature``, ``y = e2 / temperature``, their softmax p and q, and
    ``D_ij = (p_i - q_j).(x_i - y_j)``, the symmetric KL between cell i in view 1 and cell j in
    view 2.
    """

    log_mass1: Tensor
    """Log of the sum of exp(x) over each row."""
    log_mass2: Tensor
    """The same of y."""
    own: Tensor
    """``D_ii``."""
    back: Tensor
    """``q_i.(x_i - y_i)``."""
    near: Tensor
    """Sum of ``D_ij`` over the neighbours j of i."""
    everyone: Tensor
    """Sum of ``D_ij`` over all j."""


def compare(
    e1: Float[Tensor, "n_obs n_hidden"],
    e2: Float[Tensor, "n_obs n_hidden"],
    adj: Float[Tensor, "n_obs n_obs"],
    *,
    temperature: float,
    world: World | None = None,
) -> Pairs:
    """Compare the views of every cell.

    ``adj`` is the binary symmetric sparse graph without self loops. Differentiable once.
    """
    world = world or World(n_obs=len(e1))
    dots = _Dots.apply(e1, e2, adj, temperature, world)  # type: ignore[no-untyped-call]
    log_mass1, log_mass2, own, back, px, qy, across = dots
    near = _degree(adj) * px + world.propagate(adj, qy[:, None])[:, 0] - across
    everyone = world.n_obs * px + world.total(qy.sum())
    return Pairs(log_mass1, log_mass2, own, back, near, everyone)


class _Dots(torch.autograd.Function):
    """All dot products of rows that `compare` needs; a tilde marks what has its mean taken off.

    ``p~.x~``, ``q~.y~`` and, across the graph, ``p~_i.(A y~)_i + x~_i.(A q~)_i``, where x and p are
    centred by the means of y and q.
    """

    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes them by position
        ctx: Any, e1: Tensor, e2: Tensor, adj: Tensor, temperature: float, world: World
    ) -> tuple[Tensor, ...]:
        log_mass1, log_mass2, own, back, px, qy, across = e1.new_empty(7, len(e1))
        for rows in row_blocks(e1):
            log_mass1[rows] = torch.logsumexp(e1[rows] / temperature, dim=1)
            log_mass2[rows] = torch.logsumexp(e2[rows] / temperature, dim=1)
        around_q, around_y, mean_q, mean_y = _around(
            e2, log_mass2, adj, temperature=temperature, world=world
        )
        views = (e1, e2, log_mass1, log_mass2, mean_q, mean_y)
        centred = _Centred(temperature, *views)
        for rows in row_blocks(e1):
            x, p = centred.view1(rows)
            y, q = centred.view2(rows)
            px[rows], qy[rows] = vecdot(p, x), vecdot(q, y)
            across[rows] = vecdot(p, around_y[rows]) + vecdot(x, around_q[rows])
            apart = x.sub_(y)
            back[rows] = vecdot(q, apart) + apart @ mean_q
            own[rows] = vecdot(p.sub_(q), apart)
        ctx.save_for_backward(*views)
        # Not among the saved, which stay to the end: a gradient takes the place of one of them.
        ctx.around = around_q, around_y
        ctx.adj, ctx.temperature, ctx.world = adj, temperature, world
        return log_mass1, log_mass2, own, back, px, qy, across

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
            again = {"temperature": ctx.temperature, "world": ctx.world}
            around = _around(centred.e2, centred.log_mass2, ctx.adj, **again)[:2]
        by_e1 = _by_view1(centred, of, *around)
        del around
        return by_e1, _by_view2(centred, of, ctx.adj, ctx.world), None, None, None


class _Centred(NamedTuple):
    """Both embeddings and what makes logits and probabilities of them, a block at a time."""

    temperature: float
    e1: Tensor
    e2: Tensor
    log_mass1: Tensor
    log_mass2: Tensor
    mean_q: Tensor
    mean_y: Tensor

    def view1(self, rows: slice = _ALL, columns: slice = _ALL) -> tuple[Tensor, Tensor]:
        """``x~`` and ``p~``, both new."""
        return self._of(self.e1, self.log_mass1, rows, columns)

    def view2(self, rows: slice = _ALL, columns: slice = _ALL) -> tuple[Tensor, Tensor]:
        """``y~`` and ``q~``, both new."""
        return self._of(self.e2, self.log_mass2, rows, columns)

    def _of(
        self, e: Tensor, log_mass: Tensor, rows: slice, columns: slice
    ) -> tuple[Tensor, Tensor]:
        logits = e[rows, columns] / self.temperature
        soft = (logits - log_mass[rows, None]).exp_().sub_(self.mean_q[columns])
        return logits.sub_(self.mean_y[columns]), soft


def _around(
    e2: Tensor, log_mass2: Tensor, adj: Tensor, *, temperature: float, world: World
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute ``A q~`` and ``A y~``, and the means of q and y."""
    mean_q, mean_y = e2.new_empty(2, e2.shape[1])

    def q_columns(columns: slice) -> Tensor:
        q = (e2[:, columns] / temperature).sub_(log_mass2[:, None]).exp_()
        mean_q[columns] = world.total(q.sum(0)) / world.n_obs
        return q.sub_(mean_q[columns])

    def y_columns(columns: slice) -> Tensor:
        y = e2[:, columns] / temperature
        mean_y[columns] = world.total(y.sum(0)) / world.n_obs
        return y.sub_(mean_y[columns])

    around_q, around_y = (world.mix(adj, made, len(mean_q)) for made in (q_columns, y_columns))
    return around_q, around_y, mean_q, mean_y


def _by_view1(
    centred: _Centred, of: tuple[Tensor, ...], around_q: Tensor, around_y: Tensor
) -> Tensor:
    """Gradient by e1, in the place of ``around_q``."""
    mass1, _, own, back, px, _, across = of
    for rows in row_blocks(around_q):
        x, p = centred.view1(rows)
        y, q = centred.view2(rows)
        by_p = around_y[rows].mul_(across[rows]).addcmul_(x, px[rows])
        by_p.addcmul_(x.sub_(y), own[rows])
        by_x = around_q[rows].mul_(across[rows]).addcmul_(p, px[rows] + own[rows])
        by_x.addcmul_(q, back[rows] - own[rows]).addcmul_(centred.mean_q, back[rows])
        _through_softmax(by_x, by_p, p.add_(centred.mean_q), mass1[rows])
        by_x.div_(centred.temperature)
    return around_q


def _by_view2(centred: _Centred, of: tuple[Tensor, ...], adj: Tensor, world: World) -> Tensor:
    """Gradient by e2, the means included, on which all cells depend."""
    _, mass2, own, back, px, qy, across = of
    # Of the gradients by x~, y~, p~ and q~, the means' are the sums over all cells. There, own and
    # back cancel, and A's columns sum to what its rows do.
    of_1, of_2 = px + _degree(adj)[:, None] * across, qy + world.propagate(adj, across)
    by_mean_y, by_mean_q = torch.empty_like(centred.mean_y), torch.empty_like(centred.mean_q)

    def x_columns(columns: slice) -> Tensor:
        (x, _), (y, _) = centred.view1(columns=columns), centred.view2(columns=columns)
        by_mean_q[columns] = (of_1.T @ x + of_2.T @ y)[0]
        return x.mul_(across)

    def p_columns(columns: slice) -> Tensor:
        (_, p), (_, q) = centred.view1(columns=columns), centred.view2(columns=columns)
        by_mean_y[columns] = (of_1.T @ p + of_2.T @ q)[0]
        return p.mul_(across)

    n_columns = len(by_mean_q)
    around_x, around_p = (world.mix(adj, made, n_columns) for made in (x_columns, p_columns))
    by_mean_q, by_mean_y = (world.total(by) / world.n_obs for by in (by_mean_q, by_mean_y))
    for rows in row_blocks(around_x):
        x, p = centred.view1(rows)
        y, q = centred.view2(rows)
        by_q = around_x[rows].sub_(by_mean_q).addcmul_(y, qy[rows])
        by_q.addcmul_(x.sub_(y), back[rows] - own[rows])
        by_y = around_p[rows].sub_(by_mean_y).addcmul_(p, -own[rows])
        by_y.addcmul_(q, qy[rows] + own[rows] - back[rows])
        by_y.addcmul_(centred.mean_q, -back[rows])
        _through_softmax(by_y, by_q, q.add_(centred.mean_q), mass2[rows])
        by_y.div_(centred.temperature)
    return around_p


def _degree(adj: Tensor) -> Tensor:
    return adj.crow_indices().diff().to(adj.dtype)


def _through_softmax(by_x: Tensor, by_p: Tensor, p: Tensor, by_mass: Tensor) -> None:
    """Add to the gradient by logits what comes to them through p and through their mass."""
    by_x.addcmul_(p, by_p.sub_(vecdot(p, by_p)[:, None]).add_(by_mass))
