"""Marker genes of the clusters of a run, or of any grouping."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scrcl import pl
from scrcl._keys import CLUSTERS, EMBEDDING, PARAMS, SPATIAL, SYMBOL, UMAP
from scrcl._validate import InputError
from scrcl.data.bare import settled
from scrcl.data.expression import LogExpression, log_expression
from scrcl.data.features import GENES
from scrcl.data.lazy import loaded_sample
from scrcl.data.naming import Lookup
from scrcl.data.places import place_tables
from scrcl.data.read import read
from scrcl.markers import (
    Ranking,
    filter_markers,
    layout,
    leading_markers,
    pseudobulk,
    rank_genes,
    shown_genes,
    top_markers,
    with_symbols,
)
from scrcl.results import atomic_folder, write_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    import anndata as ad
    from matplotlib.figure import Figure

    from scrcl.results import RunFolder

TABLE_GENES = 100
"""Best genes of a group that ``markers.csv`` lists beside those that pass the filter."""
RANKING_GENES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerQuestion:
    """Which genes of which groups.

    Attributes
    ----------
    groupby
        Column of ``obs`` with the groups.
    method
        Test, see `scrcl.markers.rank_genes`.
    reference
        ``"rest"``, or the group to compare with.
    sample_key
        Column of ``obs`` with the samples: test these instead of cells, by pseudobulk.
    n_genes
        Genes of each group in the figures; ``None``: as many as stay readable.
    genes
        Genes to draw instead of the markers.
    slice_key
        Column of ``obs`` that tells slices of a tissue apart, for the maps.
    features
        Which features take part, see `scrcl.config.DataConfig`.
    """

    groupby: str = CLUSTERS
    method: Literal["wilcoxon", "t-test", "logreg"] = "wilcoxon"
    reference: str = "rest"
    sample_key: str | None = None
    n_genes: int | None = None
    genes: tuple[str, ...] = ()
    slice_key: str | None = None
    features: str = GENES

    @property
    def name(self) -> str:
        """Short name, for instance of the folder of the answer."""
        versus = "" if self.reference == "rest" else f"_vs_{self.reference}"
        test = self.method if self.sample_key is None else f"pseudobulk_{self.sample_key}"
        return f"{self.groupby}_{test}{versus}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Markers:
    """The answer to a `MarkerQuestion`."""

    folder: Path
    kept: dict[str, list[str]]
    """Group to its genes that passed `scrcl.markers.filter_markers`, best first."""
    notes: list[str]


def load_clustered(run: RunFolder, seed: int, path: Path | None = None) -> ad.AnnData:
    """Read the data of a run with the clusters of a seed, joined by cell name.

    Parameters
    ----------
    run, seed
        Whose clusters.
    path
        Data; ``None``: what the run left in ``result.h5ad``.

    Returns
    -------
    The data, with the clusters in ``obs["scrcl"]`` and the embedding of the seed in
    ``obsm["X_scrcl"]``.

    Raises
    ------
    InputError
        If the seed or the data are missing, or the cells are not those of the run.
    """
    clusters = run.load_clusters(seed)["cluster"]
    is_own, path = path is None, run.path / "result.h5ad" if path is None else path
    if is_own:
        run.check_expression("Give the data that were clustered (--input).")
    adata = read(path)
    n_unknown = int((~adata.obs_names.isin(clusters.index)).sum())
    n_missing = int((~clusters.index.isin(adata.obs_names)).sum())
    if n_unknown or n_missing:
        msg = (
            f"cells: got {n_unknown:,} in {path} that seed {seed} of {run.path} does not know, and "
            f"{n_missing:,} of the run that are not in the data, wanted the same cells by name. "
            "Give the data that were clustered."
        )
        raise InputError(msg)
    adata.obs[CLUSTERS] = clusters.reindex(adata.obs_names).astype("string").astype("category")
    embedding = run.load_embedding(seed).reindex(adata.obs_names)
    adata.obsm[EMBEDDING] = embedding.to_numpy(dtype=np.float32)
    if not is_own or adata.uns[PARAMS]["seed"] != seed:
        adata.obsm.pop(UMAP, None)  # it is that of another embedding
    return adata


def draw_markers(
    adata: ad.AnnData,
    question: MarkerQuestion,
    folder: Path,
    *,
    file_format: Literal["png", "pdf", "svg"] = "png",
    only: Collection[str] | None = None,
    replace: bool = False,
) -> Markers:
    """Rank and filter the genes of every group; write ``markers.csv`` and the figures.

    Genes are mapped on the embedding and the tissue if ``adata`` has them, see
    :func:`scrcl.pl.umap_genes` and :func:`scrcl.pl.spatial_genes`.

    Parameters
    ----------
    adata
        Counts or log-normalised expression, with the groups in ``obs``; not changed.
    question
        What to test and draw.
    folder
        Where to write; it appears when everything is in it.
    file_format
        Of the figures.
    only
        Names of figures to draw; all if ``None``.
    replace
        Whether to replace a folder that is there.

    Raises
    ------
    InputError
        If the folder is there already or cannot be written, or a column, group or gene is missing.
    """
    adata, sampled = loaded_sample(adata)
    if folder.exists() and not replace:
        msg = f"markers: got {folder}, which is there already. --overwrite replaces it."
        raise InputError(msg)
    notes = list(sampled)
    cells = settled(adata, features=question.features, notes=notes)
    expression = _with_places(log_expression(cells), adata)
    question = dataclasses.replace(question, genes=_shown(question.genes, expression))
    ranking = _rank(cells, expression, question)
    kept = filter_markers(ranking.table)
    notes += [*ranking.notes, *kept.notes]
    ranked, best = (
        shown_genes(with_symbols(table, expression.var)) for table in (ranking.table, kept.table)
    )
    shown = _by_symbol(expression)
    with atomic_folder(folder, replace=replace) as part:
        table = layout(ranking.table, kept.table, n_genes=TABLE_GENES)
        write_csv(with_symbols(table, expression.var), part / "markers.csv")
        figures = _figures(shown, question, ranked, best)
        figures |= _maps(shown, question, leading_markers(ranked, best))
        for name in figures if only is None else [name for name in figures if name in only]:
            try:
                pl.save(figures[name](), part / f"{name}.{file_format}")
            except InputError as error:
                notes.append(f"{name}: not drawn, {error}")
        (part / "notes.txt").write_text("".join(f"{note}\n" for note in notes), encoding="utf-8")
    genes = top_markers(best, len(best))
    by_group = {str(group): genes.get(str(group), []) for group in ranking.table["group"].unique()}
    return Markers(folder=folder, kept=by_group, notes=notes)


def _shown(genes: Iterable[str], expression: ad.AnnData) -> tuple[str, ...]:
    """Genes that were asked for, by name or symbol, as figures call them."""
    lookup = Lookup(expression.var_names, expression.var[SYMBOL])
    found = {gene: lookup.find(gene) for gene in genes}
    unknown = [gene for gene, names in found.items() if not names]
    if unknown:
        msg = f"genes: got {unknown}, wanted genes of the data, such as {expression.var[SYMBOL].iloc[0]}."
        raise InputError(msg)
    names = dict.fromkeys(name for names in found.values() for name in names)
    return tuple(expression.var.loc[list(names), SYMBOL])


def _rank(adata: ad.AnnData, expression: ad.AnnData, question: MarkerQuestion) -> Ranking:
    if question.sample_key is None:
        return rank_genes(
            expression, question.groupby, method=question.method, reference=question.reference
        )
    try:
        return pseudobulk(
            adata, question.groupby, question.sample_key, reference=question.reference
        )
    except ModuleNotFoundError as error:
        raise InputError(str(error)) from error


def _figures(
    expression: ad.AnnData, question: MarkerQuestion, table: pd.DataFrame, kept: pd.DataFrame
) -> dict[str, Callable[[], Figure]]:
    """File name to the function that draws it."""
    n_genes = question.n_genes or pl.genes_per_group(table["group"].nunique())
    genes = list(question.genes) or top_markers(kept, n_genes)
    groupby = question.groupby
    return {
        "ranking": lambda: pl.ranking(table, n_genes=question.n_genes or RANKING_GENES),
        "dotplot": lambda: pl.dotplot(expression, genes, groupby),
        "heatmap": lambda: pl.heatmap(expression, genes, groupby),
        "stacked_violin": lambda: pl.stacked_violin(expression, genes, groupby),
        "matrixplot": lambda: pl.matrixplot(expression, genes, groupby),
    }


def _maps(
    expression: ad.AnnData, question: MarkerQuestion, leading: dict[str, list[str]]
) -> dict[str, Callable[[], Figure]]:
    """As `_figures`: one map for each gene that was asked for, or for the best of each group."""
    genes = list(question.genes) or leading
    figures: dict[str, Callable[[], Figure]] = {}
    if EMBEDDING in expression.obsm:
        figures["umap_markers"] = lambda: pl.umap_genes(expression, genes)
    if SPATIAL in expression.obsm:
        figures["tissue_markers"] = lambda: pl.spatial_genes(
            expression, genes, slice_key=question.slice_key
        )
    return figures


def _by_symbol(expression: ad.AnnData) -> ad.AnnData:
    """Call genes as figures show them; the matrix is shared."""
    return LogExpression(
        expression.X,
        obs=expression.obs,
        var=expression.var.set_axis(pd.Index(expression.var[SYMBOL])),
        uns=dict(expression.uns),
        obsm=dict(expression.obsm),
    )


def _with_places(expression: ad.AnnData, adata: ad.AnnData) -> ad.AnnData:
    """Add what maps are drawn on: embedding, positions, and what is known of the spots."""
    for key in (EMBEDDING, UMAP, *place_tables(adata)):
        if key in adata.obsm:
            expression.obsm[key] = adata.obsm[key]
    if SPATIAL in adata.uns:
        expression.uns[SPATIAL] = adata.uns[SPATIAL]
    return expression
