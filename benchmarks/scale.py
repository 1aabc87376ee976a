"""Single cells by the million: python benchmarks/scale.py.

Each size has a process of its own that does what ``runSC.py`` does with the default preset: read the
file, choose genes, build the graph, train, find as many clusters as there are types, write all files
and figures. What follows the script's own options goes to ``runSC.py``. The cells are simulated, see `simulate`; nothing here was measured on a tissue.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import anndata as ad
import dask
import dask.array as da
import numpy as np
import pandas as pd
import scipy.sparse as sp

from benchmarks.common import write_table
from benchmarks.machine import ROOT, limit_threads, peak_gb
from scrcl.cli import main_sc
from scrcl.cli.main import wait_asleep

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

N_TYPES = 12
N_STATES = 4
_BLOCK = 8_192  # cells
_COUNTS = 1_000  # of a cell, median
_MEASURED = """
import sys
from benchmarks.scale import measured_run
sys.exit(measured_run(sys.argv[1:]))
"""
STAGES = {
    "read": ("scrcl.experiment.run", "load"),
    "genes and graph": ("scrcl.experiment.run", "prepare"),
    "components": ("scrcl.experiment.run", "training_data"),
    "train and embed": ("scrcl.model.pipeline", "train"),
    "clusters": ("scrcl.model.pipeline", "partition"),
    "gene tables": ("scrcl.experiment.run", "gene_tables"),
    "files and figures": ("scrcl.experiment.run", "finish"),
}
"""Stage to the function that is timed for it."""


def simulate(path: Path, n_obs: int, n_genes: int, *, seed: int = 0) -> None:
    """Write simulated cells to an ``.h5ad``, block by block, so that any number fits.

    12 types, the largest with a quarter of the cells and the smallest with 1 %, in four families
    that share genes; every cell is also in one of four states (as of the cell cycle) to a degree of
    its own, which has nothing to do with its type. About 1,000 counts a cell, log-normal, drawn
    from the mixture of both profiles. ``obs["cell_type"]`` has the types.
    """
    rng = np.random.default_rng(seed)
    types, states = _profiles(n_genes, rng)
    sizes = np.geomspace(0.25, 0.01, N_TYPES)
    cell_type = rng.choice(N_TYPES, n_obs, p=sizes / sizes.sum())

    def block(start: int) -> sp.csr_matrix:
        own = cell_type[start : start + _BLOCK]
        return _counts(own, types, states, np.random.default_rng((seed, start)))

    meta = sp.csr_matrix((0, 0), dtype=np.float32)
    blocks = [
        da.from_delayed(
            dask.delayed(block)(start),
            shape=(min(_BLOCK, n_obs - start), n_genes),
            dtype=np.float32,
            meta=meta,
        )
        for start in range(0, n_obs, _BLOCK)
    ]
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical.from_codes(cell_type, [f"type_{i}" for i in range(N_TYPES)])},
        index=[f"cell{i:07d}" for i in range(n_obs)],
    )
    var = pd.DataFrame(index=[f"gene{i:05d}" for i in range(n_genes)])
    with dask.config.set(scheduler="synchronous"):
        ad.AnnData(da.concatenate(blocks), obs, var).write_h5ad(path)


def _profiles(
    n_genes: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cumulative share of each gene in the counts of every type and of every state."""
    base = rng.lognormal(0.0, 1.5, n_genes)

    def raised(profile: NDArray[np.float64], part: int) -> NDArray[np.float64]:
        genes = rng.choice(n_genes, n_genes // part, replace=False)
        risen = profile.copy()
        risen[genes] *= rng.lognormal(1.0, 0.5, len(genes))
        return risen

    families = [raised(base, 40) for _ in range(4)]
    types = np.array([raised(families[i % 4], 50) for i in range(N_TYPES)])
    states = np.array([raised(base, 20) for _ in range(N_STATES)])
    return tuple(np.cumsum(p / p.sum(1, keepdims=True), axis=1) for p in (types, states))  # type: ignore[return-value]


def _counts(
    cell_type: NDArray[np.integer],
    types: NDArray[np.float64],
    states: NDArray[np.float64],
    rng: np.random.Generator,
) -> sp.csr_matrix:
    """Draw every count's gene from its cell's type or state, (n_cells, n_genes)."""
    n_obs, n_genes = len(cell_type), types.shape[1]
    totals = np.ceil(rng.lognormal(np.log(_COUNTS), 0.4, n_obs)).astype(np.int64)
    in_state = rng.binomial(totals, rng.beta(1, 4, n_obs))
    state = rng.integers(N_STATES, size=n_obs)
    rows, genes = [], []
    for profiles, own, numbers in (
        (types, cell_type, totals - in_state),
        (states, state, in_state),
    ):
        for one, profile in enumerate(profiles):
            cells = np.flatnonzero(own == one)
            drawn = rng.random(int(numbers[cells].sum()))
            genes.append(np.minimum(np.searchsorted(profile, drawn), n_genes - 1))
            rows.append(np.repeat(cells, numbers[cells]))
    place = (np.concatenate(rows), np.concatenate(genes))
    counts = sp.coo_matrix((np.ones(len(place[0]), np.float32), place), (n_obs, n_genes))
    return sp.csr_matrix(counts)


def measured_run(arguments: list[str]) -> int:
    """Run ``runSC.py`` here and print its costs as JSON: seconds and peak memory, by stage."""
    costs: dict[str, float] = {}

    def timed(stage: str, function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            before = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                costs[f"{stage}, s"] = time.perf_counter() - before
                costs[f"{stage}, peak GB"] = peak_gb()
                log.warning("%s: %.0f s, %.1f GB", stage, costs[f"{stage}, s"], peak_gb())

        return call

    start = time.perf_counter()
    wait_asleep()  # as the command does, before torch is imported
    for stage, (place, name) in STAGES.items():
        module = importlib.import_module(place)
        setattr(module, name, timed(stage, getattr(module, name)))
    code = main_sc(arguments)
    used = resource.getrusage(resource.RUSAGE_SELF)
    costs["seconds"] = time.perf_counter() - start
    costs["cpu_seconds"] = used.ru_utime + used.ru_stime
    costs["peak_gb"] = peak_gb()
    print(json.dumps(costs))  # noqa: T201
    return code


def measure(n_obs: int, n_genes: int, folder: Path, more: list[str]) -> dict[str, float]:
    """Run one size and return its costs (GB are of 2^30 bytes) and ARI."""
    file = folder / f"cells_{n_obs}.h5ad"
    if not file.exists():
        simulate(file, n_obs, n_genes)
    asked = ["--input", file, "--label-key", "cell_type", "--n-clusters", str(N_TYPES)]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *asked, "--json", "--overwrite", "--out", folder, *more],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    summary, costs = map(json.loads, done.stdout.splitlines()[-2:])
    found = summary["protocols"]["label_free"]
    return {
        "n_obs": n_obs,
        "n_genes": n_genes,
        "file_gb": file.stat().st_size / 2**30,
        **costs,
        "n_clusters": found["n_clusters_mean"],
        "ari": found["ari_mean"],
    }


def growth(table: pd.DataFrame) -> pd.Series:
    """Exponent by which the processor's time grows from each size to the next."""
    logs = np.log(table[["n_obs", "cpu_seconds"]]).diff()
    return logs["cpu_seconds"] / logs["n_obs"]


def main() -> int:
    """Measure all sizes, print the table and write it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [10_000, 100_000, 1_000_000]
    parser.add_argument("--sizes", nargs="+", type=int, default=sizes, metavar="N")
    parser.add_argument("--n-genes", type=int, default=20_000, metavar="N")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--folder", type=Path, help="keep the simulated cells and the runs here")
    out = ROOT / "results" / "benchmarks" / "scale.csv"
    parser.add_argument("--out", type=Path, default=out, help="the table (default: %(default)s)")
    given, more = parser.parse_known_args()
    limit_threads(given.threads)
    rows = []
    for n_obs in given.sizes:
        log.info("%s cells", f"{n_obs:,}")
        with tempfile.TemporaryDirectory() as temporary:
            folder = given.folder or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            rows.append(measure(n_obs, given.n_genes, folder, more))
        log.info("%s", rows[-1])
    table = pd.DataFrame(rows)
    table["growth"] = growth(table)
    write_table(given.out, table)
    print(table.T.to_string(header=False, float_format="{:.3f}".format))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
