"""``result.h5ad`` in scanpy: no step in between."""

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scanpy as sc
from matplotlib.colors import to_hex

from scrcl import pl
from scrcl.model.shown import add_layout
from tests.running import Runner


@pytest.fixture
def first_two(monkeypatch):
    """Lay cells out by two columns of the embedding, which takes no time."""

    def layout(adata):
        return np.asarray(adata.obsm["X_scrcl"])[:, :2].astype(np.float32)

    monkeypatch.setattr("scrcl.pl.umap_layout", layout)


@pytest.fixture
def result(runner: Runner, adata_sc: ad.AnnData, first_two, monkeypatch) -> ad.AnnData:
    monkeypatch.setattr("scrcl.experiment.finish.add_layout", add_layout)
    run = runner.fast("sc", adata_sc, "--n-clusters", 3)
    return ad.read_h5ad(run / "result.h5ad")


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of matplotlib, to scanpy
def test_clusters_are_drawn_in_the_colours_of_the_figures(result):
    ax = sc.pl.umap(result, color="scrcl", show=False)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    handles = [to_hex(handle.get_facecolor()[0]) for handle in ax.get_legend().legend_handles]
    assert dict(zip(names, handles, strict=True)) == dict(
        zip(["0", "1", "2"], pl.palette(3), strict=True)
    )
    plt.close(ax.figure)


def test_genes_are_ranked(result):
    sc.pp.log1p(result)
    sc.tl.rank_genes_groups(result, "scrcl")
    assert result.uns["rank_genes_groups"]["names"].dtype.names == ("0", "1", "2")


@pytest.mark.usefixtures("first_two")
def test_a_layout_of_the_data_stays_and_an_earlier_one_of_ours_does_not():
    adata = ad.AnnData(np.ones((4, 1)), obsm={"X_scrcl": np.arange(12.0).reshape(4, 3)})
    add_layout(adata)
    assert np.array_equal(adata.obsm["X_umap"], adata.obsm["X_scrcl_umap"])
    adata.obsm["X_scrcl"] = adata.obsm["X_scrcl"] + 1
    add_layout(adata)
    assert np.array_equal(adata.obsm["X_umap"], adata.obsm["X_scrcl"][:, :2])
    adata.obsm["X_umap"] = np.zeros((4, 2))
    add_layout(adata)
    assert not adata.obsm["X_umap"].any()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of what squidpy imports
def test_squidpy_draws_domains_on_the_tissue(runner: Runner, adata_st: ad.AnnData):
    squidpy = pytest.importorskip("squidpy")
    tissue = adata_st.copy()
    factors = {"tissue_hires_scalef": 3.0, "spot_diameter_fullres": 0.5}
    images = {"hires": np.full((30, 40, 3), 200, dtype=np.uint8)}
    tissue.uns["spatial"] = {"slide": {"images": images, "scalefactors": factors}}
    run = runner.fast("st", tissue, "--n-clusters", 2)
    result = ad.read_h5ad(run / "result.h5ad")
    axes = squidpy.pl.spatial_scatter(result, color="scrcl", return_ax=True)
    ax = axes if isinstance(axes, plt.Axes) else axes[0]
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    drawn = {to_hex(color) for part in ax.collections for color in part.get_facecolor()}
    plt.close(ax.figure)
    assert shown == ["0", "1"]
    assert drawn == set(pl.palette(2))
