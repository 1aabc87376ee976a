"""Results to draw, and a guard: no figure may leave anything behind in pyplot."""

from collections.abc import Iterator

import anndata as ad
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from scrcl._keys import CLUSTERS, CONFIDENCE, EMBEDDING
from tests.conftest import freeze


@pytest.fixture(autouse=True)
def _pyplot_stays_as_it_was() -> Iterator[None]:
    settings = dict(mpl.rcParams)
    yield
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == settings


def repeated(adata: ad.AnnData, n_obs: int) -> ad.AnnData:
    """As many cells as asked for: those of ``adata`` again and again."""
    cells = np.arange(n_obs) % adata.n_obs
    obs = adata.obs.iloc[cells].set_axis([f"copy{i}" for i in range(n_obs)], axis=0)
    return ad.AnnData(adata.X[cells], obs, adata.var)


@pytest.fixture
def result(adata_sc) -> ad.AnnData:
    """``adata_sc`` with clusters 0 to 2, an embedding, confidences and labels with gaps."""
    rng = np.random.default_rng(0)
    adata = adata_sc.copy()
    codes = adata.obs["cell_type1"].cat.codes.to_numpy()
    adata.obs[CLUSTERS] = pd.Categorical(codes.astype(str))
    adata.obs[CONFIDENCE] = rng.uniform(0.5, 1, adata.n_obs)
    adata.obs["labels"] = adata.obs["cell_type1"].astype(object)
    adata.obs.loc[adata.obs_names[:5], "labels"] = None
    adata.obsm[EMBEDDING] = np.eye(3)[codes] + rng.normal(0, 0.1, (adata.n_obs, 3))
    return freeze(adata)


@pytest.fixture
def tissue(adata_st) -> ad.AnnData:
    """``adata_st`` with domains, confidences and an image of two pixels for one unit of length."""
    adata = adata_st.copy()
    adata.obs[CLUSTERS] = adata.obs["ground_truth"]
    adata.obs[CONFIDENCE] = np.linspace(0.5, 1, adata.n_obs)
    adata.obs["slice"] = np.where(np.arange(adata.n_obs) < 18, "top", "bottom")
    pixels = np.zeros((12, 14, 3), dtype=np.uint8)
    scales = {"tissue_hires_scalef": 2.0, "tissue_lowres_scalef": 0.2}
    adata.uns["spatial"] = {
        "top": {
            "images": {"hires": pixels, "lowres": pixels[::10, ::10]},
            "scalefactors": {**scales, "spot_diameter_fullres": 0.55},
        }
    }
    return freeze(adata)
