"""A training step with the formulas as the paper's code has them: dense, n_obs x n_obs.

What ``speed.py`` compares ours with: the definitions, as in ``tests/nn/dense.py``, with products of
whole matrices where these spell out every pair. A and S(A) are dense, S(A) X1 is computed at every
step, cells are projected onto genes, and the losses look at all pairs of cells. Weights, dropout and
optimiser are the package's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from scrcl.nn.losses import Losses
from scrcl.nn.model import Views
from scrcl.nn.source import FullBatch
from scrcl.nn.world import World
from scrcl.train import Trainer

if TYPE_CHECKING:
    from scrcl.nn.inputs import Inputs
    from scrcl.nn.model import ScRCLNet


class DenseTrainer(Trainer):
    """The package's training with dense graphs and losses; ``source`` is a `dense_source`."""

    def losses(self) -> Losses:
        """Evaluate the losses of the current parameters, dropout on."""
        self.model.train()
        cfg, (inputs, _) = self.cfg, self.source.step()
        return combine(
            views(self.model, inputs),
            inputs.adj,
            temperature=self.temperature,
            weights=(cfg.lambda_hea, cfg.lambda_ndc, cfg.lambda_cvc),
        )


def dense_source(inputs: Inputs, device: torch.device) -> FullBatch:
    """Give each step all cells, with both graphs as dense matrices."""
    dense = inputs._replace(adj=inputs.adj.to_dense(), norm_adj=inputs.norm_adj.to_dense())
    return FullBatch(dense, device)


def views(model: ScRCLNet, inputs: Inputs) -> Views:
    """Embed cells; both views see the same X, as neither is smoothed."""
    mlp, gcn, refine, norm_adj = model.mlp, model.gcn, model.refine, inputs.norm_adj
    world = World(n_obs=len(inputs.x))

    def dropout(h: Tensor) -> Tensor:
        kept = world.dropout_mask(*h.shape, gcn.dropout if model.training else 0, h.device)
        return h if kept is None else h * kept / (1 - gcn.dropout)

    h1 = F.relu(mlp.linear(inputs.x))
    u = F.leaky_relu(F.linear(norm_adj @ inputs.x, gcn.conv1.weight, gcn.conv1.bias))
    u = F.leaky_relu(norm_adj @ F.linear(u, gcn.conv2.weight) + gcn.conv2.bias)
    h2 = F.leaky_relu(gcn.linear(dropout(u)))
    genes = F.relu(F.linear(inputs.gx, refine.conv.weight, refine.conv.bias))
    dropped = [dropout(h) for h in (h1, h2)]
    z1, z2 = (F.normalize(refine.projector(h) @ genes) for h in dropped)
    return Views(F.normalize(h1), F.normalize(h2), z1, z2)


def combine(
    views: Views, adj: Tensor, *, temperature: float, weights: tuple[float, float, float]
) -> Losses:
    """Evaluate the losses and their weighted sum, as `scrcl.nn.losses.combine` does."""
    x, y = views.e1 / temperature, views.e2 / temperature
    log_p, log_q = F.log_softmax(x, dim=1), F.log_softmax(y, dim=1)
    hea = _over_all(x, y) + ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum() / (2 * len(x))
    ndc = neighborhood_contrast(log_p, log_q, adj)
    cvc = (views.z1 @ views.z2.T - _looped(adj)).square().mean()
    terms = (hea, ndc, cvc)
    return Losses(*terms, sum(weight * term for weight, term in zip(weights, terms, strict=True)))


def _over_all(x: Tensor, y: Tensor) -> Tensor:
    log_p, log_q = F.log_softmax(x.flatten(), dim=0), F.log_softmax(y.flatten(), dim=0)
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum()


def neighborhood_contrast(log_p: Tensor, log_q: Tensor, adj: Tensor) -> Tensor:
    """Neighbourhood contrastive alignment from the distances of all pairs.

    ``KL(p_i || q_j) + KL(q_j || p_i)``, two products of (n_obs, n_hidden) with (n_hidden, n_obs).
    """
    n_obs = len(adj)
    p, q = log_p.exp(), log_q.exp()
    forth = (p * log_p).sum(1)[:, None] - p @ log_q.T
    back = (q * log_q).sum(1)[None] - log_p @ q.T
    distance = forth + back
    near = _looped(adj)
    far = 1 - torch.eye(n_obs, dtype=adj.dtype, device=adj.device)
    close = (near * distance).sum(1) / near.sum(1)
    return (close / ((far * distance).sum(1) / (n_obs - 1))).mean()


def _looped(adj: Tensor) -> Tensor:
    """Return A + I."""
    return adj + torch.eye(len(adj), dtype=adj.dtype, device=adj.device)
