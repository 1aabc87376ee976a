"""Whatever is wrong with the input: one clear line, exit code 2, and nothing is overwritten.

Also here: what looks wrong but is not, and goes through with a note.
"""

import json
import re
from collections.abc import Callable

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from tests.running import Runner, tree

Change = Callable[[ad.AnnData], ad.AnnData]


def refused(runner: Runner, *arguments: object, script: str = "sc") -> str:
    """The one line with which a script refuses; nothing is written."""
    before = tree(runner.folder)
    code, out, error = runner(script, "--quiet", *arguments)
    assert code == 2
    assert out == ""
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert tree(runner.folder) == before
    return error


def passed(runner: Runner, adata: ad.AnnData, *arguments: object, script: str = "sc") -> str:
    """What a script says on stderr when it runs through."""
    given = ("--config", runner.config, "--device", "cpu", *arguments)
    code, _, error = runner(script, "--input", runner.save(adata), *given)
    assert code == 0, error
    return error


def with_x(X: object) -> Change:
    def change(adata: ad.AnnData) -> ad.AnnData:
        return ad.AnnData(X, obs=adata.obs.copy(), var=adata.var.copy())

    return change


def dense(adata: ad.AnnData) -> np.ndarray:
    return adata.X.toarray()


def poisoned(value: float) -> Change:
    def change(adata: ad.AnnData) -> ad.AnnData:
        X = dense(adata)
        X[3, 4] = value
        return with_x(X)(adata)

    return change


# ---------------------------------------------------------------- files


def test_a_registered_set_that_is_not_there_says_where_it_belongs_and_where_to_get_it(
    runner: Runner,
) -> None:
    error = refused(runner, "--dataset", "Zeisel", "--data-dir", runner.folder)

    assert str(runner.folder / "scdata" / "Zeisel.h5ad") in error
    assert "hemberg-lab.github.io" in error


def test_an_unknown_set_is_answered_with_close_names(runner: Runner) -> None:
    assert "wanted Baron_human" in refused(runner, "--dataset", "Baron_humn")


def test_a_set_of_the_other_task_is_answered_with_its_script(runner: Runner) -> None:
    assert "Run it with runST.py" in refused(runner, "--dataset", "151673")


def test_a_missing_file_says_where_it_was_looked_for(runner: Runner) -> None:
    path = runner.folder / "nothing.h5ad"
    assert f"looked for {path}" in refused(runner, "--input", path)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        pytest.param("a.h5ad", b"<html>not found</html>", "not HDF5", id="web page"),
        pytest.param("a.h5ad", b"", "not HDF5", id="empty file"),
        pytest.param("a.doc", b"gene,cell", "got a .doc", id="other ending"),
    ],
)
def test_what_is_not_an_h5ad_is_refused(
    runner: Runner, name: str, content: bytes, expected: str
) -> None:
    path = runner.folder / name
    path.write_bytes(content)

    assert expected in refused(runner, "--input", path)


def test_an_h5ad_that_is_cut_short_is_refused(runner: Runner, adata_sc: ad.AnnData) -> None:
    path = runner.save(adata_sc)
    path.write_bytes(path.read_bytes()[:5000])

    assert str(path) in refused(runner, "--input", path)


def test_a_folder_that_is_not_visium_is_refused(runner: Runner) -> None:
    folder = runner.folder / "folder"
    folder.mkdir()

    assert "wanted a Visium folder" in refused(runner, "--input", folder, script="st")


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda a: a[:0], "got 0 cells x 60 genes", id="no cells"),
        pytest.param(lambda a: a[:, :0], "got 45 cells x 0 genes", id="no genes"),
        pytest.param(lambda a: with_x(0 * dense(a))(a), "none has a count", id="only zeros"),
        pytest.param(poisoned(-1.0), "got negative counts", id="negative"),
        pytest.param(poisoned(np.nan), "1 value NaN or infinite", id="NaN"),
        pytest.param(poisoned(np.inf), "1 value NaN or infinite", id="infinite"),
    ],
)
def test_values_that_are_no_expression_are_refused(
    runner: Runner, adata_sc: ad.AnnData, change: Change, expected: str
) -> None:
    path = runner.save(change(adata_sc).copy())

    assert expected in refused(runner, "--input", path)


