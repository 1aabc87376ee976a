"""The training step, evaluated in blocks of cells with its backward passes written out.

`forward` is `scrcl.nn.network.ScRCLNet.forward` and `compare` is `scrcl.nn.losses.compare`, in value
and gradient; some three times as fast on a processor, in a fraction of the memory. ``train.fast_step:
false`` trains without this package.
"""

from scrcl.nn.fast.forward import forward
from scrcl.nn.fast.pairwise import compare

__all__ = ["compare", "forward"]
