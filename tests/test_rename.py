"""Names that a user gives to clusters: in all files of a run, or in none."""

import shutil
from pathlib import Path

import anndata as ad
import pandas as pd
import pytest

from benchmarks.explorer import fabricate
from scrcl._validate import InputError
from scrcl.cli.program import main
from scrcl.experiment import rename_clusters
from scrcl.report import write_report
from scrcl.results import RunFolder
from tests.report.made_up import made_up_cells
from tests.running import tree


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    run = fabricate(tmp_path_factory.mktemp("made"), made_up_cells(80), n_leaves=12)
    write_report(run)
    return run.path


@pytest.fixture
def run(made, tmp_path):
    return RunFolder(Path(shutil.copytree(made, tmp_path / "SC" / "made_up" / "default")))


@pytest.fixture
def table(tmp_path):
    """Write a file of names."""

    def write(file="names.csv", /, **columns):
        path = tmp_path / file
        pd.DataFrame(columns).to_csv(path, index=False)
        return path

    return write


def test_names_go_into_every_file(run, table):
    before = run.load_clusters(0)
    names = rename_clusters(run, table(cluster=[0, 2], name=["T  cells", "B, naive"]))
    assert names == {"0": "T cells", "2": "B, naive"} == run.names
    adata = ad.read_h5ad(run.path / "result.h5ad")
    assert adata.obs["scrcl_name"].cat.categories.tolist() == ["T cells", "B, naive"]
    expected = adata.obs["scrcl"].astype(str).map(names)
    assert (
        adata.obs["scrcl_name"].astype(object).equals(expected.rename("scrcl_name").astype(object))
    )
    clusters = pd.read_csv(run.path / "seed_0" / "clusters.csv", keep_default_na=False)
    assert set(clusters.loc[clusters["cluster"] == 2, "name"]) == {"B, naive"}
    assert set(clusters.loc[clusters["cluster"] == 1, "name"]) == {""}
    pd.testing.assert_frame_equal(run.load_clusters(0)[list(before)], before)
    assert "<td>B, naive</td>" in (run.path / "report.html").read_text()


def test_the_tree_is_drawn_with_the_names(run, table):
    rename_clusters(run, table(cluster=[0], name=["one"]))
    picture = run.path / "figures" / "tree.png"
    assert not picture.exists()  # the run has no figures
    picture.parent.mkdir()
    picture.write_bytes(b"without")
    rename_clusters(run, table(cluster=[0], name=["other"]))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_name_can_be_changed_and_taken_back(run, table):
    rename_clusters(run, table(cluster=[0, 1], name=["one", "two"]))
    names = rename_clusters(run, table(cluster=[1, 2], name=["", "three"]))
    assert names == {"0": "one", "2": "three"}
    adata = ad.read_h5ad(run.path / "result.h5ad")
    assert adata.obs["scrcl_name"].cat.categories.tolist() == ["one", "three"]
    assert list(adata.obs).count("scrcl_name") == 1


def test_names_that_markers_suggested_stay_until_they_are_changed_or_taken_away(run, table):
    suggested = pd.DataFrame({"cluster": ["0", "1", "2"], "name": ["beta", "alpha", "unclear"]})
    suggested.to_csv(run.path / "cluster_names.csv", index=False)
    rename_clusters(run, table(cluster=[0], name=["delta"]))
    assert run.shown_names == {"0": "delta", "1": "alpha", "2": "unclear"}
    names = rename_clusters(run, table(cluster=[1], name=[""]))
    assert names == run.shown_names == {"0": "delta", "2": "unclear"}
    adata = ad.read_h5ad(run.path / "result.h5ad")
    assert adata.obs["scrcl_name"].cat.categories.tolist() == ["delta", "unclear"]


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"cluster": [0], "other": ["x"]}, "wanted cluster and name"),
        ({"cluster": [0, 77], "name": ["x", "y"]}, r"clusters that the run has not, \['77'\]"),
        ({"cluster": [0, 0], "name": ["x", "y"]}, "a cluster twice"),
        ({"cluster": [0], "name": ["x"], "n_clusters": [99]}, "scrcl cut .* --n-clusters 99"),
        ({"cluster": [0], "name": ["x"], "of_run": ["no"]}, "another cut of the tree"),
    ],
)
def test_names_of_other_clusters_are_refused_and_nothing_is_changed(run, table, columns, complaint):
    before = tree(run.path)
    with pytest.raises(InputError, match=complaint):
        rename_clusters(run, table(**columns))
    assert tree(run.path) == before


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01", b'"a'])
def test_what_is_no_table_is_refused(run, tmp_path, content):
    path = tmp_path / "names.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="names: got"):
        rename_clusters(run, path)
    with pytest.raises(InputError, match="cannot be read"):
        rename_clusters(run, tmp_path / "missing.csv")


def test_a_failure_leaves_every_file_as_it_was(run, table, monkeypatch):
    (run.path / "report.html").unlink()
    before = tree(run.path)

    def full(run):
        (run.path / "report.html").write_text("half")
        msg = "output: no room"
        raise InputError(msg)

    monkeypatch.setattr("scrcl.experiment.rename.write_report", full)
    with pytest.raises(InputError, match="no room"):
        rename_clusters(run, table(cluster=[0], name=["x"]))
    assert tree(run.path) == before


def test_the_command_takes_what_the_page_hands_over(run, table, tmp_path, capsys):
    path = table(
        "names.tsv",
        **{"cluster\tname\tn_clusters\tof_run\tcells_shown": ["0\tbeta\t%d\tyes\t9"]},
    )
    number = len(run.load_clusters(0)["cluster"].unique())
    path.write_text(path.read_text().replace("%d", str(number)).replace('"', ""))
    assert main(["rename", str(run.path), "--names", str(path)]) == 0
    assert capsys.readouterr().out == "0\tbeta\n"
    assert main(["rename", str(tmp_path), "--names", str(path)]) == 2
    assert "error: run: got" in capsys.readouterr().err


def test_a_run_without_a_result_is_refused(run, table):
    (run.path / "result.h5ad").unlink()
    with pytest.raises(InputError, match="no finished run"):
        rename_clusters(RunFolder(run.path), table(cluster=[0], name=["x"]))