def logged(adata: ad.AnnData) -> ad.AnnData:
    X = dense(adata)
    return with_x(np.log1p(1e4 * X / X.sum(axis=1, keepdims=True)).astype(np.float32))(adata)


def test_log_values_are_noticed_and_take_the_right_path(
    runner: Runner, adata_sc: ad.AnnData
) -> None:
    error = passed(runner, logged(adata_sc))

    assert "natural log: not normalised again" in error
    assert "log values are the model input" in error


def with_64_bit_indices(adata: ad.AnnData) -> ad.AnnData:
    X = adata.X.copy()
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return with_x(X)(adata)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda a: with_x(dense(a))(a), id="dense"),
        pytest.param(lambda a: with_x(sp.csc_matrix(a.X))(a), id="sparse by column"),
        pytest.param(lambda a: with_x(a.X.astype(np.int32))(a), id="sparse integers"),
        pytest.param(lambda a: with_x(dense(a).astype(np.int64))(a), id="dense integers"),
        pytest.param(lambda a: with_x(a.X.astype(np.float64))(a), id="double precision"),
        pytest.param(with_64_bit_indices, id="64-bit indices"),
    ],
)
def test_every_way_to_store_the_same_counts_gives_the_same_clusters(
    runner: Runner, adata_sc: ad.AnnData, change: Change
) -> None:
    expected = (runner.fast("sc", adata_sc) / "seed_0" / "clusters.csv").read_bytes()

    run = runner.fast("sc", change(adata_sc), "--overwrite")

    assert (run / "seed_0" / "clusters.csv").read_bytes() == expected


# ---------------------------------------------------------------- cells and genes


def test_duplicate_names_are_made_unique_with_a_note(runner: Runner, adata_sc: ad.AnnData) -> None:
    obs = adata_sc.obs.set_index(pd.Index(["twin", "twin", *adata_sc.obs_names[2:]]))
    var = adata_sc.var.set_index(pd.Index(["ACTB", "ACTB", *adata_sc.var_names[2:]]))
    with pytest.warns(UserWarning, match="not unique"):
        adata = ad.AnnData(adata_sc.X, obs=obs, var=var)

    error = passed(runner, adata)

    assert "1 duplicate cell name ('twin', ...) made unique" in error
    assert "1 duplicate gene name ('ACTB', ...) made unique" in error
    table = pd.read_csv(runner.run_of("sc") / "seed_0" / "clusters.csv")
    assert table["obs_name"].is_unique


def test_constant_genes_are_no_obstacle(runner: Runner, adata_sc: ad.AnnData) -> None:
    X = dense(adata_sc)
    X[:, :30] = 2.0

    passed(runner, with_x(X)(adata_sc), "--set", "model_input=scaled", "--set", "n_hvg=20")


def test_cells_without_counts_stay_in_the_tables_without_a_cluster(
    runner: Runner, adata_sc: ad.AnnData
) -> None:
    X = dense(adata_sc)
    X[[2, 7]] = 0.0

    error = passed(runner, with_x(X)(adata_sc))

    assert "left out, without a cluster: 2 cells without a count" in error
    table = pd.read_csv(runner.run_of("sc") / "seed_0" / "clusters.csv", index_col="obs_name")
    assert len(table) == 45
    assert table.index[table["cluster"].isna()].tolist() == ["cell2", "cell7"]
    result = ad.read_h5ad(runner.run_of("sc") / "result.h5ad")
    assert result.obs_names[result.obs["scrcl"].isna()].tolist() == ["cell2", "cell7"]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        pytest.param("n_neighbors=100", "n_neighbors is 100 but there are 45", id="k"),
        pytest.param("n_hvg=5000", "all 60 genes used: n_hvg is 5,000", id="n_hvg"),
    ],
)
def test_more_than_there_is_means_all_with_a_note(
    runner: Runner, adata_sc: ad.AnnData, setting: str, expected: str
) -> None:
    assert expected in passed(runner, adata_sc, "--set", setting)


# ---------------------------------------------------------------- labels


def test_a_label_column_that_is_not_there_is_answered_with_those_that_are(
    runner: Runner, adata_sc: ad.AnnData
) -> None:
    error = refused(runner, "--input", runner.save(adata_sc), "--label-key", "type")

    assert "['cell_type1']" in error


