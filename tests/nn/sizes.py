"""How large do intermediate tensors get?"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def is_dense(leaf):
    return isinstance(leaf, torch.Tensor) and leaf.layout == torch.strided


class LargestTensor(TorchDispatchMode):
    """Remembers the largest number of elements that any operation returned."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(result) if is_dense(leaf)]
        self.numel = max([self.numel, *sizes])
        return result
