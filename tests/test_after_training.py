"""Nothing is lost after training, and no traceback meets a user."""

import importlib
import json
import logging
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from scrcl import pl
from scrcl._validate import InputError
from scrcl.cli import main
from scrcl.experiment import cut
from scrcl.experiment.after import Attempts
from scrcl.experiment.degs import load_clustered
from scrcl.experiment.figures import draw
from scrcl.results import RunFolder, RunWriter, SeedResult, annotated
from tests.running import Runner

FAST = ("--quiet", "--device", "cpu")


def failing(error: Exception):
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def started(runner: Runner, adata: ad.AnnData, *arguments: object) -> tuple[int, str, Path]:
    path = runner.save(adata)
    code, _, error = runner("sc", "--input", path, "--config", runner.config, *FAST, *arguments)
    return code, error, runner.run_of("sc")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("scrcl.experiment.finish.annotated", "result.h5ad"),
        ("scrcl.results.writer.storable", "result.h5ad"),
        ("scrcl.experiment.finish.add_layout", "umap"),
        ("scrcl.experiment.finish.draw", "figures"),
        ("scrcl.experiment.run.gene_tables", "gene associations"),
        ("scrcl.experiment.finish.score", "scores"),
        ("scrcl.model.ScRCL.save", "model"),
    ],
)
@pytest.mark.parametrize(
    "error", [KeyError("x"), InputError("disk: got full")], ids=["bug", "input"]
)
def test_a_part_that_fails_after_training_costs_nothing_but_itself(
    runner: Runner, adata_sc: ad.AnnData, monkeypatch, place, name, error
):
    monkeypatch.setattr(place, failing(error))

    code, told, run = started(runner, adata_sc)

    assert code == 1
    assert f"{name}: not made: " in told
    assert f"error: not made: {name} (see above). The clusters are in " in told
    of_seed = name in {"model", "gene associations", "scores"}
    assert ("--overwrite makes all" if of_seed else "--resume makes the rest") in told
    assert "Traceback" not in told
    assert (run / "summary.csv").is_file()
    assert len(RunFolder(run).load_clusters(0)) == adata_sc.n_obs
    assert not RunFolder(run).finished
    reports = list(run.glob("scrcl-error-*.txt"))
    assert len(reports) == isinstance(error, KeyError)
    assert all(str(path) in told for path in reports)


def test_to_resume_makes_what_is_missing_without_training(
    runner: Runner, adata_sc: ad.AnnData, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "write_adata", failing(OSError(28, "No space left on device")))
        assert started(runner, adata_sc)[0] == 1
    monkeypatch.setattr("scrcl.model.pipeline.fit", failing(AssertionError()))

    code, told, run = started(runner, adata_sc, "--resume")

    assert (code, told) == (0, "")
    assert (run / "result.h5ad").is_file()
    assert RunFolder(run).finished


def test_what_failed_is_in_the_json(runner: Runner, adata_sc: ad.AnnData, monkeypatch):
    monkeypatch.setattr("scrcl.experiment.finish.draw", failing(ValueError()))
    path = runner.save(adata_sc)
    code, out, _ = runner("sc", "--input", path, "--config", runner.config, *FAST, "--json")
    assert code == 1
    assert json.loads(out)["failed"] == ["figures"]


def test_a_figure_that_fails_leaves_the_others(adata_st: ad.AnnData, tmp_path, monkeypatch, caplog):
    n_obs = adata_st.n_obs
    seed = SeedResult(
        seed=0,
        obs_names=adata_st.obs_names,
        clusters=np.arange(n_obs) // 18,
        embedding=np.random.default_rng(0).random((n_obs, 4), dtype=np.float32),
        history=[{"epoch": 1, "total": 2.0}, {"epoch": 2, "total": 1.0}],
        metrics={"label_free": {"n_clusters": 2, "epoch": 1}},
    )
    monkeypatch.setattr(pl, "umap", failing(KeyError("colour")))
    monkeypatch.setattr(pl, "training_curve", lambda *_, **__: Figure())
    attempts = Attempts(tmp_path)
    with caplog.at_level(logging.ERROR, logger="scrcl"):
        draw(RunFolder(tmp_path), annotated(adata_st, seed, {}), seed, part=attempts.part)
    assert attempts.failed == ["figures/umap.png"]
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["training_curve.png"]
    assert "KeyError" in caplog.text


def test_an_interruption_is_no_failed_part(tmp_path):
    with pytest.raises(KeyboardInterrupt), Attempts(tmp_path).part("report"):
        raise KeyboardInterrupt


