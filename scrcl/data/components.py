"""Principal components of expression: what the cells look like before any training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import harmonypy
import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.decomposition import PCA

from scrcl._pca import leading_axes
from scrcl._threads import one_core
from scrcl.data.basis import MAX_SCALED
from scrcl.data.preprocess import gene_deviations, scale_genes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    CSR: TypeAlias = sp.csr_matrix

N_COMPONENTS = 50
# Up to this many genes their covariance matrix is small enough to be made.
_MAX_COVARIANCE = 5_000
# Clusters of Harmony: one for so many cells, up to so many, as is its own default.
_CELLS_PER_CLUSTER, _MAX_CLUSTERS = 30, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """Principal axes, onto which other cells with the same genes can be projected.

    Attributes
    ----------
    mean
        Of each gene, after the division by ``deviations``, (n_genes,).
    directions
        One axis a row, (n_components, n_genes).
    deviations
        By which each gene is divided first (and cut at 10), (n_genes,); ``None``: not at all.
    ratio
        Of the totals that cells are brought to before all that, to those of the log values.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    deviations: NDArray[np.float32] | None = None
    ratio: float = 1.0

    def project(self, X: NDArray[np.floating]) -> NDArray[np.float32]:
        """Scores of cells, (n_cells, n_components), from their log values, (n_cells, n_genes)."""
        X = _rescaled(X, self.ratio)
        if self.deviations is not None:
            X = np.minimum(X / self.deviations, MAX_SCALED)
        return np.asarray((X - self.mean) @ self.directions.T, dtype=np.float32)


Fitted: TypeAlias = "tuple[NDArray[np.float32], Axes]"
"""Scores, (n_obs, n_components), and the axes that gave them."""


def expression_components(log_norm: CSR, ratio: float = 1.0) -> list[Fitted]:
    """Components of log-normalised expression, and of the same with genes of equal variance.

    Neither is better everywhere: without scaling strong genes lead, with it every gene counts.

    Parameters
    ----------
    log_norm
        Log-normalised expression of the chosen genes, (n_obs, n_genes).
    ratio
        By which the totals of all cells are multiplied first; see `Basis.to_median`.

    Returns
    -------
    Twice scores, (n_obs, at most 50), and axes.
    """
    data = _rescaled(log_norm.data, ratio)
    values = sp.csr_matrix((data, log_norm.indices, log_norm.indptr), shape=log_norm.shape)
    scaled = fit_components(scale_genes(values), deviations=gene_deviations(values))
    fitted = [fit_components(values), scaled]
    return [(scores, replace(axes, ratio=ratio)) for scores, axes in fitted]


def _rescaled(log_values: NDArray[np.floating], ratio: float) -> NDArray[np.floating]:
    """Log values of cells whose totals are ``ratio`` times as large."""
    if ratio == 1.0:
        return log_values
    rescaled: NDArray[np.floating] = np.expm1(log_values)
    rescaled *= ratio  # in place: of a million cells these are many
    np.log1p(rescaled, out=rescaled)
    return rescaled


def components(X: CSR, n_components: int = N_COMPONENTS) -> NDArray[np.float32]:
    """Leading principal components of a sparse matrix, centred without making it dense.

    Parameters
    ----------
    X
        Cells in rows, (n_obs, n_genes).
    n_components
        Number wanted; cut to what the matrix can give.

    Returns
    -------
    Scores, (n_obs, n_components).
    """
    return fit_components(X, n_components)[0]


@one_core()
def fit_components(
    X: CSR, n_components: int = N_COMPONENTS, *, deviations: NDArray[np.float64] | None = None
) -> Fitted:
    """As :func:`components`, with the axes; ``deviations`` say by what ``X`` was divided."""
    divided = None if deviations is None else deviations.astype(np.float32)
    n_components = max(1, min(n_components, X.shape[0] - 1, X.shape[1] - 1))
    if X.shape[1] == 1:
        alone = Axes(
            mean=np.zeros(1, np.float32), directions=np.ones((1, 1), np.float32), deviations=divided
        )
        return np.asarray(X.toarray(), dtype=np.float32), alone
    if X.shape[1] <= _MAX_COVARIANCE:
        mean, directions = leading_axes(X, n_components)
        scores = X @ directions.T - mean @ directions.T
    else:
        pca = PCA(n_components, svd_solver="arpack", random_state=0)
        scores, mean, directions = pca.fit_transform(X), pca.mean_.ravel(), pca.components_
    scores, mean, directions = (np.asarray(a, np.float32) for a in (scores, mean, directions))
    return scores, Axes(mean=mean, directions=directions, deviations=divided)


def aligned(
    points: NDArray[np.floating], groups: ArrayLike, *, seed: int = 0
) -> NDArray[np.float32]:
    """Components of several slices or batches without what tells these apart, by Harmony.

    Harmony (Korsunsky et al., Nature Methods 2019) moves like towards like: a tissue that only one
    slice has stays apart, where centring every slice would shift all others with it.

    Parameters
    ----------
    points
        Components of expression, (n_obs, n_components).
    groups
        Slice or batch of each row, (n_obs,).
    seed
        Of Harmony's k-means.

    Returns
    -------
    (n_obs, n_components); as they were if there is one group.
    """
    names = np.asarray(groups).astype(str)
    if len(np.unique(names)) == 1:
        return np.asarray(points, dtype=np.float32)
    found = harmonypy.run_harmony(
        np.asarray(points, dtype=np.float64),
        pd.DataFrame({"group": names}),
        ["group"],
        nclust=int(np.clip(len(names) // _CELLS_PER_CLUSTER, 1, _MAX_CLUSTERS)),
        random_state=seed,
        ncores=1,  # sums in one order, so that results repeat bit by bit
        verbose=False,
    )
    return np.asarray(found.Z_corr, dtype=np.float32)
