"""Simulated counts with no structure or one planted group, and real data without what ties genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_DEPTH_CLASSES = 10


class Design(NamedTuple):
    """Negative binomial counts: ``total * lognormal(depth_sd)`` a cell, shared out over the genes."""

    n_obs: int
    n_genes: int
    total: float
    depth_sd: float
    dispersion: float


DESIGNS = {
    "few_cells": Design(300, 1_000, 2_000, 0.3, 0.1),
    "typical": Design(1_000, 2_000, 5_000, 0.5, 0.2),
    "many_cells": Design(3_000, 2_000, 1_500, 0.5, 0.3),
    "uneven_depth": Design(500, 5_000, 10_000, 1.0, 0.5),
    "shallow": Design(2_000, 3_000, 500, 0.7, 0.0),
}


def simulate(
    design: Design, seed: int, *, share: float = 0.0, n_markers: int = 0, log2_fold: float = 0.0
) -> tuple[ad.AnnData, NDArray[np.bool_]]:
    """Draw cells of one type, of which a share has some genes up and some down.

    Parameters
    ----------
    design
        How the counts are distributed.
    seed
        Of everything random.
    share
        Of the cells in the planted group; 0: there is none.
    n_markers
        Genes that differ in it, of the better expressed half.
    log2_fold
        By how much, up or down.

    Returns
    -------
    The counts, and which cells are of the planted group, (n_obs,).
    """
    rng = np.random.default_rng((seed, *map(ord, repr(design))))
    n_obs, n_genes = design.n_obs, design.n_genes
    mean = rng.gamma(0.5, 1.0, n_genes)
    mean /= mean.sum()
    sd = design.depth_sd
    depth = design.total * np.exp(rng.normal(0, sd, n_obs) - sd**2 / 2)
    expected = np.outer(depth, mean)
    planted = np.arange(n_obs) < round(share * n_obs)
    better = np.argsort(-mean)[: n_genes // 2]
    genes = rng.choice(better, n_markers, replace=False)
    expected[np.ix_(planted, genes)] *= 2.0 ** (log2_fold * rng.choice([-1, 1], n_markers))
    if design.dispersion:
        shape = 1 / design.dispersion
        expected *= rng.gamma(shape, design.dispersion, expected.shape)
    X = sp.csr_matrix(rng.poisson(expected).astype(np.float32))
    obs = pd.DataFrame(index=[f"cell{number}" for number in range(n_obs)])
    var = pd.DataFrame(index=[f"gene{number}" for number in range(n_genes)])
    return ad.AnnData(X, obs, var), planted


def shuffled(adata: ad.AnnData, seed: int) -> ad.AnnData:
    """Shuffle every gene over the cells of like depth.

    Each gene keeps its distribution, and its relation to the total; what ties genes to one another
    is destroyed, and with it all types.
    """
    X = sp.csc_matrix(adata.X)
    rng = np.random.default_rng(seed)
    totals = np.asarray(X.sum(axis=1)).ravel()
    bounds = np.quantile(totals, np.linspace(0, 1, N_DEPTH_CLASSES + 1)[1:-1])
    classes = np.digitize(totals, bounds)
    groups = [np.flatnonzero(classes == number) for number in range(N_DEPTH_CLASSES)]
    moved = np.arange(X.shape[0])
    rows = X.indices.copy()
    for gene in range(X.shape[1]):
        for group in groups:
            moved[group] = rng.permutation(group)
        own = slice(X.indptr[gene], X.indptr[gene + 1])
        rows[own] = moved[rows[own]]
    X = sp.csr_matrix(sp.csc_matrix((X.data, rows, X.indptr), shape=X.shape))
    return ad.AnnData(X, pd.DataFrame(index=adata.obs_names), pd.DataFrame(index=adata.var_names))
