"""The gene-correlation module: cells refined by what their genes have in common."""

from typing import TypeAlias

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from scrcl.nn.encoder import GraphConv
from scrcl.nn.layers import dropped_product
from scrcl.nn.world import World

Cells: TypeAlias = slice | Int[Tensor, " n_batch"]
"""Which of all cells are at hand: a stretch of them, the others being with other processes, or the
cells of a mini-batch."""
Encoded: TypeAlias = tuple[Float[Tensor, "n_obs n_hidden"], Float[Tensor, "n_obs 1"]]
"""Encodings h of a view: rows of unit length, and their lengths."""


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
        encoded1: Encoded,
        encoded2: Encoded,
        gx: Float[Tensor, "n_genes n_obs"],
        *,
        cells: Cells,
        world: World,
    ) -> tuple[Float[Tensor, "n_obs n_latent"], Float[Tensor, "n_obs n_latent"]]:
        """Refine both views' encodings into z1 and z2."""
        folded = self.fold(self.genes(gx, cells, world))
        z1, z2 = (self.apply_to(view, *folded, world) for view in (encoded1, encoded2))
        return z1, z2

    def fold(
        self, genes: Float[Tensor, "n_genes n_latent"]
    ) -> tuple[Float[Tensor, "n_latent n_hidden"], Float[Tensor, " n_latent"]]:
        """Weight and bias of projector and genes in one: ``Wp F`` and ``bp F``."""
        return genes.T @ self.projector.weight, self.projector.bias @ genes

    def apply_to(
        self,
        encoded: Encoded,
        weight: Float[Tensor, "n_latent n_hidden"],
        bias: Float[Tensor, " n_latent"],
        world: World,
    ) -> Float[Tensor, "n_obs n_latent"]:
        """Refine one view's encodings, ``h = |h| e``, with what `fold` gave."""
        e, length = encoded
        dropout = self.dropout if self.training else 0.0
        kept = world.dropout_mask(len(e), e.shape[1], dropout, e.device)
        refined = dropped_product(e, weight, kept=kept, scale=1 / (1 - dropout))
        return F.normalize(length * refined + bias)
