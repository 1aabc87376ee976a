"""The three losses in closed form: linear in the number of cells, no n_obs x n_obs array.

Each function is one equation, from what `scrcl.nn.pairs` says of each cell.

Where several processes train together (``world``), each evaluates these for its own cells and gets
its share of the loss; the shares add up.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from scrcl.nn.model import Views
from scrcl.nn.pairs import Pairs, compare
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


def hybrid_alignment(pairs: Pairs, world: World | None = None) -> Float[Tensor, ""]:
    """Hybrid embedding alignment ``hea``: symmetric KL over the whole matrix and per cell.

    - global: ``sum (P - Q)(log P - log Q)``, P and Q softmax over all n_obs * n_hidden entries;
    - cell: ``1/(2N) sum_i (p_i - q_i).(log p_i - log q_i)``.

    P's row i is ``w_i p_i`` with w the softmax of the rows' masses, so P is never built.
    """
    world = world or World(n_obs=len(pairs.own))
    w, v = _share_of_mass(pairs.log_mass1, world), _share_of_mass(pairs.log_mass2, world)
    over_all = (w * pairs.own + (w - v) * pairs.back).sum()
    return over_all + pairs.own.sum() / (2 * world.n_obs)


def _share_of_mass(log_mass: Tensor, world: World) -> Tensor:
    """Softmax over the cells of all processes."""
    with torch.no_grad():
        highest = world.gather(log_mass[:, None]).max()
    mass = torch.exp(log_mass - highest)
    return mass / world.total(mass.sum())


def neighborhood_contrast(
    pairs: Pairs, adj: Float[Tensor, "n_obs n_obs"], world: World | None = None
) -> Float[Tensor, ""]:
    """Neighbourhood contrastive alignment ``ndc``: neighbours near, everyone else far.

    With ``D_ij = (p_i - q_j).(log p_i - log q_j)``, the symmetric KL between cell i in view 1
    and cell j in view 2::

        mean_i [ mean of D_ij over i's neighbours and i / mean of D_ij over all j but i ]

    ``adj`` is the binary sparse graph without self loops.
    """
    n_obs = len(pairs.own) if world is None else world.n_obs
    degree = adj.crow_indices().diff().to(adj.dtype)
    near = (pairs.near + pairs.own) / (degree + 1)
    far = (pairs.everyone - pairs.own) / (n_obs - 1)
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

    What weighs nothing is not evaluated; ``hea`` and ``ndc`` share one comparison of the views.
    """
    hea = ndc = cvc = views.e1.new_full((), torch.nan)
    on_hea, on_ndc, on_cvc = (weight > 0 for weight in weights)
    if on_hea or on_ndc:
        linked = adj if on_ndc else torch.zeros_like(adj)  # neighbours that nobody asks for
        pairs = compare(views.e1, views.e2, linked, temperature=temperature, world=world)
        hea = hybrid_alignment(pairs, world) if on_hea else hea
        ndc = neighborhood_contrast(pairs, adj, world) if on_ndc else ndc
    if on_cvc:
        cvc = cross_view_consistency(views.z1, views.z2, adj, world)
    terms = [w * term for w, term in zip(weights, (hea, ndc, cvc), strict=True) if w > 0]
    return Losses(hea, ndc, cvc, torch.stack(terms).sum())
