"""Runs are found by address and age, and read back as they were written."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl._validate import InputError
from scrcl.results import (
    RunFolder,
    RunWriter,
    SeedResult,
    annotated,
    find_run,
    find_runs,
    writing,
)

OpenRun = Callable[..., AbstractContextManager[RunWriter]]
MakeResult = Callable[..., SeedResult]


@pytest.fixture
def results(tmp_path: Path, result: MakeResult) -> Path:
    """Four runs, the first the oldest; the last has no finished seed."""
    addresses = [("st", "151673", "paper"), ("sc", "Baron", "paper"), ("sc", "Baron", "default")]
    for age, (task, dataset, name) in enumerate([*addresses, ("sc", "Zeisel", "paper")]):
        run = RunFolder.at(tmp_path, task=task, dataset=dataset, name=name)
        with writing(run, "", settings={}, device="cpu") as writer:
            if dataset != "Zeisel":
                writer.write_seed(result())
        os.utime(run.path / "env.json", (1_000 + age, 1_000 + age))
    (tmp_path / "SC" / "Baron" / "default.old").mkdir()
    return tmp_path


def test_clusters_come_back_by_name(run: RunFolder, open_run: OpenRun, result: MakeResult) -> None:
    confidence = np.array([0.5, 1.0, 0.25])
    with open_run() as writer:
        writer.write_seed(result(confidence=confidence))

    expected = pd.DataFrame(
        {"cluster": pd.array([1, 0, 1], dtype="Int64"), "confidence": confidence},
        index=pd.Index(["NA", "cell,2", "0003"], name="obs_name"),
    )
    pd.testing.assert_frame_equal(run.load_clusters(5), expected)


def test_a_whole_seed_comes_back_as_it_was_written(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    written = result(
        confidence=np.array([0.5, 1.0, 0.25]),
        oracle_clusters=np.array([0, 0, 1]),
        left_out=["empty", "none"],
        stability=pd.Series([0.9, 0.4], index=[0, 1]),
        curve=pd.DataFrame({"n_clusters": [2, 3], "score": [0.8, 0.7]}),
    )
    with open_run() as writer:
        writer.write_seed(written)

    back = run.load_result(5)

    for name in ("obs_names", "left_out", "clusters", "confidence", "oracle_clusters"):
        assert list(getattr(back, name)) == list(getattr(written, name)), name
    np.testing.assert_array_equal(back.embedding, written.embedding)
    assert back.stability.to_dict() == {0: 0.9, 1: 0.4}
    pd.testing.assert_frame_equal(back.curve, written.curve)
    assert [row["total"] for row in back.history] == [1.0, 0.5]
    assert run.load_clusters(5)["cluster"].isna().to_dict()["empty"]


def test_the_tree_of_a_seed_comes_back_and_goes_into_the_data(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    splits = pd.DataFrame(
        {"left": [0], "p_value": [0.5], "genes": [""], "supported": ["no"], "explained_by": [""]},
        index=pd.RangeIndex(2, 3, name="node"),
    )
    arrays = {"merges": np.array([[0, 1]], dtype=np.int32), "genes": np.array(["+NA -B"])}
    with open_run() as writer:
        writer.write_seed(result(splits=splits, tree=arrays, leaves=np.array([1, 0, 1])))

    back = run.load_result(5)

    assert back.splits is not None
    pd.testing.assert_frame_equal(back.splits, splits, check_index_type=False)
    assert back.tree is not None
    assert back.tree.keys() == arrays.keys()
    assert [back.tree["genes"].tolist(), back.tree["merges"].tolist()] == [["+NA -B"], [[0, 1]]]
    adata = ad.AnnData(np.ones((4, 1)), obs=pd.DataFrame(index=["0003", "NA", "dropped", "cell,2"]))
    found = annotated(adata, back, {})
    assert found.obs["scrcl_leaf"].tolist() == [1, 1, -1, 0]
    assert found.uns["scrcl"]["tree"]["merges"].tolist() == [[0, 1]]


def test_embedding_history_metrics_and_config_come_back(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    with open_run("train:\n  lr: 0.1\n") as writer:
        writer.write_seed(result())

    embedding = run.load_embedding(5)
    assert embedding.index.tolist() == ["NA", "cell,2", "0003"]
    np.testing.assert_array_equal(embedding, [[0, 1], [2, 3], [4, 5]])
    assert run.load_history(5)["total"].to_dict() == {1: 1.0, 2: 0.5}
    assert run.load_metrics(5)["label_free"]["ari"] == 0.5
    assert run.config == "train:\n  lr: 0.1\n"


def test_a_seed_that_is_not_there_is_answered_with_those_that_are(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    with open_run() as writer:
        writer.write_seed(result(5))

        with pytest.raises(InputError, match=r"seed: got 7, .*\[5\]"):
            run.load_clusters(7)


@pytest.mark.parametrize(
    "table",
    [
        pytest.param("cell,label\na,1\n", id="columns"),
        pytest.param("obs_name,cluster\na,1\na,2\n", id="name twice"),
    ],
)
def test_a_table_that_scrcl_did_not_write_is_refused(
    run: RunFolder, open_run: OpenRun, result: MakeResult, table: str
) -> None:
    with open_run() as writer:
        writer.write_seed(result(5))
    (run.path / "seed_5" / "clusters.csv").write_text(table)

    with pytest.raises(InputError, match="clusters: got"):
        run.load_clusters(5)


def test_runs_are_found_newest_first_without_unfinished_and_replaced_ones(results: Path) -> None:
    found = [(run.dataset, run.name) for run in find_runs(results)]

    assert found == [("Baron", "default"), ("Baron", "paper"), ("151673", "paper")]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param({}, "SC/Baron/default", id="newest"),
        pytest.param({"task": "st"}, "ST/151673/paper", id="task"),
        pytest.param({"name": "paper"}, "SC/Baron/paper", id="name"),
        pytest.param({"dataset": "151673"}, "ST/151673/paper", id="dataset"),
    ],
)
def test_the_newest_run_of_an_address_is_taken(
    results: Path, address: dict[str, str], expected: str
) -> None:
    assert find_run(results, **address).path == results / expected


def test_no_run_is_answered_with_the_ones_there_are(results: Path) -> None:
    with pytest.raises(InputError, match=r"SC/Zeisel/\* \(found: SC/Baron/default, "):
        find_run(results, task="sc", dataset="Zeisel")


def test_no_results_at_all_is_answered_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found: none at all.*Run runSC\.py"):
        find_run(tmp_path / "results")


def test_names_are_taken_literally(results: Path) -> None:
    assert find_runs(results, dataset="[B]aron") == []


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "paper.old", "paper.part"])
def test_names_that_cannot_be_a_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="run: got the name"):
        RunFolder.at(tmp_path, task="sc", dataset="pbmc", name=name)


def test_a_damaged_env_file_makes_no_run(run: RunFolder) -> None:
    run.path.mkdir(parents=True)
    (run.path / "env.json").write_text("{")

    assert run.environment == {}
    assert not run.finished
