"""Methods that need nothing of this package: components, k-means, mixtures, Leiden, scVI."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from benchmarks.common import Found
from benchmarks.machine import Stopwatch
from scrcl.config import DataConfig
from scrcl.data.preprocess import TARGET_SUM, preprocess
from scrcl.data.validate import unique_names
from scrcl.data.values import find_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import scipy.sparse as sp
    from numpy.typing import NDArray

    from benchmarks.common import Runner
    from scrcl.experiment.inputs import Dataset

    Labels: TypeAlias = NDArray[np.integer]
    Points: TypeAlias = NDArray[np.floating]
    Cluster: TypeAlias = Callable[[Points, int, int], Labels]

N_HVG = 2000
N_TISSUE_HVG = 3000
N_PCS = 30
N_NEIGHBORS = 15
N_STARTS = 10
RESOLUTION = 1.0
_RESOLUTIONS = (1e-3, 20.0)
_MAX_TRIES = 25
N_SCVI_LATENT = 10
"""scVI's own default, as all its other settings here are."""

PARAMS = {
    "version": 2,
    "n_hvg": N_HVG,
    "n_pcs": N_PCS,
    "n_neighbors": N_NEIGHBORS,
    "n_starts": N_STARTS,
}


class Expression(NamedTuple):
    """Preprocessed data, the same for all baselines."""

    log_norm: ad.AnnData  # (n_kept, n_genes), one total for all cells, log1p, variable genes
    kept: NDArray[np.bool_]  # (n_obs,)


def expression(
    adata: ad.AnnData, n_hvg: int = N_HVG, target_sum: float | None = TARGET_SUM
) -> Expression:
    """Normalise, log1p, choose variable genes; log data start at the last step.

    Parameters
    ----------
    adata
        Cells and genes; not changed.
    n_hvg
        Number of variable genes, scanpy's default ranking.
    target_sum
        Total of every cell; ``None``: the median of the totals.
    """
    config = DataConfig(n_hvg=n_hvg, hvg_flavor="seurat", model_input="log", target_sum=target_sum)
    done = preprocess(adata, config)
    return Expression(done.log_norm, done.kept)


def pcs(data: Dataset, found: Expression) -> Points:
    """Return 30 principal components of log-normalised expression, (n_kept, 30)."""
    del data  # expression is all
    return sparse_pcs(found.log_norm.X, N_PCS)


def sparse_pcs(X: sp.csr_matrix, n_components: int) -> Points:
    """Principal components of a sparse matrix by scanpy's default solver, (n_obs, n_components)."""
    n_components = min(n_components, min(X.shape) - 1)
    fitted: Points = PCA(n_components, svd_solver="arpack", random_state=0).fit_transform(X)
    return fitted


def narrowed(points: Points, n_components: int = N_PCS) -> Points:
    """Return principal components of dense points, (n_kept, n_components)."""
    fitted: Points = PCA(min(n_components, *points.shape), random_state=0).fit_transform(points)
    return fitted


def n_classes(data: Dataset, found: Expression) -> int:
    """Count the classes of the cells that take part."""
    assert data.labels is not None  # sets without labels are not benchmarked
    return int(data.labels[found.kept].nunique())


def runner(
    points: Callable[[Dataset, Expression], Points],
    cluster: Cluster,
    *,
    n_hvg: int = N_HVG,
    target_sum: float | None = TARGET_SUM,
) -> Runner:
    """Make a runner of a training-free method.

    Parameters
    ----------
    points
        From data and preprocessed expression to what is clustered, (n_kept, n_features).
    cluster
        From that, the true number of classes and a seed to clusters.
    n_hvg, target_sum
        As in `expression`.
    """

    def run(data: Dataset, names: Sequence[str], seed: int) -> Iterator[Found]:
        clock = Stopwatch()
        found = expression(data.without_labels(), n_hvg, target_sum)
        labels = cluster(points(data, found), n_classes(data, found), seed)
        for name in names:
            yield Found(name, labels, found.kept, clock())

    return run


