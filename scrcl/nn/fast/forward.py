"""The network's forward pass in training, in blocks of cells."""

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from scrcl.distributed import Processes
from scrcl.nn.dropout import dropout_mask
from scrcl.nn.fast.layers import dropped_product, graph_layers, unit_layer
from scrcl.nn.inputs import Inputs
from scrcl.nn.network import LEAK, Folded, ScRCLNet, Views


def forward(
    net: ScRCLNet,
    inputs: Inputs,
    cells: Int[Tensor, " n_batch"] | None = None,
    *,
    refine: bool = True,
    processes: Processes | None = None,
) -> Views:
    """Embed cells as ``net(inputs, cells, refine=refine, processes=processes)`` does.

    Under autocast the encoders' products are in half precision; lengths and losses never are.
    """
    processes = processes or Processes(n_obs=len(inputs.x))
    dropout = net.dropout if net.training else 0.0
    mlp, gnn = net.MLP_encoder, net.GNN_encoder
    e1, length1 = unit_layer(inputs.x, mlp.layer1.weight, mlp.layer1.bias, slope=0.0)
    u = graph_layers(
        inputs.ax,
        inputs.norm_adj,
        (gnn.layer1.lin.weight, gnn.layer1.bias),
        (gnn.layer2.lin.weight, gnn.layer2.bias),
        kept=dropout_mask(e1, dropout, processes),
        scale=1 / (1 - dropout),
        processes=processes,
    )
    e2, length2 = unit_layer(u, gnn.layer3.weight, gnn.layer3.bias, slope=LEAK)
    if not refine:
        return Views(e1, e2, e1[:, :0], e2[:, :0])
    at_hand = processes.rows if cells is None else cells
    folded = net.fold(net.gene_encoder(inputs.gx, at_hand, processes))
    z1, z2 = (
        _refined(*view, folded, dropout=dropout, processes=processes)
        for view in ((e1, length1), (e2, length2))
    )
    return Views(e1, e2, z1, z2)


def _refined(
    e: Float[Tensor, "n_obs n_hidden"],
    length: Float[Tensor, "n_obs 1"],
    folded: Folded,
    *,
    dropout: float,
    processes: Processes,
) -> Float[Tensor, "n_obs n_latent"]:
    """Refine encodings ``h = |h| e``."""
    kept = dropout_mask(e, dropout, processes)
    weight, bias = folded
    product = dropped_product(e, weight, kept=kept, scale=1 / (1 - dropout))
    return F.normalize(length * product + bias)
