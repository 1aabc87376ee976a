"""Choice of the genes that vary."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal, TypeAlias

import anndata as ad
import numpy as np
import scanpy as sc

from scrcl._text import counted
from scrcl.data.lazy import is_lazy

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    from numpy.typing import NDArray

    CSR: TypeAlias = sp.csr_matrix

# The local regression of seurat_v3 crashes the interpreter, not just itself, on a handful of genes.
_MIN_VARYING = 10


def select_genes(
    log_norm: ad.AnnData,
    counts: CSR | None,
    *,
    n_hvg: int,
    flavor: Literal["seurat", "seurat_v3"],
    notes: list[str],
) -> NDArray[np.intp]:
    """Find the ``n_hvg`` most variable genes; their indices, in the order of the input.

    A panel that has no more genes than that (or ``n_hvg = 0``) is used whole. ``"seurat_v3"`` needs
    counts and a variance curve that can be fitted; else ``"seurat"`` chooses, with a note.

    Parameters
    ----------
    log_norm
        Log-normalised expression; genes are chosen within the groups of ``obs["batch"]``, if there.
    counts
        Counts of the same cells and genes, or ``None``.
    notes
        What was done otherwise than asked is appended here.
    """
    n_genes = log_norm.n_vars
    if n_hvg == 0 or n_hvg >= n_genes:
        if n_hvg > n_genes:
            notes.append(f"all {counted(n_genes, 'genes')} used: n_hvg is {n_hvg:,}")
        return np.arange(n_genes)
    if flavor == "seurat_v3":
        try:
            return _by_variance(counts, log_norm.obs, n_hvg)
        except ValueError as error:
            notes.append(f"hvg_flavor seurat_v3: {_reason(error)}; genes chosen by seurat instead")
    chosen = _by_dispersion(log_norm, n_hvg)
    if chosen.size == 0:
        notes.append("no gene varies more than the others: all are used")
        return np.arange(n_genes)
    if chosen.size < n_hvg:
        notes.append(f"{counted(chosen.size, 'genes')} used, as no others vary: n_hvg is {n_hvg:,}")
    return chosen


def _by_variance(counts: CSR | None, obs: pd.DataFrame, n_hvg: int) -> NDArray[np.intp]:
    """Choose by ``seurat_v3``; `ValueError` if its curve cannot be fitted."""
    if counts is None:
        msg = "needs counts"
        raise ValueError(msg)
    if is_lazy(counts):
        msg = "needs all counts in memory"
        raise ValueError(msg)
    batches = obs.groupby("batch", observed=True).indices.values() if "batch" in obs else [...]
    n_varying = min(_n_varying(counts[cells]) for cells in batches)
    if n_varying < _MIN_VARYING:
        msg = f"only {counted(n_varying, 'genes')} with variation"
        raise ValueError(msg)
    return _most_variable(ad.AnnData(counts, obs), n_hvg, "seurat_v3")


def _by_dispersion(log_norm: ad.AnnData, n_hvg: int) -> NDArray[np.intp]:
    """Choose by ``seurat``; fewer or none if not so many genes vary."""
    try:
        return _most_variable(log_norm, n_hvg, "seurat")
    except IndexError:  # scanpy takes the best of none
        return np.empty(0, dtype=np.intp)


def _n_varying(X: CSR) -> int:
    return int(np.count_nonzero(X.max(0).toarray() != X.min(0).toarray()))


def _most_variable(adata: ad.AnnData, n_hvg: int, flavor: str) -> NDArray[np.intp]:
    with warnings.catch_warnings():
        # Genes that do not vary; select_genes says how many are left in its own words.
        warnings.filterwarnings("ignore", ".*n_top_genes.* > number of", UserWarning)
        warnings.filterwarnings("ignore", "invalid value encountered in log", RuntimeWarning)
        table = sc.pp.highly_variable_genes(
            adata,
            n_top_genes=n_hvg,
            flavor=flavor,
            batch_key="batch" if "batch" in adata.obs else None,
            inplace=False,
        )
    return np.flatnonzero(table["highly_variable"].to_numpy())


def _reason(error: Exception) -> str:
    """First line of a message; the regression library hands over bytes."""
    reason = error.args[0] if error.args else error
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
