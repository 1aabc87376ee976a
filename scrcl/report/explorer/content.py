"""All that the explorer holds, read from the folder of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import read_h5ad

from scrcl._keys import UMAP
from scrcl.clustering import tree_of
from scrcl.data.expression import log_expression
from scrcl.data.read import read
from scrcl.markers import UNCLEAR
from scrcl.pl.colors import MISSING, sequential
from scrcl.report.explorer.columns import read_obs, read_quality
from scrcl.report.explorer.cuts import read_cuts
from scrcl.report.explorer.genes import STEPS, choose_genes, read_expression, turns
from scrcl.report.explorer.pack import NOWHERE, packed, packed_words
from scrcl.report.explorer.points import read_planes, shown_cells
from scrcl.report.explorer.wanted import kept_genes
from scrcl.report.genes import best_genes
from scrcl.results import stored_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from scrcl.clustering import ClusterTree
    from scrcl.results import RunFolder

_TOLD = 10  # marker genes of a cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Explorer:
    """What the page draws.

    Attributes
    ----------
    data
        What its script reads; values that JSON knows.
    notes
        What was left out.
    """

    data: dict[str, Any]
    notes: list[str]


def read_explorer(
    run: RunFolder, seed: int, *, colors: Mapping[str, str], names: Mapping[str, str]
) -> Explorer | None:
    """Read what the page draws; ``None`` where no cell has a place.

    Parameters
    ----------
    run, seed
        Whose files.
    colors
        Cluster to colour, all clusters in order.
    names
        Cluster to the name that it has so far.
    """
    tissue = run.path.parent.parent.name == "ST"
    result = run.path / "result.h5ad"
    adata = read(result) if run.has_expression else read_h5ad(result)
    if not tissue and UMAP not in adata.obsm:
        return None
    table = run.load_clusters(seed)
    tree = read_tree(run, seed)
    leaves = pd.Series(dtype=np.intp) if tree is None else tree[1]
    rows = _in_order(shown_cells(adata, tissue=tissue), adata.obs_names, table, leaves)
    cells = adata[rows].to_memory()
    cuts = None if tree is None else _cuts(tree[0], table.loc[tree[1].index, "cluster"])
    genes, n_steps, notes = _genes(run, cells, cuts)
    settings = run.settings
    keys = {
        key: stored_name(settings[f"{key}_key"]) if settings.get(f"{key}_key") else None
        for key in ("label", "condition", "batch", "slice", "sample")
    }
    data = {
        "title": run.dataset,
        "noun": "spots" if tissue else "cells",
        "n_all": int(adata.n_obs),
        "missing": MISSING,
        "unclear": UNCLEAR,
        "scale": sequential(256),
        "steps": n_steps,
        "cells": packed_words(list(map(str, cells.obs_names))),
        "planes": read_planes(cells, tissue=tissue, slice_key=keys["slice"]),
        "clusters": _clusters(table.reindex(cells.obs_names), colors, names),
        "tree": None if cuts is None else cuts | {"leaves": _codes(leaves, cells.obs_names)},
        "columns": [
            *read_obs(adata, rows, filter(None, keys.values()), keys["label"]),
            *_quality(run, cells.obs_names),
        ],
        "genes": genes,
    }
    if len(rows) < adata.n_obs:
        notes.append(
            f"explorer: {len(rows):,} of {adata.n_obs:,} {data['noun']}, those that the figures "
            "show; counts that it gives are of these"
        )
    return Explorer(data=data, notes=notes)


def read_tree(run: RunFolder, seed: int) -> tuple[ClusterTree, pd.Series[int]] | None:
    """Return the tree of a seed, and the leaf of each cell by name; ``None`` where there is none."""
    arrays = run.load_tree(seed)
    if arrays is None:
        return None
    names, leaves = arrays.pop("obs_names"), arrays.pop("leaves")
    return tree_of(arrays, leaves), pd.Series(leaves, index=names)


def _cuts(tree: ClusterTree, clusters: pd.Series[int]) -> dict[str, Any]:
    """Cut the tree at every number, see `read_cuts`."""
    codes, _ = pd.factorize(clusters, sort=True)
    return read_cuts(tree, codes)


def _in_order(
    rows: NDArray[np.intp], names: pd.Index, table: pd.DataFrame, leaves: pd.Series[int]
) -> NDArray[np.intp]:
    """Put cells that are alike next to each other: their values take half the space."""
    own = names[rows]
    leaf = leaves.reindex(own).fillna(-1).to_numpy()
    cluster = table["cluster"].reindex(own).fillna(-1).to_numpy()
    return rows[np.lexsort((leaf, cluster.astype(np.intp)))]


def _clusters(
    table: pd.DataFrame, colors: Mapping[str, str], names: Mapping[str, str]
) -> dict[str, Any]:
    """Say which cluster each cell is in, and how sure that is."""
    number_of = {int(name): number for number, name in enumerate(colors)}
    confidence = None
    if "confidence" in table:
        values = table["confidence"].to_numpy(np.float64)
        confidence = packed(np.nan_to_num(np.rint(values * 255)).astype(np.uint8))
    return {
        "names": list(colors),
        "colors": list(colors.values()),
        "given": [names.get(name, "") for name in colors],
        "codes": _codes(table["cluster"].dropna().map(number_of), table.index),
        "confidence": confidence,
    }


def _codes(numbers: pd.Series[int], names: pd.Index) -> str:
    return packed(numbers.reindex(names).fillna(NOWHERE).to_numpy(np.uint16))


def _quality(run: RunFolder, names: pd.Index) -> list[dict[str, Any]]:
    path = run.path / "qc.csv"
    if not path.is_file():
        return []
    named = pd.read_csv(path, usecols=["obs_name"], dtype=str, keep_default_na=False)
    table = pd.read_csv(path).set_index(pd.Index(named["obs_name"]))
    return read_quality(table, names)


def _genes(
    run: RunFolder, cells: AnnData, cuts: Mapping[str, Any] | None
) -> tuple[list[dict[str, Any]], int, list[str]]:
    """Return the genes that the page holds, their steps, and what is to be told of others."""
    if not run.has_expression:
        return [], STEPS[0], ["explorer: no genes, as result.h5ad holds no expression (--no-x)"]
    splits = [cut["split"] for cut in (cuts or {}).get("cuts", ()) if cut["split"]]
    told = [gene for split in splits for side in split["genes"] for gene in side]
    told += turns(best_genes(run.path / "markers", _TOLD))
    expression = log_expression(cells, features=run.features)
    names, unknown = choose_genes(expression, kept_genes(run), told)
    genes, n_steps = read_expression(expression, names)
    notes = []
    if unknown:
        notes.append(f"explorer: genes that the data do not have: {', '.join(unknown)}")
    if len(genes) < len(names):
        notes.append(f"explorer: {len(genes):,} of {len(names):,} genes, as many as fit the page")
    return genes, n_steps, notes
