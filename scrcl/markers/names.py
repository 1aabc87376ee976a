"""Names for clusters, suggested by lists of known marker genes. Nothing is ever renamed."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc

from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.data.naming import Lookup

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

UNCLEAR = "unclear"
MIN_SUPPORT = 2 / 3
"""Share of a cluster's cells that must prefer the best type to the second best."""
MIN_OF_HIGHEST = 1 / 2
"""Least score for the best type, as a share of that of the cluster that has the highest."""
_HEADERS = {"gene", "genes", "gene_symbol", "symbol", "marker", "markers"}


def read_marker_lists(path: str | Path) -> dict[str, list[str]]:
    """Read lists of marker genes.

    Parameters
    ----------
    path
        ``.gmt``: name, description and genes of a cell type in each line, separated by tabs. Else
        a table, ``.csv`` or ``.tsv``: cell type and gene in its first two columns, one pair a line,
        with or without a header; further columns are ignored.

    Returns
    -------
    Cell type to genes, each once, in the order of the file.

    Raises
    ------
    InputError
        If the file cannot be read, a line has no gene, or there is none.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"markers: got {path}, which cannot be read ({error}), wanted a text file."
        raise InputError(msg) from error
    is_gmt, is_csv = path.suffix.lower() == ".gmt", path.suffix.lower() == ".csv"
    rows = list(csv.reader(text.splitlines(), delimiter="," if is_csv else "\t"))
    lists: dict[str, list[str]] = {}
    for number, row in enumerate(rows, 1):
        fields = [field.strip() for field in row]
        if not any(fields) or (number == 1 and not is_gmt and _is_header(fields)):
            continue
        genes = fields[2:] if is_gmt else fields[1:2]
        genes = [gene for gene in genes if gene]
        if not fields[0] or not genes:
            wanted = "name, description and genes" if is_gmt else "a cell type and a gene"
            separator = "commas" if is_csv else "tabs"
            msg = (
                f"markers: got line {number} of {path}, {row}, wanted {wanted} between {separator}."
            )
            raise InputError(msg)
        known = lists.setdefault(fields[0], [])
        known.extend(gene for gene in dict.fromkeys(genes) if gene not in known)
    if not lists:
        msg = f"markers: got {path} without a marker, wanted at least one cell type and gene."
        raise InputError(msg)
    return lists


def name_clusters(
    expression: ad.AnnData,
    clusters: NDArray[np.integer],
    lists: Mapping[str, Sequence[str]],
    *,
    parents: Mapping[str, str] | None = None,
    thin: Collection[str] = (),
) -> pd.DataFrame:
    """Suggest a cell type for every cluster.

    A cell's score for a type is that of ``scanpy.tl.score_genes``: mean log expression of the
    type's genes above that of random genes as strong; a cluster's is the mean over its cells. The
    best type is the suggestion. It is ``unclear``

    - if it does not score above 0: its genes are no stronger than random ones;
    - if fewer than two thirds of the cells score higher for it than for the second best type: the
      lists cannot tell the two apart in these cells;
    - if another cluster scores more than twice as high for it: these cells may have the genes of
      their neighbours, in the same drop or under the same spot;
    - if the type is one of ``thin``.

    If the best two are kinds of one type (``parents``), and two thirds of the cells score higher for
    the best of its kinds than for any other type, the suggestion is that type.

    Parameters
    ----------
    expression
        Log-normalised expression of all genes, (n_obs, n_genes).
    clusters
        Cluster of each cell, (n_obs,).
    lists
        Cell type to genes of the data, from :func:`present_markers`.
    parents
        Cell type to what it is a kind of, for those that are.
    thin
        Cell types of which the data have too few genes to name a cluster by them. They take part
        all the same: a cluster that looks like one of them is not given another name.

    Returns
    -------
    One row a cluster: ``cluster``, ``name`` (the suggestion or ``unclear``), ``best``, ``score``,
    ``of_highest`` (score as a share of the highest that a cluster has for this type), ``second``,
    ``margin`` (score minus that of the second), ``support`` (share of the cells that prefer the best
    to the second) and ``n_markers`` (genes of the best).

    Raises
    ------
    InputError
        If the lists leave no other gene to compare with.
    """
    scores = _scores(expression, lists)
    of_clusters = scores.groupby(np.asarray(clusters)).mean()
    highest = of_clusters.max()
    rows = []
    for cluster, means in of_clusters.iterrows():
        of_cells = scores[np.asarray(clusters) == cluster]
        ranked = means.sort_values(ascending=False, kind="stable")
        best, second = ranked.index[0], ranked.index[1] if len(ranked) > 1 else None
        margin = np.nan if second is None else means[best] - means[second]
        support = 1.0 if second is None else float((of_cells[best] > of_cells[second]).mean())
        name = best if support >= MIN_SUPPORT else _parent(of_cells, best, second, parents or {})
        is_strong = means[best] > 0 and means[best] >= MIN_OF_HIGHEST * highest[best]
        rows.append(
            {
                "cluster": str(cluster),
                "name": name if is_strong and best not in thin else UNCLEAR,
                "best": best,
                "score": means[best],
                "of_highest": means[best] / highest[best] if highest[best] > 0 else np.nan,
                "second": second,
                "margin": margin,
                "support": support,
                "n_markers": len(lists[best]),
            }
        )
    return pd.DataFrame(rows)


def clear_names(names: Mapping[str, str]) -> dict[str, str]:
    """Return the names of clusters without those that say nothing clear."""
    return {cluster: name for cluster, name in names.items() if name != UNCLEAR}


def _parent(scores: pd.DataFrame, best: object, second: object, parents: Mapping[str, str]) -> str:
    """Return what the best two types are kinds of, if the cells prefer these to all others."""
    family = parents.get(str(best))
    if family is None or family != parents.get(str(second)):
        return UNCLEAR
    own = [parents.get(str(kind)) == family for kind in scores]
    others = scores.loc[:, [not is_own for is_own in own]]
    if others.empty:
        return family
    prefer = scores.loc[:, own].max(axis=1) > others.max(axis=1)
    return family if prefer.mean() >= MIN_SUPPORT else UNCLEAR


def _scores(expression: ad.AnnData, lists: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Score of every cell for every type, (n_obs, n_types)."""
    # Scores are written to obs: a new one, around the same matrix.
    cells = ad.AnnData(expression.X, obs=expression.obs[[]].copy(), var=expression.var[[]])
    if len(set().union(*lists.values())) >= cells.n_vars:
        msg = (
            f"markers: got lists that name all {counted(cells.n_vars, 'genes')} of the data, wanted other "
            "genes, too, to compare with. Shorten the lists."
        )
        raise InputError(msg)
    scores = {}
    for name, genes in lists.items():
        try:
            sc.tl.score_genes(cells, list(genes), score_name="score", random_state=0)
            scores[name] = cells.obs["score"].to_numpy(dtype=np.float64)
        except RuntimeError:  # a panel so small that no other gene is as strong: all others, then
            own = cells.var_names.isin(list(genes))
            means = [np.asarray(cells.X[:, part].mean(axis=1)).ravel() for part in (own, ~own)]
            scores[name] = means[0].astype(np.float64) - means[1]
    return pd.DataFrame(scores)


