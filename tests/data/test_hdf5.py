import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.data import hdf5
from scrcl.data.read import read

COUNTS = np.array([[0, 3, 0, 2], [1, 0, 7, 0], [0, 0, 1, 1]], dtype=np.float32)
NAMES = {"cells": [b"c1", b"c2", b"c3"], "genes": [b"g1", b"g2", b"g3", b"g4"]}


def save(path, **content):
    """Write arrays, and dictionaries of them as groups."""
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            if isinstance(value, dict):
                group = file.create_group(name)
                for key, item in value.items():
                    group[key] = item
            else:
                file[name] = value
    return path


@pytest.mark.parametrize(
    ("classes", "named"),
    [
        ([0, 2, 2], ["type_0", "type_2", "type_2"]),
        ([0.0, 2.0, 2.0], ["type_0", "type_2", "type_2"]),
        ([b"beta", b"alpha", b"beta"], ["beta", "alpha", "beta"]),
        ([[1], [2], [1]], ["type_1", "type_2", "type_1"]),
    ],
)
def test_x_and_y_are_counts_and_classes(tmp_path, classes, named):
    adata = read(save(tmp_path / "data.h5", X=COUNTS, Y=np.array(classes)))
    assert adata.X.toarray().tolist() == COUNTS.tolist()
    assert adata.obs["cell_type1"].tolist() == named


def test_x_alone_is_enough(tmp_path):
    adata = read(save(tmp_path / "data.h5", X=COUNTS))
    assert (adata.shape, list(adata.obs)) == ((3, 4), [])


def test_classes_of_another_number_of_cells_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"X with 3 rows and Y with 4 classes.*Transpose X"):
        read(save(tmp_path / "data.h5", X=COUNTS, Y=np.zeros(4)))


@pytest.mark.parametrize("sparse", [True, False])
def test_a_set_of_cell_blast_keeps_names_and_labels(tmp_path, sparse):
    csr = sp.csr_matrix(COUNTS)
    parts = {"data": csr.data, "indices": csr.indices, "indptr": csr.indptr, "shape": csr.shape}
    path = save(
        tmp_path / "data.h5",
        exprs=parts if sparse else COUNTS,
        obs={"cell_type1": [b"a", b"b", b"a"], "deep": [[1, 2], [3, 4], [5, 6]]},
        var={},
        obs_names=NAMES["cells"],
        var_names=NAMES["genes"],
        uns={"seurat_genes": [b"g1"]},
    )
    adata = read(path)
    assert adata.X.toarray().tolist() == COUNTS.tolist()
    assert list(adata.obs_names) == ["c1", "c2", "c3"]
    assert list(adata.var_names) == ["g1", "g2", "g3", "g4"]
    assert adata.obs.to_dict("list") == {"cell_type1": ["a", "b", "a"]}


def loom(path, **more):
    rows = {"Gene": NAMES["genes"], "Chromosome": [b"1", b"2", b"3", b"X"]}
    columns = {"CellID": NAMES["cells"], "ClusterName": [b"a", b"b", b"a"], "Age": [1, 2, 3]}
    return save(path, **{"matrix": COUNTS.T, "row_attrs": rows, "col_attrs": columns} | more)


def test_a_loom_file_is_turned_and_keeps_its_attributes(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "_CHUNK", 3)  # more rows than that
    adata = read(loom(tmp_path / "cells.loom", layers={"spliced": COUNTS.T * 2}))
    assert adata.X.toarray().tolist() == COUNTS.tolist()
    assert adata.layers["spliced"].toarray().tolist() == (COUNTS * 2).tolist()
    assert list(adata.obs_names) == ["c1", "c2", "c3"]
    assert list(adata.var_names) == ["g1", "g2", "g3", "g4"]
    assert adata.obs.to_dict("list") == {"Age": [1, 2, 3], "ClusterName": ["a", "b", "a"]}
    assert adata.var["Chromosome"].tolist() == ["1", "2", "3", "X"]


def test_a_loom_file_without_names_gets_numbers(tmp_path):
    adata = read(loom(tmp_path / "cells.loom", row_attrs={}, col_attrs={}))
    assert list(adata.obs_names) == ["0", "1", "2"]


def test_other_hdf5_called_loom_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"got HDF5 with \['X'\], wanted a loom file"):
        read(save(tmp_path / "cells.loom", X=COUNTS))
