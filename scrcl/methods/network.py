"""The trained network on the spots of another slice, with their own graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from scrcl.data.graph import normalized_adjacency, smooth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scrcl.data.graph import CSR
    from scrcl.methods.base import TrainingData
    from scrcl.train import Fit

    Array = NDArray[np.float32]

_LAYERS = ("gcn.conv1", "gcn.conv2", "gcn.linear")


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
        h1 = np.maximum(self._layer("mlp", smooth(x, norm_adj, self.n_smooth[0])), 0)
        u = _leaky(self._layer("gcn.conv1", smooth(x, norm_adj, self.n_smooth[1] + 1)))
        u = _leaky(
            norm_adj @ (u @ self.weights["gcn.conv2.weight"].T) + self.weights["gcn.conv2.bias"]
        )
        h2 = _leaky(self._layer("gcn.linear", u))
        return {
            "e1": _unit(h1),
            "e2": _unit(h2),
            "z1": _unit(self._layer("refine", h1)),
            "z2": _unit(self._layer("refine", h2)),
        }

    def _layer(self, name: str, x: Array) -> Array:
        product: Array = x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
        return product


def network(data: TrainingData, fitted: Fit) -> Network:
    """Take the encoders out of a training run."""
    chosen = fitted.parameters
    names = {"mlp": "mlp.linear"} | {layer: layer for layer in _LAYERS}
    weights = {
        f"{layer}.{part}": chosen[f"{name}.{part}"].cpu().numpy()
        for layer, name in names.items()
        for part in ("weight", "bias")
    }
    return Network(weights=weights | refinement(data, fitted), n_smooth=data.config.data.n_smooth)


@torch.no_grad()
def refinement(data: TrainingData, fitted: Fit) -> dict[str, Array]:
    """Weight (K, H) and bias (K,) of the refined views: the genes are folded into the projector.

    ``P(h) F = h (Wp F) + bp F`` with the genes' embedding F, which needs all training cells.
    """
    chosen = {name: value.cpu() for name, value in fitted.parameters.items()}

    genes = F.relu(data.inputs.mix(chosen["refine.conv.weight"]) + chosen["refine.conv.bias"])
    weight = genes.T @ chosen["refine.projector.weight"]
    bias = chosen["refine.projector.bias"] @ genes
    return {"refine.weight": weight.numpy(), "refine.bias": bias.numpy()}


def _leaky(x: Array) -> Array:
    """LeakyReLU as torch has it."""
    leaky: Array = np.where(x >= 0, x, np.float32(0.01) * x)
    return leaky


def _unit(rows: Array) -> Array:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Array = rows / np.maximum(lengths, 1e-12)
    return unit
