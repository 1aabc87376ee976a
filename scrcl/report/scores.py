"""How the number of clusters came about, and how the clusters score."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from scrcl._text import counted
from scrcl.report.table import Cell, Table, mark, number
from scrcl.results import TITLES

if TYPE_CHECKING:
    from scrcl.results import RunFolder

_SCORES = {"acc": "ACC", "nmi": "NMI", "ari": "ARI", "f1": "macro-F1", "n_clusters": "clusters"}
_N_CANDIDATES = 3


def choice_of_k(run: RunFolder, seed: int) -> tuple[str, Table | None]:
    """Say how the number of clusters was settled; list the three best numbers if it was found."""
    result = run.load_result(seed)
    n_clusters = len(set(result.clusters))
    asked = run.settings["n_clusters"]
    if result.curve is None:
        given = f"{asked} clusters were asked for" if isinstance(asked, int) else "It was given"
        return f"{given}; the run ended with {n_clusters}.", None
    criterion = str(result.curve.columns[1])
    curve = result.curve.dropna(subset=[criterion])
    if curve.empty:
        found = counted(n_clusters, "clusters")
        return f"{found}: the cells are too much alike to try other numbers.", None
    best = curve.sort_values(criterion, ascending=False, kind="stable").head(_N_CANDIDATES)
    rows = [
        [
            mark(str(int(k)), {}),
            number(float(value)),
            Cell("chosen" if int(k) == n_clusters else ""),
        ]
        for k, value in best[["n_clusters", criterion]].itertuples(index=False)
    ]
    low, high = int(curve["n_clusters"].min()), int(curve["n_clusters"].max())
    text = (
        f"{n_clusters} clusters. Numbers from {low} to {high} were tried, without labels, and "
        f"compared by the {criterion}."
    )
    if "agreement" in curve:  # shown beside the evidence of the tree, which decided
        text = (
            f"{n_clusters} clusters: the tree was cut as deep as the evidence for its splits goes, "
            f"without labels, within any range that was asked for. What the {criterion} says of "
            f"numbers from {low} to {high}:"
        )
    if isinstance(asked, int):
        text = f"{asked} clusters were asked for. What the criterion says of other numbers:"
    return text, Table(
        caption="The three best numbers of clusters.",
        columns=["clusters", criterion, ""],
        rows=rows,
    )


def scores(run: RunFolder) -> Table | None:
    """Set the protocols side by side, over all seeds; ``None`` without labels."""
    path = run.path / "summary.csv"
    table = pd.read_csv(path, index_col="protocol") if path.is_file() else pd.DataFrame()
    summary: dict[str, dict[str, float]] = {str(name): dict(row) for name, row in table.iterrows()}
    if all(math.isnan(row["acc_mean"]) for row in summary.values()):
        return None
    rows = [
        [Cell(title), *(_mean_and_sd(row, score) for row in summary.values())]
        for score, title in _SCORES.items()
    ]
    titles = TITLES | ({"label_free": "last epoch (label-free)"} if len(summary) > 2 else {})
    agreement = [number(row["seed_ari_mean"]) for row in summary.values()]
    rows.append([Cell("ARI between seeds"), *agreement])
    if "time_ratio" in table and table["time_ratio"].notna().any():
        times = [number(row["time_ratio"], 1) for row in summary.values()]
        rows.append([Cell("time of a seed, default preset = 1"), *times])
    n_seeds = len(run.seeds)
    spread = f"{n_seeds} seeds, mean ± SD" if n_seeds > 1 else "1 seed"
    return Table(
        caption=f"Agreement with the labels ({spread}).",
        columns=["score", *(titles[name] for name in summary)],
        rows=rows,
    )


def scores_by_seed(run: RunFolder) -> Table:
    """One row for each seed and protocol."""
    rows = []
    for seed in run.seeds:
        for protocol, values in run.load_metrics(seed).items():
            given = [number(values.get(score)) for score in list(_SCORES)[:-1]]
            sizes = [number(values[name], 0) for name in ("n_clusters", "epoch")]
            title = protocol.replace("_", "-")
            rows.append([Cell(str(seed), float(seed)), Cell(title), *given, *sizes])
    heads = ["seed", "protocol", *_SCORES.values(), "epoch"]
    return Table(caption="Every seed.", columns=heads, rows=rows)


def _mean_and_sd(row: dict[str, float], score: str) -> Cell:
    mean, sd = row[f"{score}_mean"], row[f"{score}_sd"]
    if math.isnan(sd):
        return number(mean, 0 if score == "n_clusters" else 3)
    digits = 1 if score == "n_clusters" else 3
    return Cell(f"{mean:.{digits}f} ± {sd:.{digits}f}", mean)
