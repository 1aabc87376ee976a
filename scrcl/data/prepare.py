"""AnnData in, everything the network sees out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import scipy.sparse as sp
import torch

from scrcl._keys import SPATIAL_GRAPH
from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.data.components import components
from scrcl.data.graph import (
    gene_graph,
    knn_graph,
    normalized_adjacency,
    normalized_gene_graph,
    smooth,
    symmetric_graph,
)
from scrcl.data.places import find_places, in_tissue, refuse_one_place
from scrcl.data.prepared import embedding, neighbor_graph
from scrcl.data.preprocess import preprocess
from scrcl.data.spatial import spatial_graph
from scrcl.data.validate import grouping
from scrcl.nn.inputs import Inputs, csr_tensor
from scrcl.nn.minibatch import SparseInputs

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray

    from scrcl.config import DataConfig
    from scrcl.data.basis import Basis

    CSR: TypeAlias = sp.csr_matrix

_BLOCK = 4_096  # cells
MIN_BATCH = 2  # cells
_MANY_SHARED = 0.2  # share of spots that lie where another one does


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What training needs, and what is needed to tell whose rows and columns these are."""

    x: CSR  # (n_kept, n_genes), the model's input before smoothing
    adj: CSR  # (n_kept, n_kept), the cell graph
    cfg: DataConfig
    log_norm: AnnData  # (n_kept, n_genes), log-normalised
    kept: NDArray[np.bool_]  # (n_obs,) cells of the input that take part
    notes: list[str]  # what was found, dropped or done otherwise than asked
    basis: Basis  # how to bring other cells to the same values
    slices: NDArray[np.str_] | None = None  # (n_kept,) slice of each cell; None: one slice
    rep: NDArray[np.float32] | None = None  # (n_kept, width) embedding to be one more view
    quality: pd.DataFrame | None = None  # (n_obs,) see `scrcl.data.quality`; None: no counts

    @cached_property
    def inputs(self) -> Inputs:
        """What the network sees: dense, so made only when a network asks for it."""
        return build_inputs(self.x, self.adj, self.cfg)

    @cached_property
    def sparse_inputs(self) -> SparseInputs:
        """The same for data that are too large to be dense."""
        return SparseInputs(
            x=self.x,
            adj=self.adj,
            norm_adj=normalized_adjacency(self.adj).astype(np.float32),
            norm_genes=_norm_genes(self.x, self.cfg),
            n_smooth=self.cfg.n_smooth,
        )

    @property
    def obs_names(self) -> pd.Index:
        """Names of the cells that take part."""
        names: pd.Index = self.log_norm.obs_names
        return names

    @property
    def var_names(self) -> pd.Index:
        """Names of the genes used."""
        names: pd.Index = self.log_norm.var_names
        return names


