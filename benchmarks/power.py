"""Which planted groups are found: python -m benchmarks.power.

Cells of one type, of which a share (1 to 50 %) has 50 genes up or down by some log2 fold. A run finds
the group if one of its clusters overlaps with it, or with the rest, by a Jaccard index of one half.
Beside ours: Leiden at resolution 1 and k-means with the best silhouette, see `benchmarks.structure`;
how many clusters they find where nothing is planted is told there. Rows are added to
docs/benchmarks/power.csv as they come.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.planted import Design, simulate
from benchmarks.structure import METHODS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

OUT = Path("docs/benchmarks/power.csv")
DESIGN = Design(1_000, 2_000, 3_000, 0.5, 0.2)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5)
FOLDS = (0.75, 1.0, 1.5, 2.0, 3.0)
N_MARKERS = 50
FOUND = 0.5
METHOD_NAMES = {"leiden": "Leiden, resolution 1", "silhouette": "k-means, silhouette"}
KEY = ["share", "log2_fold", "seed", "method"]


def overlap(labels: NDArray[np.integer], planted: NDArray[np.bool_]) -> float:
    """Jaccard index of the planted group with the cluster that fits it best."""
    best = 0.0
    for label in np.unique(labels[labels >= 0]):
        own = labels == label
        best = max(best, float((own & planted).sum() / (own | planted).sum()))
    return best


def main(argv: Sequence[str] | None = None) -> int:
    """Add what is missing, and print the share of runs that find the group."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("scrcl").setLevel(logging.ERROR)
    columns = [*KEY, "n_clusters", "overlap"]
    table = pd.read_csv(args.out) if args.out.is_file() else pd.DataFrame(columns=columns)
    done = set(table[KEY].itertuples(index=False, name=None))
    for seed in range(args.seeds):
        for share in SHARES:
            for fold in FOLDS:
                adata, planted = simulate(
                    DESIGN, seed, share=share, n_markers=N_MARKERS, log2_fold=fold
                )
                for method, cluster in METHODS.items():
                    if (share, fold, seed, method) in done:
                        continue
                    labels = cluster(adata, seed)
                    n_clusters = len(set(labels.tolist()) - {-1})
                    row = [share, fold, seed, method, n_clusters, overlap(labels, planted)]
                    table.loc[len(table)] = row
                    table.sort_values(KEY).to_csv(args.out, index=False, float_format="%.4f")
                    log.info("%s", row)
    sys.stdout.write(f"{summary(pd.read_csv(args.out)).to_string()}\n")
    return 0


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Share of the runs that find the group: rows by method and fold, columns by its share."""
    found = table.assign(found=table["overlap"] >= FOUND)
    rows = found.pivot_table("found", ["method", "log2_fold"], "share", aggfunc="mean")
    return rows.rename(columns=lambda share: f"{share:.0%} of the cells", index=METHOD_NAMES)


if __name__ == "__main__":
    sys.exit(main())
