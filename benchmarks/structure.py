"""How many clusters are found where there are none: python -m benchmarks.structure ../shared/data.

Counts without structure (`benchmarks.planted.DESIGNS`, 20 seeds each), and every set below the given
folder with its genes shuffled over the cells of like depth. Beside ours: Leiden at resolution 1 on
scanpy's defaults, and k-means with the best silhouette of 2 to 15. Rows are added to
docs/benchmarks/structure.csv as they come; what is there is not run again.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scanpy as sc
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from benchmarks.planted import DESIGNS, shuffled, simulate
from scrcl import ScRCL
from scrcl.data.read import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import anndata as ad
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

OUT = Path("docs/benchmarks/structure.csv")
KEY = ["kind", "data", "seed", "method"]
RANGE = range(2, 16)
_N_JUDGED = 2_000


def ours(adata: ad.AnnData, seed: int) -> NDArray[np.integer]:
    """Cluster with the default preset."""
    return ScRCL(seed=seed).fit(adata).labels_


def leiden(adata: ad.AnnData, seed: int) -> NDArray[np.integer]:
    """Cluster as scanpy's tutorial does, at resolution 1."""
    cells = _components(adata)
    sc.pp.neighbors(cells)
    sc.tl.leiden(cells, flavor="igraph", n_iterations=2, directed=False, random_state=seed)
    return cells.obs["leiden"].astype(int).to_numpy()


def silhouette(adata: ad.AnnData, seed: int) -> NDArray[np.integer]:
    """Cluster by k-means with the number whose silhouette is best."""
    points = _components(adata).obsm["X_pca"][:, :30]
    found = [KMeans(k, n_init=3, random_state=seed).fit_predict(points) for k in RANGE]
    judged = [
        silhouette_score(points, labels, sample_size=min(_N_JUDGED, len(points)), random_state=0)
        for labels in found
    ]
    best: NDArray[np.integer] = found[int(np.argmax(judged))]
    return best


METHODS: dict[str, Callable[[ad.AnnData, int], NDArray[np.integer]]] = {
    "ours": ours,
    "leiden": leiden,
    "silhouette": silhouette,
}


def _components(adata: ad.AnnData) -> ad.AnnData:
    cells = adata.copy()
    sc.pp.normalize_total(cells)
    sc.pp.log1p(cells)
    sc.pp.highly_variable_genes(cells, n_top_genes=min(2_000, cells.n_vars))
    sc.pp.pca(cells)
    return cells


def main(argv: Sequence[str] | None = None) -> int:
    """Add what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="with real sets, to be shuffled")
    parser.add_argument("--seeds", type=int, default=20, help="of each design (20)")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("scrcl").setLevel(logging.ERROR)
    fill(args.out, _jobs(args.folder, args.seeds), args.methods)
    sys.stdout.write(f"{summary(pd.read_csv(args.out)).to_string()}\n")
    return 0


def fill(
    path: Path, jobs: Iterator[tuple[str, str, int, Callable[[], ad.AnnData]]], methods: list[str]
) -> None:
    """Run every method on every data set that has no row yet."""
    table = pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=[*KEY, "n_clusters"])
    done = set(table[KEY].itertuples(index=False, name=None))
    for kind, data, seed, make in jobs:
        adata = None
        for method in methods:
            if (kind, data, seed, method) in done:
                continue
            adata = make() if adata is None else adata
            n_clusters = len(set(METHODS[method](adata, seed).tolist()) - {-1})
            table.loc[len(table)] = [kind, data, seed, method, n_clusters]
            table.sort_values(KEY).to_csv(path, index=False)
            log.info("%s", (kind, data, seed, method, n_clusters))


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Share of the runs that find one cluster, and the mean number that is found."""
    grouped = table.assign(one=table["n_clusters"] == 1).groupby(["kind", "method"])
    found = grouped.agg(
        runs=("one", "size"), one_cluster=("one", "mean"), mean_number=("n_clusters", "mean")
    )
    found["runs"] = found["runs"].astype(str)
    return found.rename(
        columns={"one_cluster": "share with one cluster", "mean_number": "mean number of clusters"}
    )


def _jobs(
    folder: Path | None, n_seeds: int
) -> Iterator[tuple[str, str, int, Callable[[], ad.AnnData]]]:
    for seed in range(n_seeds):
        for name, design in DESIGNS.items():
            yield "simulated", name, seed, lambda d=design, s=seed: simulate(d, s)[0]
    for path in sorted((folder or Path("none")).rglob("scdata/*.h5ad")):
        yield "shuffled", path.stem, 0, lambda p=path: shuffled(read(p), 0)


if __name__ == "__main__":
    sys.exit(main())
