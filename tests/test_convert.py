import anndata as ad
import pandas as pd
import pytest

from scrcl._validate import InputError
from scrcl.cli import main
from scrcl.convert import convert
from scrcl.data.read import read
from tests.data.visium import COUNTS, write_h5, write_mtx


@pytest.fixture
def table(tmp_path):
    frame = pd.DataFrame(
        [[0, 3], [1, 0], [2, 2]], index=["GAPDH", "ACTB", "CD3E"], columns=["a", "b"]
    )
    frame.to_csv(tmp_path / "counts.csv")
    return tmp_path / "counts.csv"


@pytest.mark.parametrize("write", [write_h5, write_mtx])
def test_a_10x_matrix_becomes_an_h5ad(tmp_path, write):
    source = tmp_path / ("m.h5" if write is write_h5 else "m")
    write(source)
    convert(source, tmp_path / "new" / "cells.h5ad")
    assert (read(tmp_path / "new" / "cells.h5ad").X.toarray() == COUNTS).all()


def test_the_command_takes_labels_along(table, tmp_path, capsys):
    labels = pd.DataFrame({"type": ["t", "b"]}, index=["b", "a"])
    labels.to_csv(tmp_path / "labels.tsv", sep="\t")
    given = ["--obs", str(tmp_path / "labels.tsv")]
    assert main(["convert", str(table), str(tmp_path / "o.h5ad"), *given]) == 0
    adata = read(tmp_path / "o.h5ad")
    assert adata.obs["type"].tolist() == ["b", "t"]
    assert list(adata.var_names) == ["GAPDH", "ACTB", "CD3E"]
    assert "2 cells x 3 genes" in capsys.readouterr().err


def test_told_where_the_genes_are_it_asks_no_names(table, tmp_path):
    assert main(["convert", str(table), str(tmp_path / "o.h5ad"), "--genes", "columns"]) == 0
    assert list(read(tmp_path / "o.h5ad").obs_names) == ["GAPDH", "ACTB", "CD3E"]


def test_a_file_that_is_there_is_kept_unless_told(table, tmp_path, capsys):
    target = tmp_path / "o.h5ad"
    target.write_bytes(b"mine")
    assert main(["convert", str(table), str(target)]) == 2
    assert "which is there, wanted a new file. Pass --overwrite" in capsys.readouterr().err
    assert target.read_bytes() == b"mine"
    assert main(["convert", str(table), str(target), "--overwrite", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert read(target).n_obs == 2


def test_another_ending_is_refused(table, tmp_path):
    with pytest.raises(InputError, match=r"wanted a name that ends in \.h5ad"):
        convert(table, tmp_path / "o.csv")


def test_when_writing_fails_nothing_is_there(table, tmp_path, monkeypatch):
    def full(self: ad.AnnData, path: object, **_: object) -> None:
        open(path, "w").close()  # noqa: PTH123
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ad.AnnData, "write_h5ad", full)
    with pytest.raises(InputError, match="No space left on device"):
        convert(table, tmp_path / "o.h5ad")
    assert [path.name for path in tmp_path.iterdir()] == ["counts.csv"]
