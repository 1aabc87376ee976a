import gzip
import sys
import tarfile
import warnings
import zipfile
from types import SimpleNamespace

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scrcl
from scrcl._validate import InputError
from scrcl.data.formats import READERS, known, reader
from scrcl.data.read import read


@pytest.fixture
def stored(adata_st, tmp_path):
    path = tmp_path / "tissue.h5ad"
    adata_st.write_h5ad(path)
    return path


@pytest.mark.parametrize("task", ["sc", "st"])
def test_an_h5ad_comes_back_as_it_was(stored, adata_st, task):
    adata = read(stored, task=task)
    assert (adata.X != adata_st.X).nnz == 0
    assert np.array_equal(adata.obsm["spatial"], adata_st.obsm["spatial"])
    assert list(adata.obs["ground_truth"]) == list(adata_st.obs["ground_truth"])


def test_a_path_may_be_text(stored):
    assert read(str(stored)).n_obs == 36


def test_a_matrix_can_stay_on_disk(stored):
    adata = read(stored, backed=True)
    assert adata.isbacked
    adata.file.close()


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning")
def test_an_anndata_zarr_is_read(adata_st, tmp_path):
    adata_st.write_zarr(tmp_path / "tissue.zarr")
    adata = read(tmp_path / "tissue.zarr", task="st")
    assert (adata.X != adata_st.X).nnz == 0


def test_names_that_come_twice_are_made_unique_and_it_is_said(adata_sc, tmp_path, caplog):
    adata = adata_sc.copy()
    adata.obs_names = ["same", "same", *adata_sc.obs_names[2:]]
    adata.write_h5ad(tmp_path / "cells.h5ad")
    twins = read(tmp_path / "cells.h5ad")
    assert list(twins.obs_names[:2]) == ["same", "same-1"]
    assert "1 duplicate cell name ('same', ...) made unique" in caplog.text


def test_a_path_where_nothing_is_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"looked for {tmp_path}/gone.h5ad.*--dataset"):
        read("gone.h5ad")


@pytest.mark.parametrize("content", [b"", b"<html>sign in</html>"])
def test_a_file_that_is_not_hdf5_is_refused(tmp_path, content):
    (tmp_path / "page.h5ad").write_bytes(content)
    with pytest.raises(InputError, match="got a file that is not HDF5"):
        read(tmp_path / "page.h5ad")


def test_half_a_file_is_refused(stored):
    whole = stored.read_bytes()
    stored.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read as an AnnData"):
        read(stored)


@pytest.mark.parametrize("name", ["other.h5ad", "other.h5"])
def test_hdf5_that_holds_something_else_is_refused(tmp_path, name):
    with h5py.File(tmp_path / name, "w") as file:
        file["weights"] = np.ones(3)
    with pytest.raises(InputError, match=r"cannot be read as|without X"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["cells.pdf", "cells"])
def test_other_kinds_of_file_are_refused(tmp_path, name):
    (tmp_path / name).write_text("a,b\n")
    with pytest.raises(InputError, match=r"wanted \.h5ad, \.h5, \.loom, \.rds, \.csv"):
        read(tmp_path / name)


def test_a_folder_with_nothing_known_in_it_is_refused(tmp_path):
    (tmp_path / "readme.txt").touch()
    with pytest.raises(InputError, match=r"got a folder with \['readme\.txt'\], wanted a Visium"):
        read(tmp_path)


def test_a_folder_called_zarr_that_is_none_is_refused(tmp_path):
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError, match="cannot be read as an AnnData zarr"):
        read(tmp_path / "empty.zarr")


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_an_empty_matrix_is_refused_with_its_path(tmp_path, shape):
    ad.AnnData(np.zeros(shape)).write_h5ad(tmp_path / "empty.h5ad")
    with pytest.raises(InputError, match=rf"empty\.h5ad: data: got {shape[0]} cells"):
        read(tmp_path / "empty.h5ad")


def test_a_tissue_needs_positions_and_cells_do_not(adata_sc, tmp_path):
    adata_sc.write_h5ad(tmp_path / "cells.h5ad")
    assert read(tmp_path / "cells.h5ad").n_obs == 45
    with pytest.raises(InputError, match=r"cells\.h5ad: obsm\['spatial'\]: got none"):
        read(tmp_path / "cells.h5ad", task="st")


def test_a_ready_graph_stands_in_for_positions(adata_sc, tmp_path):
    adata = adata_sc.copy()
    adata.obsp["spatial_connectivities"] = np.eye(45)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    assert read(tmp_path / "cells.h5ad", task="st").n_obs == 45


