"""Gene modules: groups of genes that a model embeds alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from scrcl.data.expression import group_sums

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

NUMBERS = (5, 7, 10, 14, 20)
"""Numbers of modules that are tried."""
_SAMPLE = 2_000  # genes, for the silhouette


def gene_modules(embedding: NDArray[np.floating]) -> NDArray[np.intp]:
    """Group genes by the direction of their embedding.

    Rows are brought to unit length and centred, so that what all genes share and how strong each
    is do not matter; k-means then tries a few numbers of modules, and the best mean silhouette
    (cosine) decides. No labels, always the same result.

    Parameters
    ----------
    embedding
        One row a gene, (n_genes, n_features).

    Returns
    -------
    Module of each gene, (n_genes,), 0, 1, ... from the largest to the smallest.
    """
    points = _unit(_unit(embedding) - _unit(embedding).mean(0))
    n_distinct = len(np.unique(points.round(6), axis=0))
    numbers = [number for number in NUMBERS if number < n_distinct]
    if not numbers:
        return np.zeros(len(points), dtype=np.intp)
    tried = [KMeans(number, n_init=5, random_state=0).fit_predict(points) for number in numbers]
    sample = min(_SAMPLE, len(points))
    quality = [
        silhouette_score(points, labels, metric="cosine", sample_size=sample, random_state=0)
        for labels in tried
    ]
    best = tried[int(np.argmax(quality))]
    order = np.argsort(-np.bincount(best), kind="stable")
    modules: NDArray[np.intp] = np.argsort(order)[best]
    return modules


def module_activity(
    expression: ad.AnnData, modules: NDArray[np.integer], clusters: NDArray[np.integer]
) -> pd.DataFrame:
    """Mean activity of every module in every cluster.

    Parameters
    ----------
    expression
        Log-normalised expression of the genes, (n_obs, n_genes).
    modules, clusters
        Module of each gene, cluster of each cell.

    Returns
    -------
    One row a module: ``module``, ``n_genes``, and a column for each cluster, named by its number:
    the mean over the genes of the module of (mean in the cluster - mean in all cells) / SD.
    """
    X = expression.X
    mean = np.asarray(X.mean(0)).ravel().astype(np.float64)
    square = np.asarray(X.multiply(X).mean(0)).ravel().astype(np.float64)
    deviation = np.sqrt(np.maximum(square - mean**2, 1e-12))
    numbers, codes, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    means = group_sums(X, codes, len(numbers)) / sizes[:, None]
    standard = ((means - mean) / deviation).T
    table = pd.DataFrame(standard, columns=[str(number) for number in numbers])
    groups = table.groupby(np.asarray(modules))
    activity = groups.mean()
    activity.insert(0, "n_genes", groups.size())
    return activity.rename_axis("module").reset_index()


def _unit(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: NDArray[np.float64] = rows / np.maximum(lengths, 1e-12)
    return scaled
