"""What a marker table looks like, and how it is cut down to the genes worth showing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from scrcl._keys import SYMBOL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

COLUMNS = (
    "group",
    "gene",
    "score",
    "log2_fold_change",
    "p_value",
    "p_adjusted",
    "fraction_in",
    "fraction_out",
)


class Ranking(NamedTuple):
    """Genes of every group, and what the reader has to know about them.

    Attributes
    ----------
    table
        One row for each group and gene, best score first within a group: ``group``, ``gene``,
        ``score`` (the test's statistic; a coefficient for logreg), ``log2_fold_change``,
        ``p_value``, ``p_adjusted`` (Benjamini-Hochberg within the group; both NaN for logreg),
        ``fraction_in`` and ``fraction_out`` (share of cells that express the gene in the group and
        in what it is compared with).
    notes
        Sentences: what was left out, and how far the p-values can be trusted.
    """

    table: pd.DataFrame
    notes: list[str]


def filter_markers(
    table: pd.DataFrame, *, min_in: float = 0.5, max_out: float = 0.25, min_fold: float = 1.0
) -> Ranking:
    """Keep genes that are common inside a group, rare outside and clearly higher.

    The rule of the paper's script, as ``scanpy.tl.filter_rank_genes_groups`` applies it: all three
    comparisons are strict.

    Parameters
    ----------
    table
        As in :attr:`Ranking.table`.
    min_in
        The gene is found in more than this share of the group.
    max_out
        The gene is found in less than this share of the cells outside.
    min_fold
        The log2 fold change is above this; 1 means twice as high.

    Returns
    -------
    The rows that are left, and a note for every group that has none.
    """
    kept = table[
        (table["fraction_in"] > min_in)
        & (table["fraction_out"] < max_out)
        & (table["log2_fold_change"] > min_fold)
    ]
    left = set(kept["group"])
    notes = [
        f"group {group}: no gene is in more than {min_in:.0%} of its cells, in less than "
        f"{max_out:.0%} of the others and has a log2 fold change above {min_fold:g}"
        for group in table["group"].unique()
        if group not in left
    ]
    return Ranking(kept.reset_index(drop=True), notes)


def top_markers(table: pd.DataFrame, n_genes: int) -> dict[str, list[str]]:
    """Return the first `n_genes` genes of every group of the table, in its order."""
    best = table.groupby("group", sort=False, observed=True).head(n_genes)
    groups = best.groupby("group", sort=False, observed=True)["gene"]
    return {str(group): list(genes) for group, genes in groups}


def leading_markers(table: pd.DataFrame, kept: pd.DataFrame) -> dict[str, list[str]]:
    """Return the best gene of every group: of those that were kept, or of all if none was."""
    return top_markers(table, 1) | top_markers(kept, 1)


def layout(table: pd.DataFrame, kept: pd.DataFrame, *, n_genes: int | None = None) -> pd.DataFrame:
    """Arrange a table for ``markers.csv``.

    Parameters
    ----------
    table
        All genes, as in :attr:`Ranking.table`.
    kept
        Those that passed :func:`filter_markers`.
    n_genes
        Write the best of each group only, by rank, beside those kept. All if None.

    Returns
    -------
    `table` with ``rank`` (1 is best) after ``group``, and ``kept`` at the end.
    """
    rows = table.reset_index(drop=True)
    rank = rows.groupby("group", sort=False, observed=True).cumcount() + 1
    keys = pd.MultiIndex.from_frame(kept[["group", "gene"]])
    is_kept = pd.MultiIndex.from_frame(rows[["group", "gene"]]).isin(keys)
    rows.insert(1, "rank", rank)
    rows["kept"] = is_kept
    if n_genes is None:
        return rows
    return rows[is_kept | (rank <= n_genes).to_numpy()].reset_index(drop=True)


def with_symbols(table: pd.DataFrame, var: pd.DataFrame) -> pd.DataFrame:
    """Put a column ``symbol`` beside ``gene``, where genes are called otherwise than they are shown.

    Parameters
    ----------
    table
        Any table with a column ``gene``.
    var
        Of the expression it was made from, see `scrcl.data.expression.log_expression`.
    """
    if SYMBOL not in var or (var[SYMBOL].to_numpy() == var.index.to_numpy()).all():
        return table
    table = table.copy()
    symbols = table["gene"].map(var[SYMBOL])
    table.insert(list(table.columns).index("gene") + 1, "symbol", symbols)
    return table


def shown_genes(table: pd.DataFrame) -> pd.DataFrame:
    """Call genes by their symbols, for a figure, if the table has these (`with_symbols`)."""
    if "symbol" not in table:
        return table
    return table.drop(columns="gene").rename(columns={"symbol": "gene"})


def group_table(
    group: str,
    genes: pd.Index,
    *,
    score: NDArray[np.float64],
    p_value: NDArray[np.float64],
    effects: Mapping[str, NDArray[np.float64]],
) -> pd.DataFrame:
    """Build the rows of one group, best score first, ties in the order of the genes.

    Parameters
    ----------
    group
        Its name.
    genes, score, p_value
        One entry a gene; NaN p-values (a gene that was not tested) take no part in the adjustment.
    effects
        ``log2_fold_change``, ``fraction_in``, ``fraction_out``.
    """
    adjusted = np.full(len(p_value), np.nan)
    tested = np.isfinite(p_value)
    if tested.any():
        adjusted[tested] = false_discovery_control(p_value[tested])
    columns = {"group": group, "gene": genes, "score": score, "p_value": p_value, **effects}
    table = pd.DataFrame({**columns, "p_adjusted": adjusted})[list(COLUMNS)]
    return table.sort_values("score", ascending=False, kind="stable", ignore_index=True)
