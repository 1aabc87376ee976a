"""Embed all cells in evaluation mode: in one go, or block by block where that takes too much memory."""

import torch
from torch import Tensor
from torch.nn import functional as F

from scrcl.distributed import Processes
from scrcl.nn.inputs import Inputs, csr_tensor
from scrcl.nn.minibatch import SparseInputs, blocks
from scrcl.nn.network import Folded, ScRCLNet, Views, refined


@torch.no_grad()
def encode(
    net: ScRCLNet, inputs: Inputs | SparseInputs, processes: Processes | None = None
) -> Views:
    """Embed all cells with a trained network, without dropout.

    Parameters
    ----------
    net
        Put into evaluation mode.
    inputs
        Of all cells, or, where they are dense, of those of this process. Sparse ones are made dense
        and brought to the network's device block by block; the views are the same.
    processes
        Those that have the other cells; ``None``: there are no others.

    Returns
    -------
    Views of all cells, on the CPU.
    """
    net.eval()
    if isinstance(inputs, SparseInputs):
        return _by_blocks(net, inputs)
    processes = processes or Processes(n_obs=len(inputs.x))
    return Views(*(processes.gather(view).cpu() for view in net(inputs, processes=processes)))


@torch.no_grad()
def embed_genes(net: ScRCLNet, inputs: Inputs | SparseInputs) -> Tensor:
    """Embedding F of the genes from all cells, (n_genes, n_latent)."""
    mixed = inputs.mix(net.gene_encoder.weight.cpu())
    return net.gene_encoder.activate(mixed.to(net.projector.weight.device))


@torch.no_grad()
def fold_genes(net: ScRCLNet, inputs: Inputs | SparseInputs) -> Folded:
    """All that the refinement of a cell needs of the training cells, ``(Wp F)^T`` and ``bp F``."""
    return net.fold(embed_genes(net, inputs))


def _by_blocks(net: ScRCLNet, inputs: SparseInputs) -> Views:
    """`ScRCLNet.views` layer by layer, as the graph convolution needs the layer before of all cells."""
    device = net.projector.weight.device
    gnn, (n_obs, n_hidden) = net.GNN_encoder, (inputs.x.shape[0], net.projector.in_features)
    folded = fold_genes(net, inputs)
    # Halves of one array, so that [e1, e2] needs no second one.
    e1, e2 = torch.empty(n_obs, 2 * n_hidden).tensor_split(2, dim=1)
    z1, z2 = torch.empty(2, n_obs, len(folded[1]))
    sent = torch.empty(n_obs, n_hidden)
    for cells in blocks(n_obs):
        x0 = torch.from_numpy(inputs.smoothed(cells, inputs.n_smooth[0])).to(device)
        h1 = net.MLP_encoder(x0)
        e1[cells], z1[cells] = F.normalize(h1).cpu(), refined(h1, folded).cpu()
        ax = torch.from_numpy(inputs.smoothed(cells, inputs.n_smooth[1] + 1)).to(device)
        sent[cells] = gnn.messages(ax).cpu()
    for cells in blocks(n_obs):
        # On the CPU: the messages of all may not fit on the device.
        mixed = gnn.mix(csr_tensor(inputs.norm_adj[cells]), sent)
        h2 = gnn.last(gnn.hidden(mixed.to(device)))
        e2[cells], z2[cells] = F.normalize(h2).cpu(), refined(h2, folded).cpu()
    return Views(e1, e2, z1, z2)
