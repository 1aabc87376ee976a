"""R objects, made by tests/data/r/make.R."""

import gzip
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scrcl._validate import InputError
from scrcl.data.read import read

pytest.importorskip("rdata")
FOLDER = Path(__file__).parent / "r"
FIRST_CELL = [2, 2, 3, 5, 2]


@pytest.mark.parametrize("name", ["sce_dense", "sce_sparse", "sceset", "list", "matrix"])
def test_counts_come_with_cells_in_rows_and_their_names(name):
    adata = read(FOLDER / f"{name}.rds")
    assert list(adata.obs_names) == ["cell1", "cell2", "cell3", "cell4"]
    assert list(adata.var_names) == [f"gene{i}" for i in range(1, 6)]
    assert adata.X[0].toarray().ravel().tolist() == FIRST_CELL


@pytest.mark.parametrize("name", ["sce_dense", "sce_sparse", "sceset"])
def test_the_table_of_cells_is_kept_with_what_is_missing(name, tmp_path):
    adata = read(FOLDER / f"{name}.rds")
    assert adata.obs["cell_type1"].tolist()[:3] == ["a", "b", "a"]
    assert adata.obs["cell_type1"].isna().tolist() == [False, False, False, True]
    assert adata.obs["total"].tolist() == [1.5, 2, 3, 4]
    assert adata.obs["flag"].isna().tolist() == [False, False, True, False]
    adata.write_h5ad(tmp_path / "cells.h5ad")
    assert read(tmp_path / "cells.h5ad").obs["id"].tolist() == ["x", "y", "z", "w"]


@pytest.mark.parametrize(("name", "layer"), [("sce_dense", "logcounts"), ("sceset", "exprs")])
def test_counts_come_before_logs_and_the_logs_are_a_layer(name, layer):
    adata = read(FOLDER / f"{name}.rds")
    np.testing.assert_allclose(adata.layers[layer].toarray(), np.log2(adata.X.toarray() + 1))
    assert adata.var["feature_symbol"].tolist() == list(adata.var_names)


def test_vectors_in_a_list_that_have_a_value_for_each_cell_are_kept():
    adata = read(FOLDER / "list.rds")
    assert list(adata.obs) == ["cell_type1"]
    assert adata.obs["cell_type1"].tolist() == ["a", "b", "a", "b"]


@pytest.mark.parametrize("name", ["vector", "no_matrix"])
def test_an_object_that_holds_no_cells_says_what_to_save(name):
    with pytest.raises(InputError, match=r"wanted a SingleCellExperiment\. Save a plain matrix"):
        read(FOLDER / f"{name}.rds")


def test_half_an_object_says_what_to_save(tmp_path):
    whole = gzip.decompress((FOLDER / "matrix.rds").read_bytes())
    (tmp_path / "half.rds").write_bytes(gzip.compress(whole[: len(whole) // 2]))
    with pytest.raises(InputError, match=r"R object that cannot be read .* Save a plain matrix"):
        read(tmp_path / "half.rds")


def test_without_the_reader_of_r_files_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdata", None)
    with pytest.raises(InputError, match=r"pip install 'scrcl\[convert\]'"):
        read(FOLDER / "matrix.rds")


def test_names_that_r_does_not_give_are_numbers(monkeypatch):
    monkeypatch.setattr("rdata.read_rds", lambda _: np.array([[1, 2], [3, 4], [5, 6]]))
    adata = read(FOLDER / "matrix.rds")
    assert adata.X.toarray().tolist() == [[1, 3, 5], [2, 4, 6]]
    assert list(adata.obs_names) == ["0", "1"]


def test_a_list_without_a_matrix_among_its_assays_is_refused(monkeypatch):
    content = type("SummarizedExperiment", (), {"assays": None, "colData": pd.DataFrame()})
    monkeypatch.setattr("rdata.read_rds", lambda _: content)
    with pytest.raises(InputError, match="without a matrix of counts"):
        read(FOLDER / "matrix.rds")
