"""The paper's table: python -m benchmarks.paper DATA_DIR --out docs/benchmarks/paper.csv.

For every set of the paper that is in the data folder, or a part of which is (`STAND_INS`): what was
published, the paper's protocol (500 epochs, the best one picked with the labels: oracle), its last
epoch, and the default preset, with k given and found. ``--ablation`` also trains the paper's preset
without one of its losses at a time, and without the refinement by genes.

One row of the CSV is one set, variant, protocol and seed; rows that are there are not made again, so
the benchmark can be cut off. Seeds come one after the other, each on all sets, or ``--jobs`` of them
side by side.
``python benchmarks/readme.py docs/benchmarks/paper.csv paper`` makes the page's table of it, and
``--draw`` its figure.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmarks.machine import limit_threads
from scrcl._text import counted
from scrcl.config import configs_dir, load_config, override
from scrcl.datasets import DATASETS
from scrcl.experiment import PAPER_SEEDS, Experiment, InputSpec, PaperTable, run_experiment
from scrcl.experiment.paper import ORDER
from scrcl.pl.colors import palette
from scrcl.pl.style import FONT, new_figure, save
from scrcl.results import FOUND, GIVEN, PICKED, PUBLISHED, RunFolder
from scrcl.results.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from scrcl.config import Config
    from scrcl.datasets import DatasetSpec

log = logging.getLogger(__name__)

STAND_INS = {
    "Zeisel": ("scdata/Zeisel_3005x4000.h5ad", "all 3,005 cells, 4,000 of the genes, 7 classes"),
    "Baron_human": ("scdata/Baron_human_sub2142.h5ad", "2,142 of the 8,569 cells"),
}
"""Set of the paper to a file that holds a part of it, and which."""
SUBSETS = {
    "151673": "its 8,513 most variable genes",
    "151674": "its 5,000 most variable genes",
}
"""Registered sets of which the data folder of the project holds a part."""
VARIANTS: dict[str, dict[str, object]] = {
    "": {},
    "without hea": {"train.lambda_hea": 0.0},
    "without ndc": {"train.lambda_ndc": 0.0},
    "without cvc": {"train.lambda_cvc": 0.0},
    "without refinement": {"train.lambda_cvc": 0.0, "cluster.embedding": "e"},
}
"""What of the paper's training is left out; of the refinement, its loss goes, too."""
SCORES = ("acc", "nmi", "ari", "f1")
FIGURE = Path(__file__).parents[1] / "docs" / "assets" / "paper.png"
LEGEND = {
    PUBLISHED: "published (oracle, whole set)",
    "oracle": "oracle: picked with the labels",
    "label_free": "last epoch, label-free",
    GIVEN: "default, k given, label-free",
    FOUND: "default, k found, label-free",
}


@dataclass(frozen=True, slots=True)
class PaperSet:
    """A set at hand: what it is of, where it lies, and how much of it that is."""

    spec: DatasetSpec
    path: Path | None
    part: str

    def source(self, data_dir: Path) -> InputSpec:
        """Say what to read."""
        paths, spec = ((), self.spec) if self.path is None else ((self.path,), None)
        return InputSpec(task=self.spec.task, spec=spec, paths=paths, data_dir=data_dir)

    def config(self, variant: str) -> Config:
        """Load the paper's values for it."""
        own = configs_dir() / self.spec.task / f"{self.spec.name}.yaml"
        return override(load_config(own, self.spec.task), VARIANTS[variant])


def at_hand(data_dir: Path) -> list[PaperSet]:
    """List the sets of the paper that can be run, whole or in part."""
    sets = []
    for spec in DATASETS.values():
        path, part = STAND_INS.get(spec.name, (None, SUBSETS.get(spec.name, "")))
        if spec.path is None:
            continue
        if spec.is_there(data_dir):
            sets.append(PaperSet(spec, None, SUBSETS.get(spec.name, "")))
        elif path is not None and (data_dir / path).is_file():
            sets.append(PaperSet(spec, data_dir / path, part))
    return sets


