"""The command line of the benchmarks: what to run, what is there already, what came out."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import tables
from benchmarks.common import Job, cache_key, file_digest, run_all
from benchmarks.figure import draw
from benchmarks.machine import ROOT, limit_threads
from scrcl._validate import InputError
from scrcl.experiment.inputs import InputSpec, load
from scrcl.pl.style import save
from scrcl.results.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from benchmarks.common import Cell, Method
    from scrcl.config import Task

log = logging.getLogger(__name__)

SEEDS = (0, 1, 2, 3, 4)


def main(argv: Sequence[str] | None, *, task: Task, name: str) -> int:
    """Run a benchmark; return 0, 1 if results are missing, or 2 if the input cannot be used.

    Parameters
    ----------
    argv
        Arguments; ``None``: those of the process.
    task
        Single cells (``sc``) or tissue (``st``).
    name
        Of the tables and the figure.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    package = logging.getLogger("scrcl")
    level = package.level
    package.setLevel(logging.ERROR)
    try:
        return _run(argv, task=task, name=name)
    finally:
        package.setLevel(level)


def _run(argv: Sequence[str] | None, *, task: Task, name: str) -> int:
    """Do what `main` promises, while the package itself says nothing but errors."""
    registry = f"benchmarks.methods_{task}"
    methods: dict[str, Method] = importlib.import_module(registry).METHODS
    given = _parser(task, methods).parse_args(argv)
    limit_threads(given.threads)
    try:
        chosen = choose_methods(given.methods, methods, installed=not given.only_tables)
        paths = find_sets(given.data_dir, given.sets, task)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    jobs = [
        Job(registry, task, path, seed, targets)
        for path in paths
        for seed in given.seeds
        for targets in _targets(path, list(chosen.values()), seed, given.cache)
    ]
    if not given.only_tables:
        run_all([job for job in map(_missing, jobs) if job.targets])
    cells = [_read(file) for job in jobs for file in job.targets.values() if file.exists()]
    if cells:
        report(cells, chosen, task, given.out / name)
    lacking = missing(jobs)
    for what in lacking:
        log.error("no result: %s", what)
    return 1 if lacking or not cells else 0


def missing(jobs: Sequence[Job]) -> list[str]:
    """Rows that the tables lack: set and method with their seeds, one a line."""
    lacking: dict[tuple[str, str], list[int]] = {}
    for job in map(_missing, jobs):
        for name in job.targets:
            lacking.setdefault((job.path.stem, name), []).append(job.seed)
    return [
        f"{name}, {method}, seeds {', '.join(map(str, seeds))}"
        for (name, method), seeds in lacking.items()
    ]


def choose_methods(
    wanted: Sequence[str] | None, methods: dict[str, Method], *, installed: bool = True
) -> dict[str, Method]:
    """Select methods by name (``None``: all) and leave out, with a message, what is not installed.

    With ``installed=False``, what is not installed stays: its results may be there already.

    Raises
    ------
    InputError
        If there is no method of that name, or none is left.
    """
    unknown = sorted(set(wanted or ()) - set(methods))
    if unknown:
        msg = f"methods: got {', '.join(unknown)}, wanted some of {', '.join(methods)}."
        raise InputError(msg)
    chosen = {}
    for name, method in methods.items():
        if wanted and name not in wanted:
            continue
        if installed and method.needs and importlib.util.find_spec(method.needs) is None:
            log.warning("%s: left out, %s is not installed", name, method.needs)
            continue
        chosen[name] = method
    if not chosen:
        msg = "methods: none of those asked for is installed. See benchmarks/README.md."
        raise InputError(msg)
    return chosen


def find_sets(folder: Path, wanted: Sequence[str] | None, task: Task) -> list[Path]:
    """Find the .h5ad files below a folder that have labels, by name.

    Raises
    ------
    InputError
        If a set that is wanted is not there, or there is none at all.
    """
    files = {path.stem: path for path in sorted(folder.expanduser().rglob("*.h5ad"))}
    unknown = sorted(set(wanted or ()) - set(files))
    if unknown or not files:
        msg = (
            f"data: got {', '.join(unknown) or 'no .h5ad file'} in {folder}, wanted "
            f"{'some of ' + ', '.join(sorted(files)) if files else 'some'}. Pass --data-dir."
        )
        raise InputError(msg)
    found = []
    for name in sorted(wanted or files):
        if load(InputSpec(task=task, paths=(files[name],))).labels is None:
            log.warning("%s: left out, it has no labels", name)
        else:
            found.append(files[name])
    return found


def report(cells: list[Cell], chosen: dict[str, Method], task: Task, stem: Path) -> None:
    """Write the tables and the figure, and print the tables.

    Parameters
    ----------
    cells
        All results.
    chosen
        The methods, in the order of the tables.
    task
        Whose split.
    stem
        Path of the files, without suffix.
    """
    order = list(chosen)
    cells = sorted(cells, key=lambda cell: (cell["set"], order.index(cell["method"]), cell["seed"]))
    split = tables.read_split(task)
    rows, pairs = tables.results(cells), tables.stability(cells)
    baselines = [name for name, method in chosen.items() if method.is_baseline]
    stem.parent.mkdir(parents=True, exist_ok=True)
    _write(rows, Path(f"{stem}.csv"))
    _write(pairs, Path(f"{stem}_seeds.csv"))
    text = ""
    for title, table in tables.overview(rows, pairs, split, baselines).items():
        text += f"{title}\n{tables.to_text(table)}\n\n"
    with atomic_path(Path(f"{stem}.txt")) as part:
        part.write_text(text, encoding="utf-8")
    save(draw(rows, split), f"{stem}.png")
    print(text, end="")  # noqa: T201
    log.info("written: %s.csv, _seeds.csv, .txt, .png", stem)


def _targets(path: Path, chosen: list[Method], seed: int, cache: Path) -> list[dict[str, Path]]:
    """Group by group, where the result of each method is kept."""
    content = file_digest(path)
    groups: dict[str, dict[str, Path]] = {}
    for method in chosen:
        name = f"{path.stem}-{method.name}-{seed}-{cache_key(method, seed, content)}.json"
        groups.setdefault(method.group, {})[method.name] = cache.absolute() / name
    return list(groups.values())


def _missing(job: Job) -> Job:
    left = {name: file for name, file in job.targets.items() if not file.exists()}
    return replace(job, targets=left)


def _read(file: Path) -> Cell:
    cell: Cell = json.loads(file.read_text(encoding="utf-8"))
    return cell


def _write(table: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as part:
        table.to_csv(part, index=False, float_format="%.6g")


def _parser(task: Task, methods: dict[str, Method]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Run methods on labelled data with several seeds; what is there is not run again."
    )
    out = ROOT / "results" / "benchmarks"
    folder = ROOT / "datasets" / f"{task}data"
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=folder,
        help="folder with .h5ad files (default: %(default)s)",
    )
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="file names without .h5ad")
    parser.add_argument(
        "--methods", nargs="+", metavar="NAME", help=f"default: all. {', '.join(methods)}"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, metavar="N")
    parser.add_argument(
        "--only-tables", action="store_true", help="run nothing, make tables of what is there"
    )
    parser.add_argument("--threads", type=int, default=1, help="per process (default: 1)")
    parser.add_argument("--out", type=Path, default=out, help="folder of the tables")
    parser.add_argument(
        "--cache", type=Path, default=out / "cache", help="folder of single results"
    )
    return parser
