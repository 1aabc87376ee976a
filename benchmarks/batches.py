"""Batches: what the correction of the default preset is worth, scored with scib-metrics.

    pip install scib-metrics
    python benchmarks/batches.py --data-dir DATA [--set NAME ...]

One training run a set; its views (plain and scaled components, e1, e2, e) are then corrected in
each of several ways before the consensus. Labels only score.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.common import renew
from scrcl.clustering import cell_tree
from scrcl.clustering.batches import correct
from scrcl.clustering.partitions import leading_components
from scrcl.data.bare import bare
from scrcl.data.prepare import prepare
from scrcl.methods.consensus import VOTING_VIEWS, expression_of
from scrcl.methods.network_based import joint_views
from scrcl.metrics import score
from scrcl.model import find_config, training_data
from scrcl.model.pipeline import run_seed
from scrcl.seed import resolve_device

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    View = NDArray[np.float32]

OUT = Path(__file__).parents[1] / "docs" / "batches.csv"
BATCH_SCORES = ("ilisi", "silhouette_batch", "connectivity")
LABEL_SCORES = ("silhouette_label", "nmi", "ari", "kmeans_ari")


class Set(NamedTuple):
    """One or more files and where their batches are."""

    files: tuple[str, ...]
    batch: str | None  # column of obs; None: the file


SETS = {
    "Baron, 4 donors": Set(("Baron_human_sub2142.h5ad",), "donor"),
    "Kang, control and stimulated": Set(("Kang_ifnb2800.h5ad",), "stim"),
    "sc_mixology, 2 experiments": Set(("mix_sc_celseq2.h5ad", "mix_sc_celseq2_5cl_p1.h5ad"), None),
}


def centred(view: View, batches: NDArray[np.str_]) -> View:
    """Take each batch's mean off its cells."""
    points = leading_components(view, 30).copy()
    for batch in np.unique(batches):
        points[batches == batch] -= points[batches == batch].mean(axis=0)
    return points


WAYS: dict[str, Callable[[View, NDArray[np.str_]], View]] = {
    "none": lambda view, _: leading_components(view, 30),
    "centring": centred,
    "Harmony": lambda view, batches: correct(view, batches, seed=0),
}


def load(name: str, data_dir: Path) -> ad.AnnData:
    """Read a set; ``obs["batch"]`` and ``obs["label"]``."""
    files, batch = SETS[name]
    parts = [ad.read_h5ad(data_dir / "scdata" / file) for file in files]
    for number, part in enumerate(parts):
        part.obs["batch"] = str(number) if batch is None else part.obs[batch].astype(str)
        part.obs["label"] = part.obs["cell_type1"].astype(str)
    both = ad.concat(parts, index_unique="-") if len(parts) > 1 else parts[0]
    return both[:, np.sort(both.var_names)].copy()


def measure(name: str, data_dir: Path) -> list[dict[str, object]]:
    """Train once; correct and cluster in every way."""
    adata = load(name, data_dir)
    config = find_config("default", "sc")
    prepared = prepare(bare(adata, ["batch"]), config.data, batch_key="batch")
    obs = adata.obs[prepared.kept]
    n_clusters = obs["label"].nunique()
    setup = training_data(prepared, config, n_clusters=n_clusters, device=resolve_device("auto"))
    views = run_seed(setup, 0).views
    assert views is not None  # the default preset trains a network
    every = [*setup.components, *(joint_views(views, part) for part in VOTING_VIEWS)]
    expression = expression_of(setup)
    batches = obs["batch"].to_numpy(dtype=np.str_)
    table = []
    for way, change in WAYS.items():
        changed = [change(view, batches) for view in every]
        labels = cell_tree(changed, expression, seed=0).clusters(n_clusters).labels
        scores = score(obs["label"].astype("category"), labels)
        table.append(
            {
                "set": name,
                "way": way,
                "nmi": scores["nmi"],
                "ari": scores["ari"],
                **scib(changed[-1], obs["label"], batches),
            }
        )
    return table


def scib(points: View, labels: pd.Series, batches: NDArray[np.str_]) -> dict[str, float]:
    """Scores of an embedding by scib-metrics: of labels kept and of batches mixed, 0 to 1."""
    import scib_metrics as sm  # noqa: PLC0415  (optional)
    from scib_metrics.nearest_neighbors import pynndescent  # noqa: PLC0415

    codes = pd.Categorical(labels).codes
    near = pynndescent(points, n_neighbors=min(90, len(points) // 3), random_state=0)
    return {
        "ilisi": float(sm.ilisi_knn(near, batches)),
        "silhouette_batch": float(sm.silhouette_batch(points, codes, batches)),
        "connectivity": float(sm.graph_connectivity(near, codes)),
        "silhouette_label": float(sm.silhouette_label(points, codes)),
        "kmeans_ari": float(sm.nmi_ari_cluster_labels_kmeans(points, codes)["ari"]),
    }


def with_means(table: pd.DataFrame) -> pd.DataFrame:
    """Add the means of both kinds of scores, and scib's total: 0.4 batches, 0.6 labels."""
    mixed, kept = table[list(BATCH_SCORES)].mean(axis=1), table[list(LABEL_SCORES)].mean(axis=1)
    return table.assign(batches=mixed, labels=kept, total=0.4 * mixed + 0.6 * kept)


def main() -> None:
    """Measure the sets that are asked for and write them into the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--set", action="append", choices=list(SETS), help="default: all")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")  # jax finds no accelerator
    for name in args.set or SETS:
        renew(args.out, "set", name, with_means(pd.DataFrame(measure(name, args.data_dir))))


if __name__ == "__main__":
    main()
