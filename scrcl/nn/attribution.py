"""What a trained network makes of each gene: the gradient of its views, cluster by cluster.

The projector P of the refinement module maps cells onto genes, but training moves its weights
little from their random start, so P(h) itself says nothing about a gene (docs/associations.md has
the numbers). The gradient of the views asks what the network does with a gene instead.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from scrcl.nn.inputs import Inputs
from scrcl.nn.network import ScRCLNet


class GeneAttribution(NamedTuple):
    """How a view of the cells of each cluster answers to a gene, and how far the gene differs."""

    gradient: Float[Tensor, "n_clusters n_genes"]
    difference: Float[Tensor, "n_clusters n_genes"]


def gene_attributions(
    model: ScRCLNet,
    inputs: Inputs,
    clusters: Int[Tensor, " n_obs"],
    cells: Int[Tensor, " n_obs"] | None = None,
) -> list[GeneAttribution]:
    r"""Derive each of the views e1, e2, z1 and z2 by every gene.

    Let :math:`d_c` be the direction from the mean view of all other cells to that of cluster c, of
    unit length, and :math:`s_c` the mean of :math:`r_i \cdot d_c` over the cells i of c. The
    gradient is :math:`\partial s_c / \partial x_{cg}`: how far all cells of c move towards c, to
    first order, if gene g rises in all of them. The difference is that of the mean input of the
    view between the cells of c and all others.

    Costs one forward and four backward passes; memory is that of the hidden layers.

    Parameters
    ----------
    model
        A trained network, in evaluation mode.
    inputs
        What it was trained on; moved to its device.
    clusters
        Cluster of each cell, 0 to n_clusters - 1, at least two, none of them empty.
    cells
        Which of the cells that it was trained on these are; ``None``: all.
    """
    device = model.projector.weight.device
    inputs, clusters = inputs.to(device), clusters.to(device)
    # The first layer of each view: its input, weight and bias.
    first = {
        "MLP_encoder.layer1.bias": (inputs.x, "MLP_encoder.layer1.weight"),
        "GNN_encoder.layer1.bias": (inputs.ax, "GNN_encoder.layer1.lin.weight"),
    }
    # Detached: nobody asks for gradients of weights.
    weights = {name: value.detach() for name, value in model.named_parameters()}
    with torch.enable_grad():
        # A shift for each cluster, which is 0, added to what the first layers give. The gradient
        # with respect to it, times the layer's weight, is that with respect to a shift of the input
        # of all cells of a cluster: no gradient of (n_obs, n_genes) is ever held.
        shifts, biases = [], {}
        for name, (x, _) in first.items():
            bias = weights[name]
            shifts.append(x.new_zeros((int(clusters.max()) + 1, len(bias)), requires_grad=True))
            biases[name] = bias + shifts[-1][clusters]  # one of each cell
        batch = None if cells is None else cells.to(device)
        views = torch.func.functional_call(model, weights | biases, (inputs, batch))
        gradients = [
            torch.autograd.grad(_closeness(view, clusters), shift, retain_graph=True)[0]
            for view, shift in zip(views, (*shifts, *shifts), strict=True)
        ]
    differences = [_contrast(x, clusters) for x, _ in first.values()]
    kernels = [weights[kernel] for _, kernel in first.values()]
    return [
        GeneAttribution(gradient @ kernels[number % 2], differences[number % 2])
        for number, gradient in enumerate(gradients)
    ]


def _closeness(view: Tensor, clusters: Tensor) -> Tensor:
    """Sum over clusters of the mean of ``r_i . d_c`` over their cells."""
    direction = F.normalize(_contrast(view.detach(), clusters))
    sizes = torch.bincount(clusters).to(view)
    return ((view * direction[clusters]).sum(1) / sizes[clusters]).sum()


def _contrast(values: Tensor, clusters: Tensor) -> Tensor:
    """Mean over each cluster minus mean over all other cells, (n_clusters, n_columns)."""
    sizes = torch.bincount(clusters).to(values)[:, None]
    sums = values.new_zeros((len(sizes), values.shape[1])).index_add_(0, clusters, values)
    return sums / sizes - (sums.sum(0) - sums) / (len(values) - sizes)
