"""Methods for tissues from their own packages, which are optional: CellCharter and BANKSY."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import baselines
from benchmarks.common import Found
from benchmarks.machine import Stopwatch
from scrcl.data.validate import spatial_coords

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import anndata as ad

    from benchmarks.baselines import Expression
    from scrcl.experiment.inputs import Dataset

N_LAYERS = 3
"""Rings of neighbours of CellCharter, as in its examples."""
N_BANKSY_NEIGHBORS = 15
N_BANKSY_PCS = 20
LAMBDA = 0.2
"""Weight of the neighbourhood in BANKSY: of its authors' two values, .2 did better on the tuning half."""

PARAMS = {
    **baselines.PARAMS,
    "n_layers": N_LAYERS,
    "banksy": [N_BANKSY_NEIGHBORS, N_BANKSY_PCS, LAMBDA],
}


def run_cellcharter(data: Dataset, names: Sequence[str], seed: int) -> Iterator[Found]:
    """Components of three rings of Delaunay neighbours side by side, then its Gaussian mixture."""
    with _quiet():
        import cellcharter  # noqa: PLC0415  (optional)
        import squidpy  # noqa: PLC0415  (comes with it)

        clock = Stopwatch()
        found, cells = _cells(data)
        cells.obsm["X_pca"] = baselines.pcs(data, found)
        squidpy.gr.spatial_neighbors(cells, coord_type="generic", delaunay=True)
        cellcharter.gr.remove_long_links(cells)
        cellcharter.gr.aggregate_neighbors(cells, n_layers=N_LAYERS, use_rep="X_pca")
        model = cellcharter.tl.Cluster(
            n_clusters=baselines.n_classes(data, found),
            random_state=seed,
            trainer_params={"accelerator": "cpu", "enable_progress_bar": False},
        )
        model.fit(cells)
        labels = np.asarray(model.predict(cells)).astype(int)
    for name in names:
        yield Found(name, labels, found.kept, clock())


def run_banksy(data: Dataset, names: Sequence[str], seed: int) -> Iterator[Found]:
    """Genes, their means and their gradients around each spot, 20 components, Leiden at matched k."""
    with _quiet():
        from banksy.embed_banksy import generate_banksy_matrix  # noqa: PLC0415  (optional)
        from banksy.initialize_banksy import initialize_banksy  # noqa: PLC0415  (optional)

        clock = Stopwatch()
        found, cells = _cells(data)
        cells.X = cells.X.toarray()
        graphs = initialize_banksy(
            cells,
            ("x", "y", "spatial"),
            N_BANKSY_NEIGHBORS,
            plt_edge_hist=False,
            plt_nbr_weights=False,
            plt_theta=False,
        )
        _, matrix = generate_banksy_matrix(cells, graphs, [LAMBDA], 1, verbose=False)
        points = baselines.narrowed(np.asarray(matrix.X), N_BANKSY_PCS)
        labels = baselines.leiden_matched(points, baselines.n_classes(data, found), seed)
    for name in names:
        yield Found(name, labels, found.kept, clock())


def _cells(data: Dataset) -> tuple[Expression, ad.AnnData]:
    """Return what the other baselines see, and the same with positions."""
    found = baselines.expression(data.without_labels(), baselines.N_TISSUE_HVG)
    cells = found.log_norm.copy()
    cells.obsm["spatial"] = spatial_coords(data.adata)[found.kept]
    cells.obs["x"], cells.obs["y"] = cells.obsm["spatial"].T[:2]
    return found, cells


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what other packages print and warn of out of the tables."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.filterwarnings("ignore")
        for name in ("lightning.pytorch", "pytorch_lightning"):
            logging.getLogger(name).setLevel(logging.ERROR)
        yield
