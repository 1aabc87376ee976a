import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.data.read import read

COUNTS = np.array([[0, 3, 1], [2, 0, 0]])  # 2 cells, 3 genes


def put_genome(file, name, cells, counts):
    """A matrix as Cell Ranger 2 writes one for each genome."""
    matrix = sp.csc_matrix(counts.T)
    group = file.create_group(name)
    group["barcodes"] = np.array(cells, dtype="S")
    group["genes"] = np.array([f"{name}{i}" for i in range(3)], dtype="S")
    group["gene_names"] = np.array(["ACTB", "CD3E", "CD3E"], dtype="S")
    group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr
    group["shape"] = np.array(matrix.shape)
    return group


def test_one_genome_keeps_the_names_of_its_genes(tmp_path):
    with h5py.File(tmp_path / "one.h5", "w") as file:
        put_genome(file, "hg19", ["a", "b"], COUNTS)
    adata = read(tmp_path / "one.h5")
    assert adata.X.toarray().tolist() == COUNTS.tolist()
    assert list(adata.var_names) == ["ACTB", "CD3E", "CD3E-1"]
    assert adata.var["genome"].unique().tolist() == ["hg19"]
    assert adata.var["gene_ids"].tolist() == ["hg190", "hg191", "hg192"]


def test_two_genomes_stand_side_by_side_and_it_is_said(tmp_path, caplog):
    with h5py.File(tmp_path / "two.h5", "w") as file:
        put_genome(file, "hg19", ["a", "b"], COUNTS)
        put_genome(file, "mm10", ["b", "c"], COUNTS * 2)
    adata = read(tmp_path / "two.h5")
    assert list(adata.obs_names) == ["a", "b", "c"]
    assert adata.X.toarray().tolist() == [
        [0, 3, 1, 0, 0, 0],
        [2, 0, 0, 0, 6, 2],
        [0, 0, 0, 4, 0, 0],
    ]
    assert adata.var_names[[0, 3]].tolist() == ["hg19_ACTB", "mm10_ACTB"]
    assert "hg19, mm10" in caplog.text
    assert "zeros in one of them for 2 cells" in caplog.text


def test_a_matrix_that_is_not_whole_is_refused(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        group = put_genome(file, "hg19", ["a", "b"], COUNTS)
        del group["indptr"]
        group["indptr"] = np.array([0, 1])
    with pytest.raises(InputError, match=r"2 column starts.*do not belong together"):
        read(tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("name", "said"), [("barcode_idx", "molecule_info"), ("cell.names", "Seurat"), ("odd", "odd")]
)
def test_other_files_of_hdf5_are_called_by_their_name(tmp_path, name, said):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file[name] = np.ones(3)
    with pytest.raises(InputError, match=f"got HDF5 with .*{said}.*wanted matrix"):
        read(tmp_path / "m.h5")
