"""Shares of clusters in conditions, as the page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from scrcl.clustering.composition import LEVEL, REST
from scrcl.report.table import Cell, Table, count, mark, number, p_value, percent
from scrcl.results import COMPOSITION

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from scrcl.results import RunFolder

_TOLD = 5  # differences in the sentence
_TEXT = ("cluster", "condition", "against")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a comparison of conditions found.

    Attributes
    ----------
    said
        The answer, in a sentence; empty where nothing was tested.
    table
        One row for each cluster and comparison.
    notes
        How it was tested, or why it was not.
    """

    said: str
    table: Table
    notes: list[str]


def read_conditions(
    run: RunFolder, colors: Mapping[str, str], names: Mapping[str, str]
) -> Conditions | None:
    """Read what `scrcl.experiment.conditions.compare_conditions` wrote; ``None`` if nothing.

    Parameters
    ----------
    run
        The run.
    colors
        Cluster to colour.
    names
        Cluster to its name, where it has one.
    """
    folder = run.path / COMPOSITION
    if not (folder / "composition.csv").is_file():
        return None
    texts = dict.fromkeys(_TEXT, str)
    # Only numbers may be missing: a condition may be called "None" or "NA".
    heads = pd.read_csv(folder / "composition.csv", nrows=0).columns
    empty = {head: [""] for head in heads if head not in _TEXT}
    table = pd.read_csv(
        folder / "composition.csv",
        dtype=texts,  # type: ignore[arg-type]  # names of columns
        keep_default_na=False,
        na_values=empty,
    )
    return Conditions(
        said=_said(table, names),
        table=_table(table, colors, names),
        notes=(folder / "notes.txt").read_text("utf-8").splitlines(),
    )


def _said(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    tested = table.dropna(subset=["p_value"])
    if tested.empty:
        return ""
    n_clusters = tested["cluster"].nunique()
    sure = tested[tested["p_adjusted"] < LEVEL].sort_values("p_adjusted", kind="stable")
    if sure.empty:
        least = tested["p_adjusted"].min()
        return (
            f"No cluster's share of the cells differs between the conditions by more than samples do "
            f"(least adjusted p {least:.2g}, {n_clusters} clusters)."
        )
    told = [_difference(row, names) for row in sure.head(_TOLD).to_dict("records")]
    more = [f"and {len(sure) - _TOLD} more, see the table"] if len(sure) > _TOLD else []
    return (
        f"{sure['cluster'].nunique()} of {n_clusters} clusters have another share of the cells in "
        f"another condition (adjusted p below {LEVEL:g}): {'; '.join(told + more)}."
    )


def _difference(row: Mapping[Hashable, object], names: Mapping[str, str]) -> str:
    cluster, against = str(row["cluster"]), row["against"]
    name = f"cluster {cluster} ({names[cluster]})" if names.get(cluster) else f"cluster {cluster}"
    return (
        f"{name} {row['share']:.1%} of {row['condition']}, {row['share_against']:.1%} of "
        f"{'the others' if against == REST else against}"
    )


def _table(table: pd.DataFrame, colors: Mapping[str, str], names: Mapping[str, str]) -> Table:
    first = table.iloc[0]
    several = len(set(table["condition"])) > 1
    has_test = table["p_value"].notna().any()
    heads = ["cluster", *(["name"] if names else []), *(["condition"] if several else [])]
    heads += ["share", "others"] if several else [first["condition"], first["against"]]
    heads += ["log odds ratio", "95 % interval", "p", "adjusted p"] if has_test else []
    heads += ["cells", "cells of others"] if several else [
        f"cells of {first['condition']}", f"cells of {first['against']}"
    ]  # fmt: skip
    rows = []
    for row in table.to_dict("records"):
        cells: list[Cell] = [mark(row["cluster"], colors)]
        cells += [Cell(names.get(row["cluster"], ""))] if names else []
        cells += [Cell(row["condition"])] if several else []
        cells += [_share(row["share"]), _share(row["share_against"])]
        if has_test:
            cells += [
                number(row["log_odds_ratio"], 2),
                _interval(row["ci_low"], row["ci_high"]),
                p_value(row["p_value"]),
                p_value(row["p_adjusted"]),
            ]
        cells += [count(row["n_cells"]), count(row["n_cells_against"])]
        rows.append(cells)
    caption = "Share of the cells that each cluster has"
    if has_test:
        caption += (
            ": means over samples. Log odds ratio: above 0, more of "
            f"{'the condition than of the others' if several else first['condition']}"
        )
    return Table(caption=f"{caption}.", columns=heads, rows=rows)


def _share(value: float) -> Cell:
    return percent(value)._replace(text=f"{value:.1%}")


def _interval(low: float, high: float) -> Cell:
    return number(None) if pd.isna(low) else Cell(f"{low:.2f} to {high:.2f}", low)