def present_markers(
    names: pd.Index, lists: Mapping[str, Sequence[str]], symbols: Iterable[str] | None = None
) -> tuple[dict[str, list[str]], list[str]]:
    """Keep the genes that the data have, as the data spell them, and the types with any.

    Parameters
    ----------
    names
        Genes of the data.
    lists
        Cell type to genes, by name or symbol; if need be, without the version of an identifier or in
        upper or lower case.
    symbols
        What the genes are called beside their names, (n_genes,).

    Returns
    -------
    The lists, and a note if types have no gene left. Genes that are there in another case only are
    taken, and logged.

    Raises
    ------
    InputError
        If none of the genes is in the data.
    """
    lookup = Lookup(names, names if symbols is None else symbols)
    found = {
        kind: list(dict.fromkeys(name for gene in genes for name in lookup.find(gene)))
        for kind, genes in lists.items()
    }
    present = {kind: genes for kind, genes in found.items() if genes}
    if not present:
        example = next(iter(lists.values()))[0]
        msg = (
            f"markers: got genes such as {example!r}, none of which is in the data, wanted names as "
            f"there, such as {names[0]!r}. Check the species and the kind of gene names."
        )
        raise InputError(msg)
    absent = [kind for kind in lists if kind not in present]
    notes = [f"markers: no gene of {', '.join(absent)} is in the data"] if absent else []
    if lookup.recased:
        gene, name = next(iter(lookup.recased.items()))
        log.warning(
            "markers: %s genes are found in another case only (%r as %r): are they of this species?",
            f"{len(lookup.recased):,}",
            gene,
            name,
        )
    return present, notes


def _is_header(fields: Sequence[str]) -> bool:
    return len(fields) > 1 and fields[1].lower() in _HEADERS
