"""Runs that never were, small."""

import json
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from benchmarks.explorer import fabricate
from scrcl.datasets import simulated_cells
from scrcl.results import RunFolder


def made_up_cells(n_obs: int = 240) -> ad.AnnData:
    """Cells of four types, one of them without a type, and columns of every kind."""
    adata = simulated_cells(n_obs=n_obs, n_genes=60, n_types=4)
    types = adata.obs.pop("cell_type1").astype("category")
    adata.obs["cell_type"] = types.where(np.arange(adata.n_obs) != 5)
    adata.obs["donor"] = np.where(np.arange(n_obs) % 3, "a", "b")
    adata.obs["age"] = np.linspace(0, 1, n_obs)
    adata.obs["same"] = "one"
    adata.obs["barcode"] = [f"bc{i}" for i in range(n_obs)]
    return adata


def made_up_run(folder: Path) -> RunFolder:
    """A run of single cells, with their quality."""
    adata = made_up_cells()
    run = fabricate(folder, adata, n_leaves=20)
    quality = pd.DataFrame({"n_counts": np.asarray(adata.X.sum(1)).ravel(), "mitochondrial": 0.1})
    quality.index = pd.Index(adata.obs_names, name="obs_name")
    quality.to_csv(run.path / "qc.csv")
    return run


def made_up_tissue(folder: Path) -> RunFolder:
    """A run of two slices, one with an image; a spot has no position."""
    adata = made_up_cells(120)
    del adata.obs["donor"]  # which might be slices, too
    adata.obs["slice"] = np.repeat(["first", "second"], 60)
    row, column = np.divmod(np.arange(60), 10)
    places = np.column_stack([np.tile(column, 2), np.tile(row, 2)]).astype(float)
    places[7] = np.nan
    adata.obsm["spatial"] = places
    image = np.zeros((30, 40, 3), dtype=np.uint8)
    image[..., 0] = 200
    adata.uns["spatial"] = {
        "second": {
            "images": {"hires": image},
            "scalefactors": {"tissue_hires_scalef": 3.0, "spot_diameter_fullres": 0.5},
        }
    }
    run = fabricate(folder, adata, task="st", n_leaves=20)
    path = run.path / "env.json"
    content = json.loads(path.read_text())
    content["settings"]["slice_key"] = "slice"
    path.write_text(json.dumps(content))
    return run
