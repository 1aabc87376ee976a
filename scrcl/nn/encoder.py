"""The two views of a cell: an MLP on its own genes, a graph convolution on its neighbours'."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from scrcl.nn.layers import LEAK, graph_layers, unit_layer
from scrcl.nn.world import World


class MLPEncoder(nn.Module):
    """View 1: ``h1 = ReLU(X0 W + b)``, as unit rows ``e1`` and their lengths.

    Shapes: (n_obs, n_genes) -> (n_obs, n_hidden), (n_obs, 1).
    """

    def __init__(self, n_genes: int, n_hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_genes, n_hidden)

    def forward(
        self, x: Float[Tensor, "n_obs n_genes"]
    ) -> tuple[Float[Tensor, "n_obs n_hidden"], Float[Tensor, "n_obs 1"]]:
        """Encode each cell by itself."""
        return unit_layer(x, self.linear.weight, self.linear.bias, slope=0.0)


class GraphConv(nn.Module):
    """Weight and bias of one graph convolution, ``S x W^T + b``.

    Initialised as graph convolutions usually are: Glorot-uniform weight, zero bias.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in))
        self.bias = nn.Parameter(torch.zeros(n_out))
        nn.init.xavier_uniform_(self.weight)


class GCNEncoder(nn.Module):
    """View 2: two graph convolutions, dropout, one linear layer, LeakyReLU after each.

    ``u = LeakyReLU(S X1 W1 + b1)``, ``u = dropout(LeakyReLU(S u W2 + b2))``,
    ``h2 = LeakyReLU(u W3 + b3)``, as unit rows ``e2`` and their lengths.
    Shapes: (n_obs, n_genes) -> (n_obs, n_hidden), (n_obs, 1).
    """

    def __init__(self, n_genes: int, n_hidden: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = GraphConv(n_genes, n_hidden)
        self.conv2 = GraphConv(n_hidden, n_hidden)
        self.linear = nn.Linear(n_hidden, n_hidden)
        self.dropout = dropout

    def forward(
        self,
        ax: Float[Tensor, "n_obs n_genes"],
        norm_adj: Float[Tensor, "n_obs n_all"],
        world: World,
    ) -> tuple[Float[Tensor, "n_obs n_hidden"], Float[Tensor, "n_obs 1"]]:
        """Encode each cell with its neighbours; ``ax`` is the constant S(A) X1."""
        dropout = self.dropout if self.training else 0.0
        u = graph_layers(
            ax,
            norm_adj,
            (self.conv1.weight, self.conv1.bias),
            (self.conv2.weight, self.conv2.bias),
            kept=world.dropout_mask(len(ax), len(self.conv2.weight), dropout, ax.device),
            scale=1 / (1 - dropout),
            world=world,
        )
        return unit_layer(u, self.linear.weight, self.linear.bias, slope=LEAK)

    def before_mixing(
        self, ax: Float[Tensor, "n_cells n_genes"]
    ) -> Float[Tensor, "n_cells n_hidden"]:
        """``u W2`` of some cells, without dropout: what the second convolution mixes."""
        u = F.leaky_relu_(F.linear(ax, self.conv1.weight, self.conv1.bias), LEAK)
        return F.linear(u, self.conv2.weight)

    def after_mixing(
        self, mixed: Float[Tensor, "n_cells n_hidden"]
    ) -> tuple[Float[Tensor, "n_cells n_hidden"], Float[Tensor, "n_cells 1"]]:
        """Encode cells, without dropout, from rows of ``S u W2``; these are overwritten."""
        u = F.leaky_relu_(mixed.add_(self.conv2.bias), LEAK)
        return unit_layer(u, self.linear.weight, self.linear.bias, slope=LEAK)
