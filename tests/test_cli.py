"""The scripts as a user calls them, and what they print."""

import json
import logging
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import pytest

import scrcl
from scrcl import datasets
from scrcl.cli import main_degs, main_sc, main_st
from tests.running import Runner

ROOT = Path(__file__).parents[1]
FAST = ("--epochs", "2", "--set", "n_hidden=16", "--device", "cpu")


def script(name: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, from another folder."""
    command = [sys.executable, str(ROOT / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture
def bare(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, str]]:
    """Runs a script from another folder, here: a process of its own would import everything anew."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, *arguments: object) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(ROOT / name), run_name="__main__")
        out, error = capsys.readouterr()
        assert stop.value.code == 0, error
        return out, error

    return run


# ---------------------------------------------------------------- the real scripts


@pytest.mark.timeout(600)
def test_bare_scripts_run_from_data_to_markers(
    bare: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """Without a data set named: what comes with scanpy, and then its markers."""
    out, error = bare("runSC.py", *FAST, "--n-clusters", 6, "--json")
    run = tmp_path / "results" / "SC" / "pbmc68k_reduced" / "default"
    summary = json.loads(out.splitlines()[-1])
    assert summary["path"] == str(run)
    assert summary["protocols"]["label_free"]["n_clusters_mean"] == 6
    assert {path.stem for path in (run / "figures").iterdir()} >= {"training_curve", "umap"}
    assert {path.name for path in (run / "markers").iterdir()} == {
        *("markers.csv", "notes.txt", "dotplot.png", "umap_markers.png")
    }
    assert "<h2>Marker genes</h2>" in (run / "report.html").read_text()
    assert "Traceback" not in error
    assert "Warning" not in error

    _, error = bare("draw_DEGs.py")

    assert "Warning" not in error
    assert (run / "degs" / "seed_0_scrcl_wilcoxon" / "markers.csv").is_file()


@pytest.mark.timeout(600)
def test_a_bare_tissue_run_says_that_the_tissue_is_simulated(
    bare: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    _, error = bare("runST.py", *FAST, "--n-clusters", 5)

    assert "not measured on any tissue" in error
    assert "Warning" not in error
    figures = tmp_path / "results" / "ST" / "simulated_tissue" / "default" / "figures"
    drawn = {path.stem for path in figures.iterdir()}
    assert drawn >= {"domains", "paga", "umap"}
    assert (figures.parent / "markers" / "tissue_markers.png").is_file()


def test_the_report_can_be_left_out(
    runner: Runner, adata_sc: ad.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr("scrcl.experiment.finish.write_up", lambda *_, **given: asked.append(given))

    runner.fast("sc", adata_sc, "--no-report")
    assert asked == []
    runner.fast("sc", adata_sc, "--overwrite")
    assert [given["slice_key"] for given in asked] == [None]


def test_a_fault_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = script("runSC.py", "--input", "nothing.h5ad", cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr.startswith("error: input: got nothing.h5ad, which does not exist")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["runSC.py", "runST.py", "draw_DEGs.py"])
def test_a_script_holds_no_logic(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= 25


# ---------------------------------------------------------------- start


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, scrcl\n"
        "heavy = {'torch', 'scanpy', 'anndata', 'matplotlib', 'sklearn', 'pandas', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )

    assert done.stdout.strip() == "[]"


def test_parts_of_the_package_are_there_when_they_are_asked_for() -> None:
    assert scrcl.datasets is datasets
    assert "metrics" in dir(scrcl)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = scrcl.nothing


# ---------------------------------------------------------------- what is printed


def test_the_list_shows_every_set_and_whether_it_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scdata").mkdir()
    (tmp_path / "scdata" / "Zeisel.h5ad").touch()

    assert main_sc(["--list", "--data-dir", str(tmp_path)]) == 0

    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "task", "cells", "classes", "there", "expected", "at"]
    assert [line.split()[0] for line in lines] == list(datasets.DATASETS)
    there = {line.split()[0] for line in lines if line.split()[4] == "yes"}
    assert there == {"Zeisel", "pbmc68k_reduced", "simulated_tissue"}
    assert str(tmp_path / "stdata/DLPFC/151673") in "\n".join(lines)


@pytest.mark.parametrize("main", [main_sc, main_st, main_degs])
def test_help_names_every_flag(main: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])  # type: ignore[operator]

    assert stop.value.code == 0
    assert "--out DIR" in capsys.readouterr().out


def test_the_closing_table_has_a_row_for_each_protocol(
    runner: Runner, adata_sc: ad.AnnData
) -> None:
    given = ("--config", runner.config, "--seeds", "1,2", "--oracle", "--device", "cpu")

    code, out, error = runner("sc", "--input", runner.save(adata_sc), *given)

    assert code == 0, error
    _, title, header, free, oracle, *explained, path = out.splitlines()
    assert title == "cells, fast: 45 cells, 60 genes, seeds 1, 2"
    assert header.split()[:6] == ["protocol", "ACC", "NMI", "ARI", "macro-F1", "clusters"]
    assert free.startswith("label-free")
    assert "±" in free
    assert oracle.startswith("oracle")
    assert [line.partition(": ")[0] for line in explained] == ["label-free", "oracle"]
    assert "nothing was picked with labels" in explained[0]
    assert "the best of all epochs, picked with the labels" in explained[1]
    assert path == f"-> {runner.run_of('sc')}"


def test_quiet_prints_nothing_but_the_json_line(runner: Runner, adata_sc: ad.AnnData) -> None:
    del adata_sc.obs["cell_type1"]
    given = ("--config", runner.config, "--n-clusters", 3, "--quiet", "--json", "--device", "cpu")

    code, out, error = runner("sc", "--input", runner.save(adata_sc), *given)

    assert (code, error) == (0, "")
    (line,) = out.splitlines()
    summary = json.loads(line)
    assert (summary["task"], summary["dataset"], summary["run"]) == ("sc", "cells", "fast")
    assert summary["seeds"] == [0]
    assert summary["protocols"]["label_free"]["ari_mean"] is None


def test_flags_land_in_the_saved_configuration(runner: Runner, adata_sc: ad.AnnData) -> None:
    flags = ("--epochs", 3, "--selection", "min_loss", "--precision", "bfloat16")
    flags += ("--values", "counts")
    flags += ("--set", "dropout=0.5", "--set", "lr=1e-5")

    run = runner.fast("sc", adata_sc, *flags)

    saved = (run / "config.yaml").read_text()
    wanted = ("n_epochs: 3", "selection: min_loss", "precision: bfloat16", "dropout: 0.5")
    wanted += ("values: counts",)
    for line in (*wanted, "lr: 1.0e-05"):
        assert line in saved


def test_the_logger_is_left_as_it_was(runner: Runner, adata_sc: ad.AnnData) -> None:
    log = logging.getLogger("scrcl")
    before = (log.level, list(log.handlers))

    runner.fast("sc", adata_sc)

    assert (log.level, log.handlers) == before