# ---------------------------------------------------------------- before training


def saved_with_slashes(runner: Runner, adata: ad.AnnData) -> Path:
    """As anndata wrote it before 0.13."""
    path = runner.folder / "cells.h5ad"
    with (
        warnings.catch_warnings(),
        ad.settings.override(disallow_forward_slash_in_h5ad=False),
    ):
        warnings.filterwarnings("ignore", "Forward slashes", FutureWarning)
        adata.write_h5ad(path)
    return path


def test_what_h5ad_cannot_hold_is_said_before_training_and_ends_in_a_result(
    runner: Runner, adata_sc: ad.AnnData
):
    adata_sc.obs["CD4/CD8"] = np.arange(45.0)
    path = saved_with_slashes(runner, adata_sc)

    with ad.settings.override(disallow_forward_slash_in_h5ad=True):
        code, _, told = runner("sc", "--input", path, "--config", runner.config, "--device", "cpu")

    assert code == 0, told
    assert told.index("obs['CD4/CD8'] as 'CD4_CD8'") < told.index("seed 0, label_free")
    written = ad.read_h5ad(runner.run_of("sc") / "result.h5ad")
    assert written.obs["CD4_CD8"].tolist() == list(range(45))
    assert any("CD4_CD8" in note for note in written.uns["scrcl"]["notes"])


def test_slices_under_a_name_with_a_slash_are_drawn_again_later(
    runner: Runner, adata_st: ad.AnnData
):
    adata_st.obs["slide/1"] = pd.Categorical(["a"] * 18 + ["b"] * 18)
    path = saved_with_slashes(runner, adata_st)
    given = ("--config", runner.config, *FAST, "--slice-key", "slide/1")
    code, _, told = runner("st", "--input", path, *given)
    assert code == 0, told
    code, _, told = runner("degs", "--run", runner.run_of("st"), "--quiet")
    assert code == 0, told


# ---------------------------------------------------------------- whatever leaves main


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyError("x"), 1, "this is a fault of scrcl, not yours (KeyError: 'x')"),
        (RecursionError(), 1, "RecursionError"),
        (MemoryError(), 2, "memory: got too little"),
        (OSError(28, "No space left on device"), 2, "No space left on device"),
        (InputError("data: got none"), 2, "data: got none"),
    ],
)
@pytest.mark.parametrize("command", ["run", "spatial", "degs", "list"])
def test_every_exception_is_one_line(monkeypatch, capsys, tmp_path, error, code, said, command):
    scripts = importlib.import_module("scrcl.cli.main")  # not the function of that name
    monkeypatch.setattr(scripts, "_experiment", failing(error))
    monkeypatch.setattr(scripts, "chosen_run", failing(error))
    monkeypatch.setattr("scrcl.cli.printing.list_of_datasets", failing(error))
    arguments = [command, "--out", str(tmp_path / "out")]

    assert main(arguments) == code

    out, told = capsys.readouterr()
    assert (out, told.count("\n")) == ("", 1)
    assert told.startswith("error: ")
    assert said in told
    assert [str(path) in told for path in tmp_path.rglob("*.txt")] == [True] * (code == 1)


def test_warnings_of_libraries_stay_off_the_screen(monkeypatch, capsys):
    def warn(*_: object) -> str:
        warnings.warn("internal matters", UserWarning, stacklevel=1)
        return "list"

    monkeypatch.setattr("sys.warnoptions", [])
    monkeypatch.setattr("scrcl.cli.printing.list_of_datasets", warn)
    with warnings.catch_warnings():
        warnings.filterwarnings("default", "internal matters")
        assert main(["list"]) == 0
    assert capsys.readouterr().err == ""


def test_the_result_needs_no_second_copy_of_the_expression(
    adata_sc: ad.AnnData, runner: Runner
) -> None:
    run = runner.fast("sc", adata_sc, "--n-clusters", 3, "--no-x", "--no-figures")

    result = ad.read_h5ad(run / "result.h5ad")
    assert result.X is None
    assert not result.layers
    assert result.raw is None
    assert result.shape == adata_sc.shape
    assert {"cell_type1", "scrcl"} <= set(result.obs)
    assert "scrcl_association" in result.varm
    code, _, error = runner("degs", "--run", run, "--quiet")
    assert code == 2
    assert "written without it (--no-x)" in error
    with pytest.raises(InputError, match="written without it"):
        cut._data(RunFolder(run))
    clustered = load_clustered(RunFolder(run), 0, runner.folder / "cells.h5ad")
    assert clustered.obs["scrcl"].tolist() == result.obs["scrcl"].tolist()