def prepare(
    adata: AnnData,
    cfg: DataConfig,
    *,
    keep: ArrayLike | None = None,
    slice_key: str | None = None,
    batch_key: str | None = None,
    seed: int = 0,
    notes: Iterable[str] = (),
) -> Prepared:
    """Preprocess, build both graphs, smooth, and do the products that stay constant in training.

    Parameters
    ----------
    adata
        Cells and genes; not changed, and no label in it is looked at.
    cfg
        The ``data`` section of the configuration.
    keep
        Boolean mask, ``(n_obs,)``: the cells to use; all by default.
    slice_key
        Column of ``obs`` that says which tissue slice a spot is on: spots of different slices are
        not linked in a spatial graph.
    batch_key
        Column of ``obs``: genes are chosen that vary within these groups; the slices by default.
    seed
        For the approximate neighbours of the expression graph on large data.
    notes
        What is to be told of the data already.

    Raises
    ------
    InputError
        If the expression matrix, positions or groups are not usable; the message says why.
    """
    usable, coords, found = usable_spots(adata, cfg, slice_key)
    notes = [*notes, *found]
    genes = preprocess(adata, cfg, keep=keep, usable=usable, batch_key=batch_key or slice_key)
    if batch_key is not None:
        _check_batches(grouping(adata, batch_key)[genes.kept], batch_key)
    notes += genes.notes
    slices = None
    if slice_key is not None:
        slices = np.asarray(grouping(adata, slice_key).astype(str))[genes.kept]
    if cfg.graph == "spatial":
        own = None if coords is None else coords[genes.kept]
        adj = tissue_graph(adata, genes.kept, cfg, coords=own, slices=slices, notes=notes)
    elif cfg.neighbors_key is not None:
        adj = sp.csr_matrix(neighbor_graph(adata, cfg.neighbors_key)[genes.kept][:, genes.kept])
    else:
        _note_too_few(genes.log_norm.n_obs, cfg, notes)
        adj = expression_graph(genes.log_norm.X, cfg, seed=seed)
    n_alone = int((adj.getnnz(1) == 0).sum())
    if n_alone:
        notes.append(f"{counted(n_alone, 'cells')} without a neighbour in the cell graph")
    return Prepared(
        x=genes.x,
        adj=adj,
        cfg=cfg,
        log_norm=genes.log_norm,
        kept=genes.kept,
        notes=notes,
        basis=genes.basis,
        slices=slices,
        rep=None if cfg.use_rep is None else embedding(adata, cfg.use_rep)[genes.kept],
        quality=genes.quality,
    )


def usable_spots(
    adata: AnnData, cfg: DataConfig, slice_key: str | None
) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None, list[str]]:
    """Tell cells and spots that can take part from background and from spots without a position.

    Returns
    -------
    Mask, (n_obs,); positions, (n_obs, 2) or (n_obs, 3), or ``None`` where the graph needs none; and
    what is to be told.

    Raises
    ------
    InputError
        If positions are needed and not usable, or no spot is on the tissue.
    """
    usable, notes = in_tissue(adata)
    if cfg.graph != "spatial" or cfg.spatial_graph == "stored":
        return usable, None, notes
    places = find_places(adata, slice_key)
    refuse_one_place(places.coords)
    return usable & np.isfinite(places.coords[:, 0]), places.coords, notes + places.notes


def _check_batches(groups: pd.Categorical, key: str) -> None:
    """Refuse batches of one cell: nothing can be said of how such a batch differs."""
    names, sizes = np.unique(np.asarray(groups), return_counts=True)
    alone = names[sizes < MIN_BATCH]
    if len(names) > 1 and len(alone):
        msg = (
            f"obs[{key!r}]: got a single cell in {', '.join(map(repr, alone[:5].tolist()))}"
            f"{f' and {len(alone) - 5} more' if len(alone) > 5 else ''}, wanted at least "
            f"{MIN_BATCH} cells in each batch. Put small batches together or drop them."
        )
        raise InputError(msg)


def build_inputs(x: CSR, adj: CSR, cfg: DataConfig) -> Inputs:
    r"""Network input from a model matrix and a cell graph.

    :math:`X_v = S(A)^{n_v} X` for both views; the first layers' products :math:`S(A) X_1` and
    :math:`S_B X_0^\top` never change, so they are done once, here.

    Parameters
    ----------
    x
        Model input before smoothing, ``(n_obs, n_genes)``.
    adj
        Cell graph, ``(n_obs, n_obs)``.
    cfg
        Gives ``n_smooth`` and ``n_gene_neighbors``.
    """
    norm_adj = normalized_adjacency(adj).astype(np.float32)
    norm_genes = _norm_genes(x, cfg)
    x0 = smooth(x.toarray(), norm_adj, cfg.n_smooth[0])
    return Inputs(
        x=torch.from_numpy(x0),
        ax=torch.from_numpy(smooth(x.toarray(), norm_adj, cfg.n_smooth[1] + 1)),
        gx=torch.from_numpy(_gene_messages(x0, norm_genes)),
        adj=csr_tensor(adj),
        norm_adj=csr_tensor(norm_adj),
    )


def _norm_genes(x: CSR, cfg: DataConfig) -> CSR:
    return normalized_gene_graph(gene_graph(x, cfg.n_gene_neighbors)).astype(np.float32)