def kmeans(points: Points, n_clusters: int, seed: int) -> Labels:
    """Best of ten runs of k-means."""
    labels: Labels = KMeans(n_clusters, n_init=N_STARTS, random_state=seed).fit_predict(points)
    return labels


def tied_gmm(points: Points, n_clusters: int, seed: int) -> Labels:
    """Gaussian mixture with one covariance for all, best of ten starts from k-means.

    Components are brought to one scale all together, so that the ridge of 1e-6 is small for them.
    """
    points = np.asarray(points, dtype=np.float64) / max(float(np.std(points)), 1e-12)
    model = GaussianMixture(
        n_clusters,
        covariance_type="tied",
        init_params="kmeans",
        n_init=N_STARTS,
        max_iter=200,
        random_state=seed,
    )
    labels: Labels = model.fit_predict(points)
    return labels


def leiden_labels(points: Points, seed: int) -> Callable[[float], Labels]:
    """Return a function from resolution to Leiden communities of scanpy's graph on 15 neighbours."""
    cells = ad.AnnData(obs=pd.DataFrame(index=[str(i) for i in range(len(points))]))
    cells.obsm["X_pca"] = np.asarray(points, dtype=np.float32)
    n_neighbors = min(N_NEIGHBORS, len(points) - 1)
    sc.pp.neighbors(cells, n_neighbors=n_neighbors, use_rep="X_pca", random_state=seed)

    def cluster(resolution: float) -> Labels:
        sc.tl.leiden(
            cells,
            resolution=resolution,
            flavor="igraph",
            n_iterations=2,
            directed=False,
            random_state=seed,
        )
        labels: Labels = cells.obs["leiden"].astype(int).to_numpy()
        return labels

    return cluster


def leiden(points: Points, n_clusters: int, seed: int) -> Labels:
    """Leiden at resolution 1, as most tutorials leave it; ``n_clusters`` is not looked at."""
    del n_clusters
    return leiden_labels(points, seed)(RESOLUTION)


def leiden_matched(points: Points, n_clusters: int, seed: int) -> Labels:
    """Leiden at the resolution, found by bisection, that comes closest to ``n_clusters``."""
    cluster = leiden_labels(points, seed)
    low, high = np.log(_RESOLUTIONS)
    best = cluster(RESOLUTION)
    for _ in range(_MAX_TRIES):
        middle = (low + high) / 2
        labels = cluster(float(np.exp(middle)))
        found, closest = labels.max() + 1, best.max() + 1
        if abs(found - n_clusters) < abs(closest - n_clusters):
            best = labels
        if found == n_clusters:
            return labels
        low, high = (middle, high) if found < n_clusters else (low, middle)
    return best


def scvi_latent(adata: ad.AnnData, found: Expression, seed: int) -> Points:
    """Train scVI with its defaults on the variable genes and return its latent space.

    It takes counts. Where there are none, it gets the linear values that there are (RPKM, or log
    values taken back to linear ones), rounded.

    Raises
    ------
    ModuleNotFoundError
        If scvi-tools is not installed.
    """
    import scvi  # noqa: PLC0415  (optional)

    values = find_values(adata)
    names = pd.Index(unique_names(values.var_names, "gene", []))
    X = values.X[found.kept][:, names.get_indexer(found.log_norm.var_names)].astype(np.float32)
    if values.kind == "log":
        X.data = np.expm1(X.data)
    X.data = np.rint(X.data)
    cells = ad.AnnData(X)
    scvi.settings.seed = seed
    scvi.model.SCVI.setup_anndata(cells)
    model = scvi.model.SCVI(cells, n_latent=N_SCVI_LATENT)
    model.train(accelerator="cpu", enable_progress_bar=False)
    return np.asarray(model.get_latent_representation())
