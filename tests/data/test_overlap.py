import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl._validate import InputError
from scrcl.data.overlap import overlap
from scrcl.data.places import find_places

GRID = np.argwhere(np.ones((8, 8))) * 100.0
TWO = np.repeat(["a", "b"], 64)


def spots(coords, names=None, **obs) -> ad.AnnData:
    names = [f"spot{i}x" for i in range(len(coords))] if names is None else names
    adata = ad.AnnData(np.ones((len(coords), 2)), pd.DataFrame(obs, index=names))
    adata.obsm["spatial"] = np.asarray(coords, dtype=float)
    return adata


def two(shift, **obs) -> ad.AnnData:
    return spots(np.vstack([GRID, GRID + shift]), **obs)


@pytest.mark.parametrize(
    "name", ["library_id", "fov", "sample", "section", "Slice", "slide_ID", "batch", "orig.ident"]
)
@pytest.mark.parametrize("shift", [(0, 0), (37, 12), (400, 0), (400, 400)])
def test_sections_over_one_another_are_refused_with_the_flag_to_give(name, shift):
    adata = two(shift, **{name: TWO})
    with pytest.raises(InputError, match=f"--slice-key {name}"):
        find_places(adata)
    assert np.isfinite(find_places(adata, name).coords).all()


@pytest.mark.parametrize("shift", [(800, 0), (0, 700.5), (3000, 100)])
def test_sections_side_by_side_and_fields_that_tile_a_tissue_are_one(shift):
    adata = two(shift, fov=TWO)
    assert overlap(adata, adata.obsm["spatial"]) is None


def test_fields_of_irregular_cells_are_one_tissue_and_with_local_positions_many():
    rng = np.random.default_rng(0)
    cells = rng.random((900, 2)) * 3
    field = (cells // 1) @ (3, 1)
    adata = spots(cells, fov=field.astype(int))
    assert overlap(adata, cells) is None
    local = spots(cells % 1, fov=field.astype(int))
    assert overlap(local, cells % 1).n_groups == 9


def test_groups_of_cells_that_mix_are_no_slices_if_their_column_has_another_name():
    adata = two((0, 0), cell_type=TWO)
    assert overlap(adata, adata.obsm["spatial"]) is None


def test_a_column_that_names_the_images_tells_slices_apart_whatever_its_name():
    adata = two((0, 0), piece=TWO)
    adata.uns["spatial"] = {"a": {"images": {}}, "b": {"images": {}}}
    with pytest.raises(InputError, match="--slice-key piece"):
        find_places(adata)


def test_several_images_and_shared_places_without_a_column_are_refused():
    adata = two((0, 0))
    adata.uns["spatial"] = {"a": {}, "b": {}}
    with pytest.raises(InputError, match="column of obs"):
        find_places(adata)


def test_numbers_at_the_end_of_cell_names_tell_samples_apart():
    names = [f"{'ACGT' * 4}{i:03d}x-1-{part}" for part in (0, 1) for i in range(64)]
    with pytest.raises(InputError, match="end of the cell names"):
        find_places(spots(np.vstack([GRID, GRID]), names))


def test_a_column_of_a_table_of_positions_tells_slices_apart():
    adata = two((0, 0))
    frame = pd.DataFrame(adata.obsm["spatial"], columns=["x", "y"], index=adata.obs_names)
    adata.obsm["spatial"] = frame.assign(fov=TWO)
    with pytest.raises(InputError, match="obsm"):
        find_places(adata)


def test_positions_that_keep_the_slices_apart_are_taken_instead():
    adata = two((0, 0), fov=TWO)
    adata.obsm["spatial_fov"] = np.vstack([GRID, GRID + np.array([1000, 0])])
    coords, notes = find_places(adata)
    assert np.array_equal(coords, adata.obsm["spatial_fov"])
    assert "obsm['spatial_fov'] keeps them apart" in notes[-1]
    assert np.array_equal(find_places(adata, "fov").coords, adata.obsm["spatial"])


def test_within_a_slice_fields_are_looked_at_as_well():
    four = np.tile(GRID, (4, 1))
    fields = np.repeat(["1", "2", "1", "2"], 64)
    slides = np.repeat(["s1", "s2"], 128)
    with pytest.raises(InputError, match="fov"):
        find_places(spots(four, fov=fields, slide=slides), "slide")
