"""Runs that are cut off, that find no room, or that meet another: nothing is lost, and --resume completes.

    python -m benchmarks.faults --cases 100 --out faults.csv

A small run is started in a process of its own and disturbed at a random moment:

- ``SIGKILL``, ``SIGTERM``, ``SIGINT``: a signal;
- ``full``: no file may become larger than a random size, as on a disk that is full;
- ``removed``: its input is removed;
- ``two``: a second process starts the same run.

Half of them are to replace an earlier, finished run (``--overwrite``). Whatever happens: the process ends with an
exit code or the signal, never with a traceback; the earlier run is there bit for bit until the new one is finished;
the run is then completed with ``--resume`` (with ``--overwrite`` where the earlier run still has its place),
and clusters, embedding and losses are those of a run that nothing disturbed, bit for bit. The exit code of this
script is 1 if a case broke that.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from scrcl.checkpoint import Checkpoint
from scrcl.cli.main import main_sc
from scrcl.datasets import simulated_cells

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess

KINDS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGKILL", "full", "removed", "two")
SAME = ("clusters.csv", "embedding.npz", "history.csv", "splits.csv")
SETTINGS = (
    "--epochs",
    "40",
    "--set",
    "n_hidden=16",
    "--seeds",
    "0,1",
    "--device",
    "cpu",
    "--quiet",
)
PARTS = ("--no-figures", "--no-report")
CONTEXT = multiprocessing.get_context("fork")  # the imports are behind it


def work(folder: Path, given: Sequence[str], limit: int | None) -> None:
    """Do a run in this process; its exit code is that of the script."""
    torch.set_num_threads(1)
    sys.stderr = sys.stdout = (folder / f"said_{os.getpid()}.txt").open("w")
    Checkpoint.due = lambda _: True  # type: ignore[method-assign]  # else there is none in a minute
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    arguments = ["--input", str(folder / "cells.h5ad"), "--out", str(folder / "results")]
    code = main_sc([*arguments, *SETTINGS, *PARTS, *given])
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)
    sys.stdout.flush()
    os._exit(code)


def start(folder: Path, given: Sequence[str], limit: int | None = None) -> BaseProcess:
    """Start a run."""
    process = CONTEXT.Process(target=work, args=(folder, given, limit))
    process.start()
    return process


def complete(folder: Path, *given: str) -> int:
    """Do a whole run; return its exit code."""
    process = start(folder, given)
    process.join()
    return int(process.exitcode or 0)


def content(run: Path) -> dict[str, bytes]:
    """Return what has to be equal of a run."""
    files = (path for name in SAME for path in run.glob(f"seed_*/{name}"))
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


def whole(run: Path) -> dict[str, bytes]:
    """Return all of a run."""
    files = (path for path in run.rglob("*") if path.is_file())
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


def disturb(folder: Path, kind: str, given: Sequence[str], rng: np.random.Generator) -> list[int]:
    """Start a run and disturb it; return how its processes ended."""
    limit = int(10 ** rng.uniform(2, 6)) if kind == "full" else None
    processes = [start(folder, given, limit)]
    moment = float(rng.uniform(0, 1.0)) * complete.seconds  # type: ignore[attr-defined]
    time.sleep(moment * (0.2 if kind == "two" else 1.0))
    if kind == "two":
        processes.append(start(folder, given))
    elif kind == "removed":
        (folder / "cells.h5ad").rename(folder / "gone.h5ad")
    elif kind != "full" and processes[0].pid is not None and processes[0].is_alive():
        os.kill(processes[0].pid, getattr(signal, kind))
    for process in processes:
        process.join()
    if kind == "removed":
        (folder / "gone.h5ad").rename(folder / "cells.h5ad")
    return [int(process.exitcode or 0) for process in processes]


def case(kind: str, rng: np.random.Generator, wanted: dict[str, bytes]) -> dict[str, object]:
    """Disturb a run, complete it, and say what was wrong."""
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cells(folder)
        run = folder / "results" / "SC" / "cells" / "default"
        replace = bool(rng.random() < 0.5)
        earlier: dict[str, bytes] = {}
        if replace:
            complete(folder, "--n-clusters", "2")
            earlier = whole(run)
        given = ["--n-clusters", "3", *(["--overwrite"] if replace else [])]
        codes = disturb(folder, kind, given, rng)
        allowed = {0, 1, 2, 130, -getattr(signal, kind, 0)}
        faults += [f"ended with {code}" for code in codes if code not in allowed]
        done = content(run) == wanted and not list(run.glob(".*"))
        kept = [whole(path) for path in (run, run.with_name("default.old")) if path.exists()]
        if replace and earlier not in kept and not (done and 0 in codes) and content(run) != wanted:
            faults.append("the earlier run is damaged")
        is_earlier = replace and run.exists() and whole(run) == earlier
        code = complete(folder, "--n-clusters", "3", "--overwrite" if is_earlier else "--resume")
        if code:
            faults.append(f"completing it ended with {code}")
        if content(run) != wanted:
            faults.append("the result is another")
        left = [path.name for path in run.parent.rglob("*") if ".part" in path.name]
        left += [path.name for path in run.parent.glob("*.old")]
        faults += [f"left behind: {name}" for name in left]
        said = [path.read_text() for path in folder.glob("said_*.txt")]
        faults += ["traceback"] * any("Traceback" in text for text in said)
        if faults:
            faults += [" ".join(text.split())[:200] for text in said if text]
    return {"kind": kind, "replaces": replace, "ended": codes, "faults": "; ".join(faults)}


def write_cells(folder: Path) -> None:
    """Write the data of the run."""
    simulated_cells(n_obs=120, n_types=3)[:, :100].copy().write_h5ad(folder / "cells.h5ad")


def main(argv: Sequence[str] | None = None) -> int:
    """Disturb runs and sum up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/faults.csv"))
    args = parser.parse_args(argv)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        write_cells(Path(name))
        begin = time.perf_counter()
        complete(Path(name), "--n-clusters", "3")
        complete.seconds = time.perf_counter() - begin  # type: ignore[attr-defined]
        wanted = content(Path(name) / "results" / "SC" / "cells" / "default")
    rows = []
    for number in range(args.cases):
        rng = np.random.default_rng([args.seed, number])
        rows.append({"case": number, **case(KINDS[number % len(KINDS)], rng, wanted)})
        if rows[-1]["faults"]:
            print(rows[-1], flush=True)  # noqa: T201
        pd.DataFrame(rows).to_csv(args.out, index=False)
    table = pd.DataFrame(rows)
    print(table.groupby("kind")["faults"].agg(cases="size", faults=lambda f: (f != "").sum()))  # noqa: T201
    return int((table["faults"] != "").any())


if __name__ == "__main__":
    sys.exit(main())