def test_an_unknown_task_is_refused(stored):
    with pytest.raises(InputError, match="task: got 'atac'"):
        read(stored, task="atac")


# SpatialData is heavy and optional: a stand-in shows which of its calls are made.


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "tissue.zarr"
    (path / "tables").mkdir(parents=True)
    return path


def spatialdata_with(monkeypatch, **tables: ad.AnnData) -> None:
    shapes = {
        "cells": pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [4.0, 5.0, 6.0]}, index=list("abc"))
    }

    class Store(dict):
        def __init__(self, _: object) -> None:
            super().__init__(shapes)
            self.tables = tables

    lazy = lambda frame: SimpleNamespace(compute=lambda: frame)
    module = SimpleNamespace(read_zarr=Store, get_centroids=lazy)
    monkeypatch.setitem(sys.modules, "spatialdata", module)


def table(region: object) -> ad.AnnData:
    adata = ad.AnnData(np.ones((2, 3), np.float32), pd.DataFrame({"cell": ["c", "a"]}, ["p", "q"]))
    adata.uns["spatialdata_attrs"] = {"region": region, "instance_key": "cell"}
    return adata


def test_a_spatialdata_table_gets_the_centroids_of_its_own_cells(store, monkeypatch):
    spatialdata_with(monkeypatch, table=table("cells"))
    assert read(store, task="st").obsm["spatial"].tolist() == [[3.0, 6.0], [1.0, 4.0]]


def test_positions_in_a_spatialdata_table_are_kept(store, monkeypatch):
    adata = table("cells")
    adata.obsm["spatial"] = np.zeros((2, 2))
    spatialdata_with(monkeypatch, table=adata)
    assert read(store, task="st").obsm["spatial"].tolist() == [[0, 0], [0, 0]]


def test_one_of_several_spatialdata_tables_has_to_be_chosen(store, monkeypatch):
    spatialdata_with(monkeypatch, cells=table("cells"), nuclei=table("cells"))
    with pytest.raises(InputError, match=r"with tables \['cells', 'nuclei'\], wanted one"):
        read(store)


def test_a_spatialdata_table_over_several_regions_is_refused(store, monkeypatch):
    spatialdata_with(monkeypatch, table=table(["cells", "nuclei"]))
    with pytest.raises(InputError, match="wanted one region"):
        read(store)


def test_spatialdata_that_is_not_installed_says_what_to_install(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "spatialdata", None)
    with pytest.raises(InputError, match=r"pip install 'scrcl\[spatial\]'"):
        read(store)


# What is told by content, packed, or the wrong way round.


@pytest.mark.parametrize("name", ["T.H5AD", "tissue.h5", "tissue.h5ad.gz", "t.zip", "t.tar.gz"])
def test_an_anndata_is_known_by_its_content_in_every_packing(stored, adata_st, name):
    path = stored.with_name(name)
    if name.endswith(".h5ad.gz"):
        path.write_bytes(gzip.compress(stored.read_bytes()))
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(stored, "in/a/folder/tissue.h5ad")
            archive.writestr("__MACOSX/._tissue.h5ad", "x")
    elif name.endswith(".tar.gz"):
        with tarfile.open(path, "w:gz") as archive:
            archive.add(stored, "tissue.h5ad")
    else:
        stored.rename(path)
    assert (read(path).X != adata_st.X).nnz == 0


@pytest.mark.parametrize("name", ["a.h5ad.gz", "a.zip", "a.tar"])
def test_a_damaged_archive_is_refused(tmp_path, name):
    start = {"gz": gzip.compress(b"x" * 999)[:12], "zip": b"PK\x03\x04broken", "tar": b"broken"}
    (tmp_path / name).write_bytes(start[name.rpartition(".")[2]])
    with pytest.raises(InputError, match="cannot be unpacked"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"<html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"gene,a,b", "it starts with b'gene,a,b'"),
    ],
)
def test_what_is_not_hdf5_is_called_by_its_name(tmp_path, content, said):
    (tmp_path / "cells.h5ad").write_bytes(content)
    with pytest.raises(InputError, match=rf"not HDF5.*{said}|{said}"):
        read(tmp_path / "cells.h5ad")


def mudata(path, names, adata):
    with h5py.File(path, "w") as file:
        modalities = file.create_group("mod")
        for name in names:
            ad.io.write_elem(modalities, name, adata)
        shared = pd.DataFrame({"donor": "d1", "rna:n": 1}, index=adata.obs_names)
        ad.io.write_elem(file, "obs", shared)
    return path


