"""How the number of clusters came about, and how the clusters score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from scrcl.report.table import Cell, Table, mark, number

if TYPE_CHECKING:
    from scrcl.results import RunFolder

_SCORES = {"acc": "ACC", "nmi": "NMI", "ari": "ARI", "f1": "macro-F1", "n_clusters": "clusters"}
_PROTOCOLS = {
    "label_free": "label-free (what a user gets)",
    "oracle": "oracle (epoch picked with the labels: an upper bound)",
}
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
    if not path.is_file():
        return None
    summary = pd.read_csv(path).set_index("protocol")
    if summary["acc_mean"].isna().all():
        return None
    protocols = [name for name in _PROTOCOLS if name in summary.index]
    rows = [
        [Cell(title), *(_mean_and_sd(summary.loc[name], score) for name in protocols)]
        for score, title in _SCORES.items()
    ]
    agreement = [number(summary.loc[name, "seed_ari_mean"]) for name in protocols]
    rows.append([Cell("ARI between seeds"), *agreement])
    n_seeds = int(summary["n_seeds"].max())
    spread = ", mean ± SD over the seeds" if n_seeds > 1 else ""
    return Table(
        caption=f"Agreement with the labels ({n_seeds} seed{'s' * (n_seeds > 1)}{spread}).",
        columns=["score", *(_PROTOCOLS[name] for name in protocols)],
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


def _mean_and_sd(row: pd.Series[Any], score: str) -> Cell:
    digits = 1 if score == "n_clusters" else 3
    mean, sd = number(row[f"{score}_mean"], digits), row[f"{score}_sd"]
    return mean if pd.isna(sd) else mean._replace(text=f"{mean.text} ± {sd:.{digits}f}")
