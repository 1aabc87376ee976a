"""What the alignment losses need to know of each cell, in few passes over the embeddings.

Two identities carry it, and both are exact:

- a softmax row sums to one, so any constant added to a row of log-probabilities cancels from
  ``(p - q).(log p - log q)``; the logits x, y can stand in for log p, log q;
- ``sum_j (a - b_j).(c - d_j) = N (a - mean b).(c - mean d) + sum_j (b_j - mean b).(d_j - mean d)``,
  so a sum over all pairs needs only row sums, and the means double as the common shift that
  keeps float32 accurate.

The backward pass is written out. Autograd's would hold some 16 arrays of the embeddings' size and
fill as many anew; this one holds four and adds to those it has.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from scrcl.nn.world import World


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
    degree = adj.crow_indices().diff().to(adj.dtype)
    near = degree * px + world.propagate(adj, qy[:, None])[:, 0] - across
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
        (log_mass1, p), (log_mass2, q) = _soften(e1, temperature), _soften(e2, temperature)
        mean_q = world.total(q.sum(0)) / world.n_obs
        mean_y = world.total(e2.sum(0)) / (world.n_obs * temperature)
        p, q = p.sub_(mean_q), q.sub_(mean_q)
        x, y = _logits(e1, temperature, mean_y), _logits(e2, temperature, mean_y)
        around_y, around_q = world.propagate(adj, y), world.propagate(adj, q)
        ctx.save_for_backward(e1, e2, p, q, around_y, around_q, mean_q, mean_y)
        ctx.adj, ctx.temperature, ctx.world = adj, temperature, world
        px, qy = _row_dot(p, x), _row_dot(q, y)
        across = _row_dot(p, around_y).add_(_row_dot(x, around_q))
        apart = x.sub_(y)
        back = _row_dot(q, apart).add_(apart @ mean_q)
        own = _row_dot(torch.sub(p, q, out=y), apart)
        return log_mass1, log_mass2, own, back, px, qy, across

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *of: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients by logits and by probabilities first, these two then joined by the softmax."""
        e1, e2, p, q, around_y, around_q, mean_q, mean_y = ctx.saved_tensors
        temperature, world = ctx.temperature, ctx.world
        mass1, mass2, own, back, px, qy, across = (grad[:, None] for grad in of)
        x, y = _logits(e1, temperature, mean_y), _logits(e2, temperature, mean_y)

        by_q = world.propagate(ctx.adj, across * x).addcmul_(y, qy)
        by_p = (x * px).addcmul_(around_y, across)
        apart = x.sub_(y)
        by_p.addcmul_(apart, own)
        by_q.addcmul_(apart, -own).sub_(world.total(by_p.sum(0) + by_q.sum(0)) / world.n_obs)
        by_q.addcmul_(apart, back)  # of q as it is, not of q~
        del x, apart

        by_y = world.propagate(ctx.adj, torch.mul(across, p, out=y)).addcmul_(q, qy)
        by_x = (p * px).addcmul_(around_q, across)
        # own * (p - q) + back * q, and q has its mean off.
        by_x.addcmul_(p, own).addcmul_(q, back - own).addcmul_(mean_q, back)
        by_y.addcmul_(p, -own).addcmul_(q, own - back).addcmul_(mean_q, -back)

        by_y.sub_(world.total(by_x.sum(0) + by_y.sum(0)) / world.n_obs)
        by_e1 = _through_softmax(by_x, by_p, p + mean_q, mass1).div_(temperature)
        by_e2 = _through_softmax(by_y, by_q, q + mean_q, mass2).div_(temperature)
        return by_e1, by_e2, None, None, None


def _soften(e: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Log of the mass of each row, and the rows of the embedding as distributions."""
    log_p = torch.log_softmax(e / temperature, dim=1)
    return e[:, 0] / temperature - log_p[:, 0], log_p.exp_()


def _logits(e: Tensor, temperature: float, mean: Tensor) -> Tensor:
    return torch.div(e, temperature).sub_(mean)


def _through_softmax(by_x: Tensor, by_p: Tensor, p: Tensor, by_mass: Tensor) -> Tensor:
    """Gradient by logits of all that depends on them, directly, by p and by their mass."""
    return by_x.addcmul_(p, by_p.sub_(_row_dot(p, by_p)[:, None]).add_(by_mass))


def _row_dot(a: Tensor, b: Tensor) -> Tensor:
    """Dot product of each row of ``a`` with the same row of ``b``."""
    dots: Tensor = torch.linalg.vecdot(a, b)
    return dots
