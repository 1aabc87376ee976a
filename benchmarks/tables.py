"""From single results to tables: per set, per half, and between seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scrcl.metrics import pairwise_ari

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.common import Cell

SPLIT = Path(__file__).with_name("split.csv")
GROUPS = ("tune", "report", "all", "independent")
"""Sets that defaults were chosen on; sets they were not; both; labels independent of expression."""
BEST_BASELINE = "best baseline per set"
"""The baseline that the labels say is best on each set: nobody can have it without them."""
NOT_BELOW = 0.02
NEAR_K = 2


def results(cells: Sequence[Cell]) -> pd.DataFrame:
    """One row a result, without the clusters themselves."""
    rows = pd.DataFrame(cells)
    return rows.drop(columns=["labels", "n_scored", "n_unlabelled"])


def stability(cells: Sequence[Cell]) -> pd.DataFrame:
    """Agreement between seeds: ``set``, ``method``, ``pairwise_ari`` (mean), ``pairwise_ari_min``."""
    runs: dict[tuple[str, str], list[list[str]]] = {}
    for cell in cells:
        runs.setdefault((cell["set"], cell["method"]), []).append(cell["labels"].split())
    rows = []
    for (name, method), labels in runs.items():
        pairs = pairwise_ari(labels)
        if pairs.size:
            rows.append((name, method, pairs.mean(), pairs.min()))
    return pd.DataFrame(rows, columns=["set", "method", "pairwise_ari", "pairwise_ari_min"])


def read_split(task: str) -> pd.DataFrame:
    """Half and kind of labels of each set of a task, by its name."""
    split = pd.read_csv(SPLIT, dtype=str)
    return split[split["task"] == task].set_index("set")


def members(sets: Sequence[str], split: pd.DataFrame) -> dict[str, list[str]]:
    """Return the sets of each of `GROUPS`; those that the split does not name count as reporting."""
    names = pd.Index(sets)
    half = split["half"].reindex(names).fillna("report")
    independent = split["labels"].reindex(names) == "independent"
    return {
        "tune": list(half.index[half == "tune"]),
        "report": list(half.index[half == "report"]),
        "all": list(sets),
        "independent": list(half.index[independent]),
    }


def per_set(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean over seeds: sets in rows, methods in columns, both in the order in which they came."""
    means = rows.pivot_table(metric, "set", "method", dropna=False)
    return means.reindex(index=rows["set"].unique(), columns=rows["method"].unique())


def per_group(
    table: pd.DataFrame, groups: dict[str, list[str]], baselines: Sequence[str] = ()
) -> pd.DataFrame:
    """Mean over sets: methods in rows, groups of sets in columns.

    Parameters
    ----------
    table
        From `per_set`. A method that lacks a set is averaged over the others; ``n_sets`` tells.
    groups
        From `members`.
    baselines
        Of these, the best one on each set makes a row of its own.
    """
    if baselines:
        table = table.assign(**{BEST_BASELINE: table[list(baselines)].max(axis=1)})
    means = pd.DataFrame({name: table.loc[sets].mean() for name, sets in groups.items()})
    means["n_sets"] = table.notna().sum()
    return means


def shares(rows: pd.DataFrame, baselines: Sequence[str]) -> pd.DataFrame:
    """How reliable each method is, in shares of sets, and what it costs; methods in rows.

    ``k_near``: the number of clusters is at most 2 from the number of classes, on average over
    seeds. ``not_below``: mean ARI at most .02 below the best baseline on the same set.
    """
    off = per_set(rows.assign(off=(rows["n_clusters"] - rows["n_classes"]).abs()), "off")
    table = pd.DataFrame({"k_near": (off <= NEAR_K).where(off.notna()).mean()})
    if baselines:
        ari = per_set(rows, "ari")
        lost = ari.rsub(ari[list(baselines)].max(axis=1), axis=0)
        table["not_below"] = (lost <= NOT_BELOW).where(ari.notna()).mean()
    for cost in ("seconds", "peak_memory_mb"):
        table[cost] = per_set(rows, cost).mean()
    return table.astype(float)


def agreement(pairs: pd.DataFrame) -> pd.DataFrame:
    """Mean over sets of the agreement between seeds, and that of the worst set; by method."""
    by_method = pairs.groupby("method", sort=False)["pairwise_ari"]
    return pd.DataFrame({"seeds_ari": by_method.mean(), "seeds_ari_worst_set": by_method.min()})


def overview(
    rows: pd.DataFrame, pairs: pd.DataFrame, split: pd.DataFrame, baselines: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """All tables that are printed, by title."""
    there = [name for name in baselines if name in set(rows["method"])]
    groups = members(list(rows["set"].unique()), split)
    spatial = [name for name in ("chaos", "pas", "purity") if name in rows]
    tables = {"ARI of each set (mean over seeds)": per_set(rows, "ari").T}
    for metric in ("ari", "nmi", "acc", "f1", *spatial):
        best = there if metric == "ari" else []
        title = f"{metric.upper()}: mean over sets"
        tables[title] = per_group(per_set(rows, metric), groups, best)
    tables["Reliability and cost"] = shares(rows, there).join(agreement(pairs))
    return tables


def to_text(table: pd.DataFrame) -> str:
    """Print a table to three digits."""
    text = table.rename_axis(index=None, columns=None).copy()
    if "n_sets" in text:
        text["n_sets"] = text["n_sets"].astype(int)
    for name in ("seconds", "peak_memory_mb"):
        if name in text:
            text[name] = text[name].map("{:.1f}".format)
    return text.to_string(float_format="{:.3f}".format, na_rep="-")


def by_ari(rows: pd.DataFrame) -> list[str]:
    """Methods from the lowest to the highest mean ARI over sets."""
    mean = per_set(rows, "ari").mean()
    return list(np.asarray(mean.index)[np.argsort(mean.to_numpy(), kind="stable")])