def run_seed(
    one: PaperSet, variant: str, seed: int, *, data_dir: Path, epochs: int | None, device: str
) -> list[dict[str, object]]:
    """Train both presets, or of a variant the paper's alone, and return a row for each protocol."""
    source = one.source(data_dir)
    shorter = {} if epochs is None else {"train.n_epochs": epochs}
    bare = {"report": False, "figures": False, "expression": False, "device": device}
    with tempfile.TemporaryDirectory() as out:
        default = RunFolder.at(out, task=one.spec.task, dataset=source.name, name="default")
        if not variant:
            config = load_config(configs_dir() / f"default_{one.spec.task}.yaml", one.spec.task)
            run_experiment(
                Experiment(
                    source=source,
                    config=override(config, shorter),
                    run=default,
                    n_clusters="auto",
                    seeds=(seed,),
                    **bare,
                )
            )
        outcome = run_experiment(
            Experiment(
                source=source,
                config=override(one.config(variant), shorter),
                run=default.beside("paper"),
                seeds=(seed,),
                oracle=True,
                table=None if variant else PaperTable(default=default),
                **bare,
            )
        )
        metrics = outcome.run.load_metrics(seed)
    return [
        {
            "set": one.spec.name,
            "variant": variant,
            "protocol": row["protocol"],
            "seed": seed,
            **{score: row[f"{score}_mean"] for score in (*SCORES, "n_clusters")},
            "epoch": metrics.get(str(row["protocol"]), {}).get("epoch"),
            "n_obs": outcome.n_obs,
            "part": one.part,
            "device": device,
        }
        for row in outcome.summary.to_dict("records")
    ]


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a set and protocol, as text: mean and SD over seeds, and what was published."""
    rows = rows.fillna({"variant": "", "part": ""}).astype({"set": str})
    lines = []
    for (name, part), of_set in rows.groupby(["set", "part"], sort=False):
        published = DATASETS[str(name)].published
        if published is not None:
            given = {score: getattr(published, score) for score in SCORES}
            lines.append(
                {
                    "set": f"{name}, whole",
                    "protocol": f"{PUBLISHED}: {published.source}",
                    **{s: "" if value is None else f"{value:.3f}" for s, value in given.items()},
                }
            )
        known = [*ORDER[1:]]
        for (variant, protocol), seeds in sorted(
            of_set.groupby(["variant", "protocol"]),
            key=lambda item: (list(VARIANTS).index(item[0][0]), known.index(item[0][1])),
        ):
            lines.append(
                {
                    "set": f"{name}{', ' + str(part) if part else ''}",
                    "protocol": _words(str(protocol)) + (f", {variant}" if variant else ""),
                    **{score: _mean_and_sd(seeds[score]) for score in SCORES},
                    "clusters": _mean_and_sd(seeds["n_clusters"], 1),
                    "epoch": _mean_and_sd(seeds["epoch"], 0),
                    "seeds": str(len(seeds)),
                }
            )
    return pd.DataFrame(lines).set_index(["set", "protocol"]).fillna("")


def short(rows: pd.DataFrame) -> pd.DataFrame:
    """ARI of each protocol and set, mean and SD over seeds, as text; no variants."""
    rows = rows[rows["variant"].fillna("") == ""].astype({"set": str})
    columns = {}
    for name, of_set in rows.groupby("set"):
        published = DATASETS[str(name)].published
        ari = of_set.groupby("protocol")["ari"].agg(_mean_and_sd)
        if published is not None and published.ari is not None:
            ari[PUBLISHED] = f"{published.ari:.3f}"
        columns[f"{name}, {counted(of_set['seed'].nunique(), 'seeds')}"] = ari
    table = pd.DataFrame(columns).reindex(ORDER).fillna("")
    table.index = pd.Index([LEGEND[protocol] for protocol in table.index])
    return table


def draw(rows: pd.DataFrame) -> Figure:
    """ARI by protocol, mean and SD over seeds: one line a set, what labels picked hollow."""
    rows = rows[rows["variant"].fillna("") == ""].astype({"set": str})
    names = list(dict.fromkeys(rows["set"]))
    fig = new_figure(7.2, 1.5 + 0.75 * len(names))
    ax = fig.add_subplot()
    for step, protocol in enumerate(ORDER):
        color, picked = palette(len(ORDER))[step], protocol in PICKED
        for line, name in enumerate(names):
            if protocol == PUBLISHED:
                published = DATASETS[name].published
                values = pd.Series([published.ari] if published and published.ari else [])
            else:
                of = (rows["set"] == name) & (rows["protocol"] == protocol)
                values = rows.loc[of, "ari"]
            if len(values):
                ax.errorbar(
                    values.mean(),
                    line + 0.16 * (step - 2),
                    xerr=values.std() if len(values) > 1 else None,
                    fmt="o",
                    color=color,
                    markerfacecolor="white" if picked else color,
                    label=LEGEND[protocol],
                )
    handles, labels = ax.get_legend_handles_labels()
    told = dict(zip(labels, handles, strict=True))
    ax.legend(told.values(), told.keys(), fontsize=FONT, loc="center left", bbox_to_anchor=(1, 0.5))
    ax.set_yticks(range(len(names)), names, fontsize=FONT)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(0, 1)
    ax.set_xlabel("ARI, mean and SD over seeds", fontsize=FONT)
    return fig


def _words(protocol: str) -> str:
    return {
        "oracle": "**oracle** (epoch picked with the labels)",
        "label_free": "last epoch, label-free",
        GIVEN: "default preset, k given, label-free",
        FOUND: "default preset, k found, label-free",
    }[protocol]


def _mean_and_sd(values: pd.Series[float], digits: int = 3) -> str:
    values = values.dropna()
    if values.empty:
        return ""
    sd = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{sd}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the CSV lacks."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="CSV, gone on with")
    parser.add_argument("--sets", nargs="+", help="(all that are there)")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(PAPER_SEEDS))
    parser.add_argument("--epochs", type=int, help="for a try; the protocol has 500")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="seeds side by side")
    parser.add_argument("--draw", action="store_true", help=f"only draw {FIGURE.name} of the CSV")
    parser.add_argument("--ablation", action="store_true", help="also without each loss")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("scrcl").setLevel(logging.WARNING)
    sets = at_hand(args.data_dir)
    missing = [
        f"{spec.name}: {spec.source}"
        for spec in DATASETS.values()
        if spec.path is not None and spec.name not in {one.spec.name for one in sets}
    ]
    log.info("not at hand:\n%s", "\n".join(missing))
    done: list[dict[str, object]] = []
    if args.out.is_file():
        table = pd.read_csv(args.out, dtype={"set": str}, keep_default_na=False, na_values={})
        done = table.to_dict("records")  # type: ignore[assignment]
        if args.draw:
            save(draw(pd.read_csv(args.out, dtype={"set": str})), FIGURE, dpi=110)
            return 0
    there = {tuple(str(row[key]) for key in ("set", "variant", "seed")) for row in done}
    jobs = [
        (one, variant, seed)
        for seed, variant, one in product(args.seeds, VARIANTS if args.ablation else [""], sets)
        if (one.spec.name, variant, str(seed)) not in there
        and (not args.sets or one.spec.name in args.sets)
    ]
    run = partial(run_seed, data_dir=args.data_dir, epochs=args.epochs, device=args.device)
    limit_threads(max(1, (os.cpu_count() or 1) // args.jobs))
    with ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(run, *job): job for job in jobs}
        for future in as_completed(running):
            one, variant, seed = running[future]
            log.info("%s, %s, seed %d: done", one.spec.name, variant or "whole", seed)
            done += future.result()
            with atomic_path(args.out) as part:
                pd.DataFrame(done).to_csv(part, index=False, float_format="%.5g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
