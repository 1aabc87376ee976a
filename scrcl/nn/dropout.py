"""Which entries dropout keeps: drawn once for the network and for its fast training step."""

import torch
from torch import Tensor

from scrcl.distributed import Processes

_INT16, _INT64 = torch.iinfo(torch.int16), torch.iinfo(torch.int64)


def dropout_mask(x: Tensor, probability: float, processes: Processes) -> Tensor | None:
    """Draw which entries of x, this process's rows, dropout keeps; None if it keeps them all.

    Drawn as a single process draws it, so that the number of processes changes nothing. One byte
    an entry; on a CPU of 16 random bits each, as drawing takes longer than using what is drawn.
    """
    if not probability:
        return None
    shape = (len(x) if processes.size == 1 else processes.n_obs, x.shape[1])
    if x.device.type == "cpu":
        words = torch.empty(-(-shape[0] * shape[1] // 4), dtype=torch.int64)
        bits = words.random_(_INT64.min, None).view(torch.int16)[: shape[0] * shape[1]]
        kept = (bits >= round(_INT16.min + probability * 2**16)).view(shape)
    else:
        kept = torch.empty(shape, dtype=torch.bool, device=x.device).bernoulli_(1 - probability)
    return kept if processes.size == 1 else kept[processes.rows]
