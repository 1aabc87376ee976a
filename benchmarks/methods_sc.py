"""The methods for single cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from benchmarks import baselines, ours
from benchmarks.common import Found, Method
from benchmarks.machine import Stopwatch
from scrcl.config import paper_defaults
from scrcl.data.graph import knn_graph, normalized_adjacency, smooth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.baselines import Points
    from benchmarks.common import Runner
    from scrcl.experiment.inputs import Dataset

    Cluster: TypeAlias = Callable[[Points, int, int], NDArray[np.integer]]

N_SMOOTH = 2
"""Times that the training-free diffusion averages over neighbours."""

ABLATIONS: dict[str, dict[str, object]] = {
    "ours_no_hea": {"train.lambda_hea": 0.0},
    "ours_no_ndc": {"train.lambda_ndc": 0.0},
    "ours_no_cvc": {"train.lambda_cvc": 0.0},
    "ours_counts": {"data.model_input": "counts"},
    "ours_smooth22": {"data.n_smooth": (2, 2)},
    "ours_epochs60": {"train.n_epochs": 60},
    "ours_all_cells": {"train.batch_size": 8192},
    "ours_batch1024": {"train.batch_size": 1024},
    "ours_bfloat16": {"train.precision": "bfloat16"},
}

CLUSTERINGS: dict[str, ours.Variant] = {
    "ours_k": ours.consensus_over("log", "scaled", "e1", "e2"),
    "ours_auto": ours.consensus_over("log", "scaled", "e1", "e2", find_k=True),
    "ours_no_net": ours.consensus_over("log", "scaled"),
    "ours_e1": ours.consensus_over("log", "scaled", "e1"),
    "ours_e2": ours.consensus_over("log", "scaled", "e2"),
    "ours_net_only": ours.consensus_over("e1", "e2"),
    "ours_kmeans": ours.paper_kmeans,
}
"""What is clustered how; all from one training."""


def diffused(data: Dataset, found: baselines.Expression) -> Points:
    """Components, averaged twice over the graph of 15 neighbours: a low-pass filter."""
    points = baselines.pcs(data, found)
    graph = knn_graph(points, baselines.N_NEIGHBORS, metric="euclidean")
    return smooth(points, normalized_adjacency(graph), N_SMOOTH)


def run_scvi(data: Dataset, names: Sequence[str], seed: int) -> Iterator[Found]:
    """Train scVI once; cluster its latent space by k-means and by Leiden at resolution 1."""
    clock = Stopwatch()
    adata = data.without_labels()
    found = baselines.expression(adata)
    latent, n_clusters = baselines.scvi_latent(adata, found, seed), baselines.n_classes(data, found)
    clusterers: dict[str, Cluster] = {
        "scvi_kmeans": baselines.kmeans,
        "scvi_leiden": baselines.leiden,
    }
    shared = clock()
    for name in names:
        clock = Stopwatch()
        yield Found(name, clusterers[name](latent, n_clusters, seed), found.kept, shared + clock())


def _baseline(
    name: str,
    run: Runner,
    *,
    group: str | None = None,
    needs: str | None = None,
    params: dict[str, object] | None = None,
) -> Method:
    """Make a baseline; ``params`` are those that others of them do not have."""
    shared = {**baselines.PARAMS, "n_smooth": N_SMOOTH}
    return Method(
        name=name,
        group=group or name,
        run=run,
        params=shared | (params or {}),
        is_baseline=True,
        needs=needs,
    )


def _own(name: str, group: str, run: Runner, changes: dict[str, object] | None = None) -> Method:
    config = ours.default_config("sc", changes)
    return Method(name=name, group=group, run=run, params=ours.params(config), code=ours.CELLS_CODE)


def _methods() -> Iterator[Method]:
    yield _baseline("leiden_res1", baselines.runner(baselines.pcs, baselines.leiden))
    yield _baseline("leiden_k", baselines.runner(baselines.pcs, baselines.leiden_matched))
    yield _baseline("pca_kmeans", baselines.runner(baselines.pcs, baselines.kmeans))
    run = baselines.runner(baselines.pcs, baselines.tied_gmm, target_sum=None)
    yield _baseline("pca_tied_gmm", run, params={"target_sum": None})
    yield _baseline("diffusion_tied_gmm", baselines.runner(diffused, baselines.tied_gmm))
    for name in ("scvi_kmeans", "scvi_leiden"):
        yield _baseline(name, run_scvi, group="scvi", needs="scvi")
    paper, run = ours.params(paper_defaults("sc")), ours.run_paper("sc")
    for name in ("paper_last", "paper_oracle"):
        yield Method(name=name, group="paper", run=run, params=paper, code=ours.PAPER_CODE)
    run = ours.clusterings(ours.default_config("sc"), CLUSTERINGS)
    for name in CLUSTERINGS:
        yield _own(name, "ours", run)
    for name, changes in ABLATIONS.items():
        run = ours.run_config(ours.default_config("sc", changes))
        yield _own(name, name, run, changes)


METHODS: dict[str, Method] = {method.name: method for method in _methods()}