def test_a_label_column_without_a_value_is_refused(runner: Runner, adata_sc: ad.AnnData) -> None:
    adata_sc.obs["empty"] = pd.Categorical([None] * 45, categories=["a"])

    error = refused(runner, "--input", runner.save(adata_sc), "--label-key", "empty")

    assert "without a single value" in error


def test_a_label_column_of_one_class_is_used_with_a_note(
    runner: Runner, adata_sc: ad.AnnData
) -> None:
    adata_sc.obs["one"] = "a"

    error = passed(runner, adata_sc, "--label-key", "one", "--n-clusters", 3)

    assert "holds one class only" in error


def test_categories_that_no_cell_has_are_not_counted(runner: Runner, adata_sc: ad.AnnData) -> None:
    adata_sc.obs["cell_type1"] = adata_sc.obs["cell_type1"].cat.add_categories(["ghost"])

    assert "3 classes" in passed(runner, adata_sc)
    settings = json.loads((runner.run_of("sc") / "env.json").read_text())["settings"]
    assert settings["n_clusters"] == 3


def test_the_oracle_without_labels_is_refused(runner: Runner, adata_sc: ad.AnnData) -> None:
    del adata_sc.obs["cell_type1"]

    error = refused(runner, "--input", runner.save(adata_sc), "--oracle", "--n-clusters", 3)

    assert "oracle: got no labels" in error


def test_labels_on_cells_that_take_no_part_are_no_labels(
    runner: Runner, adata_sc: ad.AnnData
) -> None:
    X = dense(adata_sc)
    X[0] = 0.0
    adata = with_x(X)(adata_sc)
    adata.obs["cell_type1"] = ["a"] + [None] * 44

    assert "no cell that takes part has one" in passed(runner, adata, "--n-clusters", 3)
    error = refused(
        runner, "--input", runner.save(adata), "--oracle", "--n-clusters", 3, "--resume"
    )
    assert "oracle: got no labels" in error


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["--n-clusters", 46], "n_clusters: got 46, .* at most 45", id="too many"),
        pytest.param(["--n-clusters", 0], "n_clusters: got 0, .* at least 1", id="none"),
        pytest.param(["--n-clusters", "9:3"], "the smaller number first", id="range"),
        pytest.param(["--n-clusters", "many"], "--n-clusters: invalid", id="no number"),
        pytest.param(["--seeds", "1,1"], "seeds: got", id="seed twice"),
        pytest.param(["--seeds", "-1"], "seed: got -1", id="negative seed"),
        pytest.param(["--epochs", "0"], "train.n_epochs: got 0", id="no epochs"),
        pytest.param(["--epochs", "ten"], "train.n_epochs: got 'ten'", id="epochs in words"),
        pytest.param(["--precision", "half"], "invalid choice: 'half'", id="unknown precision"),
        pytest.param(["--set", "learning_rate=1"], "unknown key: got 'learning_rate'", id="key"),
        pytest.param(["--set", "lr=-1"], "train.lr: got -1.0, .* above 0", id="value"),
        pytest.param(["--set", "lr"], "--set: invalid", id="no value"),
        pytest.param(["--set", "n_refine=5"], "cluster.n_refine: got 5 for single", id="task"),
        pytest.param(["--set", "method=domains"], "got 'domains', wanted spots", id="method"),
        pytest.param(["--device", "tpu"], "device: got 'tpu'", id="device"),
        pytest.param(["--preset", "best"], "--preset/--only: invalid choice", id="preset"),
        pytest.param(["--resume", "--overwrite"], "got both --resume and --overwrite", id="both"),
        pytest.param(["--epoch", "5"], "unrecognized arguments", id="flag"),
    ],
)
def test_settings_out_of_range_are_refused(
    runner: Runner, adata_sc: ad.AnnData, arguments: list[object], expected: str
) -> None:
    error = refused(runner, "--input", runner.save(adata_sc), *arguments)

    assert re.search(expected, error), error


def test_a_configuration_file_is_named_with_its_fault(runner: Runner, adata_sc: ad.AnnData) -> None:
    runner.config.write_text("train:\n  learning_rate: 1\n")

    error = refused(runner, "--input", runner.save(adata_sc), "--config", runner.config)

    assert str(runner.config) in error
    assert "learning_rate" in error
    assert "'lr'" in error


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_cuda_where_there_is_none_is_refused(runner: Runner, adata_sc: ad.AnnData) -> None:
    error = refused(runner, "--input", runner.save(adata_sc), "--device", "cuda")

    assert "device: got 'cuda'" in error
    assert "Use 'auto'" in error


