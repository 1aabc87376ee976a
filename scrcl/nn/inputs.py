"""What the network sees, and the one sparse product it needs."""

import warnings
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Inputs(NamedTuple):
    """Everything the network sees; never labels.

    All members share one floating dtype and one device. The sparse ones are symmetric.
    """

    x: Tensor
    """(n_obs, n_genes) X0, input of the MLP view."""
    ax: Tensor
    """(n_obs, n_genes) S(A) X1, the constant input of the GCN view's first layer."""
    gx: Tensor
    """(n_genes, n_obs) S_B X0^T, the constant input of the gene module."""
    adj: Tensor
    """(n_obs, n_obs) sparse CSR: A, binary, symmetric, no self loops."""
    norm_adj: Tensor
    """(n_obs, n_obs) sparse CSR: S(A) = D^-1/2 (A + I) D^-1/2."""

    def to(self, device: torch.device) -> "Inputs":
        """Return the inputs on ``device``; members already there are not copied."""
        return Inputs(*(member.to(device) for member in self))


def sparse_csr(
    indptr: Int[Tensor, " n_ptr"],
    indices: Int[Tensor, " nnz"],
    values: Float[Tensor, " nnz"],
    shape: tuple[int, int],
) -> Float[Tensor, "n_rows n_cols"]:
    """Build a sparse CSR tensor of ``shape`` without torch's beta-state warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.sparse_csr_tensor(indptr, indices, values, shape, check_invariants=True)


def propagate(
    adj: Float[Tensor, "n_obs n_obs"], x: Float[Tensor, "n_obs n_features"]
) -> Float[Tensor, "n_obs n_features"]:
    """``adj @ x`` for a constant, **symmetric** sparse ``adj``, differentiable in ``x``."""
    return _SymmetricProduct.apply(adj, x)  # type: ignore[no-any-return, no-untyped-call]


class _SymmetricProduct(torch.autograd.Function):
    """Sparse times dense whose backward is the same product, as ``adj`` equals its transpose.

    Torch's own backward would convert ``adj`` to its transpose at every step.
    """

    @staticmethod
    def forward(ctx: Any, adj: Tensor, x: Tensor) -> Tensor:
        ctx.adj = adj
        return adj @ x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        return None, propagate(ctx.adj, grad)
