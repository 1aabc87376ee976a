"""Principal components of expression: what the cells look like before any training."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import harmonypy
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from scrcl.data.preprocess import scale_genes

if TYPE_CHECKING:
    import scipy.sparse as sp
    from numpy.typing import ArrayLike, NDArray

    CSR: TypeAlias = sp.csr_matrix

N_COMPONENTS = 50
# Up to this many genes their covariance matrix is small enough to be decomposed as a whole.
_MAX_COVARIANCE = 5_000
# Clusters of Harmony: one for so many cells, up to so many, as is its own default.
_CELLS_PER_CLUSTER, _MAX_CLUSTERS = 30, 100


def expression_components(log_norm: CSR) -> list[NDArray[np.float32]]:
    """Components of log-normalised expression, and of the same with genes of equal variance.

    Neither is better everywhere: without scaling strong genes lead, with it every gene counts.

    Parameters
    ----------
    log_norm
        Log-normalised expression of the chosen genes, (n_obs, n_genes).

    Returns
    -------
    Two arrays, (n_obs, at most 50).
    """
    return [components(log_norm), components(scale_genes(log_norm))]


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
    n_components = max(1, min(n_components, X.shape[0] - 1, X.shape[1] - 1))
    if X.shape[1] == 1:
        return np.asarray(X.toarray(), dtype=np.float32)
    solver = "covariance_eigh" if X.shape[1] <= _MAX_COVARIANCE else "arpack"
    fitted = PCA(n_components, svd_solver=solver, random_state=0).fit_transform(X)
    return np.asarray(fitted, dtype=np.float32)


def aligned(points: NDArray[np.floating], slices: ArrayLike) -> NDArray[np.float32]:
    """Components of several slices without what tells the slices apart, by Harmony.

    Harmony (Korsunsky et al., Nature Methods 2019) moves like towards like: a tissue that only one
    slice has stays apart, where centring every slice would shift all others with it.

    Parameters
    ----------
    points
        Components of expression, (n_obs, n_components).
    slices
        Slice of each row, (n_obs,).

    Returns
    -------
    (n_obs, n_components); as they were if there is one slice.
    """
    names = np.asarray(slices).astype(str)
    if len(np.unique(names)) == 1:
        return np.asarray(points, dtype=np.float32)
    found = harmonypy.run_harmony(
        np.asarray(points, dtype=np.float64),
        pd.DataFrame({"slice": names}),
        ["slice"],
        nclust=int(np.clip(len(names) // _CELLS_PER_CLUSTER, 1, _MAX_CLUSTERS)),
        random_state=0,
        ncores=1,  # sums in one order, so that results repeat bit by bit
        verbose=False,
    )
    return np.asarray(found.Z_corr, dtype=np.float32)
