"""Data without what is known about the cells: all that preprocessing and training may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import pandas as pd
import scipy.sparse as sp

from scrcl._keys import PARAMS, SPATIAL, SPATIAL_GRAPH
from scrcl._validate import check_key
from scrcl.data.lazy import load
from scrcl.data.prepared import HIGHLY_VARIABLE, embedding, highly_variable, neighbor_graph
from scrcl.data.validate import grouping

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scrcl.config import DataConfig


def bare(
    adata: ad.AnnData,
    columns: Iterable[str] = (),
    *,
    layer: str | None = None,
    cfg: DataConfig | None = None,
) -> ad.AnnData:
    """Expression, positions, their graph and some columns of ``obs``; matrices in memory are shared.

    Of ``uns``, what says of which kind the values are is kept, too.

    Parameters
    ----------
    adata
        In memory or backed, a view or not; not changed.
    columns
        Of ``obs``, to be kept: slices and batches.
    layer
        The one matrix to take along; all by default.
    cfg
        Names what was prepared elsewhere and is to be used: genes, a graph, an embedding.

    Raises
    ------
    InputError
        If there is no such layer or column, or a cell has no value in a column.
    """
    for key in columns:
        grouping(adata, key)
    names = pd.DataFrame(index=adata.var_names)
    obs = adata.obs[list(columns)].copy()
    obsm = {SPATIAL: adata.obsm[SPATIAL]} if SPATIAL in adata.obsm else {}
    obsp = {SPATIAL_GRAPH: adata.obsp[SPATIAL_GRAPH]} if SPATIAL_GRAPH in adata.obsp else {}
    if cfg is not None and cfg.use_highly_variable:
        names[HIGHLY_VARIABLE] = highly_variable(adata)
    if cfg is not None and cfg.use_rep is not None:
        obsm[cfg.use_rep] = embedding(adata, cfg.use_rep)
    if cfg is not None and cfg.neighbors_key is not None:
        obsp[cfg.neighbors_key] = neighbor_graph(adata, cfg.neighbors_key)
    if layer is not None:
        X = check_key(dict(adata.layers), layer, "layer", hint="Check its name.")
        return ad.AnnData(
            _as_matrix(X), obs=obs, var=names, obsm=obsm, obsp=obsp, uns=_about_values(adata)
        )
    raw = adata.raw
    return ad.AnnData(
        _as_matrix(adata.X),
        obs=obs,
        var=names,
        obsm=obsm,
        obsp=obsp,
        uns=_about_values(adata),
        # anndata 0.13 counts X among the layers, under None.
        layers={key: _as_matrix(adata.layers[key]) for key in adata.layers if key is not None},
        raw=None if raw is None else {"X": _as_matrix(raw.X), "var": raw.var[[]]},
    )


def _about_values(adata: ad.AnnData) -> dict[str, Any]:
    kept: dict[str, Any] = {"log1p": dict(adata.uns["log1p"])} if "log1p" in adata.uns else {}
    said = adata.uns.get(PARAMS, {}).get("values")
    return kept if said is None else kept | {PARAMS: {"values": said}}


def _as_matrix(matrix: Any) -> Any:
    """Load what a backed AnnData leaves on disk, if it fits; the rest become arrays it knows."""
    X: Any = load(matrix)
    return sp.csr_matrix(X) if getattr(X, "format", "csr") not in {"csr", "csc"} else X