# ---------------------------------------------------------------- tissue


def test_data_without_positions_are_refused(runner: Runner, adata_sc: ad.AnnData) -> None:
    error = refused(runner, "--input", runner.save(adata_sc), script="st")

    assert "obsm['spatial']: got none" in error
    assert "runSC.py" in error


def test_spots_in_one_place_are_no_obstacle(runner: Runner, adata_st: ad.AnnData) -> None:
    coords = adata_st.obsm["spatial"].copy()
    coords[1:4] = coords[0]
    adata_st.obsm["spatial"] = coords

    error = passed(runner, adata_st, "--set", "n_neighbors=4", script="st")

    assert "3 spots in the place of another one" in error


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        pytest.param(None, "got no column 'slide'", id="absent"),
        pytest.param(["a"] * 35 + [None], "1 cell without a value", id="incomplete"),
    ],
)
def test_a_slice_column_must_put_every_spot_on_a_slice(
    runner: Runner, adata_st: ad.AnnData, column: list[str] | None, expected: str
) -> None:
    if column is not None:
        adata_st.obs["slide"] = column

    path = runner.save(adata_st)

    assert expected in refused(runner, "--input", path, "--slice-key", "slide", script="st")


def test_the_oracle_of_a_method_that_trains_nothing_is_refused(
    runner: Runner, adata_st: ad.AnnData
) -> None:
    settings = ("--set", "method=domains", "--oracle")

    error = refused(runner, "--input", runner.save(adata_st), *settings, script="st")

    assert "wanted no oracle, as it trains no network" in error


def test_a_slice_column_for_several_inputs_is_refused(runner: Runner, adata_st: ad.AnnData) -> None:
    paths = runner.save(adata_st, "a"), runner.save(adata_st, "b")

    error = refused(runner, "--input", *paths, "--slice-key", "slide", script="st")

    assert "Several inputs are one slice each" in error


# ---------------------------------------------------------------- output


def test_an_output_folder_that_cannot_be_written_is_refused_at_once(
    runner: Runner, adata_sc: ad.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.out.write_text("a file")
    monkeypatch.setattr("scrcl.experiment.run.load", pytest.fail)  # refused before anything is read

    error = refused(runner, "--input", runner.save(adata_sc), "--config", runner.config)

    assert "output: cannot write" in error
    assert "--out" in error


@pytest.mark.parametrize("state", ["finished", "half-written"])
def test_an_earlier_run_is_refused_and_left_as_it_is(
    runner: Runner, adata_sc: ad.AnnData, state: str
) -> None:
    run = runner.fast("sc", adata_sc)
    if state == "half-written":
        environment = json.loads((run / "env.json").read_text())
        (run / "env.json").write_text(json.dumps(environment | {"finished": None}))

    path = runner.save(adata_sc)
    error = refused(runner, "--input", path, "--config", runner.config)

    assert f"a {state} earlier run" in error
    assert "--resume" in error
    assert "--overwrite" in error


def test_a_run_with_other_settings_is_not_resumed(runner: Runner, adata_sc: ad.AnnData) -> None:
    runner.fast("sc", adata_sc)
    path = runner.save(adata_sc)

    settings = ("--config", runner.config, "--resume", "--seeds", 1, "--set", "dropout=0.5")
    error = refused(runner, "--input", path, *settings)

    assert "model.dropout: 0.3 there, 0.5 now" in error


def test_a_run_that_diverges_leaves_nothing_behind(runner: Runner, adata_sc: ad.AnnData) -> None:
    path = runner.save(adata_sc)

    settings = ("--config", runner.config, "--set", "lr=1e30", "--device", "cpu")
    error = refused(runner, "--input", path, *settings)

    assert "train: got a loss of" in error
    assert not runner.run_of("sc").exists()


@pytest.mark.parametrize("script", ["sc", "st"])
def test_a_single_cell_or_spot_is_refused_before_training(
    runner: Runner, adata_st: ad.AnnData, script: str
) -> None:
    path = runner.save(adata_st[:1].copy())
    assert "cells: got 1 with counts, wanted at least 2" in refused(
        runner, "--input", path, script=script
    )
