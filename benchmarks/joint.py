"""Several slices at once, ways to align them: python benchmarks/joint.py --data-dir DIR.

Domains are found jointly, with k given, and scored slice by slice; the row "single" has the slices
clustered each for itself. Cases with a layer taken off one slice show what a way of aligning does
where slices are not made of the same tissues.
"""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.common import write_table
from benchmarks.machine import ROOT
from benchmarks.ours import default_config
from scrcl.clustering import domain_clusters
from scrcl.data.components import aligned, components
from scrcl.data.prepare import prepare
from scrcl.data.preprocess import scale_genes
from scrcl.experiment.inputs import Dataset, InputSpec, load
from scrcl.methods.domains import N_SMOOTHED_COMPONENTS
from scrcl.metrics import score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from scrcl.data.prepare import Prepared

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Case:
    """Slices, and a class of spots that is taken off one of them."""

    slices: tuple[str, ...]
    dropped: tuple[str, str] | None = None  # slice, class


_STARMAP = ("20180417_BZ5_control", "20180419_BZ9_control")
CASES = {
    "dlpfc": Case(("151673", "151674")),
    "dlpfc_without_wm": Case(("151673", "151674"), ("151674", "WM")),
    "starmap": Case(_STARMAP),
    "starmap_without_l6": Case(_STARMAP, (_STARMAP[1], "L6")),
    "starmap_without_l5": Case(_STARMAP, (_STARMAP[0], "L5")),
    "her2st_two_patients": Case(("B1", "D1")),
}


def centred(prepared: Prepared) -> NDArray[np.floating]:
    """Components within slices: genes centred slice by slice before they are found."""
    return _within(prepared.x, prepared.slices)


def scaled(prepared: Prepared) -> NDArray[np.floating]:
    """As `centred`, and every gene has the same variance on all slices."""
    slices = prepared.slices
    order = np.argsort(slices, kind="stable")
    parts = [scale_genes(prepared.log_norm.X[slices == name]) for name in np.unique(slices)]
    return _within(sp.vstack(parts).tocsr()[np.argsort(order)], slices)


WAYS: dict[str, Callable[[Prepared], NDArray[np.floating]]] = {
    "none": lambda prepared: components(prepared.x, N_SMOOTHED_COMPONENTS),
    "centred": centred,
    "scaled": scaled,
    "harmony": lambda prepared: aligned(
        components(prepared.x, N_SMOOTHED_COMPONENTS), prepared.slices
    ),
}


def _within(X: sp.csr_matrix, slices: NDArray[np.str_] | None) -> NDArray[np.floating]:
    X = X.astype(np.float64)
    names, codes = np.unique(slices, return_inverse=True)
    means = np.stack([np.asarray(X[codes == i].mean(0)).ravel() for i in range(len(names))])
    covariance = (X.T @ X).toarray() - (means.T * np.bincount(codes)) @ means
    axes = np.linalg.eigh(covariance)[1][:, ::-1][:, :N_SMOOTHED_COMPONENTS]
    return X @ axes - (means @ axes)[codes]


def run_case(case: Case, files: dict[str, Path], seeds: list[int]) -> Iterator[dict[str, object]]:
    """Score every way of aligning on every slice."""
    data = load(InputSpec(task="st", paths=tuple(files[name] for name in case.slices)))
    data = _without(data, case.dropped)
    config = default_config("st").data
    prepared = prepare(data.without_labels(), config, slice_key=data.slice_key)
    truth = data.labels[prepared.kept]
    for name in case.slices:
        on = prepared.slices == name
        own = prepare(data.without_labels()[data.adata.obs[data.slice_key] == name], config)
        points = components(own.x, N_SMOOTHED_COMPONENTS)
        for seed in seeds:
            found, _ = domain_clusters(points, own.adj, truth[on].nunique(), seed=seed)
            yield {"way": "single", "slice": name, "seed": seed} | _ari(truth[on], found.labels)
    for way, align in WAYS.items():
        points = align(prepared)
        for seed in seeds:
            found, _ = domain_clusters(points, prepared.adj, truth.nunique(), seed=seed)
            for name in case.slices:
                on = prepared.slices == name
                scores = _ari(truth[on], found.labels[on])
                yield {"way": way, "slice": name, "seed": seed} | scores
            both = _ari(truth, found.labels)
            yield {"way": way, "slice": "all together", "seed": seed} | both


def _ari(truth: pd.Series, labels: NDArray[np.integer]) -> dict[str, float]:
    return {"ari": score(truth, labels)["ari"]}


def _without(data: Dataset, dropped: tuple[str, str] | None) -> Dataset:
    if dropped is None:
        return data
    name, label = dropped
    keep = ~((data.adata.obs[data.slice_key] == name) & (data.labels == label)).to_numpy()
    return Dataset(
        adata=data.adata[keep].copy(), labels=data.labels[keep], slice_key=data.slice_key
    )


def main() -> int:
    """Run the cases that are asked for; the table is written anew after each."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("scrcl").setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=ROOT / "datasets" / "stdata")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "benchmarks" / "joint.csv")
    given = parser.parse_args()
    files = {path.stem: path for path in sorted(given.data_dir.rglob("*.h5ad"))}
    rows: list[dict[str, object]] = []
    for name in given.cases:
        log.info("%s", name)
        rows += [{"case": name, **row} for row in run_case(CASES[name], files, given.seeds)]
        write_table(given.out, pd.DataFrame(rows))
    table = pd.DataFrame(rows).pivot_table("ari", ["case", "slice"], "way", sort=False)
    print(table.to_string(float_format="{:.3f}".format, na_rep="-"))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
