import gzip

import numpy as np
import pandas as pd
import pytest

from scrcl._validate import InputError
from scrcl.data import tables
from scrcl.data.read import read

COUNTS = np.array([[0, 3, 0], [1, 0, 7]])
CELLS = ["AAACCTGAGCTA-1", "AAACCTGAGCTT-1"]
GENES = ["MT-CO1", "Actb", "RPL3"]


def save(path, table, separator=","):
    table.to_csv(path, sep=separator)
    return path


@pytest.fixture
def cells_in_rows():
    return pd.DataFrame(COUNTS, index=CELLS, columns=GENES)


@pytest.mark.parametrize(("ending", "separator"), [("csv", ","), ("tsv", "\t"), ("txt", "\t")])
@pytest.mark.parametrize("genes_in_rows", [True, False])
def test_names_tell_where_the_genes_are(tmp_path, cells_in_rows, ending, separator, genes_in_rows):
    table = cells_in_rows.T if genes_in_rows else cells_in_rows
    adata = read(save(tmp_path / f"counts.{ending}", table, separator))
    assert list(adata.obs_names) == CELLS
    assert list(adata.var_names) == GENES
    assert adata.X.toarray().tolist() == COUNTS.tolist()
    assert adata.X.format == "csr"


def test_a_compressed_table_is_read(tmp_path, cells_in_rows):
    path = tmp_path / "counts.csv.gz"
    path.write_bytes(gzip.compress(cells_in_rows.to_csv().encode()))
    assert read(path).shape == (2, 3)


def test_a_table_that_does_not_tell_needs_to_be_told(tmp_path):
    path = save(tmp_path / "m.csv", pd.DataFrame(COUNTS, index=["p", "q"], columns=list("xyz")))
    with pytest.raises(InputError, match=r"do not tell where the genes are.*--genes rows"):
        read(path)
    assert list(read(path, genes="columns").obs_names) == ["p", "q"]
    assert list(read(path, genes="rows").obs_names) == ["x", "y", "z"]


def test_text_beside_the_counts_is_kept(tmp_path, cells_in_rows):
    labelled = cells_in_rows.assign(type=["b", "t"])
    adata = read(save(tmp_path / "a.csv", labelled))
    assert adata.obs["type"].tolist() == ["b", "t"]
    assert adata.n_vars == 3
    described = cells_in_rows.T.assign(chromosome=["MT", "7", "22"]).astype({"chromosome": str})
    described["chromosome"] = ["chrM", "chr7", "chr22"]
    adata = read(save(tmp_path / "b.csv", described))
    assert adata.var["chromosome"].tolist() == ["chrM", "chr7", "chr22"]


def test_a_table_longer_than_a_chunk_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_CHUNK", 2)
    table = pd.DataFrame(np.arange(15).reshape(5, 3), [f"cell_{i}" for i in range(5)], GENES)
    adata = read(save(tmp_path / "counts.csv", table))
    assert adata.X.toarray().tolist() == table.to_numpy().tolist()
    assert list(adata.obs_names) == list(table.index)


def test_a_table_without_numbers_is_refused(tmp_path):
    path = save(tmp_path / "t.csv", pd.DataFrame({"type": ["b", "t"]}, index=CELLS))
    with pytest.raises(InputError, match="without a column of numbers"):
        read(path, genes="columns")


def test_a_word_far_down_among_the_numbers_is_refused(tmp_path, monkeypatch, cells_in_rows):
    monkeypatch.setattr(tables, "_CHUNK", 1)
    table = cells_in_rows.astype(object)
    table.iloc[1, 1] = "many"
    with pytest.raises(InputError, match=r"could not convert.*many.*wanted numbers only"):
        read(save(tmp_path / "t.csv", table), genes="columns")


def test_a_table_of_cells_is_brought_in_order(tmp_path):
    path = save(tmp_path / "obs.csv", pd.DataFrame({"type": ["t", "b"]}, index=CELLS[::-1]))
    assert tables.read_obs(path, pd.Index(CELLS))["type"].tolist() == ["b", "t"]


@pytest.mark.parametrize(
    ("names", "said"), [([CELLS[0]], "no row for 1 of 2 cells"), ([*CELLS, CELLS[0]], "repeated")]
)
def test_a_table_of_other_cells_is_refused(tmp_path, names, said):
    path = save(tmp_path / "obs.csv", pd.DataFrame({"type": "t"}, index=names))
    with pytest.raises(InputError, match=said):
        tables.read_obs(path, pd.Index(CELLS))
