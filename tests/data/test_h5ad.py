"""AnnData files that anndata itself does not read, or not all of."""

import anndata as ad
import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from scrcl import read
from scrcl._validate import InputError


@pytest.fixture
def path(tmp_path):
    adata = ad.AnnData(sp.csr_matrix(np.arange(12.0).reshape(4, 3)))
    adata.raw = adata
    adata.layers["counts"] = adata.X.copy()
    adata.obsm["X_pca"] = np.ones((4, 2))
    adata.uns["colors"] = np.array(["red", "blue"])
    adata.write_h5ad(tmp_path / "data.h5ad")
    return tmp_path / "data.h5ad"


def test_what_cannot_be_read_beside_the_matrix_is_left_out_and_said(path, caplog):
    with h5py.File(path, "a") as file:  # as anndata stores a name with "/"
        file.move("layers/counts", "layers/norm/counts")
        file["uns/odd"] = 1
        file["uns/odd"].attrs.update({"encoding-type": "of-tomorrow", "encoding-version": "9"})
    adata = read(path)
    assert adata.X.toarray().tolist() == np.arange(12.0).reshape(4, 3).tolist()
    layers = [name for name in adata.layers if name is not None]  # which newer versions call X
    assert (layers, list(adata.obsm), list(adata.uns)) == ([], ["X_pca"], ["colors"])
    assert adata.raw.shape == (4, 3)
    assert "left out, as anndata cannot read it: layers['norm'], uns['odd']" in caplog.text


def test_a_raw_matrix_that_cannot_be_read_is_left_out(path, caplog):
    with h5py.File(path, "a") as file:
        file["raw/X"].attrs["encoding-type"] = "of-tomorrow"
    assert read(path).raw is None
    assert "cannot read it: raw" in caplog.text


@pytest.mark.parametrize("part", ["obs", "var"])
def test_without_cells_or_genes_nothing_can_be_read(path, part):
    with h5py.File(path, "a") as file:
        del file[part]
        file[part] = "text"
    with pytest.raises(InputError, match="cannot be read as an AnnData"):
        read(path)
