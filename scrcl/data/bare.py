"""Data without what is known about the cells: all that preprocessing and training may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scrcl._keys import PARAMS, SPATIAL, SPATIAL_GRAPH, SYMBOL
from scrcl._validate import check_key
from scrcl.data.features import GENES, choose_features
from scrcl.data.lazy import load
from scrcl.data.naming import settle_names, shown_names
from scrcl.data.overlap import slice_columns
from scrcl.data.places import place_columns, place_tables
from scrcl.data.prepared import HIGHLY_VARIABLE, embedding, highly_variable, neighbor_graph
from scrcl.data.validate import check_adata, grouping

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from scrcl.config import DataConfig


def bare(
    adata: ad.AnnData,
    columns: Iterable[str] = (),
    *,
    layer: str | None = None,
    cfg: DataConfig | None = None,
    features: str = GENES,
    notes: list[str] | None = None,
) -> ad.AnnData:
    """Expression, what tells where spots lie, and some columns of ``obs``; matrices are shared.

    Of spots: positions under any name, ``in_tissue``, columns and images that may tell slices apart,
    and their graph.

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
    features
        Which features take part, see `scrcl.data.features.choose_features`.
    notes
        What was left out, or called otherwise than in the data, is appended.

    Raises
    ------
    InputError
        If there is no such layer, column or feature, or a cell has no value in a column.
    """
    for key in columns:
        grouping(adata, key)
    of_spots = [*place_columns(adata), *slice_columns(adata)]
    obs = adata.obs[list(dict.fromkeys([*columns, *of_spots]))]
    cells = settled(adata, obs=obs, layer=layer, features=features, notes=notes)
    cells.obsm.update({key: adata.obsm[key] for key in place_tables(adata)})
    if SPATIAL in adata.uns:
        cells.uns[SPATIAL] = adata.uns[SPATIAL]
    if SPATIAL_GRAPH in adata.obsp:
        cells.obsp[SPATIAL_GRAPH] = adata.obsp[SPATIAL_GRAPH]
    if cfg is not None and cfg.use_highly_variable:
        names = settle_names(adata.var, where="var").names
        marked = pd.Series(highly_variable(adata), index=names)
        cells.var[HIGHLY_VARIABLE] = marked.loc[cells.var_names]
    if cfg is not None and cfg.use_rep is not None:
        cells.obsm[cfg.use_rep] = embedding(adata, cfg.use_rep)
    if cfg is not None and cfg.neighbors_key is not None:
        cells.obsp[cfg.neighbors_key] = neighbor_graph(adata, cfg.neighbors_key)
    return cells


def settled(
    adata: ad.AnnData,
    *,
    obs: pd.DataFrame | None = None,
    layer: str | None = None,
    features: str = GENES,
    notes: list[str] | None = None,
) -> ad.AnnData:
    """Expression of the features that take part, with names that are unique and symbols to show.

    ``var`` has what to show of each gene in ``"scrcl_symbol"``; data that have it are settled, and
    come back with all of their features.

    Parameters
    ----------
    adata
        In memory or backed; not changed. Matrices are shared with it where all features take part.
    obs
        What is to be kept of ``obs``; all by default.
    layer, features, notes
        As for `bare`.
    """
    check_adata(adata)
    told = [] if notes is None else notes
    var, taken = _genes(adata.var, "var", features, told)
    obs = adata.obs.copy() if obs is None else obs.copy()
    if layer is not None:
        X = check_key(dict(adata.layers), layer, "layer", hint="Check its name.")
        return ad.AnnData(_columns(X, taken), obs=obs, var=var, uns=_about_values(adata))
    raw = adata.raw
    whole_raw = None
    if raw is not None:
        raw_var, raw_taken = _genes(raw.var, ".raw.var", features, told, like=adata.var)
        whole_raw = {"X": _columns(raw.X, raw_taken), "var": raw_var}
    return ad.AnnData(
        _columns(adata.X, taken),
        obs=obs,
        var=var,
        uns=_about_values(adata),
        # anndata 0.13 counts X among the layers, under None.
        layers={key: _columns(adata.layers[key], taken) for key in adata.layers if key is not None},
        raw=whole_raw,
    )


def _about_values(adata: ad.AnnData) -> dict[str, Any]:
    kept: dict[str, Any] = {"log1p": dict(adata.uns["log1p"])} if "log1p" in adata.uns else {}
    said = adata.uns.get(PARAMS, {}).get("values")
    return kept if said is None else kept | {PARAMS: {"values": said}}


def var_of(cells: ad.AnnData, source: str) -> pd.DataFrame:
    """Genes of one matrix of `settled` data, by its name in `scrcl.data.values.Values`."""
    var = cells.raw.var if source == ".raw" else cells.var
    genes: pd.DataFrame = var[[SYMBOL]] if SYMBOL in var else pd.DataFrame(index=var.index)
    return genes


def _genes(
    var: pd.DataFrame,
    where: str,
    features: str,
    notes: list[str],
    *,
    like: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, NDArray[np.intp] | None]:
    """Names and symbols of the features that take part, and their columns; ``None``: all."""
    found = settle_names(var, where=where, instead=None if like is None else like.index)
    notes += found.notes
    symbols = shown_names(found.names, found.symbols)
    named = pd.DataFrame({SYMBOL: symbols.to_numpy(dtype=object)}, index=found.names)
    if SYMBOL in var:
        return named, None
    # What is said of var holds for .raw, nearly always.
    told = notes if like is None else []
    taken = choose_features(_typed(var, found.names, like), features, told, found.names)
    return (named, None) if taken.all() else (named[taken], np.flatnonzero(taken))


def _typed(var: pd.DataFrame, names: pd.Index, like: pd.DataFrame | None) -> pd.DataFrame:
    """Fill in what ``.raw`` does not say of its features and ``var`` does."""
    if like is None:
        return var
    typed = var.set_axis(names)
    if var.index.equals(like.index):  # the same features, of which names may stand twice
        return typed.assign(
            **{c: like[c].to_numpy() for c in like.columns.difference(typed.columns)}
        )
    known = like[~like.index.duplicated()]
    for column in known.columns.difference(typed.columns, sort=False):
        typed[column] = known[column].reindex(names)
    return typed


def _columns(matrix: Any, taken: NDArray[np.intp] | None) -> Any:
    X = _as_matrix(matrix)
    return X if taken is None or X is None else X[:, taken]


def _as_matrix(matrix: Any) -> Any:
    """Load what a backed AnnData leaves on disk, if it fits; the rest become arrays it knows."""
    X: Any = load(matrix)
    return sp.csr_matrix(X) if getattr(X, "format", "csr") not in {"csr", "csc"} else X
