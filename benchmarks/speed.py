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
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from benchmarks.common import ROOT, Stopwatch, limit_threads, peak_gb, write_table
from benchmarks.dense_step import DenseTrainer, dense_source
from scrcl.config import configs_dir, load_config, paper_defaults
from scrcl.data.graph import knn_graph, normalized_adjacency
from scrcl.nn import Inputs, ScRCLNet
from scrcl.nn.minibatch import SparseInputs
from scrcl.nn.source import FullBatch
from scrcl.seed import resolve_device, seeded
from scrcl.train import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scrcl.config import Config

log = logging.getLogger(__name__)

N_GENES, N_LATENT = 2_000, 10
DENSE_UP_TO = 10_000
"""Cells; beyond, the dense step does not fit."""
_ENOUGH_SECONDS, _MIN_STEPS, _MAX_STEPS = 10.0, 3, 20
_MM_SIZE = 4_096
_BLOCK = 5_000


def simulate(n_obs: int, n_genes: int, *, seed: int = 0) -> SparseInputs:
    """Simulate counts, about a fifth of them above 0, and the graph of 15 neighbours of points.

    The gene graph is a ring; what the values are changes nothing about the time of a step.
    """
    rng = np.random.default_rng(seed)
    rates = rng.gamma(0.3, 1.0, n_genes)
    parts = [
        sp.csr_matrix(rng.poisson(rates, (min(_BLOCK, n_obs - start), n_genes)), dtype=np.float32)
        for start in range(0, n_obs, _BLOCK)
    ]
    adj = knn_graph(rng.random((n_obs, 2)), 15, metric="euclidean")
    ring = sp.diags([0.5, 0.5], [0, 1], shape=(n_genes, n_genes), format="csr", dtype=np.float32)
    norm_adj = normalized_adjacency(adj).astype(np.float32)
    return SparseInputs(sp.vstack(parts, format="csr"), adj, norm_adj, ring, (0, 0))


def make_trainer(kind: str, inputs: Inputs, config: Config, device: torch.device) -> Trainer:
    """Start a training of the kind ``ours`` or ``dense``; both from the same weights."""
    with seeded(0, device):
        model = ScRCLNet(
            *inputs.x.shape,
            n_hidden=config.model.n_hidden,
            n_latent=N_LATENT,
            dropout=config.model.dropout,
        ).to(device)
    if kind == "dense":
        source, trainer = dense_source(inputs, device), DenseTrainer
    else:
        source, trainer = FullBatch(inputs, device), Trainer
    return trainer(model, source, config.train, config.model.temperature)


def step(trainer: Trainer) -> None:
    """Take one step of training."""
    trainer.update(trainer.losses().total)


def step_flops(n_obs: int, n_genes: int, n_hidden: int, n_latent: int) -> int:
    """Count the operations of our step's dense matrix products, two for each multiplication.

    A layer is evaluated forwards, and backwards for its weight and, unless that is constant, for its
    input. The products with the sparse graphs are not counted.
    """
    n, g, h, k = n_obs, n_genes, n_hidden, n_latent
    constant_input = 2 * n * g * h + g * n * k  # mlp, gcn.conv1; genes
    learned_input = 2 * n * h * h + k * g * h + k * g + 2 * n * h * k  # gcn; fold; apply_to
    gram = 2 * n * k * k  # cross_view_consistency, both views
    return 2 * (2 * constant_input + 3 * learned_input + 3 * gram)


def mm_flops_per_second(device: torch.device) -> float:
    """Measure the machine's best rate of operations in a product of float32 matrices."""
    a, b = torch.rand(2, _MM_SIZE, _MM_SIZE, device=device)
    fastest = min(timed(lambda: torch.mm(a, b), device)[0] for _ in range(4))
    return 2 * _MM_SIZE**3 / fastest


def timed(work: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Return the seconds that some work takes, on the device too, and those on a processor."""
    clock, busy = Stopwatch(), time.process_time()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock(), time.process_time() - busy


def time_steps(kinds: Sequence[str], n_obs: int, config: Config, device: torch.device) -> Any:
    """Take steps of all kinds in turns, after one each to warm up; return the medians."""
    inputs = simulate(n_obs, N_GENES).rows(slice(0, n_obs))
    trainers = {kind: make_trainer(kind, inputs, config, device) for kind in kinds}
    rate = mm_flops_per_second(device)
    taken: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    clock = Stopwatch()
    rounds = 0
    while rounds <= _MIN_STEPS or (rounds <= _MAX_STEPS and clock() < _ENOUGH_SECONDS):
        for kind, trainer in trainers.items():
            took = timed(lambda trainer=trainer: step(trainer), device)
            if rounds:
                taken[kind].append(took)
        rounds += 1
    found = {}
    for kind, times in taken.items():
        wall, busy = zip(*times, strict=True)
        found[f"{kind}_seconds"] = statistics.median(wall)
        found[f"{kind}_cpu_seconds"] = statistics.median(busy)
    flops = step_flops(n_obs, N_GENES, config.model.n_hidden, N_LATENT)
    share = flops / found["ours_seconds"] / rate
    found |= {"steps": rounds - 1, "mm_gflops": rate / 1e9, "share_of_mm": share}
    # Alone, this process is as large as ours needs; no need for another.
    return found if "dense" in kinds else {**found, "ours_gb": peak_on(device)}


def measure_memory(kind: str, n_obs: int, config: Config, device: torch.device) -> Any:
    """Take two steps of a kind and return the peak, in GB of 2^30 bytes."""
    inputs = simulate(n_obs, N_GENES).rows(slice(0, n_obs))
    trainer = make_trainer(kind, inputs, config, device)
    del inputs
    for _ in range(2):
        step(trainer)
    return {f"{kind}_gb": peak_on(device)}


def peak_on(device: torch.device) -> float:
    """Return the peak of the memory of this process, or of what it has on the device."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return peak_gb()


def measure(n_obs: int, given: argparse.Namespace) -> dict[str, float]:
    """Measure one size, each thing in a process of its own."""
    kinds = ["ours", "dense"] if n_obs <= DENSE_UP_TO else ["ours"]
    row: dict[str, float] = {"n_obs": n_obs}
    alone = [["memory", kind] for kind in kinds] if "dense" in kinds else []
    for what in (["time", *kinds], *alone):
        asked = {"what": what, "n_obs": n_obs, "preset": given.preset, "device": given.device}
        done = subprocess.run(
            [sys.executable, __file__, "--measure", json.dumps(asked)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        row |= json.loads(done.stdout.splitlines()[-1])
    return row


def _measure_here(what: list[str], n_obs: int, preset: str, device: str) -> dict[str, float]:
    config = paper_defaults("sc")
    if preset == "default":
        config = load_config(configs_dir() / "default_sc.yaml", "sc")
    where = resolve_device(device)
    if what[0] == "time":
        return dict(time_steps(what[1:], n_obs, config, where))
    return dict(measure_memory(what[1], n_obs, config, where))


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
    *("n_obs", "steps", "ours_seconds", "dense_seconds", "ours_cpu_seconds", "dense_cpu_seconds"),
    *("ours_gb", "dense_gb", "mm_gflops", "share_of_mm"),
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
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.measure:
        print(json.dumps(_measure_here(**json.loads(given.measure))))  # noqa: T201
        return 0
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
