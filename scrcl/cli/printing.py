"""What is printed: the closing table, the list of data sets, the summary as JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from scrcl._text import counted
from scrcl.datasets import DATASETS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scrcl.experiment import Markers, Outcome

_SCORES = {"acc": "ACC", "nmi": "NMI", "ari": "ARI", "f1": "macro-F1", "n_clusters": "clusters"}
_GENES_TOLD = 5
OF_SEED = {"model", "gene associations", "scores"}
"""Parts of a seed, which is not taken up again once it is there."""


def closing_table(outcome: Outcome) -> str:
    """Say what was clustered, how every protocol scores, and where everything lies."""
    run = outcome.run
    left_out = f", {outcome.n_left_out:,} left out" if outcome.n_left_out else ""
    title = (
        f"{run.dataset}, {run.name}: {counted(outcome.n_obs, 'cells')}{left_out}, "
        f"{counted(outcome.n_genes, 'genes')}, "
        f"seeds {', '.join(map(str, outcome.seeds))}"
    )
    summary = outcome.summary
    timed = "time_ratio" in summary and bool(summary["time_ratio"].notna().any())
    header = ["protocol", *_SCORES.values(), "ARI between seeds", *(["time"] if timed else [])]
    rows = [
        [
            str(row["protocol"]).replace("_", "-"),
            *(_mean_and_sd(row[f"{s}_mean"], row[f"{s}_sd"], s) for s in _SCORES),
            _number(row["seed_ari_mean"]),
            *([_times(row["time_ratio"])] if timed else []),
        ]
        for _, row in summary.iterrows()
    ]
    legend = [] if len(rows) == 1 else _legend(outcome, timed=timed)
    return "\n".join(["", title, *_aligned([header, *rows]), *legend, f"-> {run.path}"])


def _legend(outcome: Outcome, *, timed: bool) -> list[str]:
    """How the numbers of each row came about, one a line."""
    from scrcl.results import explained  # noqa: PLC0415  (pandas, and --help needs none)

    spec = DATASETS.get(outcome.run.dataset)
    source = spec.published.source if spec and spec.published else None
    lines = [
        f"{protocol.replace('_', '-')}: {explained(protocol, source, paper=outcome.run.is_paper)}"
        for protocol in map(str, outcome.summary["protocol"])
    ]
    return lines + (["time: of a seed, as a multiple of the default preset's"] if timed else [])


def what_failed(outcome: Outcome) -> str:
    """Say what a run lacks, what there is all the same, and how to go on."""
    run = outcome.run
    clusters = ", ".join(str(run.path / f"seed_{seed}" / "clusters.csv") for seed in outcome.seeds)
    how = (
        "--overwrite makes all of it anew"
        if OF_SEED.intersection(outcome.failed)
        else "--resume makes the rest without training again"
    )
    return (
        f"not made: {', '.join(outcome.failed)} (see above). The clusters are in {clusters}. Once "
        f"the cause is mended, {how}."
    )


def marker_table(markers: Markers) -> str:
    """Best genes of every group that passed the filter, and where everything lies."""
    rows = [
        [group, str(len(genes)), ", ".join(genes[:_GENES_TOLD]) or "-"]
        for group, genes in markers.kept.items()
    ]
    table = _aligned([["group", "markers", "best"], *rows])
    return "\n".join(["", *table, f"-> {markers.folder}"])


def list_of_datasets(data_dir: Path) -> str:
    """All registered sets, one a line."""
    header = ["name", "task", "cells", "classes", "there", "expected at"]
    rows = [
        [
            spec.name,
            spec.task,
            f"{spec.n_obs:,}",
            str(spec.n_classes),
            "yes" if spec.is_there(data_dir) else "no",
            f"({spec.source})" if spec.path is None else str(data_dir / spec.path),
        ]
        for spec in DATASETS.values()
    ]
    return "\n".join(_aligned([header, *rows]))


def list_of_runs(results_dir: Path) -> str:
    """All runs with a finished seed, newest first, one a line."""
    from scrcl.results import find_runs  # noqa: PLC0415  (pandas, and --help needs none)

    runs = find_runs(results_dir)
    if not runs:
        return f"no runs in {results_dir}"
    rows = [
        [
            run.dataset,
            run.path.parent.parent.name.lower(),
            run.name,
            ",".join(map(str, run.seeds)),
            "yes" if run.finished else "no",
            str(run.path),
        ]
        for run in runs
    ]
    return "\n".join(_aligned([["run of", "task", "name", "seeds", "finished", "path"], *rows]))


def as_json(outcome: Outcome) -> str:
    """Summary of a run as one line."""
    run = outcome.run
    from scrcl.results import plain  # noqa: PLC0415  (as above)

    content = {
        "task": run.path.parent.parent.name.lower(),
        "dataset": run.dataset,
        "run": run.name,
        "path": str(run.path.absolute()),
        "seeds": outcome.seeds,
        "n_obs": outcome.n_obs,
        "n_left_out": outcome.n_left_out,
        "n_genes": outcome.n_genes,
        "protocols": outcome.summary.set_index("protocol").to_dict("index"),
        "notes": outcome.notes,
        "failed": outcome.failed,
    }
    return json.dumps(plain(content))


def _mean_and_sd(mean: float, sd: float, score: str) -> str:
    digits = 1 if score == "n_clusters" else 3
    if math.isnan(mean):
        return "-"
    spread = "" if math.isnan(sd) else f" ± {sd:.{digits}f}"
    whole = score == "n_clusters" and float(mean).is_integer() and not spread
    return f"{mean:.0f}" if whole else f"{mean:.{digits}f}{spread}"


def _times(ratio: float) -> str:
    return "-" if math.isnan(ratio) else f"{ratio:.1f} x"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
