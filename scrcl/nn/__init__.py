"""The network and its losses: tensors only, no AnnData, files or labels."""

from scrcl.nn.inputs import Inputs, sparse_csr
from scrcl.nn.network import ScRCLNet, Views

__all__ = ["Inputs", "ScRCLNet", "Views", "sparse_csr"]
