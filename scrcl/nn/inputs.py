"""What the network sees."""

import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Float, Int
from torch import Tensor


class Inputs(NamedTuple):
    """Everything the network sees; never labels.

    All members share one floating dtype and one device. The sparse ones are symmetric. Where several
    processes train together, each has the rows of its own cells (in ``gx``, the columns).
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

    def mix(self, weight: Float[Tensor, "n_latent n_obs"]) -> Float[Tensor, "n_genes n_latent"]:
        """Mix the cells into the genes, ``S_B X0^T W^T``, on the CPU."""
        return self.gx.cpu() @ weight.T

    def rows(self, own: slice) -> "Inputs":
        """Return the inputs of one process: of some cells, with their links to all."""
        return Inputs(
            x=self.x[own],
            ax=self.ax[own],
            gx=self.gx[:, own].contiguous(),
            adj=_csr_rows(self.adj, own),
            norm_adj=_csr_rows(self.norm_adj, own),
        )


def _csr_rows(matrix: Tensor, own: slice) -> Tensor:
    pointers = matrix.crow_indices()[own.start : own.stop + 1]
    at = slice(int(pointers[0]), int(pointers[-1]))
    shape = (len(pointers) - 1, matrix.shape[1])
    return sparse_csr(pointers - pointers[0], matrix.col_indices()[at], matrix.values()[at], shape)


def sparse_csr(
    indptr: Int[Tensor, " n_ptr"],
    indices: Int[Tensor, " nnz"],
    values: Float[Tensor, " nnz"],
    shape: tuple[int, int],
) -> Float[Tensor, "n_rows n_cols"]:
    """Build a sparse CSR tensor of ``shape`` without torch's warnings: its invariants are checked."""
    with warnings.catch_warnings():
        for said in (
            "Sparse CSR tensor support is in beta",
            "Sparse invariant checks are implicitly",
        ):
            warnings.filterwarnings("ignore", said, UserWarning)
        return torch.sparse_csr_tensor(indptr, indices, values, shape, check_invariants=True)


def csr_tensor(matrix: sp.csr_matrix) -> Float[Tensor, "n_rows n_cols"]:
    """Bring a scipy matrix to torch: float32, 64-bit indices, sorted."""
    matrix.sort_indices()
    return sparse_csr(
        torch.from_numpy(matrix.indptr.astype(np.int64)),
        torch.from_numpy(matrix.indices.astype(np.int64)),
        torch.from_numpy(matrix.data.astype(np.float32)),
        matrix.shape,
    )
