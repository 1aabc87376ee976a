"""The network, in the terms of PyTorch Geometric: two encoders and the gene module.

Parameters have the names and shapes of the official code, so that its weights load with
``load_state_dict``. This is what embeds cells, new cells and gene attributions; `scrcl.nn.fast`
evaluates the training step of the same modules faster.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from scrcl.distributed import Processes
from scrcl.nn.dropout import dropout_mask
from scrcl.nn.inputs import Inputs

LEAK = 0.01
"""Slope of LeakyReLU below 0."""

Folded: TypeAlias = tuple[Float[Tensor, "n_latent n_hidden"], Float[Tensor, " n_latent"]]
"""Weight ``(Wp F)^T`` and bias ``bp F`` of projector and genes in one."""


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


def import_pyg() -> Any:
    """Import PyTorch Geometric: only where a network is made, as it takes a second."""
    with _without_compiler(), warnings.catch_warnings():
        # Of torch, about a call that PyG makes when it is imported; its kind differs by version.
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", Warning)
        import torch_geometric  # noqa: PLC0415
    return torch_geometric


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Let ``import torch._dynamo`` wait: torch itself imports it when something of it is used.

    PyG imports torch's compiler to recognise compiled models, of which there are none here: some
    four fifths of what its import takes.
    """
    name = "torch._dynamo"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        del sys.modules[name]


def graph_conv(n_in: int, n_out: int) -> Any:
    """Make PyG's ``GCNConv``, ``S x W^T + b``, for a graph that is normalised already.

    Glorot-uniform weight, zero bias.
    """
    with torch.device("meta"):  # PyG draws weights twice; they are drawn once, below
        conv = import_pyg().nn.GCNConv(n_in, n_out, normalize=False)
    # Not by `to_empty`, for which torch imports a library of symbolic mathematics.
    conv.lin.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_out, n_in)))
    conv.bias = nn.Parameter(torch.zeros(n_out))
    return conv


class MLPEncoder(nn.Module):
    """View 1: ``h1 = ReLU(X0 W + b)``, (n_obs, n_genes) -> (n_obs, n_hidden)."""

    def __init__(self, n_genes: int, n_hidden: int) -> None:
        super().__init__()
        self.layer1 = nn.Linear(n_genes, n_hidden)

    def forward(self, x: Float[Tensor, "n_obs n_genes"]) -> Float[Tensor, "n_obs n_hidden"]:
        """Encode each cell by itself."""
        return F.relu(self.layer1(x))


class GNNEncoder(nn.Module):
    """View 2: two graph convolutions, dropout, one linear layer, LeakyReLU after each.

    ``u = LeakyReLU(S X1 W1 + b1)``, ``u = dropout(LeakyReLU(S u W2 + b2))``,
    ``h2 = LeakyReLU(u W3 + b3)``, (n_obs, n_genes) -> (n_obs, n_hidden).
    """

    def __init__(self, n_genes: int, n_hidden: int) -> None:
        super().__init__()
        self.layer1 = graph_conv(n_genes, n_hidden)
        self.layer2 = graph_conv(n_hidden, n_hidden)
        self.layer3 = nn.Linear(n_hidden, n_hidden)

    def messages(self, ax: Float[Tensor, "n_cells n_genes"]) -> Float[Tensor, "n_cells n_hidden"]:
        """``u W2``, what the second convolution sends, from the constant ``S X1``."""
        u = F.leaky_relu(self.layer1.lin(ax) + self.layer1.bias, LEAK)
        sent: Tensor = self.layer2.lin(u)
        return sent

    def mix(
        self, norm_adj: Float[Tensor, "n_cells n_all"], sent: Float[Tensor, "n_all n_hidden"]
    ) -> Float[Tensor, "n_cells n_hidden"]:
        """``S u W2`` of some cells from the messages of all: one sparse product."""
        mixed: Tensor = self.layer2.propagate(norm_adj, x=sent, edge_weight=None)
        return mixed

    def hidden(self, mixed: Float[Tensor, "n_cells n_hidden"]) -> Float[Tensor, "n_cells n_hidden"]:
        """``LeakyReLU(S u W2 + b2)``."""
        return F.leaky_relu(mixed + self.layer2.bias, LEAK)

    def last(self, u: Float[Tensor, "n_cells n_hidden"]) -> Float[Tensor, "n_cells n_hidden"]:
        """``LeakyReLU(u W3 + b3)``."""
        return F.leaky_relu(self.layer3(u), LEAK)


