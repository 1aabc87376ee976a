"""What scanpy's figures look for beside the clusters: their colours, and a layout of the cells."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from anndata import AnnData

from scrcl import pl
from scrcl._keys import CLUSTERS, EMBEDDING, SCANPY_UMAP
from scrcl._validate import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

log = logging.getLogger(__name__)


def add_colors(
    adata: AnnData, key: str = CLUSTERS, *, kept: Mapping[str, str] | None = None
) -> None:
    """Put the colours that clusters have in all figures into ``uns[key + "_colors"]``.

    Parameters
    ----------
    adata
        With categories in ``obs[key]``; changed in place.
    key
        Of the clusters.
    kept
        Colours of clusters that keep theirs; the others get colours that none of these has.
    """
    kept = kept or {}
    names = [str(name) for name in adata.obs[key].cat.categories]
    free = iter(color for color in pl.palette(len(names) + len(kept)) if color not in kept.values())
    colors = [kept[name] if name in kept else next(free) for name in names]
    adata.uns[f"{key}_colors"] = np.array(colors, dtype=np.str_)


def add_layout(adata: AnnData, key: str = CLUSTERS) -> None:
    """Put the UMAP that all figures share where `write_layout` says; too few cells have none."""
    plane = layout_of(np.asarray(adata.obsm[f"X_{key}"]))
    if plane is not None:
        write_layout(adata, key, plane)


def layout_of(embedding: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """Lay cells out, (n_obs, 2), see `scrcl.pl.umap_layout`; ``None``, and said, for too few."""
    try:
        return pl.umap_layout(AnnData(obsm={EMBEDDING: embedding}))
    except InputError as error:
        log.info("umap: %s", error)
        return None


def write_layout(adata: AnnData, key: str, plane: NDArray[np.float32]) -> None:
    """Put a layout into ``obsm["X_" + key + "_umap"]``.

    It is there as ``X_umap``, too, where scanpy looks for it, unless the data have one of their own.
    """
    name = f"X_{key}_umap"
    theirs, ours = adata.obsm.get(SCANPY_UMAP), adata.obsm.get(name)
    is_ours = ours is not None and np.array_equal(theirs, ours, equal_nan=True)  # of an earlier run
    adata.obsm[name] = plane
    if theirs is None or is_ours:
        adata.obsm[SCANPY_UMAP] = plane
