import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.data.slices import concat_slices, read_many


@pytest.fixture
def two(adata_st: ad.AnnData) -> dict[str, ad.AnnData]:
    """Two slices with 40 and 30 genes, 30 of them in common, and an image each."""
    left, right = adata_st.copy(), adata_st[:20, 10:].copy()
    left.uns["spatial"] = {"left": {"scalefactors": {"spot_diameter_fullres": 1.0}}}
    right.uns["spatial"] = {"right": {"scalefactors": {"spot_diameter_fullres": 2.0}}}
    return {"left": left, "right": right}


def test_slices_are_joined_over_their_common_genes(two, caplog):
    joined = concat_slices(two)
    assert joined.shape == (56, 30)
    assert list(joined.var_names) == list(two["right"].var_names)
    assert "10 of 40 genes are not in every slice" in caplog.text
    assert np.array_equal(joined.X[36:].toarray(), two["right"].X.toarray())
    assert np.array_equal(joined.obsm["spatial"][:36], two["left"].obsm["spatial"])


def test_cells_are_called_after_their_slice(two):
    joined = concat_slices(two, slice_key="section")
    assert joined.obs_names.is_unique
    assert joined.obs_names[36] == "spot0-right"
    assert joined.obs["section"].value_counts().to_dict() == {"left": 36, "right": 20}
    assert list(joined.obs["ground_truth"][:36]) == list(two["left"].obs["ground_truth"])


def test_images_of_all_slices_are_kept(two):
    assert set(concat_slices(two).uns["spatial"]) == {"left", "right"}


def test_graphs_become_blocks(two):
    for adata in two.values():
        adata.obsp["spatial_connectivities"] = sp.csr_matrix(np.ones((adata.n_obs, adata.n_obs)))
    graph = concat_slices(two).obsp["spatial_connectivities"]
    assert graph.nnz == 36**2 + 20**2
    assert graph[:36, 36:].nnz == 0


def test_the_slices_are_left_as_they_were(two):
    concat_slices(two)
    assert list(two["left"].obs_names) == [f"spot{i}" for i in range(36)]
    assert "slice" not in two["left"].obs


def test_slices_without_a_common_gene_are_refused(two):
    two["right"].var_names = [f"ENSG{i}" for i in range(30)]
    with pytest.raises(InputError, match="without a common gene"):
        concat_slices(two)


def test_nothing_to_join_is_refused():
    with pytest.raises(InputError, match="slices: got none"):
        concat_slices({})


def test_files_are_read_and_named_after_themselves(two, tmp_path):
    paths = [tmp_path / "x" / "brain.h5ad", tmp_path / "y" / "brain.h5ad", tmp_path / "other.h5ad"]
    for path, adata in zip(paths, [*two.values(), two["left"]], strict=True):
        path.parent.mkdir(exist_ok=True)
        adata.write_h5ad(path)
    joined = read_many(paths)
    assert list(joined.obs["slice"].cat.categories) == ["brain", "brain_2", "other"]


@pytest.mark.realdata
def test_neighbouring_sections_of_a_brain_are_joined(real_data):
    folder = real_data / "data" / "stdata" / "DLPFC"
    joined = read_many([folder / "151673", folder / "151674"])
    assert joined.obs["slice"].value_counts().to_dict() == {"151673": 3611, "151674": 3635}
    assert set(joined.uns["spatial"]) == {"151673", "151674"}
    assert joined.obs["layer_guess"].nunique() == 7
