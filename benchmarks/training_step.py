"""A training step of ours, or the dense one, in a process of its own: what speed.py measures with.

python benchmarks/training_step.py '{"what": ["time", "ours", "dense"], "n_obs": 1000,
"preset": "paper", "device": "cpu"}'
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import scipy.sparse as sp
import torch

from benchmarks.dense_step import DenseTrainer, dense_source
from benchmarks.machine import Stopwatch, peak_gb, processor_name
from scrcl.config import configs_dir, load_config, paper_defaults
from scrcl.data.graph import knn_graph, normalized_adjacency
from scrcl.nn import Inputs, ScRCLNet
from scrcl.nn.batches import FullBatch
from scrcl.nn.fast.blocks import prefers_onednn, product
from scrcl.nn.minibatch import SparseInputs
from scrcl.seed import resolve_device, seeded
from scrcl.train import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scrcl.config import Config

N_GENES, N_LATENT = 2_000, 10
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
    trainer.update(trainer.losses()["total"])


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


def mm_flops_per_second(device: torch.device) -> dict[str, float]:
    """Measure the machine's rate of operations in products of float32 matrices: torch's and ours."""
    a, b = torch.rand(2, _MM_SIZE, _MM_SIZE, device=device)
    products = {"mm": lambda: torch.mm(a, b), "product": lambda: product(a, b, a.dtype)}
    return {
        name: 2 * _MM_SIZE**3 / min(timed(work, device)[0] for _ in range(5))
        for name, work in products.items()
    }


def timed(work: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Return the seconds that some work takes, on the device too, and those on a processor."""
    clock, busy = Stopwatch(), time.process_time()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock(), time.process_time() - busy


def machine(device: torch.device) -> dict[str, str]:
    """Name what multiplies: the processor or card, and the library that `product` takes on it."""
    if device.type == "cuda":
        return {"machine": torch.cuda.get_device_name(device), "multiplies_by": "torch"}
    library = "oneDNN" if prefers_onednn() else "torch"
    return {"machine": processor_name(), "multiplies_by": library}


def time_steps(kinds: Sequence[str], n_obs: int, config: Config, device: torch.device) -> Any:
    """Take steps of all kinds in turns, after one each to warm up; return the medians."""
    inputs = simulate(n_obs, N_GENES).rows(slice(0, n_obs))
    trainers = {kind: make_trainer(kind, inputs, config, device) for kind in kinds}
    rates = mm_flops_per_second(device)
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
    share = flops / found["ours_seconds"] / max(rates.values())
    found |= {f"{name}_gflops": rate / 1e9 for name, rate in rates.items()}
    found |= {"steps": rounds - 1, "share_of_mm": share, **machine(device)}
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


def measure(what: list[str], n_obs: int, preset: str, device: str) -> dict[str, float]:
    """Measure what is asked for: ``time`` and the kinds of step, or ``memory`` and one kind."""
    config = paper_defaults("sc")
    if preset == "default":
        config = load_config(configs_dir() / "default_sc.yaml", "sc")
    where = resolve_device(device)
    if what[0] == "time":
        return dict(time_steps(what[1:], n_obs, config, where))
    return dict(measure_memory(what[1], n_obs, config, where))


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))  # noqa: T201
