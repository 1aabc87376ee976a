import json
import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from benchmarks import common, methods_sc, methods_st, runner
from benchmarks.common import Job, Method, cache_key, work
from scrcl._validate import InputError


@pytest.fixture
def folder(tmp_path, adata_sc):
    """A set with labels, and one without."""
    data = tmp_path / "data"
    data.mkdir()
    adata_sc.write_h5ad(data / "cells.h5ad")
    ad.AnnData(adata_sc.X.copy()).write_h5ad(data / "bare.h5ad")
    return data


@pytest.fixture
def here(monkeypatch):
    """Jobs run in this process, which counts them."""
    done = []

    def run_all(jobs):
        for job in jobs:
            work(job)
            done.append(job)
        return []

    monkeypatch.setattr(runner, "run_all", run_all)
    monkeypatch.setattr(runner, "limit_threads", lambda _: None)
    return done


def run(folder, *arguments):
    out = ["--out", str(folder.parent / "out"), "--cache", str(folder.parent / "cache")]
    given = ["--data-dir", str(folder), *out, *arguments]
    return runner.main(given, task="sc", name="accuracy")


def test_results_are_written_and_not_made_twice(folder, here, capsys):
    wanted = ["--methods", "pca_kmeans", "ours_no_net", "--seeds", "0", "1"]
    assert run(folder, *wanted) == 0
    assert len(here) == 4
    first = capsys.readouterr().out
    assert "pca_kmeans" in first
    assert run(folder, *wanted) == 0
    assert len(here) == 4
    assert capsys.readouterr().out == first

    out = folder.parent / "out"
    rows = pd.read_csv(out / "accuracy.csv")
    assert list(rows["set"].unique()) == ["cells"]  # the other one has no labels
    assert set(zip(rows["method"], rows["seed"], strict=True)) == {
        (method, seed) for method in ("pca_kmeans", "ours_no_net") for seed in (0, 1)
    }
    assert rows["ari"].between(-1, 1).all()
    assert (rows["seconds"] > 0).all()
    assert (rows["peak_memory_mb"] > 10).all()
    pairs = pd.read_csv(out / "accuracy_seeds.csv")
    assert list(pairs["method"]) == ["pca_kmeans", "ours_no_net"]
    assert (out / "accuracy.txt").read_text() == first
    assert (out / "accuracy.png").stat().st_size > 0


def test_what_another_method_needs_is_kept_and_only_the_rest_is_run(folder, here):
    assert run(folder, "--methods", "pca_kmeans", "--seeds", "0") == 0
    assert run(folder, "--methods", "pca_kmeans", "pca_tied_gmm", "--seeds", "0") == 0
    assert [list(job.targets) for job in here] == [["pca_kmeans"], ["pca_tied_gmm"]]


def test_rows_that_are_missing_are_named_and_tables_made_without_them(folder, here, capsys, caplog):
    assert run(folder, "--methods", "pca_kmeans", "--seeds", "0") == 0
    wanted = ["--methods", "pca_kmeans", "pca_tied_gmm", "--seeds", "0", "3"]
    assert run(folder, *wanted, "--only-tables") == 1
    assert len(here) == 1
    assert "no result: cells, pca_kmeans, seeds 3\n" in caplog.text
    assert "no result: cells, pca_tied_gmm, seeds 0, 3\n" in caplog.text
    assert "pca_kmeans" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--methods", "magic"], "magic"), (["--sets", "nowhere"], "nowhere")],
)
def test_unknown_names_end_in_one_line(folder, here, capsys, arguments, told):
    assert run(folder, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert told in error


def test_a_method_whose_package_is_absent_is_left_out_with_a_message(caplog):
    def nothing(data, names, seed):
        return iter(())

    absent = Method(name="absent", group="absent", run=nothing, needs="no_such_package")
    there = Method(name="there", group="there", run=nothing)
    with caplog.at_level(logging.WARNING):
        chosen = runner.choose_methods(None, {"absent": absent, "there": there})
    assert list(chosen) == ["there"]
    assert "no_such_package" in caplog.text
    with_results = runner.choose_methods(["absent"], {"absent": absent}, installed=False)
    assert list(with_results) == ["absent"]
    with pytest.raises(InputError, match="none of those"):
        runner.choose_methods(["absent"], {"absent": absent})


def test_the_key_of_a_result_follows_data_parameters_and_seed_but_no_comments(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(common, "ROOT", tmp_path)
    source = tmp_path / "code.py"
    source.write_text("def f():\n    return 1\n")

    def key(seed=0, content="data", **params):
        method = Method(name="m", group="m", run=None, params=params, code=("code.py",))
        return cache_key(method, seed, content)

    first = key(k=1)
    assert key(k=1) == first
    assert len({first, key(k=2), key(seed=1, k=1), key(content="other", k=1)}) == 4
    source.write_text('def f():\n    """Return one."""\n    return 1  # one\n')
    assert key(k=1) == first
    source.write_text("def f():\n    return 2\n")
    assert key(k=1) != first


def test_methods_that_share_a_training_find_the_same_as_the_preset(adata_sc, tmp_path):
    path = tmp_path / "cells.h5ad"
    adata_sc.write_h5ad(path)
    names = ["ours_k", "ours_e1", "ours_kmeans"]
    together = {name: tmp_path / "together" / f"{name}.json" for name in names}
    work(Job("benchmarks.methods_sc", "sc", path, 0, together))
    alone = {"ours_k": tmp_path / "alone" / "ours_k.json"}
    work(Job("benchmarks.methods_sc", "sc", path, 0, alone))
    cells = {name: json.loads(file.read_text()) for name, file in together.items()}
    assert json.loads(alone["ours_k"].read_text())["labels"] == cells["ours_k"]["labels"]
    for cell in cells.values():
        assert len(cell["labels"].split()) == adata_sc.n_obs
        assert cell["n_clusters"] == cell["n_classes"] == 3
    assert cells["ours_e1"]["seconds"] >= 0


def test_tissues_get_scores_of_continuity(adata_st, tmp_path):
    path = tmp_path / "spots.h5ad"
    adata_st.write_h5ad(path)
    for name in ("diffusion_tied_gmm", "ours_k"):
        file = tmp_path / f"{name}.json"
        work(Job("benchmarks.methods_st", "st", path, 0, {name: file}))
        cell = json.loads(file.read_text())
        assert {"ari", "chaos", "pas", "purity"} <= set(cell)
        assert cell["n_clusters"] == 2
        assert np.isfinite(cell["chaos"])


def test_each_group_of_methods_has_one_runner():
    for registry in (methods_sc.METHODS, methods_st.METHODS):
        for group in {method.group for method in registry.values()}:
            runs = {id(method.run) for method in registry.values() if method.group == group}
            assert len(runs) == 1, group
