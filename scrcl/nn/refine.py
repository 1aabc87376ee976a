"""The gene-correlation module: cells refined by what their genes have in common."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from scrcl.nn.encoder import GraphConv


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
        self.dropout = nn.Dropout(dropout)

    def genes(self, gx: Float[Tensor, "n_genes n_obs"]) -> Float[Tensor, "n_genes n_latent"]:
        """Embedding F of the genes from the constant S_B X0^T."""
        return F.relu_(self.conv(gx))

    def forward(
        self,
        h1: Float[Tensor, "n_obs n_hidden"],
        h2: Float[Tensor, "n_obs n_hidden"],
        gx: Float[Tensor, "n_genes n_obs"],
    ) -> tuple[Float[Tensor, "n_obs n_latent"], Float[Tensor, "n_obs n_latent"]]:
        """Refine both views' encodings (before normalisation) into z1 and z2."""
        genes = self.genes(gx)
        weight = genes.T @ self.projector.weight  # (n_latent, n_hidden)
        bias = self.projector.bias @ genes
        return self._refine(h1, weight, bias), self._refine(h2, weight, bias)

    def _refine(self, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.normalize(F.linear(self.dropout(h), weight, bias))
