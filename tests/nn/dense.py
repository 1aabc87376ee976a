"""The paper's formulas as they are written, dense and quadratic: the oracle for the fast code."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from scrcl.nn import Inputs, ScRCLNet, Views, sparse_csr


class Case(NamedTuple):
    """A small data set in dense form."""

    x0: Tensor
    """(n_obs, n_genes) input of the MLP view."""
    x1: Tensor
    """(n_obs, n_genes) input of the GCN view."""
    adj: Tensor
    """(n_obs, n_obs) A: binary, symmetric, zero diagonal."""
    gene_adj: Tensor
    """(n_genes, n_genes) B: binary, directed, self loops in; row = source."""


def random_case(n_obs: int = 12, n_genes: int = 7, *, seed: int = 0) -> Case:
    """Draw a float64 case whose last cell has no neighbour."""
    rng = torch.Generator().manual_seed(seed)
    linked = torch.rand(n_obs, n_obs, generator=rng, dtype=torch.float64) < 0.25
    linked[-1] = linked[:, -1] = False
    adj = (linked | linked.T).double().fill_diagonal_(0)
    gene_adj = (torch.rand(n_genes, n_genes, generator=rng) < 0.3).double().fill_diagonal_(1)
    x0, x1 = torch.rand(2, n_obs, n_genes, generator=rng, dtype=torch.float64)
    return Case(x0, x1, adj, gene_adj)


def unit_rows(n_rows: int, n_columns: int, *, seed: int, spread: float = 1.0) -> Tensor:
    """Draw float64 rows of unit length around a common direction, as trained embeddings are."""
    rng = torch.Generator().manual_seed(seed)
    common = torch.rand(n_columns, generator=rng, dtype=torch.float64)
    noise = torch.randn(n_rows, n_columns, generator=rng, dtype=torch.float64)
    return F.normalize(common + spread * noise)


def to_csr(matrix: Tensor) -> Tensor:
    csr = matrix.to_sparse_csr()
    return sparse_csr(csr.crow_indices(), csr.col_indices(), csr.values(), tuple(matrix.shape))


def normalized(adj: Tensor) -> Tensor:
    """S(A) = D^-1/2 (A + I) D^-1/2."""
    looped = adj + torch.eye(len(adj), dtype=adj.dtype)
    scale = looped.sum(1).rsqrt()
    return scale[:, None] * looped * scale


def gene_operator(gene_adj: Tensor) -> Tensor:
    """S_B: target c averages over the genes that list c, normalised over in-degrees."""
    scale = gene_adj.sum(0).rsqrt()
    return (scale[:, None] * gene_adj * scale).T


def to_inputs(case: Case) -> Inputs:
    """What the network sees of a case."""
    norm_adj = normalized(case.adj)
    return Inputs(
        x=case.x0,
        ax=norm_adj @ case.x1,
        gx=gene_operator(case.gene_adj) @ case.x0.T,
        adj=to_csr(case.adj),
        norm_adj=to_csr(norm_adj),
    )


def views(net: ScRCLNet, case: Case, masks: Sequence[Tensor | float] = (1.0,) * 3) -> Views:
    """The network step by step, with the (n_obs, n_genes) projection.

    ``masks`` are what dropout multiplies with, in the order of its draws: inside the GCN view, and
    the encodings of the MLP and the GCN view in front of the projector; by default there is none.
    """
    w = dict(net.named_parameters())
    norm_adj = normalized(case.adj)
    h1 = torch.relu(case.x0 @ w["MLP_encoder.layer1.weight"].T + w["MLP_encoder.layer1.bias"])
    u = F.leaky_relu(
        norm_adj @ case.x1 @ w["GNN_encoder.layer1.lin.weight"].T + w["GNN_encoder.layer1.bias"]
    )
    u = F.leaky_relu(
        norm_adj @ u @ w["GNN_encoder.layer2.lin.weight"].T + w["GNN_encoder.layer2.bias"]
    )
    u = u * masks[0]
    h2 = F.leaky_relu(u @ w["GNN_encoder.layer3.weight"].T + w["GNN_encoder.layer3.bias"])
    messages = gene_operator(case.gene_adj) @ case.x0.T
    genes = torch.relu(messages @ w["gene_encoder.gcn.lin.weight"].T + w["gene_encoder.gcn.bias"])
    z1, z2 = (
        (h * mask @ w["projector.weight"].T + w["projector.bias"]) @ genes
        for h, mask in zip((h1, h2), masks[1:], strict=True)
    )
    return Views(*(v / v.norm(dim=1, keepdim=True) for v in (h1, h2, z1, z2)))


def hybrid_alignment(e1: Tensor, e2: Tensor, temperature: float) -> Tensor:
    n_obs = len(e1)
    log_all_p = F.log_softmax(e1.flatten() / temperature, dim=0)
    log_all_q = F.log_softmax(e2.flatten() / temperature, dim=0)
    over_all = ((log_all_p.exp() - log_all_q.exp()) * (log_all_p - log_all_q)).sum()
    log_p, log_q = (F.log_softmax(e / temperature, dim=1) for e in (e1, e2))
    return over_all + ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum() / (2 * n_obs)


def neighborhood_contrast(e1: Tensor, e2: Tensor, adj: Tensor, temperature: float) -> Tensor:
    n_obs = len(e1)
    log_p, log_q = (F.log_softmax(e / temperature, dim=1) for e in (e1, e2))
    pairs = (log_p.exp()[:, None] - log_q.exp()[None]) * (log_p[:, None] - log_q[None])
    distance = pairs.sum(2)
    near = adj + torch.eye(n_obs, dtype=adj.dtype)
    far = 1 - torch.eye(n_obs, dtype=adj.dtype)
    numerator = (near * distance).sum(1) / near.sum(1)
    return (numerator / ((far * distance).sum(1) / (n_obs - 1))).mean()


def cross_view_consistency(z1: Tensor, z2: Tensor, adj: Tensor) -> Tensor:
    return (z1 @ z2.T - (adj + torch.eye(len(z1), dtype=adj.dtype))).square().mean()


def total(of: Views, adj: Tensor, temperature: float, weights: Mapping[str, float]) -> Tensor:
    """Return every loss and their weighted sum."""
    terms = {name: loss(of, adj, temperature) for name, loss in LOSSES.items()}
    weighted = sum(weights[name] * term for name, term in terms.items())
    return torch.stack([*terms.values(), weighted])


LOSSES = {
    "hea": lambda of, _, temperature: hybrid_alignment(of.e1, of.e2, temperature),
    "ndc": lambda of, adj, temperature: neighborhood_contrast(of.e1, of.e2, adj, temperature),
    "cvc": lambda of, adj, _: cross_view_consistency(of.z1, of.z2, adj),
}
"""The definition of every loss of the registry, from views, dense graph and temperature."""
