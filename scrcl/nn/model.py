"""The network: two encoders and the gene-correlation module."""

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from scrcl.nn.encoder import GCNEncoder, MLPEncoder
from scrcl.nn.inputs import Inputs
from scrcl.nn.refine import GeneRefinement
from scrcl.nn.world import World


class Views(NamedTuple):
    """What the network says about each cell; all rows have unit length."""

    e1: Float[Tensor, "n_obs n_hidden"]
    """MLP view."""
    e2: Float[Tensor, "n_obs n_hidden"]
    """GCN view."""
    z1: Float[Tensor, "n_obs n_latent"]
    """MLP view refined by the genes."""
    z2: Float[Tensor, "n_obs n_latent"]
    """GCN view refined by the genes."""


class ScRCLNet(nn.Module):
    """Refinement contrastive learning of cell-gene associations (arXiv 2512.10640).

    Parameters
    ----------
    n_obs
        Number of cells: the gene module has one weight row per cell.
    n_genes
        Number of genes in the model input.
    n_hidden
        Width H of both encoders.
    n_latent
        Width K of the refined views; the paper takes the number of clusters.
    dropout
        Probability used in the GCN view and in front of the projector.
    """

    def __init__(
        self, n_obs: int, n_genes: int, *, n_hidden: int, n_latent: int, dropout: float
    ) -> None:
        super().__init__()
        self.mlp = MLPEncoder(n_genes, n_hidden)
        self.gcn = GCNEncoder(n_genes, n_hidden, dropout)
        self.refine = GeneRefinement(
            n_obs, n_genes, n_hidden=n_hidden, n_latent=n_latent, dropout=dropout
        )

    def forward(
        self,
        inputs: Inputs,
        cells: Int[Tensor, " n_batch"] | None = None,
        *,
        refine: bool = True,
        world: World | None = None,
    ) -> Views:
        """Embed cells.

        Parameters
        ----------
        inputs
            Of all cells, of a mini-batch, or of those of this process.
        cells
            Numbers of the cells of a mini-batch.
        refine
            If not, the gene module is skipped and z1, z2 have no columns.
        world
            The processes that have the other cells; ``None``: there are no others.
        """
        world = world or World(n_obs=len(inputs.x))
        # Under autocast the encoders' products are in half precision; lengths and losses never are.
        first, second = self.mlp(inputs.x), self.gcn(inputs.ax, inputs.norm_adj, world)
        e1, e2 = first[0], second[0]
        z1, z2 = e1[:, :0], e2[:, :0]
        if refine:
            at_hand = world.rows if cells is None else cells
            z1, z2 = self.refine(first, second, inputs.gx, cells=at_hand, world=world)
        return Views(e1, e2, z1, z2)
