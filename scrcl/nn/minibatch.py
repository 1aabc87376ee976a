"""Inputs that stay sparse: what a mini-batch of cells needs is made when its turn comes."""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from scrcl.nn.inputs import Inputs, csr_tensor

CSR: TypeAlias = sp.csr_matrix

BLOCK = 8_192
"""Cells that are made dense at once, of those that do not fit as a whole."""


class DenseRows(NamedTuple):
    """What the network sees of each cell, from which batches are picked."""

    x: NDArray[np.float32]
    """(n_obs, n_genes)."""
    ax: NDArray[np.float32]
    """(n_obs, n_genes)."""
    gx: NDArray[np.float32]
    """(n_genes, n_obs)."""


class SparseInputs(NamedTuple):
    """Everything the network sees of data that are too large to be dense; never labels."""

    x: CSR
    """(n_obs, n_genes) X, the model's input before smoothing."""
    adj: CSR
    """(n_obs, n_obs) A: binary, symmetric, no self loops."""
    norm_adj: CSR
    """(n_obs, n_obs) S(A) = D^-1/2 (A + I) D^-1/2."""
    norm_genes: CSR
    """(n_genes, n_genes) S_B."""
    n_smooth: tuple[int, int]
    """How often S(A) is applied to X for each view."""

    def batch(self, cells: NDArray[np.intp], rows: DenseRows | None = None) -> Inputs:
        """Dense inputs of some cells, linked among themselves as they are in the whole graph.

        The first layer of the GCN view sees the true neighbours, whether in the batch or not; the
        second one and the losses see those in the batch.

        Parameters
        ----------
        cells
            Their numbers, sorted.
        rows
            From `dense_rows`: the same values at less cost. ``None``: made for these cells alone.
        """
        adj = self.adj[cells][:, cells]
        if rows is None:
            return self._dense(cells, adj, _normalized(adj))
        return Inputs(
            x=torch.from_numpy(rows.x[cells]),
            ax=torch.from_numpy(rows.ax[cells]),
            gx=torch.from_numpy(rows.gx.take(cells, axis=1)),
            adj=csr_tensor(adj),
            norm_adj=csr_tensor(_normalized(adj)),
        )

    def dense_rows(self) -> DenseRows:
        """Make what the network sees of all cells, as three arrays of cells x genes."""
        n_obs, n_genes = self.x.shape
        x, ax = np.empty((2, n_obs, n_genes), dtype=np.float32)
        gx = np.empty((n_genes, n_obs), dtype=np.float32)
        for cells in blocks(n_obs):
            own = slice(cells[0], cells[-1] + 1)
            x[own] = self.smoothed(cells, self.n_smooth[0])
            ax[own] = self.smoothed(cells, self.n_smooth[1] + 1)
            gx[:, own] = self.norm_genes @ x[own].T
        return DenseRows(x, ax, gx)

    def mix(self, weight: Tensor) -> Tensor:
        """Mix the cells into the genes, ``S_B X0^T W^T``, (n_genes, n_latent), on the CPU.

        Parameters
        ----------
        weight
            (n_latent, n_obs).
        """
        mixed = np.zeros((self.x.shape[1], len(weight)), dtype=np.float32)
        for cells in blocks(self.x.shape[0]):
            mixed += self.smoothed(cells, self.n_smooth[0]).T @ weight[:, cells].T.numpy()
        return torch.from_numpy(np.asarray(self.norm_genes @ mixed))

    def rows(self, own: slice) -> Inputs:
        """Dense inputs of one process: of some cells, with their links to all."""
        return self._dense(np.arange(self.x.shape[0])[own], self.adj[own], self.norm_adj[own])

    def _dense(self, cells: NDArray[np.intp], adj: CSR, norm_adj: CSR) -> Inputs:
        x0 = self.smoothed(cells, self.n_smooth[0])
        return Inputs(
            x=torch.from_numpy(x0),
            ax=torch.from_numpy(self.smoothed(cells, self.n_smooth[1] + 1)),
            gx=torch.from_numpy(np.asarray(self.norm_genes @ x0.T)),
            adj=csr_tensor(adj),
            norm_adj=csr_tensor(norm_adj),
        )

    def smoothed(self, cells: NDArray[np.intp], times: int) -> NDArray[np.float32]:
        """Rows of ``S(A)^times X``, (n_cells, n_genes): of the cells around, only what is needed."""
        if times == 0:
            return np.asarray(self.x[cells].toarray(), dtype=np.float32)
        weights = self.norm_adj[cells]
        around = np.unique(weights.indices).astype(np.intp)
        rows = self.x[around] if times == 1 else self.smoothed(around, times - 1)
        mixed = weights[:, around] @ rows
        return np.asarray(mixed.toarray() if sp.issparse(mixed) else mixed, dtype=np.float32)


def blocks(n_obs: int) -> Iterator[NDArray[np.intp]]:
    """Yield the numbers of all cells, some at a time."""
    for start in range(0, n_obs, BLOCK):
        yield np.arange(start, min(start + BLOCK, n_obs))


def sample_batches(adj: CSR, batch_size: int, *, seed: int) -> Iterator[NDArray[np.intp]]:
    """Yield batches of cells without end: cells at random, each with its neighbours.

    Cells are drawn without replacement until all have had their turn, then anew. Neighbours come
    along so that a batch has edges: of cells drawn at random, hardly two are linked. A cell that
    would be alone, as losses contrast cells with each other, gets the next one of the order.

    Parameters
    ----------
    adj
        Cell graph, (n_obs, n_obs).
    batch_size
        Number of cells that a batch has at most.
    seed
        Of the order.

    Yields
    ------
    Sorted cell numbers, (at most batch_size,).
    """
    rng = np.random.default_rng(seed)
    n_obs = adj.shape[0]
    sizes = np.diff(adj.indptr) + 1
    while True:
        order = rng.permutation(n_obs)
        # A batch ends before the cell whose neighbours would make it too large, were all different.
        turn = np.cumsum(sizes[order])
        start = 0
        while start < n_obs:
            before = turn[start - 1] if start else 0
            end = max(int(np.searchsorted(turn, before + batch_size, side="right")), start + 1)
            centres = order[start:end]
            around = np.setdiff1d(adj[centres].indices, centres)[: batch_size - len(centres)]
            if len(centres) + len(around) == 1 < min(batch_size, n_obs):
                around = order[[end % n_obs]]
            yield np.sort(np.concatenate([centres, around]))
            start = end


def _normalized(adj: CSR) -> CSR:
    looped = (adj + sp.identity(adj.shape[0], dtype=np.float32, format="csr")).tocsr()
    scale = sp.diags(1.0 / np.sqrt(np.asarray(looped.sum(1)).ravel()))
    scaled: CSR = (scale @ looped @ scale).tocsr()
    return scaled
