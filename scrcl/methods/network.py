"""The trained network on the spots of another slice, with their own graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from scrcl.data.graph import normalized_adjacency, smooth
from scrcl.distributed import Processes
from scrcl.nn.encode import fold_genes
from scrcl.nn.inputs import Inputs, csr_tensor
from scrcl.nn.network import Encoders, Folded, MLPEncoder, refined
from scrcl.seed import isolated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scrcl.data.graph import CSR
    from scrcl.methods.base import TrainingData
    from scrcl.train import Fit

    Array = NDArray[np.float32]

_PARTS = ("weight", "bias")
_STORED = {
    "mlp": ("MLP_encoder.layer1.weight", "MLP_encoder.layer1.bias"),
    "gcn.conv1": ("GNN_encoder.layer1.lin.weight", "GNN_encoder.layer1.bias"),
    "gcn.conv2": ("GNN_encoder.layer2.lin.weight", "GNN_encoder.layer2.bias"),
    "gcn.linear": ("GNN_encoder.layer3.weight", "GNN_encoder.layer3.bias"),
}
"""Layers as model files name them, and weight and bias in the network."""
NETWORK_WEIGHTS = tuple(f"{layer}.{part}" for layer in (*_STORED, "refine") for part in _PARTS)
"""All that `Network.weights` has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Both encoders without what belongs to the training cells.

    Attributes
    ----------
    weights
        ``<layer>.weight`` and ``<layer>.bias`` of the layers ``mlp``, ``gcn.conv1``, ``gcn.conv2``,
        ``gcn.linear`` and ``refine``.
    n_smooth
        How often each view is smoothed first.
    """

    weights: Mapping[str, Array]
    n_smooth: tuple[int, int]

    def views(self, x: Array, adj: CSR) -> dict[str, Array]:
        """Embed cells, each view (n_obs, width), from model input and cell graph."""
        norm_adj = normalized_adjacency(adj).astype(np.float32)
        inputs = Inputs(
            x=_tensor(smooth(x, norm_adj, self.n_smooth[0])),
            ax=_tensor(smooth(x, norm_adj, self.n_smooth[1] + 1)),
            gx=torch.empty(0),  # the genes are in the weights
            adj=torch.empty(0),
            norm_adj=csr_tensor(norm_adj),
        )
        state = {
            ours: _tensor(self.weights[f"{stored}.{part}"])
            for stored, names in _STORED.items()
            for part, ours in zip(_PARTS, names, strict=True)
        }
        with isolated():  # a new network draws weights
            encoders = Encoders(x.shape[1], len(state["MLP_encoder.layer1.bias"])).eval()
        encoders.load_state_dict(state)
        folded = _folded(self.weights)
        with torch.no_grad():
            found = encoders.views(inputs, folded, Processes(n_obs=len(x)))
        return {name: view.numpy() for name, view in found._asdict().items()}


def network(data: TrainingData, fitted: Fit) -> Network:
    """Take the encoders out of a training run."""
    weights = {name: array for layer in _STORED for name, array in _layer(fitted, layer).items()}
    return Network(weights=weights | refinement(data, fitted), n_smooth=data.config.data.n_smooth)


def mlp_weights(fitted: Fit) -> dict[str, Array]:
    """Weight and bias of the MLP view."""
    return _layer(fitted, "mlp")


def refinement(data: TrainingData, fitted: Fit) -> dict[str, Array]:
    """Weight (K, H) and bias (K,) of the refined views: the genes are folded into the projector.

    ``P(h) F = h (Wp F) + bp F`` with the genes' embedding F, which needs all training cells.
    """
    weight, bias = fold_genes(fitted.chosen, data.inputs)
    return {"refine.weight": weight.cpu().numpy(), "refine.bias": bias.cpu().numpy()}


@torch.no_grad()
def mlp_views(x: Array, weights: Mapping[str, Array]) -> dict[str, Array]:
    """e1 and, if there are weights for it, z1, from the model input, (n_cells, n_genes)."""
    weight = _tensor(weights["mlp.weight"])
    with isolated():
        encoder = MLPEncoder(weight.shape[1], weight.shape[0])
    encoder.load_state_dict({"layer1.weight": weight, "layer1.bias": _tensor(weights["mlp.bias"])})
    h1 = encoder(_tensor(x))
    views = {"e1": F.normalize(h1).numpy()}
    if "refine.weight" in weights:
        views["z1"] = refined(h1, _folded(weights)).numpy()
    return views


def _layer(fitted: Fit, layer: str) -> dict[str, Array]:
    chosen = fitted.parameters
    return {
        f"{layer}.{part}": chosen[name].cpu().numpy()
        for part, name in zip(_PARTS, _STORED[layer], strict=True)
    }


def _folded(weights: Mapping[str, Array]) -> Folded:
    return _tensor(weights["refine.weight"]), _tensor(weights["refine.bias"])


def _tensor(array: Array) -> Tensor:
    """Share memory where torch allows it, which is where numbers may be written."""
    return torch.from_numpy(np.require(array, np.float32, ["C", "W"]))
