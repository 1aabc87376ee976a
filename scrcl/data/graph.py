"""Graphs over cells and over genes, and their propagation matrices.

CSR in, CSR out; nothing here is ever ``(n_obs, n_obs)`` dense. Neighbours on a tissue are in
:mod:`scrcl.data.spatial`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import scipy.sparse as sp
from sklearn.neighbors import NearestNeighbors

from scrcl._validate import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    CSR: TypeAlias = sp.csr_matrix
    Matrix: TypeAlias = NDArray[np.floating] | CSR

# Up to so many products (10,000 cells x 2,000 genes, or 70,000 cells x 50 components: about a minute
# on one core) all pairs of cells are compared; beyond, nearest neighbour descent, which takes that
# long to compile itself.
MAX_EXACT_PRODUCTS = 2.5e11
# Lists of an inverted file that are looked into for each cell, cells of each list at least, and cells
# that are looked up at a time.
_N_PROBES, _LIST_SIZE, _BLOCK = 32, 40, 65_536
# Entries of one (gene block, n_genes) slab of distances: 128 MB in float64.
_SLAB = 16_000_000


def knn_graph(
    X: Matrix,
    n_neighbors: int,
    *,
    metric: Literal["cosine", "euclidean"] = "cosine",
    include_self: bool = True,
    seed: int = 0,
    search: Literal["descent", "faiss"] = "descent",
    max_exact_products: float = MAX_EXACT_PRODUCTS,
) -> CSR:
    """Graph of the nearest cells, symmetrised by "either lists the other".

    Parameters
    ----------
    X
        Cells in rows, ``(n_obs, n_features)``.
    n_neighbors
        Length of each cell's list; cut to the number of cells.
    metric
        Cosine distance is the Euclidean one between rows of unit length, so one search does both.
        Cells that are all zero have no direction: they are near each other and far from the rest.
    include_self
        Whether the cell counts as the first of its own neighbours, as in scanpy.
    seed, search, max_exact_products
        If comparing all pairs takes more products of two numbers than this, the search is
        approximate and starts from this seed: nearest neighbour ``descent``, or an inverted file of
        ``faiss``, which is an extra.

    Returns
    -------
    ``(n_obs, n_obs)``, binary, symmetric, without self loops.

    Raises
    ------
    InputError
        If faiss is asked for and not installed.
    """
    if search == "faiss":
        _import_faiss()  # refused whatever the size, so that small data do not hide it
    n_obs = X.shape[0]
    n_others = min(n_neighbors - int(include_self), n_obs - 1)
    points = _unit_rows(X) if metric == "cosine" else _dense(X)
    if n_others < 1:
        return sp.csr_matrix((n_obs, n_obs), dtype=np.float32)
    if n_obs * points.size <= max_exact_products:
        found = _exact_neighbors(points, n_others + 1)
    else:
        approximate = {"descent": _descent_neighbors, "faiss": _faiss_neighbors}[search]
        found = approximate(points, n_others + 1, seed)
    return symmetric_graph(*_without_self(found, n_others), n_obs)


def symmetric_graph(rows: NDArray[np.integer], cols: NDArray[np.integer], n_obs: int) -> CSR:
    """Binary CSR graph with an edge wherever ``(i, j)`` or ``(j, i)`` is listed, ``i != j``."""
    apart = rows != cols
    rows, cols = rows[apart], cols[apart]
    ones = np.ones(2 * rows.size, dtype=np.float32)
    both = (np.concatenate([rows, cols]), np.concatenate([cols, rows]))
    graph = sp.csr_matrix((ones, both), shape=(n_obs, n_obs))  # sums what is listed twice ...
    graph.data[:] = 1.0  # ... and an edge is an edge
    graph.sort_indices()
    return graph


def gene_graph(X: Matrix, n_neighbors: int = 5) -> CSR:
    r"""Directed graph of each gene's nearest genes by Euclidean distance, itself included.

    Distances come from :math:`\lVert x_g \rVert^2 + \lVert x_h \rVert^2 - 2 x_g^\top x_h`, a slab of
    genes at a time, in float64: exact on counts, so that the order of the cells cannot matter. Of
    genes that are equally near, those that come first in ``X`` are taken.

    Parameters
    ----------
    X
        Model input, ``(n_obs, n_genes)``.
    n_neighbors
        Length of each gene's list, the gene itself included; cut to the number of genes.

    Returns
    -------
    ``(n_genes, n_genes)``, binary. Row ``g`` lists the neighbours of ``g``; the diagonal is set.
    """
    n_genes = X.shape[1]
    n_listed = min(n_neighbors, n_genes)
    X = X.astype(np.float64)
    genes = X.T.tocsr() if sp.issparse(X) else X.T
    squares = np.asarray(X.multiply(X).sum(0) if sp.issparse(X) else (X * X).sum(0)).ravel()

    slab = max(1, _SLAB // n_genes)
    listed = []
    for start in range(0, n_genes, slab):
        own = np.arange(start, min(start + slab, n_genes))
        products = genes[own] @ X
        if sp.issparse(products):
            products = products.toarray()
        distances = squares[own, None] + squares[None, :] - 2.0 * products
        distances[own - start, own] = -1.0  # the gene itself comes first, before its duplicates
        listed.append(np.argsort(distances, axis=1, kind="stable")[:, :n_listed])
    cols = np.concatenate(listed).ravel()
    rows = np.repeat(np.arange(n_genes), n_listed)
    graph = sp.csr_matrix((np.ones(cols.size, np.float32), (rows, cols)), (n_genes, n_genes))
    graph.sort_indices()
    return graph


def normalized_adjacency(adj: CSR) -> CSR:
    r""":math:`S(A) = D^{-1/2} (A + I) D^{-1/2}` with :math:`D` the row sums of :math:`A + I`.

    Parameters
    ----------
    adj
        ``(n_obs, n_obs)``, binary, symmetric, no self loops. A cell without neighbours keeps its
        own value.

    Returns
    -------
    ``(n_obs, n_obs)``, float64.
    """
    looped = (adj.astype(np.float64) + sp.eye(adj.shape[0], format="csr")).tocsr()
    return _scaled(looped, np.asarray(looped.sum(1), np.float64).ravel())


def normalized_gene_graph(graph: CSR) -> CSR:
    r""":math:`S_B = D^{-1/2} B^\top D^{-1/2}` with :math:`D` the in-degrees (column sums of B).

    Row ``g`` of ``B`` lists the neighbours of ``g``, and messages flow from a gene to those that it
    lists: row ``c`` of ``S_B`` averages over the genes that list ``c``. The self loops are in ``B``.

    Returns
    -------
    ``(n_genes, n_genes)``, float64, to be multiplied from the left: ``S_B @ X.T``.
    """
    incoming = graph.T.tocsr().astype(np.float64)
    return _scaled(incoming, np.asarray(incoming.sum(1), np.float64).ravel())


def smooth(X: NDArray[np.floating], norm_adj: CSR, times: int) -> NDArray[np.floating]:
    """Low-pass filter: ``norm_adj`` applied ``times`` times to the rows of ``X``.

    Dense on purpose: one step already fills most of a sparse matrix.
    """
    norm_adj = norm_adj.astype(X.dtype)
    for _ in range(times):
        X = norm_adj @ X
    return X


def _scaled(matrix: CSR, degrees: NDArray[np.float64]) -> CSR:
    scale = sp.diags(1.0 / np.sqrt(degrees))
    scaled: CSR = (scale @ matrix @ scale).tocsr()
    scaled.sort_indices()
    return scaled


def _dense(X: Matrix) -> NDArray[np.float32]:
    dense = X.toarray() if sp.issparse(X) else np.asarray(X)
    return np.ascontiguousarray(dense, dtype=np.float32)


def _unit_rows(X: Matrix) -> NDArray[np.float32]:
    """Rows of length one; all-zero rows point along an axis of their own."""
    unit = _dense(X)
    norms = np.linalg.norm(unit, axis=1, keepdims=True)
    empty = norms == 0
    unit = np.divide(unit, np.where(empty, 1, norms), dtype=np.float32)
    return np.hstack([unit, empty.astype(np.float32)]) if empty.any() else unit


def _exact_neighbors(points: NDArray[np.float32], n_listed: int) -> NDArray[np.intp]:
    search = NearestNeighbors(n_neighbors=n_listed, algorithm="brute").fit(points)
    return np.asarray(search.kneighbors(return_distance=False, X=points))


def _descent_neighbors(points: NDArray[np.float32], n_listed: int, seed: int) -> NDArray[np.intp]:
    from pynndescent import NNDescent  # noqa: PLC0415  (slow, and large data only)

    index = NNDescent(points, metric="euclidean", n_neighbors=n_listed, random_state=seed)
    return np.asarray(index.neighbor_graph[0], dtype=np.intp)


def _faiss_neighbors(points: NDArray[np.float32], n_listed: int, seed: int) -> NDArray[np.intp]:
    """Search an inverted file: the cells of the lists whose centres are nearest."""
    faiss = _import_faiss()
    n_obs, width = points.shape
    n_lists = max(1, min(int(4 * n_obs**0.5), n_obs // _LIST_SIZE))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(width), width, n_lists)
    index.cp.seed = seed
    index.nprobe = _N_PROBES
    index.train(points)
    index.add(points)
    blocks = (points[start : start + _BLOCK] for start in range(0, n_obs, _BLOCK))
    # Of a list too short, the rest is -1.
    return np.concatenate([index.search(block, n_listed)[1] for block in blocks]).astype(np.intp)


def _import_faiss() -> Any:
    try:
        import faiss  # noqa: PLC0415  (an extra)
    except ImportError as error:
        msg = (
            "data.neighbor_search: got 'faiss', which is not installed. Install it: pip install "
            "'scrcl[faiss]', or set data.neighbor_search: descent."
        )
        raise InputError(msg) from error
    return faiss


def _without_self(
    found: NDArray[np.intp], n_others: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Edges to the first ``n_others`` of each list that are not the cell itself.

    The cell is not always the first of its list (it may have duplicates), nor always in it.
    """
    other = (found != np.arange(found.shape[0])[:, None]) & (found >= 0)
    wanted = other & (np.cumsum(other, axis=1) <= n_others)
    rows, places = np.nonzero(wanted)
    return rows, found[rows, places]
