"""Time and memory on large simulated tissues: python benchmarks/spatial_scale.py.

Each size has a process of its own that does what ``runST.py --n-clusters K`` does: read the file,
choose genes, build the graph, find the domains, write all files and figures.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from benchmarks.common import write_table
from benchmarks.machine import ROOT, limit_threads

log = logging.getLogger(__name__)

N_DOMAINS = 8
_BLOCK = 5_000
_MEASURED = """
import json, resource, sys, time
start = time.perf_counter()
from benchmarks.machine import peak_gb
from scrcl.cli import main_st
code = main_st(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
cost = {
    "seconds": time.perf_counter() - start,
    "cpu_seconds": used.ru_utime + used.ru_stime,
    "peak_gb": peak_gb(),
}
print(json.dumps(cost))
sys.exit(code)
"""


def simulate(n_obs: int, n_genes: int, *, seed: int = 0) -> ad.AnnData:
    """Simulate wavy bands on a hexagonal grid, made in blocks so that 100,000 spots fit.

    Poisson counts, about 500 a spot; each of the 8 bands raises a fortieth of the genes threefold.
    ``obs["domain"]`` has the bands; nothing here was measured on a tissue.
    """
    rng = np.random.default_rng(seed)
    n_cols = int(np.ceil(np.sqrt(n_obs)))
    row, col = np.divmod(np.arange(n_obs), n_cols)
    x, y = col + 0.5 * (row % 2), row * np.sqrt(0.75)
    depth = y + 0.08 * n_cols * np.sin(2 * np.pi * x / n_cols)
    domain = np.argsort(np.argsort(depth, kind="stable")) * N_DOMAINS // n_obs
    profile = np.tile(rng.lognormal(0.0, 1.0, n_genes), (N_DOMAINS, 1))
    for band in range(N_DOMAINS):
        profile[band, rng.choice(n_genes, n_genes // 40, replace=False)] *= 3.0
    profile *= 500.0 / profile.sum(1, keepdims=True)
    parts = []
    for start in range(0, n_obs, _BLOCK):
        rates = profile[domain[start : start + _BLOCK]]
        rates = rates * rng.lognormal(0.0, 0.35, (len(rates), 1))
        parts.append(sp.csr_matrix(rng.poisson(rates), dtype=np.float32))
    adata = ad.AnnData(
        sp.vstack(parts, format="csr"),
        pd.DataFrame({"domain": pd.Categorical(domain.astype(str))}, index=_names("s", n_obs)),
        pd.DataFrame(index=_names("gene", n_genes)),
    )
    adata.obsm["spatial"] = 100.0 * np.column_stack([x, y])
    return adata


def _names(prefix: str, n: int) -> list[str]:
    return [f"{prefix}{i:06d}" for i in range(n)]


def measure(n_obs: int, n_genes: int, folder: Path) -> dict[str, float]:
    """Run one size and return its cost (GB are of 2^30 bytes) and ARI."""
    file = folder / f"tissue_{n_obs}.h5ad"
    simulate(n_obs, n_genes).write_h5ad(file)
    arguments = ["--input", file, "--label-key", "domain", "--n-clusters", N_DOMAINS]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *map(str, arguments), "--json", "--out", folder],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    summary, cost = map(json.loads, done.stdout.splitlines()[-2:])
    ari = summary["protocols"]["label_free"]["ari_mean"]
    return {"n_obs": n_obs, "n_genes": n_genes, **cost, "ari": ari}


def main() -> int:
    """Measure all sizes, print the table and write it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=[10_000, 100_000], metavar="N")
    parser.add_argument("--n-genes", type=int, default=3_000, metavar="N")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    out = ROOT / "results" / "benchmarks" / "spatial_scale.csv"
    parser.add_argument("--out", type=Path, default=out, help="the table (default: %(default)s)")
    given = parser.parse_args()
    limit_threads(given.threads)
    rows = []
    for n_obs in given.sizes:
        log.info("%s spots", f"{n_obs:,}")
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(n_obs, given.n_genes, Path(folder)))
        log.info("%s", rows[-1])
    table = pd.DataFrame(rows)
    # Of the time on a processor, which other work on the machine does not change much.
    table["times_the_first"] = table["cpu_seconds"] / table["cpu_seconds"].iloc[0]
    write_table(given.out, table)
    print(table.to_string(index=False, float_format="{:.3f}".format))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
