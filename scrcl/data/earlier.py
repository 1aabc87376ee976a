"""What an earlier clustering wrote into the data, which a new one must not be taken for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scrcl._keys import SCANPY_UMAP
from scrcl.config import LEVELS

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


def forget_clusters(adata: AnnData, key: str) -> None:
    """Remove what belongs to the clusters in ``obs[key]``: names, colours, associations of genes."""
    if f"{key}_name" in adata.obs:
        del adata.obs[f"{key}_name"]
    adata.uns.pop(f"{key}_colors", None)
    adata.varm.pop(f"{key}_association", None)


def forget_result(adata: AnnData, key: str, embedding: NDArray[np.floating]) -> None:
    """Remove what was written as `key`, but for what every result replaces.

    Parameters
    ----------
    adata
        Changed in place.
    key
        Name that the earlier result has, and the new one will have.
    embedding
        The new one, (n_obs, n_latent): a layout of an equal one stays.
    """
    forget_clusters(adata, key)
    levels = [f"{key}_{level}" for level in LEVELS]
    for name in (f"{key}_confidence", f"{key}_leaf", f"{key}_outlier", *levels):
        if name in adata.obs:
            del adata.obs[name]
    for name in levels:
        adata.uns.pop(f"{name}_colors", None)
    adata.obsm.pop(f"X_{key}_views", None)
    before = adata.obsm.get(f"X_{key}")
    if before is None or not np.array_equal(before, embedding, equal_nan=True):
        layout, shown = adata.obsm.pop(f"X_{key}_umap", None), adata.obsm.get(SCANPY_UMAP)
        if layout is not None and np.array_equal(layout, shown, equal_nan=True):
            del adata.obsm[SCANPY_UMAP]
