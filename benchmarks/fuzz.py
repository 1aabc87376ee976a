"""Odd data through the scripts, from reading to the report: a result, or one line.

    python -m benchmarks.fuzz --cases 1000 --out fuzz.csv

Each case is drawn from its number and a seed (`benchmarks.odd`), written as .h5ad and goes through runSC.py or
runST.py with two epochs; where that gives a result, through draw_DEGs.py and ``scrcl cut``, too. What holds
of every case:

- it ends with exit code 0, or with exit code 2 and one line that begins with ``error:``;
- a result is complete and can be read; a refusal leaves nothing; no part of a file stays;
- no warning comes from scrcl's own code;
- the input is as it was.

The table has a row for each case and is added to: what is in it is not done again. The exit code of this
script is 1 if a case broke one of these rules.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import logging
import re
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import scrcl
from benchmarks.odd import odd_adata, odd_name
from scrcl.cli.main import main_degs, main_sc, main_st
from scrcl.cli.program import main as main_scrcl
from scrcl.results import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FAST = ("--epochs", "2", "--set", "n_hidden=8", "--device", "cpu", "--quiet")
OURS = str(Path(scrcl.__file__).parent)
SETTINGS = (
    "method=kmeans",
    "method=consensus",
    "data.n_hvg=0",
    "data.n_hvg=7",
    "hvg_flavor=seurat_v3",
    "model_input=log",
    "model_input=scaled",
    "n_smooth=2,1",
    "batch_size=4",
    "n_pcs=3",
    "pca_from=0",
    "n_neighbors=1",
    "n_gene_neighbors=1",
    "fast_step=false",
    "target_sum=none",
    "n_latent=2",
    "features=all",
    "embedding=e",
    "selection=min_loss",
    "temperature=0.01",
)
OF_TISSUE = ("method=domains", "spatial_graph=delaunay", "n_refine=3", "graph=expression")


@dataclass(slots=True)
class Told:
    """What a command said, and how it ended."""

    code: int
    error: str
    warned: list[str]
    """Warnings from our own code."""


@dataclass(slots=True)
class Case:
    """A case, and what was wrong with it."""

    number: int
    script: str
    recipe: dict[str, str]
    arguments: list[str]
    code: int = -1
    said: str = ""
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def row(self) -> dict[str, object]:
        """Return the row of the table."""
        return {
            "case": self.number,
            "script": self.script,
            "exit": self.code,
            "faults": _one_line("; ".join(self.faults)),
            "said": _one_line(self.said),
            "seconds": round(self.seconds, 2),
            "arguments": _one_line(" ".join(self.arguments)),
            "recipe": _one_line("; ".join(f"{k}: {v}" for k, v in self.recipe.items() if v)),
        }


def run_case(number: int, seed: int, folder: Path, *, full: bool = True) -> Case:
    """Draw a case, run it in a new folder, and judge it.

    Parameters
    ----------
    number, seed
        Draw the case.
    folder
        To write in; empty.
    full
        Let figures and report take part, which takes most of the time.
    """
    rng = np.random.default_rng([seed, number])
    spatial = bool(rng.random() < 0.35)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noqa: TID251  (anndata's, of the odd data)
        adata, recipe = odd_adata(rng, spatial=spatial)
        stem = _stem(rng)
        path = folder / f"{stem}.h5ad"
        try:
            adata.write_h5ad(path)
        except (TypeError, ValueError, OSError):  # what cannot be in a file needs no reader
            return Case(number, "none", recipe, [], code=0, said="cannot be written as .h5ad")
    arguments = _arguments(rng, adata.obs.columns, spatial=spatial)
    if not full:
        arguments += ["--no-report", "--no-figures"]
    case = Case(number, "st" if spatial else "sc", recipe | {"file": stem[:40]}, arguments)
    start = time.perf_counter()
    out = folder / "results"
    before = _digest(path)
    main = main_st if spatial else main_sc
    told = call(main, ["--input", str(path), *FAST, "--out", str(out), *arguments])
    case.code, case.said = told.code, " ".join(told.error.split())[:400]
    _judge(case, told, out, "run")
    if told.code == 0:
        # Symbols in the place of cells, and none in that of genes, are taken for a file with genes in
        # rows, and that is said.
        turned = recipe["cells"] == "symbols" and recipe["genes"] == "numbers"
        _judge_result(case, out, adata.n_vars if turned else adata.n_obs)
        _go_on(case, rng, out, full=full)
    if _digest(path) != before:
        case.faults.append("the input was changed")
    case.seconds = time.perf_counter() - start
    return case


def call(main: Callable[[Sequence[str]], int], arguments: list[str]) -> Told:
    """Call a script in this process."""
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error), _warned() as warned:
        try:
            code = main(arguments)
        except BaseException as raised:  # noqa: BLE001  (nothing may leave a script)
            return Told(-1, f"raised {type(raised).__name__}: {raised}", warned)
    return Told(code, error.getvalue(), warned)


def _stem(rng: np.random.Generator) -> str:
    if rng.random() < 0.8:
        return "cells"
    return re.sub(r"[/\x00\ud800-\udfff]", "_", odd_name(rng))[:80].strip() or "cells"


def _arguments(rng: np.random.Generator, columns: pd.Index, *, spatial: bool) -> list[str]:
    given: list[str] = []
    if rng.random() < 0.6:
        given += ["--n-clusters", str(rng.choice(["1", "2", "3", "4", "100", "auto", "2:4", "0"]))]
    if rng.random() < 0.4:
        settings = [*SETTINGS, *OF_TISSUE] if spatial else list(SETTINGS)
        for setting in rng.choice(settings, int(rng.integers(1, 3)), replace=False):
            given += ["--set", str(setting)]
    # A name that begins with a dash is no value of a flag for argparse unless it is joined to it.
    for flag, share in (("--label-key", 0.3), ("--slice-key" if spatial else "--batch-key", 0.15)):
        if len(columns) and rng.random() < share:
            given += [f"{flag}={columns[int(rng.integers(len(columns)))]}"]
    values = str(rng.choice(["counts", "log", "linear", "log2"]))
    for flags, share in (
        (["--values", values], 0.1),
        (["--seeds", "0,1"], 0.1),
        (["--no-x"], 0.1),
        (["--oracle"], 0.05),
        (["--no-report"], 0.3),
    ):
        if rng.random() < share:
            given += flags
    return given


def _go_on(case: Case, rng: np.random.Generator, out: Path, *, full: bool) -> None:
    """Find markers of the run, and cut it."""
    (run,) = _runs(out)
    method = str(rng.choice(["wilcoxon", "t-test", "logreg"]))
    common = ["--out", str(out), "--quiet"]
    _judge(
        case, call(main_degs, ["--run", str(run.path), "--method", method, *common]), out, "degs"
    )
    k = str(rng.choice(["1", "2", "3", "auto", "50"]))
    cut = ["cut", str(run.path), "--n-clusters", k, "--name", "other", *common]
    if not full:
        cut += ["--no-report", "--no-figures"]
    _judge(case, call(main_scrcl, cut), out, "cut")


def _judge(case: Case, told: Told, out: Path, what: str) -> None:
    """Note which rules a command broke."""
    wrong = [f"warning: {warning}" for warning in told.warned]
    lines = told.error.splitlines()
    if told.code not in {0, 2}:
        wrong.append(f"exit code {told.code}: {' '.join(told.error.split())[:300]}")
    elif told.code == 2 and not (len(lines) == 1 and lines[0].startswith("error: ")):
        wrong.append(f"not one line: {told.error[:300]!r}")
    elif told.code == 0 and told.error:
        wrong.append(f"said although quiet: {told.error[:300]!r}")
    if "Traceback" in told.error:
        wrong.append("traceback")
    parts = [path.name for path in out.rglob("*") if _is_part(path.name)] if out.exists() else []
    if parts:
        wrong.append(f"left behind: {', '.join(parts)}")
    if what == "run" and told.code == 2 and out.exists() and any(map(Path.is_file, out.rglob("*"))):
        wrong.append("files of a run that was refused")
    case.faults += [f"{what}: {fault}" for fault in dict.fromkeys(wrong)]


def _judge_result(case: Case, out: Path, n_obs: int) -> None:
    """Read what a run has written."""
    try:
        (run,) = _runs(out)
        for seed in run.seeds:
            table = run.load_clusters(seed)
            embedding = run.load_embedding(seed)
            if len(table) != n_obs:
                case.faults.append(f"clusters.csv has {len(table)} rows for {n_obs} cells")
            if not np.isfinite(embedding.to_numpy()).all():
                case.faults.append("the embedding is not finite")
        if not run.finished:
            case.faults.append("the run is not finished")
        result = scrcl.read(run.path / "result.h5ad") if run.has_expression else None
        if result is not None and result.n_obs != n_obs:
            case.faults.append(f"result.h5ad has {result.n_obs} cells of {n_obs}")
    except Exception as error:  # noqa: BLE001  (whatever it is, the result cannot be read)
        case.faults.append(f"the result cannot be read: {type(error).__name__}: {error}")


def _runs(out: Path) -> list[RunFolder]:
    return [RunFolder(path.parent) for path in sorted(out.rglob("env.json"))]


def _one_line(text: str) -> str:
    return text[:1000].encode("unicode_escape").decode("ascii")


def _is_part(name: str) -> bool:
    return ".part" in name or name.endswith((".old", ".before", ".ckpt"))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextlib.contextmanager
def _warned() -> Iterator[list[str]]:
    """Collect the warnings that our own code causes; those of libraries it keeps off the screen."""
    found: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if text.startswith(OURS):
                found.append(" ".join(text.split())[len(OURS) + 1 :][:200])

    handler = Collect()
    log = logging.getLogger("py.warnings")
    log.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")  # noqa: TID251  (else each is told once in a process)
            yield found
    finally:
        log.removeHandler(handler)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases that the table does not have yet; sum up all that it has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/fuzz.csv"))
    args = parser.parse_args(argv)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    done = pd.read_csv(args.out, keep_default_na=False) if args.out.exists() else pd.DataFrame()
    numbers = set(done["case"]) if len(done) else set()
    for number in range(args.first, args.first + args.cases):
        if number in numbers:
            continue
        with tempfile.TemporaryDirectory() as folder:
            case = run_case(number, args.seed, Path(folder), full=number % 8 == 0)
        row = pd.DataFrame([case.row()])
        row.to_csv(args.out, mode="a", header=not args.out.exists(), index=False)
        if case.faults:
            print(f"case {number}: {'; '.join(case.faults)}", flush=True)  # noqa: T201
    table = pd.read_csv(args.out, keep_default_na=False)
    print(f"cases: {len(table)}, by exit code: {table['exit'].value_counts().to_dict()}")  # noqa: T201
    print(f"with faults: {(table['faults'] != '').sum()}")  # noqa: T201
    return int((table["faults"] != "").any())


if __name__ == "__main__":
    sys.exit(main())
