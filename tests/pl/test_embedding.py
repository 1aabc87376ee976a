"""UMAP."""

import random
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from scrcl._keys import CLUSTERS, CONFIDENCE, EMBEDDING
from scrcl._validate import InputError
from scrcl.pl import save, umap, umap_coordinates
from scrcl.pl.embedding import umap_layout
from scrcl.pl.style import RASTERIZE_FROM
from tests.pl.conftest import repeated


@pytest.fixture
def coordinates(result) -> np.ndarray:
    return np.asarray(result.obsm[EMBEDDING][:, :2])


def legend(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def dots(ax) -> PathCollection:
    return next(c for c in ax.collections if isinstance(c, PathCollection))


def test_the_layout_depends_on_the_embedding_and_the_seed_only(result):
    first = umap_coordinates(result)
    assert first.shape == (result.n_obs, 2)
    np.testing.assert_array_equal(first, umap_coordinates(result))
    assert not np.array_equal(first, umap_coordinates(result, seed=1))
    assert set(result.obsm) == {EMBEDDING}
    assert not result.uns


def test_of_very_many_cells_a_random_sample_is_laid_out(result):
    result.obsm[EMBEDDING] = result.obsm[EMBEDDING].copy()
    result.obsm[EMBEDDING][:5] = np.nan
    layout = umap_layout(result, max_cells=30)
    shown = np.isfinite(layout).all(axis=1)
    assert shown.sum() == 30
    assert not shown[:5].any()
    assert not shown[5:35].all()
    assert np.array_equal(layout, umap_layout(result, max_cells=30), equal_nan=True)
    drawn = umap(result, coordinates=layout)
    assert np.isfinite(dots(drawn.axes[0]).get_offsets()).all()


def test_a_handful_of_cells_has_a_layout_too(result):
    few = result[:5].copy()
    assert np.isfinite(umap_coordinates(few)).all()
    with pytest.raises(InputError, match="cells: got 2"):
        umap_coordinates(result[:2])


def test_groups_that_lie_apart_lie_apart_in_the_plane(result):
    codes = result.obs[CLUSTERS].cat.codes.to_numpy()
    xy = umap_coordinates(result)
    nearest = np.linalg.norm(xy[:, None] - xy[None], axis=2).argsort(axis=1)[:, 1:4]
    assert (codes[nearest] == codes[:, None]).mean() > 0.9
    assert np.ptp(xy, axis=0).min() > 1


def test_cells_beyond_the_sample_lie_among_their_like(result, monkeypatch):
    monkeypatch.setattr("scrcl.pl.layout.MAX_OPTIMISED", 30)
    codes = result.obs[CLUSTERS].cat.codes.to_numpy()
    xy = umap_coordinates(result)
    np.testing.assert_array_equal(xy, umap_coordinates(result))
    nearest = np.linalg.norm(xy[:, None] - xy[None], axis=2).argsort(axis=1)[:, 1:4]
    assert (codes[nearest] == codes[:, None]).mean() > 0.9


@pytest.mark.parametrize("width", [1, 3])
def test_cells_that_are_equal_or_zero_have_a_place(result, width):
    equal = result.copy()
    equal.obsm[EMBEDDING] = np.zeros((equal.n_obs, width))
    equal.obsm[EMBEDDING][20:] = 1
    xy = umap_coordinates(equal)
    assert np.isfinite(xy).all()
    assert len(np.unique(xy, axis=0)) > 2


def test_a_layout_leaves_the_generator_of_python_as_it_was(result):
    state = random.getstate()
    umap_coordinates(result)
    assert random.getstate() == state


def test_a_layout_compiles_nothing():
    code = (
        "import sys, numpy as np, anndata as ad\n"
        "from scrcl.pl import umap_coordinates\n"
        "points = np.random.default_rng(0).normal(size=(40, 5))\n"
        "umap_coordinates(ad.AnnData(obsm={'X_scrcl': points}))\n"
        "print({'umap', 'pynndescent', 'networkx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_each_colouring_has_its_panel(result, coordinates):
    fig = umap(result, [CLUSTERS, "labels", "gene3"], coordinates=coordinates)
    panels = fig.axes[:3]
    assert [ax.get_title() for ax in panels] == ["scRCL clusters", "labels", "gene3"]
    assert all(len(dots(ax).get_offsets()) == result.n_obs for ax in panels)
    assert legend(panels[0]) == ["0", "1", "2"]
    assert legend(panels[1]) == ["type0", "type1", "type2", "unannotated"]
    assert panels[2].get_legend() is None
    assert len(fig.axes) == 4  # and the colour bar of the gene


def test_cells_without_a_label_are_grey_and_lie_beneath(result, coordinates):
    fig = umap(result, "labels", coordinates=coordinates)
    colors = dots(fig.axes[0]).get_facecolor()
    np.testing.assert_allclose(colors[:5, :3], 211 / 255)
    assert (np.ptp(colors[5:, :3], axis=1) > 0.1).all()


def test_the_highest_values_are_drawn_last(result, coordinates):
    fig = umap(result, CONFIDENCE, coordinates=coordinates)
    drawn = dots(fig.axes[0]).get_array()
    np.testing.assert_array_equal(drawn, np.sort(result.obs[CONFIDENCE]))


def test_the_panels_wrap(result, coordinates):
    genes = [f"gene{i}" for i in range(6)]
    fig = umap(result, genes, coordinates=coordinates)
    titles = [ax.get_title() for ax in fig.axes if ax.get_title()]
    assert titles == genes
    assert fig.axes[0].get_gridspec().get_geometry() == (2, 4)


def test_many_clusters_are_labelled_on_the_points(result, coordinates):
    many = result.copy()
    many.obs["few"] = np.arange(45) % 20
    many.obs["many"] = pd.Categorical([f"domain {i % 40}" for i in range(45)])
    few_ax, many_ax = umap(many, ["few", "many"], coordinates=coordinates).axes
    assert len(few_ax.texts) == 0
    assert sorted(int(text.get_text()) for text in many_ax.texts) == list(range(1, 41))
    assert len(legend(many_ax)) == 40


def test_coordinates_of_other_cells_are_refused(result, coordinates):
    with pytest.raises(InputError, match=r"coordinates: got shape \(44, 2\)"):
        umap(result, coordinates=coordinates[1:])


def test_a_missing_embedding_is_named(adata_sc):
    with pytest.raises(InputError, match=f"obsm key: got '{EMBEDDING}'"):
        umap(adata_sc, "cell_type1")


def test_very_many_points_are_pixels_in_a_vector_file(result, tmp_path):
    n_cells = RASTERIZE_FROM + 1
    many = repeated(result, n_cells)
    fig = umap(many, coordinates=np.random.default_rng(0).random((n_cells, 2)))
    assert dots(fig.axes[0]).get_rasterized()
    assert save(fig, tmp_path / "a.svg", dpi=50).stat().st_size < 500_000
