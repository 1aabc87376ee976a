"""The three losses in closed form: linear in the number of cells, no n_obs x n_obs array.

Each function is one equation. Two identities carry all of them, and both are exact:

- a softmax row sums to one, so any constant added to a row of log-probabilities cancels from
  ``(p - q).(log p - log q)``; the logits x, y can stand in for log p, log q;
- ``sum_j (a - b_j).(c - d_j) = N (a - mean b).(c - mean d) + sum_j (b_j - mean b).(d_j - mean d)``,
  so a sum over all pairs needs only row sums, and the means double as the common shift that
  keeps float32 accurate.

Where several processes train together (``world``), each evaluates these for its own cells and gets
its share of the loss; the shares add up.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from scrcl.nn.model import Views
from scrcl.nn.world import World


class Losses(NamedTuple):
    """The loss terms, all scalars; a term of weight 0 is not evaluated and is NaN."""

    hea: Tensor
    """Hybrid embedding alignment."""
    ndc: Tensor
    """Neighbourhood contrastive alignment."""
    cvc: Tensor
    """Cross-view consistency."""
    total: Tensor
    """Weighted sum of the three."""


class Soft(NamedTuple):
    """One view as distributions over features, shared by the losses that compare the views."""

    logits: Tensor
    """(n_obs, n_hidden) x = e / temperature."""
    prob: Tensor
    """(n_obs, n_hidden) p = softmax of each row of x."""
    log_mass: Tensor
    """(n_obs,) log of the sum of exp(x) over each row."""


def soften(e: Float[Tensor, "n_obs n_hidden"], temperature: float) -> Soft:
    """Turn the rows of an embedding into distributions, ``softmax(e / temperature)``."""
    logits = e / temperature
    log_mass = torch.logsumexp(logits, dim=1)
    return Soft(logits, torch.exp(logits - log_mass[:, None]), log_mass)


def hybrid_alignment(view1: Soft, view2: Soft, world: World | None = None) -> Float[Tensor, ""]:
    """Hybrid embedding alignment ``hea``: symmetric KL over the whole matrix and per cell.

    - global: ``sum (P - Q)(log P - log Q)``, P and Q softmax over all n_obs * n_hidden entries;
    - cell: ``1/(2N) sum_i (p_i - q_i).(log p_i - log q_i)``.

    P's row i is ``w_i p_i`` with w the softmax of the rows' masses, so P is never built.
    """
    world = world or World(n_obs=len(view1.logits))
    shift = view1.logits - view2.logits
    kl = _row_dot(view1.prob - view2.prob, shift)
    w, v = _share_of_mass(view1.log_mass, world), _share_of_mass(view2.log_mass, world)
    over_all = (w * kl + (w - v) * _row_dot(view2.prob, shift)).sum()
    return over_all + kl.sum() / (2 * world.n_obs)


def _share_of_mass(log_mass: Tensor, world: World) -> Tensor:
    """Softmax over the cells of all processes."""
    with torch.no_grad():
        highest = world.gather(log_mass[:, None]).max()
    mass = torch.exp(log_mass - highest)
    return mass / world.total(mass.sum())


def neighborhood_contrast(
    view1: Soft,
    view2: Soft,
    adj: Float[Tensor, "n_obs n_obs"],
    world: World | None = None,
) -> Float[Tensor, ""]:
    """Neighbourhood contrastive alignment ``ndc``: neighbours near, everyone else far.

    With ``D_ij = (p_i - q_j).(log p_i - log q_j)``, the symmetric KL between cell i in view 1
    and cell j in view 2::

        mean_i [ mean of D_ij over i's neighbours and i / mean of D_ij over all j but i ]

    ``adj`` is the binary sparse graph without self loops.
    """
    world = world or World(n_obs=len(view1.logits))
    n_obs = world.n_obs
    mean_y = world.total(view2.logits.sum(dim=0)) / n_obs
    mean_q = world.total(view2.prob.sum(dim=0)) / n_obs
    x, y = view1.logits - mean_y, view2.logits - mean_y
    p, q = view1.prob - mean_q, view2.prob - mean_q
    px, qy = _row_dot(p, x), _row_dot(q, y)

    degree = _degree(adj)
    own = px + qy - _row_dot(p, y) - _row_dot(x, q)  # D_ii
    neighbors = (
        degree * px
        + world.propagate(adj, qy[:, None])[:, 0]
        - _row_dot(p, world.propagate(adj, y))
        - _row_dot(x, world.propagate(adj, q))
    )
    everyone = n_obs * px + world.total(qy.sum())
    near = (neighbors + own) / (degree + 1)
    far = (everyone - own) / (n_obs - 1)
    return (near / far).sum() / n_obs


def cross_view_consistency(
    z1: Float[Tensor, "n_obs n_latent"],
    z2: Float[Tensor, "n_obs n_latent"],
    adj: Float[Tensor, "n_obs n_obs"],
    world: World | None = None,
) -> Float[Tensor, ""]:
    """Cross-view consistency ``cvc``: mean over all pairs of ``(z1 z2^T - (A + I))^2``.

    Expanded, it needs two n_latent x n_latent Gram matrices and one sparse product.
    ``adj`` is the binary sparse graph A without self loops.
    """
    world = world or World(n_obs=len(z1))
    # Every process has the same squares, and its share of them.
    squares = (world.total(z1.T @ z1) * world.total(z2.T @ z2)).sum() / world.size
    linked = (z1 * (world.propagate(adj, z2) + z2)).sum()
    n_linked = adj.values().numel() + len(z1)
    return (squares - 2 * linked + n_linked) / world.n_obs**2


def combine(
    views: Views,
    adj: Float[Tensor, "n_obs n_obs"],
    *,
    temperature: float,
    weights: tuple[float, float, float],
    world: World | None = None,
) -> Losses:
    """Evaluate the losses and their sum, ``hea``, ``ndc``, ``cvc`` weighted in this order.

    What weighs nothing costs nothing, and each view is turned into distributions once.
    """
    hea = ndc = cvc = views.e1.new_full((), torch.nan)
    on_hea, on_ndc, on_cvc = (weight > 0 for weight in weights)
    if on_hea or on_ndc:
        soft1, soft2 = soften(views.e1, temperature), soften(views.e2, temperature)
        hea = hybrid_alignment(soft1, soft2, world) if on_hea else hea
        ndc = neighborhood_contrast(soft1, soft2, adj, world) if on_ndc else ndc
    if on_cvc:
        cvc = cross_view_consistency(views.z1, views.z2, adj, world)
    terms = [w * term for w, term in zip(weights, (hea, ndc, cvc), strict=True) if w > 0]
    return Losses(hea, ndc, cvc, torch.stack(terms).sum())


def _degree(adj: Tensor) -> Tensor:
    """Return the number of neighbours of each cell, in the graph's floating dtype."""
    return adj.crow_indices().diff().to(adj.dtype)


def _row_dot(a: Tensor, b: Tensor) -> Tensor:
    """Dot product of each row of ``a`` with the same row of ``b``."""
    return (a * b).sum(dim=1)
