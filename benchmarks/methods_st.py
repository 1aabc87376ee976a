"""The methods for tissues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import baselines, ours, packages
from benchmarks.baselines import N_TISSUE_HVG as N_HVG
from benchmarks.common import Method
from scrcl.config import paper_defaults
from scrcl.data.graph import normalized_adjacency, smooth
from scrcl.data.preprocess import scale_genes
from scrcl.data.spatial import spatial_graph
from scrcl.data.validate import spatial_coords

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.baselines import Points
    from benchmarks.common import Runner
    from scrcl.experiment.inputs import Dataset

N_NEIGHBORS = 6
N_SMOOTH = 6
N_SMOOTHED = 100
"""Components that are smoothed, before 30 are made of them."""

PARAMS = {
    **baselines.PARAMS,
    "n_hvg": N_HVG,
    "n_spots": N_NEIGHBORS,
    "n_smooth": N_SMOOTH,
    "n_smoothed": N_SMOOTHED,
}


def diffused(data: Dataset, found: baselines.Expression) -> Points:
    """Components of scaled expression, averaged six times over the six nearest spots.

    Scaling, the number of times and of components did best on the tuning half, of two, five
    and two.
    """
    coords = spatial_coords(data.adata)[found.kept]
    norm_adj = normalized_adjacency(spatial_graph(coords, n_neighbors=N_NEIGHBORS))
    points = smooth(
        baselines.sparse_pcs(scale_genes(found.log_norm.X), N_SMOOTHED), norm_adj, N_SMOOTH
    )
    return baselines.narrowed(points)


def _methods() -> Iterator[Method]:
    plain: dict[str, Runner] = {
        "leiden_k": baselines.runner(baselines.pcs, baselines.leiden_matched, n_hvg=N_HVG),
        "pca_kmeans": baselines.runner(baselines.pcs, baselines.kmeans, n_hvg=N_HVG),
        "pca_tied_gmm": baselines.runner(baselines.pcs, baselines.tied_gmm, n_hvg=N_HVG),
        "diffusion_tied_gmm": baselines.runner(diffused, baselines.tied_gmm, n_hvg=N_HVG),
    }
    for name, run in plain.items():
        yield Method(name=name, group=name, run=run, params=PARAMS, is_baseline=True)
    for name, run in (
        ("cellcharter", packages.run_cellcharter),
        ("banksy", packages.run_banksy),
    ):
        params = packages.PARAMS
        yield Method(name=name, group=name, run=run, params=params, needs=name, is_baseline=True)
    paper, run = ours.params(paper_defaults("st")), ours.run_paper("st")
    code = (*ours.PAPER_CODE, "scrcl/data/spatial.py", "scrcl/clustering/spatial.py")
    for name in ("paper_last", "paper_oracle"):
        yield Method(name=name, group="paper", run=run, params=paper, code=code)
    config = ours.default_config("st")
    for name, find_k in (("ours_k", False), ("ours_auto", True)):
        run = ours.run_config(config, find_k=find_k)
        yield Method(
            name=name, group=name, run=run, params=ours.params(config), code=ours.DOMAINS_CODE
        )


METHODS: dict[str, Method] = {method.name: method for method in _methods()}
