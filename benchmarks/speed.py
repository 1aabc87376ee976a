"""A training step of ours beside the dense one: python benchmarks/speed.py.

Simulated counts on a random graph of 15 neighbours. Times of both steps come from one process, in
turns; the peak of memory of each comes from a process of its own, imports and data included. With
``--end-to-end`` instead: runSC.py on 2,000 simulated cells x 10,000 genes, from the file to the
clusters, scores and figures.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd

from benchmarks.common import write_table
from benchmarks.machine import ROOT, limit_threads

if TYPE_CHECKING:
    from collections.abc import Sequence


log = logging.getLogger(__name__)

STEP = Path(__file__).with_name("training_step.py")
DENSE_UP_TO = 10_000
"""Cells; beyond, the dense step does not fit."""


def measure(n_obs: int, given: argparse.Namespace) -> dict[str, float]:
    """Measure one size, each thing in a process of its own."""
    kinds = ["ours", "dense"] if n_obs <= DENSE_UP_TO else ["ours"]
    row: dict[str, float] = {"n_obs": n_obs}
    alone = [["memory", kind] for kind in kinds] if "dense" in kinds else []
    for what in (["time", *kinds], *alone):
        asked = {"what": what, "n_obs": n_obs, "preset": given.preset, "device": given.device}
        done = subprocess.run(
            [sys.executable, STEP, json.dumps(asked)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        row |= json.loads(done.stdout.splitlines()[-1])
    return row


def compared(rows: Sequence[dict[str, float]]) -> pd.DataFrame:
    """Add the ratios of both steps, and the exponents by which time grows from size to size."""
    table = pd.DataFrame(rows).reindex(columns=_MEASURED)
    table["times_faster"] = table["dense_seconds"] / table["ours_seconds"]
    # Other work on the machine changes the time on a processor least.
    table["times_less_cpu"] = table["dense_cpu_seconds"] / table["ours_cpu_seconds"]
    table["share_of_memory"] = table["ours_gb"] / table["dense_gb"]
    for kind in ("ours", "dense"):
        growth = np.log(table[f"{kind}_seconds"]).diff() / np.log(table["n_obs"]).diff()
        table[f"{kind}_exponent"] = growth
    return table


_MEASURED = (
    *(
        "machine",
        "multiplies_by",
        "n_obs",
        "steps",
        "ours_seconds",
        "dense_seconds",
        "ours_cpu_seconds",
        "dense_cpu_seconds",
    ),
    *("ours_gb", "dense_gb", "mm_gflops", "product_gflops", "share_of_mm"),
)


def end_to_end(n_obs: int = 2_000, n_genes: int = 10_000) -> pd.DataFrame:
    """Run runSC.py on simulated cells of 8 types; k is found."""
    from benchmarks.spatial_scale import simulate as simulate_cells  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        cells = simulate_cells(n_obs, n_genes)
        del cells.obsm["spatial"]
        cells.write_h5ad(Path(folder) / "cells.h5ad")
        command = [sys.executable, "runSC.py", "--input", f"{folder}/cells.h5ad"]
        start = time.perf_counter()
        done = subprocess.run(
            [*command, "--label-key", "domain", "--json", "--out", folder],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        seconds = time.perf_counter() - start
    summary = json.loads(done.stdout.splitlines()[-1])
    ari = summary["protocols"]["label_free"]["ari_mean"]
    return pd.DataFrame([{"n_obs": n_obs, "n_genes": n_genes, "seconds": seconds, "ari": ari}])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all sizes, print the table and write it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [1_000, 4_000, 10_000, 30_000, 100_000]
    parser.add_argument("--sizes", nargs="+", type=int, default=sizes, metavar="N")
    parser.add_argument("--preset", choices=("paper", "default"), default="paper")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--end-to-end", action="store_true", help="time runSC.py instead")
    out = ROOT / "results" / "benchmarks" / "speed.csv"
    parser.add_argument("--out", type=Path, default=out, help="the table (default: %(default)s)")
    given = parser.parse_args(arguments)
    limit_threads(given.threads)
    rows = []
    for n_obs in () if given.end_to_end else sorted(given.sizes):
        log.info("%s cells", f"{n_obs:,}")
        rows.append(measure(n_obs, given))
        log.info("%s", rows[-1])
    table = end_to_end() if given.end_to_end else compared(rows)
    write_table(given.out, table, digits=4)
    print(table.to_string(index=False, float_format="{:.3g}".format))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
