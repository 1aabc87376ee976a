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

from scrcl.distributed import Processes
from scrcl.nn.batches import FullBatch
from scrcl.nn.dropout import dropout_mask
from scrcl.nn.network import Views
from scrcl.train import Trainer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrcl.nn.inputs import Inputs
    from scrcl.nn.network import ScRCLNet


class DenseTrainer(Trainer):
    """The package's training with dense graphs and losses; ``batches`` is a `dense_source`."""

    def losses(self) -> dict[str, Tensor]:
        """Evaluate the losses of the current parameters, dropout on."""
        self.model.train()
        cfg, (inputs, _) = self.cfg, self.batches.step()
        return combine(
            views(self.model, inputs),
            inputs.adj,
            temperature=self.temperature,
            weights=cfg.loss_weights,
        )


def dense_source(inputs: Inputs, device: torch.device) -> FullBatch:
    """Give each step all cells, with both graphs as dense matrices."""
    dense = inputs._replace(adj=inputs.adj.to_dense(), norm_adj=inputs.norm_adj.to_dense())
    return FullBatch(dense, device)


def views(model: ScRCLNet, inputs: Inputs) -> Views:
    """Embed cells; both views see the same X, as neither is smoothed."""
    mlp, gnn, norm_adj = model.MLP_encoder, model.GNN_encoder, inputs.norm_adj
    processes = Processes(n_obs=len(inputs.x))

    def dropout(h: Tensor) -> Tensor:
        probability = model.dropout if model.training else 0.0
        kept = dropout_mask(h, probability, processes)
        return h if kept is None else h * kept / (1 - probability)

    h1 = mlp(inputs.x)
    u = F.leaky_relu(gnn.layer1.lin(norm_adj @ inputs.x) + gnn.layer1.bias)
    u = F.leaky_relu(norm_adj @ gnn.layer2.lin(u) + gnn.layer2.bias)
    h2 = gnn.last(dropout(u))
    genes = model.gene_encoder.activate(F.linear(inputs.gx, model.gene_encoder.weight))
    dropped = [dropout(h) for h in (h1, h2)]
    z1, z2 = (F.normalize(model.projector(h) @ genes) for h in dropped)
    return Views(F.normalize(h1), F.normalize(h2), z1, z2)


def combine(
    views: Views, adj: Tensor, *, temperature: float, weights: Mapping[str, float]
) -> dict[str, Tensor]:
    """Evaluate the losses and their weighted sum, as `scrcl.nn.losses.combine` does."""
    x, y = views.e1 / temperature, views.e2 / temperature
    log_p, log_q = F.log_softmax(x, dim=1), F.log_softmax(y, dim=1)
    hea = _over_all(x, y) + ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum() / (2 * len(x))
    ndc = neighborhood_contrast(log_p, log_q, adj)
    cvc = (views.z1 @ views.z2.T - _looped(adj)).square().mean()
    terms = {"hea": hea, "ndc": ndc, "cvc": cvc}
    return terms | {"total": sum(weights[name] * term for name, term in terms.items())}


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
