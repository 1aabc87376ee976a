"""The gene-correlation module: cells refined by what their genes have in common."""

from typing import TypeAlias

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from scrcl.nn.encoder import GraphConv
from scrcl.nn.world import World

Cells: TypeAlias = slice | Int[Tensor, " n_batch"]
"""Which of all cells are at hand: a stretch of them, the others being with other processes, or the
cells of a mini-batch."""


class GeneRefinement(nn.Module):
    """``z_v = rows of P(dropout(h_v)) F, scaled to unit length``.

    ``F = ReLU(S_B X0^T Wg + bg)`` embeds the genes, ``P(h) = h Wp + bp`` projects cells onto
    genes and is shared by both views. The product is evaluated as
    ``dropout(h) (Wp F) + bp F``: same value, but the (n_obs, n_genes) projection never exists.
    """

    def __init__(
        self, n_obs: int, n_genes: int, *, n_hidden: int, n_latent: int, dropout: float
    ) -> None:
        super().__init__()
        self.conv = GraphConv(n_obs, n_latent)  # one weight per cell
        self.projector = nn.Linear(n_hidden, n_genes)
        self.dropout = dropout

    def genes(
        self,
        gx: Float[Tensor, "n_genes n_cells"],
        cells: Cells,
        world: World,
    ) -> Float[Tensor, "n_genes n_latent"]:
        """Embedding F of the genes from the constant S_B X0^T.

        Parameters
        ----------
        gx
            Columns of the cells at hand.
        cells
            Which of all cells these are. Of a mini-batch, whose other cells nobody has, their rows
            of the weight stand for all: scaled up, so that the sum is expected to be the same.
        world
            The processes that have the other cells.
        """
        weight = self.conv.weight
        if isinstance(cells, slice):
            mixed = world.total(F.linear(gx, weight[:, cells]))
        else:
            mixed = F.linear(gx, weight[:, cells] * (weight.shape[1] / len(cells)))
        return F.relu_(mixed + self.conv.bias)

    def forward(
        self,
        h1: Float[Tensor, "n_obs n_hidden"],
        h2: Float[Tensor, "n_obs n_hidden"],
        gx: Float[Tensor, "n_genes n_obs"],
        *,
        cells: Cells,
        world: World,
    ) -> tuple[Float[Tensor, "n_obs n_latent"], Float[Tensor, "n_obs n_latent"]]:
        """Refine both views' encodings (before normalisation) into z1 and z2."""
        weight, bias = self.fold(self.genes(gx, cells, world))
        h1, h2 = (world.dropout(h, self.dropout, training=self.training) for h in (h1, h2))
        return self.apply_to(h1, weight, bias), self.apply_to(h2, weight, bias)

    def fold(
        self, genes: Float[Tensor, "n_genes n_latent"]
    ) -> tuple[Float[Tensor, "n_latent n_hidden"], Float[Tensor, " n_latent"]]:
        """Weight and bias of projector and genes in one: ``Wp F`` and ``bp F``."""
        return genes.T @ self.projector.weight, self.projector.bias @ genes

    def apply_to(
        self,
        h: Float[Tensor, "n_obs n_hidden"],
        weight: Float[Tensor, "n_latent n_hidden"],
        bias: Float[Tensor, " n_latent"],
    ) -> Float[Tensor, "n_obs n_latent"]:
        """Refine one view's encodings with what `fold` gave."""
        return F.normalize(F.linear(h, weight, bias))
