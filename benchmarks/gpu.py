"""What a graphics card does for scrcl: python benchmarks/gpu.py; gpu.sh prepares a bare machine for it.

Steps, each in processes of its own that end when the time is over: the tests marked gpu; a training
step of ours beside the dense one (speed.py); simulated cells from the file to the report (scale.py);
the same seed twice with torch's deterministic algorithms; and the paper's preset on most cells, which
trains on all at once where these fit into memory and on mini-batches where they do not.

One CSV, written again after each step, has a row for each number; one log has all that was said.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import pandas as pd

from benchmarks.machine import ROOT, Stopwatch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

_TWICE = """
import json, sys, time
from pathlib import Path
import anndata as ad, numpy as np, torch
from benchmarks.scale import simulate
from scrcl.model import ScRCL
torch.use_deterministic_algorithms(True)
file, n_obs, n_genes, device = Path(sys.argv[1]), *map(int, sys.argv[2:4]), sys.argv[4]
simulate(file, n_obs, n_genes)
found = []
for _ in range(2):
    start = time.perf_counter()
    model = ScRCL(n_clusters=4, device=device).fit(ad.read_h5ad(file))
    found.append((model.embedding_, model.labels_, time.perf_counter() - start))
same = all(np.array_equal(*pair) for pair in list(zip(*found))[:2])
print(json.dumps({"n_obs": n_obs, "same": int(same), "seconds": found[1][2]}))
"""
STEP_UP_TO = 100_000
"""Cells of a step on all of them; more are trained in mini-batches, whose step is the same."""
_NO_TIME = 124
"""Exit code of what was cut off, as of timeout(1)."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something to run, and where its numbers are."""

    name: str
    command: list[str]
    table: Path | None = None
    """CSV that it writes; ``None``: one line of JSON at the end of what it says, or none."""


def steps(given: argparse.Namespace, folder: Path) -> list[Step]:
    """List what is run, the smallest cells first."""
    python, device = sys.executable, ["--device", given.device]
    marked = [
        path for path in (ROOT / "tests").rglob("test_*.py") if "mark.gpu" in path.read_text()
    ]
    pytest = [python, "-m", "pytest", "-m", "gpu", "-o", "addopts=--import-mode=importlib", "-rA"]
    sizes = list(map(str, sorted(given.sizes)))
    whole = [str(size) for size in sorted(given.sizes) if size <= STEP_UP_TO]
    speed = [python, "benchmarks/speed.py", "--sizes", *whole, *device]
    scale = [python, "benchmarks/scale.py", "--n-genes", str(given.n_genes), *device]
    scale += ["--threads", str(os.cpu_count()), "--folder", str(folder)]
    paper = ["--preset", "paper", "--epochs", "5", "--no-report", "--no-figures"]
    twice = [python, "-c", _TWICE, str(folder / "twice.h5ad"), sizes[0], str(given.n_genes)]
    return [
        Step("tests marked gpu", [*pytest, *map(str, marked)]),
        Step("deterministic, twice", [*twice, given.device]),
        Step("training step", [*speed, "--out", str(folder / "speed.csv")], folder / "speed.csv"),
        *(
            Step(name, [*scale, "--sizes", size, "--out", str(table), *more], table)
            for number, (name, size, more) in enumerate(
                [
                    *(("file to report", size, []) for size in sizes),
                    ("file to clusters, paper", sizes[-1], paper),
                ]
            )
            for table in [folder / f"scale_{number}.csv"]
        ),
    ]


def run(step: Step, log: TextIO, seconds: float) -> pd.DataFrame:
    """Run a step for so many seconds at most; return its numbers, one a row."""
    log.write(f"\n===== {step.name}: {' '.join(step.command)[:500]}\n")
    log.flush()
    watch = Stopwatch()
    # Told to be deterministic, torch refuses cuBLAS without this; else it changes nothing.
    settings = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        step.command,
        cwd=ROOT,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=max(seconds, 0.1))
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
        said, _ = process.communicate()
        code = _NO_TIME
    log.write(said)
    log.write(f"===== {step.name}: exit code {code} after {watch():.1f} s\n")
    rows = [
        {"quantity": "exit code", "value": code},
        {"quantity": "step seconds", "value": watch()},
    ]
    rows += [] if code else _numbers(step, said)
    return pd.DataFrame(rows).assign(step=step.name)


def _numbers(step: Step, said: str) -> list[dict[str, Any]]:
    """Read what a step measured; of a table, all of its numbers."""
    if step.table is not None:
        table = pd.read_csv(step.table)
    elif said.rstrip().endswith("}"):
        table = pd.DataFrame([json.loads(said.splitlines()[-1])])
    else:
        return []
    numbers = table.select_dtypes("number").melt(["n_obs"], var_name="quantity").dropna()
    return numbers.to_dict("records")


def describe(device: str) -> str:
    """Name the machine, its card and the versions that count."""
    import torch  # noqa: PLC0415  (seconds, and --help needs none)

    card = torch.cuda.get_device_name() if device == "cuda" else "no graphics card used"
    return f"{card}; {os.cpu_count()} cores; torch {torch.__version__}; Python {sys.version.split()[0]}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run all steps; 1 if one failed, those without time included."""
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [10_000, 100_000, 1_000_000]
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--sizes", nargs="+", type=int, default=sizes, metavar="N")
    parser.add_argument("--n-genes", type=int, default=5_000, metavar="N", help="of scale.py")
    parser.add_argument(
        "--limit", type=float, default=480.0, metavar="SECONDS", help="of all steps"
    )
    parser.add_argument("--folder", type=Path, help="where simulated cells are kept and looked for")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "benchmarks" / "gpu")
    given = parser.parse_args(argv)
    given.out.mkdir(parents=True, exist_ok=True)
    watch, found = Stopwatch(), []
    with (
        tempfile.TemporaryDirectory() as temporary,
        (given.out / "gpu.log").open("w", encoding="utf-8") as log,
    ):
        machine = describe(given.device)
        log.write(f"{machine}\n")
        folder = given.folder or Path(temporary)
        for step in steps(given, folder):
            found.append(run(step, log, given.limit - watch()))
            table = pd.concat(found, ignore_index=True).assign(machine=machine)
            columns = ["machine", "step", "n_obs", "quantity", "value"]
            table.reindex(columns=columns).to_csv(given.out / "gpu.csv", index=False)
    codes = table.loc[table["quantity"] == "exit code", ["step", "value"]]
    print(codes.to_string(index=False, header=False))  # noqa: T201
    return int(codes["value"].any())


if __name__ == "__main__":
    sys.exit(main())
