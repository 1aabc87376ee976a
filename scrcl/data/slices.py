"""Several slices of tissue, or several samples, as one AnnData."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anndata as ad
import numpy as np

from scrcl._keys import SPATIAL, SPATIAL_GRAPH
from scrcl._validate import InputError
from scrcl.data.places import find_places, place_tables
from scrcl.data.read import read

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)


def read_many(
    paths: Sequence[str | os.PathLike[str]],
    *,
    task: Literal["sc", "st"] = "st",
    slice_key: str = "slice",
) -> ad.AnnData:
    """Read each path with :func:`scrcl.data.read.read` and join them with :func:`concat_slices`.

    A slice is called by the name of its file or folder; if one comes again, with a number behind.
    """
    slices = [read(path, task=task) for path in paths]
    if task == "st":
        for path, adata in zip(paths, slices, strict=True):
            _settle_places(adata, Path(path))
    return concat_slices(dict(zip(_slice_names(paths), slices, strict=True)), slice_key=slice_key)


def concat_slices(slices: Mapping[str, ad.AnnData], *, slice_key: str = "slice") -> ad.AnnData:
    """Join slices over the genes that they have in common.

    Cell names get the name of their slice behind them, and ``obs[slice_key]`` says which one it is.
    Images and scale factors in ``uns["spatial"]`` and graphs in ``obsp`` are kept. The slices are not changed.

    Raises
    ------
    InputError
        If there is nothing to join, or no gene is in all of them.
    """
    if not slices:
        msg = "slices: got none, wanted at least one. Name the files or folders to join."
        raise InputError(msg)
    joined = ad.concat(
        slices,
        label=slice_key,
        index_unique="-",
        join="inner",
        merge="same",
        uns_merge="unique",
        pairwise=True,
    )
    all_genes = set().union(*(adata.var_names for adata in slices.values()))
    if joined.n_vars == 0:
        msg = (
            f"slices: got {list(slices)} without a common gene, wanted the same kind of gene names "
            "in all. Check whether some use symbols and others Ensembl identifiers."
        )
        raise InputError(msg)
    if len(all_genes) > joined.n_vars:
        log.warning(
            "%s of %s genes are not in every slice and are left out",
            f"{len(all_genes) - joined.n_vars:,}",
            f"{len(all_genes):,}",
        )
    return joined


def _settle_places(adata: ad.AnnData, path: Path) -> None:
    """Bring positions to one place and one form, as joining keeps only what all slices have."""
    if SPATIAL in adata.obsm and isinstance(adata.obsm[SPATIAL], np.ndarray):
        if adata.obsm[SPATIAL].dtype.kind == "f":
            return
    elif SPATIAL_GRAPH in adata.obsp and not place_tables(adata):
        return
    try:
        places = find_places(adata)
    except InputError as error:
        msg = f"{path}: {error}"
        raise InputError(msg) from None
    adata.obsm[SPATIAL] = places.coords
    for note in places.notes:
        log.warning("%s: %s", path.name, note)


def _slice_names(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    names = [Path(path).absolute().stem for path in paths]
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return unique
