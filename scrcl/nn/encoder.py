"""The two views of a cell: an MLP on its own genes, a graph convolution on its neighbours'."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from scrcl.nn.world import World


class MLPEncoder(nn.Module):
    """View 1: ``h1 = ReLU(X0 W + b)``.

    Shapes: (n_obs, n_genes) -> (n_obs, n_hidden).
    """

    def __init__(self, n_genes: int, n_hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_genes, n_hidden)

    def forward(self, x: Float[Tensor, "n_obs n_genes"]) -> Float[Tensor, "n_obs n_hidden"]:
        """Encode each cell by itself."""
        return F.relu_(self.linear(x))


class GraphConv(nn.Module):
    """Weight and bias of one graph convolution, ``S x W^T + b``; the caller picks S.

    Initialised as graph convolutions usually are: Glorot-uniform weight, zero bias.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in))
        self.bias = nn.Parameter(torch.zeros(n_out))
        nn.init.xavier_uniform_(self.weight)

    def forward(
        self,
        x: Float[Tensor, "n n_in"],
    ) -> Float[Tensor, "n n_out"]:
        """Convolve what is ``S x`` already."""
        return F.linear(x, self.weight, self.bias)

    def spread(
        self,
        x: Float[Tensor, "n n_in"],
        norm_adj: Float[Tensor, "n n"],
        world: World,
    ) -> Float[Tensor, "n n_out"]:
        """Convolve over S = ``norm_adj``."""
        return world.propagate(norm_adj, F.linear(x, self.weight)).add_(self.bias)


class GCNEncoder(nn.Module):
    """View 2: two graph convolutions, dropout, one linear layer, LeakyReLU after each.

    ``u = LeakyReLU(S X1 W1 + b1)``, ``u = dropout(LeakyReLU(S u W2 + b2))``,
    ``h2 = LeakyReLU(u W3 + b3)``. Shapes: (n_obs, n_genes) -> (n_obs, n_hidden).
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
        norm_adj: Float[Tensor, "n_obs n_obs"],
        world: World,
    ) -> Float[Tensor, "n_obs n_hidden"]:
        """Encode each cell with its neighbours; ``ax`` is the constant S(A) X1."""
        # In place: the activation's result is all that its backward needs.
        u = F.leaky_relu_(self.conv1(ax))
        u = F.leaky_relu_(self.conv2.spread(u, norm_adj, world))
        u = world.dropout(u, self.dropout, training=self.training)
        return F.leaky_relu_(self.linear(u))
