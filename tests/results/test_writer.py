"""Runs are complete or not there, and no earlier run is ever lost."""

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl._validate import InputError
from scrcl.results import RunFolder, RunWriter, SeedResult, check_free

OpenRun = Callable[..., AbstractContextManager[RunWriter]]
MakeResult = Callable[..., SeedResult]
SUMMARY = pd.DataFrame({"protocol": ["label_free"], "ari_mean": [0.5]})


def tree(folder: Path) -> dict[str, bytes]:
    """Content of all files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def write_run(open_run: OpenRun, result: SeedResult, **arguments: object) -> None:
    with open_run(**arguments) as writer:
        writer.write_seed(result)
        writer.finish(SUMMARY)


def write_and_fail(open_run: OpenRun, *results: SeedResult, **arguments: object) -> None:
    """What an interrupted process leaves behind."""
    with open_run(**arguments) as writer:
        for result in results:
            writer.write_seed(result)
        raise KeyboardInterrupt


# ---------------------------------------------------------------- a new run


def test_a_finished_run_has_every_file_and_nothing_else(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    with open_run() as writer:
        writer.write_seed(result())
        writer.write_adata(ad.AnnData(np.zeros((2, 1), np.float32)))
        writer.finish(SUMMARY)

    assert run.path.parts[-3:] == ("SC", "pbmc", "paper")
    assert sorted(tree(run.path.parent)) == [
        "paper/config.yaml",
        "paper/env.json",
        "paper/result.h5ad",
        "paper/seed_5/clusters.csv",
        "paper/seed_5/embedding.npz",
        "paper/seed_5/history.csv",
        "paper/seed_5/metrics.json",
        "paper/summary.csv",
    ]
    assert run.finished


def test_files_of_a_seed_hold_what_the_layout_says(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    confidence = np.array([0.5, 1.0, 0.25], dtype=np.float32)
    oracle = np.array([0, 0, 1])
    write_run(open_run, result(confidence=confidence, oracle_clusters=oracle, left_out=["empty"]))
    folder = run.path / "seed_5"

    assert (folder / "clusters.csv").read_text().splitlines() == [
        "obs_name,cluster,confidence",
        "NA,1,0.5",
        '"cell,2",0,1.0',
        "0003,1,0.25",
        "empty,,",
    ]
    assert (folder / "clusters_oracle.csv").read_text().splitlines() == [
        "obs_name,cluster",
        "NA,0",
        '"cell,2",0',
        "0003,1",
        "empty,",
    ]
    assert (folder / "history.csv").read_text().splitlines() == [
        "epoch,hea,total",
        "1,0.5,1.0",
        "2,0.25,0.5",
    ]
    assert json.loads((folder / "metrics.json").read_text()) == {
        "label_free": {"ari": 0.5, "nmi": None, "n_clusters": 2}
    }
    with np.load(folder / "embedding.npz", allow_pickle=False) as arrays:
        assert arrays["obs_names"].tolist() == ["NA", "cell,2", "0003"]
        assert arrays["embedding"].dtype == np.float32


def test_settings_and_surroundings_are_kept_with_the_run(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    write_run(open_run, result(), device="cuda:0")

    environment = run.environment
    assert environment["settings"] == {
        "input": "pbmc.h5ad",
        "n_clusters": 2,
        "selection": "last",
    }
    assert environment["device"] == "cuda:0"
    assert environment["packages"]["numpy"] == np.__version__  # type: ignore[index]
    assert str(environment["finished"]) >= str(environment["started"])


# ---------------------------------------------------------------- an earlier run


@pytest.mark.parametrize("state", ["finished", "half-written"])
def test_an_earlier_run_is_refused_and_left_alone(
    run: RunFolder, open_run: OpenRun, result: MakeResult, state: str
) -> None:
    with open_run() as writer:
        writer.write_seed(result())
        if state == "finished":
            writer.finish(SUMMARY)
    before = tree(run.path)

    with pytest.raises(InputError, match=rf"{state}.*seeds done: 5.*--resume.*--overwrite"):
        check_free(run, "refuse")
    with pytest.raises(InputError, match=rf"{state} earlier run"), open_run():
        pytest.fail("must not be entered")

    assert tree(run.path) == before


def test_resuming_keeps_finished_seeds_and_adds_others(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_and_fail(open_run, result(5))
    first = tree(run.path / "seed_5")
    assert not run.finished

    with open_run(existing="resume") as writer:
        assert run.seeds == [5]
        writer.write_seed(result(15))
        writer.finish(SUMMARY)

    assert run.seeds == [5, 15]
    assert run.finished
    assert tree(run.path / "seed_5") == first


def test_resuming_where_nothing_is_starts_a_new_run(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    write_run(open_run, result(), existing="resume")

    assert run.finished


@pytest.mark.parametrize(
    ("complaint", "change"),
    [
        pytest.param(
            r"train\.lr: 0\.0001 there, 0\.1 now",
            {"config": "data:\n  n_hvg: 2000\ntrain:\n  lr: 0.1\n  n_epochs: 3\n"},
            id="config value",
        ),
        pytest.param(
            r"train\.n_epochs: 3 there, not set now",
            {"config": "data:\n  n_hvg: 2000\ntrain:\n  lr: 0.0001\n"},
            id="config key",
        ),
        pytest.param(
            "n_clusters: 2 there, 9 now",
            {"settings": {"input": "pbmc.h5ad", "n_clusters": 9, "selection": "last"}},
            id="setting",
        ),
    ],
)
def test_resuming_with_other_settings_is_refused_by_name(
    open_run: OpenRun, result: MakeResult, complaint: str, change: dict[str, str]
) -> None:
    with open_run() as writer:
        writer.write_seed(result())
    before = tree(writer.run.path)

    with pytest.raises(InputError, match=complaint), open_run(existing="resume", **change):
        pytest.fail("must not be entered")

    assert tree(writer.run.path) == before


def test_overwriting_replaces_the_earlier_run_when_the_new_one_is_finished(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    write_run(open_run, result(5))

    with open_run(existing="overwrite") as writer:
        assert (run.path.parent / "paper.old" / "seed_5").is_dir()
        writer.write_seed(result(15))
        writer.finish(SUMMARY)

    assert run.seeds == [15]
    assert [path.name for path in run.path.parent.iterdir()] == ["paper"]


def test_a_replacement_that_fails_before_its_first_seed_puts_the_earlier_run_back(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    write_run(open_run, result())
    before = tree(run.path.parent)

    with pytest.raises(KeyboardInterrupt):
        write_and_fail(open_run, existing="overwrite")

    assert tree(run.path.parent) == before


def test_a_replacement_that_fails_later_keeps_both_runs_and_can_be_resumed(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    write_run(open_run, result(5))
    earlier = tree(run.path)

    with pytest.raises(KeyboardInterrupt):
        write_and_fail(open_run, result(15), existing="overwrite")
    assert tree(run.path.parent / "paper.old") == earlier

    with open_run(existing="resume") as writer:
        writer.finish(SUMMARY)
    assert run.seeds == [15]
    assert not (run.path.parent / "paper.old").exists()


def test_a_replacement_of_a_failed_replacement_still_guards_the_first_run(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    write_run(open_run, result(5))
    earlier = tree(run.path)
    with pytest.raises(KeyboardInterrupt):
        write_and_fail(open_run, result(15), existing="overwrite")

    with pytest.raises(KeyboardInterrupt):
        write_and_fail(open_run, existing="overwrite")

    assert tree(run.path) == earlier


def test_a_replacement_cut_off_before_its_first_file_is_undone_by_the_next_run(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    write_run(open_run, result(5))
    run.path.rename(run.path.parent / "paper.old")  # what a killed process leaves

    with open_run(existing="resume") as writer:
        assert run.seeds == [5]
        writer.finish(SUMMARY)


def test_a_run_that_fails_before_its_first_seed_leaves_nothing(
    run: RunFolder, open_run: OpenRun
) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_and_fail(open_run)

    assert not run.path.exists()


def test_a_seed_that_fails_half_way_is_not_there(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    with open_run() as writer:
        writer.write_seed(result(5))
        with pytest.raises(TypeError):
            writer.write_seed(result(15, metrics={"label_free": {"ari": object()}}))

    assert run.seeds == [5]
    assert not list(run.path.glob("*.part"))


def test_leftovers_of_a_killed_process_are_cleared_away(
    run: RunFolder, open_run: OpenRun, result: MakeResult
) -> None:
    with open_run() as writer:
        leftover = run.path / "seed_5.part"
        leftover.mkdir()
        (leftover / "half.csv").write_text("obs_na")
        assert run.seeds == []

        writer.write_seed(result(5))

    assert run.seeds == [5]
    assert "seed_5/half.csv" not in tree(run.path)


# ---------------------------------------------------------------- what cannot be written


@pytest.mark.parametrize("existing", ["refuse", "resume", "overwrite"])
def test_a_folder_that_is_not_a_run_is_never_touched(
    run: RunFolder, open_run: OpenRun, existing: str
) -> None:
    run.path.mkdir(parents=True)
    (run.path / "thesis.tex").write_text("years of work")

    with pytest.raises(InputError, match="is not a run"), open_run(existing=existing):
        pytest.fail("must not be entered")

    assert (run.path / "thesis.tex").read_text() == "years of work"


def test_an_empty_folder_is_free(run: RunFolder, open_run: OpenRun, result: MakeResult) -> None:
    run.path.mkdir(parents=True)

    write_run(open_run, result())

    assert run.finished


def test_results_under_a_file_are_refused_in_one_line(
    run: RunFolder, open_run: OpenRun, tmp_path: Path
) -> None:
    (tmp_path / "results").write_text("not a folder")

    with pytest.raises(InputError, match=r"cannot write .*--out") as caught, open_run():
        pytest.fail("must not be entered")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(
    run: RunFolder, open_run: OpenRun, tmp_path: Path
) -> None:
    (tmp_path / "results").mkdir(mode=0o555)

    with pytest.raises(InputError, match="Permission denied"), open_run():
        pytest.fail("must not be entered")


def test_a_full_disk_is_said_in_one_line(
    run: RunFolder, open_run: OpenRun, result: MakeResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with open_run() as writer:
        writer.write_seed(result(5))
        monkeypatch.setattr(np, "savez", full)
        with pytest.raises(InputError, match="No space left on device"):
            writer.write_seed(result(15))

    assert run.seeds == [5]


def test_an_unknown_policy_is_refused(run: RunFolder) -> None:
    with pytest.raises(InputError, match="existing: got 'force'"):
        check_free(run, "force")  # type: ignore[arg-type]