def expression_graph(log_norm: CSR, cfg: DataConfig, *, seed: int = 0) -> CSR:
    """Nearest cells on log-normalised expression, on its PCs from ``cfg.pca_from`` cells up.

    As in the paper, the cell itself counts as one of ``cfg.n_neighbors``.
    """
    n_obs, n_genes = log_norm.shape
    points: CSR | NDArray[np.floating] = log_norm
    if n_obs >= cfg.pca_from and 0 < cfg.n_pcs < min(n_obs, n_genes):
        points = components(log_norm, cfg.n_pcs)
    return knn_graph(
        points,
        cfg.n_neighbors,
        metric=cfg.graph_metric,
        seed=seed,
        search=cfg.neighbor_search,
    )


def stored_graph(adata: AnnData, kept: NDArray[np.bool_], slices: NDArray[np.integer]) -> CSR:
    """Graph in ``obsp["spatial_connectivities"]``: weights dropped, made symmetric.

    Parameters
    ----------
    adata
        Cells with their graph, (n_obs, n_obs).
    kept
        Cells of which the graph is wanted, (n_obs,).
    slices
        Slice of each of these, (n_kept,); edges between slices are left out.

    Raises
    ------
    InputError
        If there is no such graph.
    """
    if SPATIAL_GRAPH not in adata.obsp:
        msg = (
            f"obsp[{SPATIAL_GRAPH!r}]: got none (obsp has {sorted(adata.obsp)}), wanted a graph to "
            "reuse. Build it with squidpy.gr.spatial_neighbors, or set data.spatial_graph otherwise."
        )
        raise InputError(msg)
    stored = sp.csr_matrix(adata.obsp[SPATIAL_GRAPH])[kept][:, kept]
    rows, cols = stored.nonzero()
    within = slices[rows] == slices[cols]
    return symmetric_graph(rows[within], cols[within], stored.shape[0])


def tissue_graph(
    adata: AnnData,
    kept: NDArray[np.bool_],
    cfg: DataConfig,
    *,
    coords: NDArray[np.float64] | None,
    slices: NDArray[np.str_] | None,
    notes: list[str],
) -> CSR:
    """Graph of the kept spots, (n_kept, n_kept), no edge between slices; appends to ``notes``.

    ``coords`` are the positions of the kept spots; ``None``: the graph is stored.
    """
    codes = (
        np.zeros(kept.sum(), int) if slices is None else np.unique(slices, return_inverse=True)[1]
    )
    if coords is None:
        return stored_graph(adata, kept, codes)
    places = np.column_stack([coords, codes])
    n_shared = len(coords) - len(np.unique(places, axis=0))
    if n_shared:
        doubt = ", as if slices lay over one another: --slice-key tells them apart"
        notes.append(
            f"{counted(n_shared, 'spots')} in the place of another one"
            f"{doubt if n_shared > _MANY_SHARED * len(coords) else ''}"
        )
    if cfg.spatial_graph == "nearest":
        _note_too_few(int(np.bincount(codes).min()) - 1, cfg, notes)
    return spatial_graph(
        coords,
        n_neighbors=cfg.n_neighbors if cfg.spatial_graph == "nearest" else None,
        radius=cfg.radius,
        delaunay=cfg.spatial_graph == "delaunay",
        slices=codes,
    )


def _gene_messages(x0: NDArray[np.float32], norm_genes: CSR) -> NDArray[np.float32]:
    """``norm_genes @ x0.T``, some cells at a time: scipy would copy the whole of ``x0.T``."""
    messages = np.empty(x0.shape[::-1], dtype=x0.dtype)
    for start in range(0, x0.shape[0], _BLOCK):
        cells = slice(start, start + _BLOCK)
        messages[:, cells] = norm_genes @ x0[cells].T
    return messages


def _note_too_few(n_available: int, cfg: DataConfig, notes: list[str]) -> None:
    if cfg.n_neighbors > n_available:
        notes.append(f"n_neighbors is {cfg.n_neighbors} but there are {n_available:,}: all linked")
