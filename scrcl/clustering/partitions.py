"""Many quick partitions of the same cells: the votes that the consensus counts."""

import random
from collections.abc import Iterable, Iterator

import igraph
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from scrcl._threads import workers
from scrcl.data.graph import knn_graph

# Numbers of clusters and Leiden resolutions, coarse to fine. Coarse partitions keep the pieces of
# one large type together, fine ones keep rare types apart; the tree over their votes gets both.
SIZES = (3, 5, 8, 12, 18, 27, 40)
RESOLUTIONS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
N_COMPONENTS = 30
_N_NEIGHBORS = 15
_N_STARTS = 2


def spaces(views: Iterable[NDArray[np.floating]]) -> Iterator[NDArray[np.float32]]:
    """Yield up to 30 principal components of each view, as they are and with rows of unit length.

    Parameters
    ----------
    views
        Embeddings of the same cells, each (n_obs, any width).

    Yields
    ------
    Coordinates, (n_obs, at most 30): length matters in the first of each two, direction alone in
    the second.
    """
    for view in views:
        components = leading_components(view, N_COMPONENTS)
        yield components
        lengths = np.linalg.norm(components, axis=1, keepdims=True)
        yield components / np.maximum(lengths, np.finfo(np.float32).tiny)


def leading_components(view: NDArray[np.floating], n_components: int) -> NDArray[np.float32]:
    """Principal components of a view, (n_obs, at most ``n_components``)."""
    n_components = min(n_components, view.shape[0] - 1, view.shape[1])
    solver = "covariance_eigh" if view.shape[0] > view.shape[1] else "full"
    with np.errstate(invalid="ignore"):  # shares of a variance of 0, which nobody asks for
        components = PCA(n_components, svd_solver=solver).fit_transform(view)
    return np.asarray(components, dtype=np.float32)


def partitions(spaces: Iterable[NDArray[np.float32]], *, seed: int) -> list[NDArray[np.intp]]:
    """Split cells by k-means and Leiden in several spaces, in each from coarse to fine.

    k-means runs in threads of its own, of which each computes on one core: the outcome does not
    depend on how many there are.

    Parameters
    ----------
    spaces
        Coordinates, each (n_obs, n_dims).
    seed
        Seed of k-means and Leiden; no global state is touched.

    Returns
    -------
    Labels 0, 1, ..., each (n_obs,): of the first space by k-means and Leiden, of the second, ...
    """
    with workers(beside=1) as threads:
        running = [
            (space, [threads.submit(_kmeans, space, size, seed) for size in _sizes(space)])
            for space in spaces
        ]
        found = []
        for space, members in running:
            # Here, beside them: igraph has one random generator for all threads.
            graph = shared_neighbor_graph(space, seed=seed)
            communities = [leiden(graph, resolution, seed=seed) for resolution in RESOLUTIONS]
            found += [*(member.result() for member in members), *communities]
    return found


def _sizes(space: NDArray[np.float32]) -> list[int]:
    n_distinct = len(np.unique(space, axis=0))
    return [size for size in SIZES if size <= n_distinct // 2]


def _kmeans(space: NDArray[np.float32], size: int, seed: int) -> NDArray[np.intp]:
    labels: NDArray[np.intp] = KMeans(size, n_init=_N_STARTS, random_state=seed).fit_predict(space)
    return labels


def shared_neighbor_graph(space: NDArray[np.float32], *, seed: int) -> igraph.Graph:
    """Nearest-neighbour graph whose edges weigh the Jaccard overlap of the two neighbourhoods."""
    n_obs = space.shape[0]
    adj = knn_graph(space, _N_NEIGHBORS + 1, metric="euclidean", seed=seed)
    hoods = adj + sp.identity(n_obs, dtype=np.float32, format="csr")
    upper = sp.triu(adj, 1).tocoo()
    shared = np.asarray((hoods[upper.row].multiply(hoods[upper.col])).sum(1)).ravel()
    sizes = np.asarray(hoods.sum(1)).ravel()
    weights = shared / (sizes[upper.row] + sizes[upper.col] - shared)
    graph = igraph.Graph(n=n_obs, edges=np.column_stack([upper.row, upper.col]))
    graph.es["weight"] = weights
    return graph


def leiden(graph: igraph.Graph, resolution: float, *, seed: int) -> NDArray[np.intp]:
    """Leiden communities by modularity; igraph's generator is given back afterwards."""
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = graph.community_leiden(
            "modularity", weights="weight", resolution=resolution, n_iterations=3
        )
    finally:
        igraph.set_random_number_generator(random)
    return np.asarray(found.membership, dtype=np.intp)
