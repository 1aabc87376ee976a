"""The losses in closed form: linear in the number of cells, no n_obs x n_obs array.

Each function is one equation; `LOSSES` names them. A loss of the name ``xyz`` has the weight
``train.lambda_xyz``.

Where several processes train together, each evaluates these for its own cells and gets its share of
the loss; the shares add up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from scrcl.distributed import Processes
from scrcl.nn.network import Views
from scrcl.nn.pairwise import PairwiseKL, compare
from scrcl.nn.sparse import degree, symmetric_product

Compare: TypeAlias = Callable[..., PairwiseKL]
"""`scrcl.nn.pairwise.compare`, or the fast one of the same name."""


def hybrid_alignment(pairs: PairwiseKL, processes: Processes | None = None) -> Float[Tensor, ""]:
    """Hybrid embedding alignment ``hea``: symmetric KL over the whole matrix and per cell.

    - global: ``sum (P - Q)(log P - log Q)``, P and Q softmax over all n_obs * n_hidden entries;
    - cell: ``1/(2N) sum_i (p_i - q_i).(log p_i - log q_i)``.

    P's row i is ``w_i p_i`` with w the softmax of the rows' masses, so P is never built.
    """
    processes = processes or Processes(n_obs=len(pairs.same_cell))
    w = _share_of_mass(pairs.logsumexp1, processes)
    v = _share_of_mass(pairs.logsumexp2, processes)
    over_all = (w * pairs.same_cell + (w - v) * pairs.mean_gap).sum()
    return over_all + pairs.same_cell.sum() / (2 * processes.n_obs)


def _share_of_mass(logsumexp: Tensor, processes: Processes) -> Tensor:
    """Softmax over the cells of all processes."""
    with torch.no_grad():
        highest = processes.gather(logsumexp[:, None]).max()
    mass = torch.exp(logsumexp - highest)
    return mass / processes.total(mass.sum())


def neighborhood_contrast(
    pairs: PairwiseKL, adj: Float[Tensor, "n_obs n_obs"], processes: Processes | None = None
) -> Float[Tensor, ""]:
    """Neighbourhood contrastive alignment ``ndc``: neighbours near, everyone else far.

    With ``D_ij = (p_i - q_j).(log p_i - log q_j)``, the symmetric KL between cell i in view 1
    and cell j in view 2::

        mean_i [ mean of D_ij over i's neighbours and i / mean of D_ij over all j but i ]

    ``adj`` is the binary sparse graph without self loops.
    """
    assert pairs.neighbors is not None  # compared with this graph
    n_obs = len(pairs.same_cell) if processes is None else processes.n_obs
    near = (pairs.neighbors + pairs.same_cell) / (degree(adj) + 1)
    far = (pairs.all_cells - pairs.same_cell) / (n_obs - 1)
    return (near / far).sum() / n_obs


def cross_view_consistency(
    z1: Float[Tensor, "n_obs n_latent"],
    z2: Float[Tensor, "n_obs n_latent"],
    adj: Float[Tensor, "n_obs n_obs"],
    processes: Processes | None = None,
) -> Float[Tensor, ""]:
    """Cross-view consistency ``cvc``: mean over all pairs of ``(z1 z2^T - (A + I))^2``.

    Expanded, it needs two n_latent x n_latent Gram matrices and one sparse product.
    ``adj`` is the binary sparse graph A without self loops.
    """
    processes = processes or Processes(n_obs=len(z1))
    # Every process has the same squares, and its share of them.
    squares = (processes.total(z1.T @ z1) * processes.total(z2.T @ z2)).sum() / processes.size
    linked = (z1 * (symmetric_product(adj, z2, processes) + z2)).sum()
    n_linked = adj.values().numel() + len(z1)
    return (squares - 2 * linked + n_linked) / processes.n_obs**2


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a loss may look at; what several of them need is computed once."""

    views: Views
    adj: Tensor
    """Binary sparse graph without self loops, rows of this process's cells."""
    temperature: float
    processes: Processes | None = None
    compare: Compare = compare
    linked: bool = True
    """Whether a loss asks for sums over neighbours."""

    @cached_property
    def pairs(self) -> PairwiseKL:
        """The views of every cell, compared."""
        return self.compare(
            self.views.e1,
            self.views.e2,
            self.adj if self.linked else None,
            temperature=self.temperature,
            processes=self.processes,
        )


class Loss(NamedTuple):
    """A loss of the registry."""

    evaluate: Callable[[Step], Tensor]
    """Its value, from what a step has."""
    refined: bool = False
    """Whether it needs z1 and z2."""
    linked: bool = False
    """Whether it needs ``pairs.neighbors``."""


LOSSES: dict[str, Loss] = {
    "hea": Loss(lambda s: hybrid_alignment(s.pairs, s.processes)),
    "ndc": Loss(
        lambda s: neighborhood_contrast(s.pairs, s.adj, s.processes),
        linked=True,
    ),
    "cvc": Loss(
        lambda s: cross_view_consistency(s.views.z1, s.views.z2, s.adj, s.processes),
        refined=True,
    ),
}
"""Every loss by its name, in the order of the history's columns."""


def needs_refinement(weights: Mapping[str, float]) -> bool:
    """Whether a loss that weighs something needs z1 and z2."""
    return any(loss.refined and weights[name] > 0 for name, loss in LOSSES.items())


def combine(
    views: Views,
    adj: Float[Tensor, "n_obs n_obs"],
    *,
    temperature: float,
    weights: Mapping[str, float],
    processes: Processes | None = None,
    compare: Compare = compare,
) -> dict[str, Tensor]:
    """Evaluate the losses and their weighted sum.

    Parameters
    ----------
    views, adj
        Of the cells at hand.
    temperature
        Of the softmax of the alignment losses.
    weights
        Of each loss, by its name.
    processes
        Those that have the other cells; ``None``: there are no others.
    compare
        How the views are compared.

    Returns
    -------
    Each loss by its name, NaN where it weighs nothing and is not evaluated; last, ``total``.
    """
    asked = {name: loss for name, loss in LOSSES.items() if weights[name] > 0}
    step = Step(
        views=views,
        adj=adj,
        temperature=temperature,
        processes=processes,
        compare=compare,
        linked=any(loss.linked for loss in asked.values()),
    )
    nothing = views.e1.new_full((), torch.nan)
    values = {name: asked[name].evaluate(step) if name in asked else nothing for name in LOSSES}
    total = torch.stack([weights[name] * values[name] for name in asked]).sum()
    return {**values, "total": total}
