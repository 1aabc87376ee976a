"""The same data again: in another process, with other threads, without labels, in another order.

    python -m benchmarks.repeat ../shared/data/scdata/Pollen.h5ad --out repeat.csv

Each variant is a process of its own that clusters a data set with the defaults and one thread, unless the
variant says otherwise. It is compared with the first one, cell by cell:

- ``again``: the same in another process, in which Python orders its sets otherwise;
- ``omp2``, ``torch2``: two threads for all libraries, or for torch alone;
- ``unlabelled``: without any column of ``obs``;
- ``order``: the cells in another order;
- ``seed``: another seed, the yardstick for what differs at all;
- ``double``: the network in double precision;
- ``python``: another interpreter, with ``--python``.

The exit code is 1 if a variant that has to be bit-equal (`EQUAL`) is not. Simulated cells are taken where no
file is given.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.machine import ROOT, Stopwatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

VARIANTS: dict[str, dict[str, Any]] = {
    "again": {"hash_seed": "1"},
    "omp2": {"omp": 2},
    "torch2": {"torch": 2},
    "unlabelled": {"unlabelled": True},
    "order": {"order": 1},
    "seed": {"seed": 1},
    "double": {"double": True},
    "python": {},
}
EQUAL = ("again", "unlabelled", "omp2", "torch2")
"""Variants that have to give the same bits."""


class Run(NamedTuple):
    """What a variant found, its cells in the order of the file."""

    labels: NDArray[np.int64]
    """(n_obs,)."""
    embedding: NDArray[np.float32]
    """(n_obs, n_features)."""
    loss: float
    """Of the last epoch; NaN without a training."""


def work(task: dict[str, Any]) -> None:
    """Cluster as a variant asks for, and write what was found."""
    import torch  # noqa: PLC0415  (the parent needs none of these)

    import scrcl  # noqa: PLC0415
    from scrcl.methods import TrainingData  # noqa: PLC0415

    torch.set_num_threads(task.get("torch", task.get("omp", 1)))
    adata = data_of(task)
    if task.get("double"):
        single = TrainingData.inputs.fget  # type: ignore[attr-defined]

        def inputs(data: TrainingData) -> Any:
            found = single(data)
            return type(found)(*(member.double() for member in found))

        TrainingData.inputs = property(inputs)  # type: ignore[misc]
    kind = "st" if "spatial" in adata.obsm else "sc"
    model = scrcl.ScRCL(task=kind, seed=task.get("seed", 0), device="cpu").fit(adata)
    back = np.arange(adata.n_obs) if "order" not in task else np.argsort(order(adata.n_obs, task))
    losses = model.history["total"]
    np.savez(
        task["out"],
        labels=model.labels_[back],
        embedding=model.embedding_[back],
        loss=losses.iloc[-1] if len(losses) else np.nan,
    )


def data_of(task: dict[str, Any]) -> AnnData:
    """Read the data of a variant."""
    import scrcl  # noqa: PLC0415

    if task["path"] == "simulated":
        adata = scrcl.datasets.simulated_cells(n_obs=400, n_types=5)
    else:
        kind = "st" if "stdata" in task["path"] else "sc"
        adata = scrcl.read(task["path"], task=kind)
    if task.get("unlabelled"):
        adata.obs = adata.obs[[]]
    return adata[order(adata.n_obs, task)].copy() if "order" in task else adata


def order(n_obs: int, task: dict[str, Any]) -> NDArray[np.int64]:
    """Return the rows of the file in the order of a variant."""
    return np.random.default_rng(task["order"]).permutation(n_obs)


def run(path: str, variant: dict[str, Any], folder: Path, python: str = sys.executable) -> Run:
    """Run a variant in a process of its own."""
    out = folder / "found.npz"
    out.unlink(missing_ok=True)
    n_threads = str(variant.get("omp", 1))
    limits = {f"{name}_NUM_THREADS": n_threads for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    limits["OMP_WAIT_POLICY"] = "passive"
    limits["PYTHONHASHSEED"] = variant.get("hash_seed", "0")
    task = json.dumps({**variant, "path": path, "out": str(out)})
    subprocess.run(
        [python, "-m", "benchmarks.repeat", "--work", task],
        env={**os.environ, **limits, "PYTHONPATH": str(ROOT)},
        check=True,
        stderr=subprocess.DEVNULL,
    )
    with np.load(out) as found:
        return Run(found["labels"], found["embedding"], float(found["loss"]))


def compared(first: Run, other: Run) -> dict[str, Any]:
    """Compare two runs of the same cells.

    Returns
    -------
    ``clusters`` and ``embedding``: are they bit-equal? ``ari``; ``deviation``, the largest of the
    embedding relative to its standard deviation, NaN if the widths differ; ``loss``, the relative one.
    """
    from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415

    deviation = np.nan
    if first.embedding.shape == other.embedding.shape:
        away = np.abs(first.embedding - other.embedding)
        deviation = np.nanmax(away) / np.nanstd(first.embedding)
    return {
        "n_clusters": len(np.unique(other.labels[other.labels >= 0])),
        "clusters": bool(np.array_equal(first.labels, other.labels)),
        "embedding": bool(np.array_equal(first.embedding, other.embedding, equal_nan=True)),
        "ari": adjusted_rand_score(first.labels, other.labels),
        "deviation": float(deviation),
        "loss": abs(other.loss - first.loss) / abs(first.loss),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Compare all variants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", default=["simulated"])
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS))
    parser.add_argument("--python", help="another interpreter that has what scrcl needs")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/repeat.csv"))
    parser.add_argument("--work", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if args.work:
        work(args.work)
        return 0
    names = args.variants or [name for name in VARIANTS if name != "python" or args.python]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for path in args.files:
            clock = Stopwatch()
            first = run(path, {}, Path(folder))
            for name in names:
                python = args.python if name == "python" else sys.executable
                other = run(path, VARIANTS[name], Path(folder), python)
                row = {"set": Path(path).stem, "variant": name, **compared(first, other)}
                print({**row, "seconds": round(clock())}, flush=True)  # noqa: T201
                rows.append(row)
                pd.DataFrame(rows).to_csv(args.out, index=False, float_format="%.4g")
    return int(any(r["variant"] in EQUAL and not (r["clusters"] and r["embedding"]) for r in rows))


if __name__ == "__main__":
    sys.exit(main())