@pytest.mark.parametrize("names", [["prot", "rna"], ["GEX", "atac"], ["cells"]])
def test_the_rna_of_a_mudata_is_read_with_the_shared_columns(tmp_path, adata_sc, names, caplog):
    adata = read(mudata(tmp_path / "cells.h5mu", names, adata_sc))
    assert (adata.X != adata_sc.X).nnz == 0
    assert adata.obs["donor"].unique().tolist() == ["d1"]
    assert "rna:n" not in adata.obs
    assert "reading the modality" in caplog.text


def test_a_mudata_without_rna_is_refused_with_its_modalities(tmp_path, adata_sc):
    path = mudata(tmp_path / "cells.h5mu", ["atac", "prot"], adata_sc)
    with pytest.raises(InputError, match=r"modalities \['atac', 'prot'\], wanted one .*'rna'"):
        read(path)


@pytest.fixture
def upright():
    genes = ["CD3D", "MS4A1", "LYZ", "ACTB"]
    cells = [f"AAACCTGAGC{a}{b}-1" for a in "ACGT" for b in "AC"]
    counts = np.arange(32).reshape(8, 4).astype(np.float32)
    return ad.AnnData(counts, pd.DataFrame({"a": 1}, cells), pd.DataFrame({"b": 2}, genes))


@pytest.mark.parametrize("as_sparse", [True, False])
def test_genes_in_rows_of_an_anndata_are_turned_and_it_is_said(
    upright, tmp_path, caplog, as_sparse
):
    upright.X = sp.csr_matrix(upright.X) if as_sparse else upright.X
    upright.layers["counts"] = upright.X.copy()
    upright.T.copy().write_h5ad(tmp_path / "turned.h5ad")
    adata = read(tmp_path / "turned.h5ad")
    assert list(adata.var_names) == list(upright.var_names)
    assert list(adata.obs) == ["a"]
    dense = lambda X: np.asarray(X.todense() if sp.issparse(X) else X)
    assert np.array_equal(dense(adata.X), dense(upright.X))
    assert np.array_equal(dense(adata.layers["counts"]), dense(upright.X))
    assert "genes are in rows, so the matrix is turned" in caplog.text
    assert list(read(tmp_path / "turned.h5ad", genes="columns").obs_names) == list(adata.var_names)


def test_genes_that_may_be_in_rows_are_said_and_left(upright, tmp_path, caplog):
    upright.obs_names = [f"s{letter}" for letter in "abcdefgh"]
    upright.T.copy().write_h5ad(tmp_path / "turned.h5ad")
    assert read(tmp_path / "turned.h5ad").shape == (4, 8)
    assert "scrcl convert IN OUT.h5ad --genes rows" in caplog.text
    assert read(tmp_path / "turned.h5ad", genes="rows").shape == (8, 4)


def test_an_upright_anndata_is_read_without_a_word(upright, tmp_path, caplog):
    upright.write_h5ad(tmp_path / "cells.h5ad")
    assert read(tmp_path / "cells.h5ad").shape == (8, 4)
    assert caplog.text == ""


def test_a_folder_with_other_files_says_which_to_give(stored):
    with pytest.raises(InputError, match=r"Give one of its files: tissue\.h5ad"):
        read(stored.parent)


def test_read_is_at_the_front_of_the_package(stored):
    assert scrcl.read is read
    assert scrcl.read(stored).n_obs == 36


@pytest.mark.parametrize("name", READERS)
def test_every_reader_of_the_registry_is_a_module_with_two_functions(name, tmp_path):
    assert reader(name).matches(tmp_path) is False
    assert callable(reader(name).read)
    assert all(suffix in known() for suffix in READERS[name].suffixes)


def test_names_that_come_twice_and_end_in_numbers_are_made_unique_without_a_warning(
    tmp_path, adata_sc
):
    adata = adata_sc.copy()
    adata.obs_names = ["a", "a", "a-1", "a-1", *adata_sc.obs_names[4:]]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*not unique")
        adata.write_h5ad(tmp_path / "cells.h5ad")
    assert read(tmp_path / "cells.h5ad").obs_names.is_unique


@pytest.mark.parametrize("part", ["X", "layers/counts"])
def test_a_sparse_matrix_whose_parts_do_not_fit_together_is_refused(tmp_path, adata_sc, part):
    adata = adata_sc.copy()
    adata.layers["counts"] = adata.X.copy()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(tmp_path / "cells.h5ad", "r+") as file:
        file[f"{part}/indices"][0] = 10**6  # beyond the last gene: outside of the memory of others
    with pytest.raises(InputError, match="parts do not fit together"):
        read(tmp_path / "cells.h5ad")