class GeneEncoder(nn.Module):
    """Embedding of the genes: ``F = ReLU(S_B X0^T Wg + bg)``, (n_genes, n_latent)."""

    def __init__(self, n_obs: int, n_latent: int) -> None:
        super().__init__()
        self.gcn = graph_conv(n_obs, n_latent)  # one weight per cell

    @property
    def weight(self) -> Float[Tensor, "n_latent n_obs"]:
        """Weight of each cell."""
        weight: Tensor = self.gcn.lin.weight
        return weight

    def forward(
        self,
        gx: Float[Tensor, "n_genes n_cells"],
        cells: slice | Int[Tensor, " n_batch"],
        processes: Processes,
    ) -> Float[Tensor, "n_genes n_latent"]:
        """Embed the genes from the constant ``S_B X0^T``.

        Parameters
        ----------
        gx
            Columns of the cells at hand.
        cells
            Which of all cells these are: a stretch of them, the others being with other processes,
            or the numbers of a mini-batch. Of a mini-batch, whose other cells nobody has, the rows
            of the weight stand for all: scaled up, so that the sum is expected to be the same.
        processes
            Those that have the other cells.
        """
        if isinstance(cells, slice):
            return self.activate(processes.total(F.linear(gx, self.weight[:, cells])))
        scale = self.weight.shape[1] / len(cells)
        return self.activate(F.linear(gx, self.weight[:, cells] * scale))

    def activate(self, mixed: Float[Tensor, "n_genes n_latent"]) -> Tensor:
        """``ReLU(mixed + bg)`` of ``mixed = S_B X0^T Wg``."""
        return F.relu(mixed + self.gcn.bias)


class Encoders(nn.Module):
    """Both encoders: all that cells need which the network was not trained on.

    Parameters
    ----------
    n_genes
        Number of genes in the model input.
    n_hidden
        Width H of both encoders.
    dropout
        Probability used in the GCN view and in front of the projector.
    """

    def __init__(self, n_genes: int, n_hidden: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.MLP_encoder = MLPEncoder(n_genes, n_hidden)
        self.GNN_encoder = GNNEncoder(n_genes, n_hidden)
        self.dropout = dropout

    def views(self, inputs: Inputs, folded: Folded | None, processes: Processes) -> Views:
        """Embed cells; without ``folded``, z1 and z2 have no columns."""
        h1 = self.MLP_encoder(inputs.x)
        sent = processes.gather(self.GNN_encoder.messages(inputs.ax))
        u = self.GNN_encoder.hidden(self.GNN_encoder.mix(inputs.norm_adj, sent))
        h2 = self.GNN_encoder.last(self._drop(u, processes))
        e1, e2 = F.normalize(h1), F.normalize(h2)
        if folded is None:
            return Views(e1, e2, e1[:, :0], e2[:, :0])
        z1, z2 = (refined(self._drop(h, processes), folded) for h in (h1, h2))
        return Views(e1, e2, z1, z2)

    def _drop(self, h: Tensor, processes: Processes) -> Tensor:
        if not self.training:
            return h
        kept = dropout_mask(h, self.dropout, processes)
        return h if kept is None else h * kept / (1 - self.dropout)


class ScRCLNet(Encoders):
    """Refinement contrastive learning of cell-gene associations (arXiv 2512.10640).

    ``z_v = rows of P(dropout(h_v)) F, scaled to unit length``, where F embeds the genes and
    ``P(h) = h Wp + bp`` projects cells onto genes and is shared by both views. It is evaluated as
    ``dropout(h) (Wp F) + bp F``: same value, but the (n_obs, n_genes) projection never exists.

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
        super().__init__(n_genes, n_hidden, dropout=dropout)
        self.gene_encoder = GeneEncoder(n_obs, n_latent)
        self.projector = nn.Linear(n_hidden, n_genes)

    def forward(
        self,
        inputs: Inputs,
        cells: Int[Tensor, " n_batch"] | None = None,
        *,
        refine: bool = True,
        processes: Processes | None = None,
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
        processes
            Those that have the other cells; ``None``: there are no others.
        """
        processes = processes or Processes(n_obs=len(inputs.x))
        folded = None
        if refine:
            at_hand = processes.rows if cells is None else cells
            folded = self.fold(self.gene_encoder(inputs.gx, at_hand, processes))
        return self.views(inputs, folded, processes)

    def fold(self, genes: Float[Tensor, "n_genes n_latent"]) -> Folded:
        """Projector and genes in one: ``(Wp F)^T`` and ``bp F``."""
        return genes.T @ self.projector.weight, self.projector.bias @ genes


def refined(h: Float[Tensor, "n_obs n_hidden"], folded: Folded) -> Float[Tensor, "n_obs n_latent"]:
    """Refine encodings: ``h (Wp F) + bp F``, rows of unit length."""
    return F.normalize(F.linear(h, *folded))
