"""What a user waits for: the costs of processes, and their table."""

import argparse
import resource
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import wall

STEADY = """
import json, os, sys, pathlib
pathlib.Path(os.environ["NUMBA_CACHE_DIR"]).mkdir(exist_ok=True)
held = b"x" * 50_000_000
pathlib.Path(sys.argv[3], "stages.json").write_text(json.dumps({sys.argv[1]: 2.0}))
"""


def test_the_costs_of_a_process_are_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wall, "_CHILD", STEADY)

    costs = wall.measure("report", tmp_path / "a.h5ad", tmp_path, threads=1, busy=1)

    assert costs["report, s"] == 2.0
    assert 0 < costs["cpu_seconds"] < 60
    assert costs["seconds"] > 0
    # A process starts as a copy of its parent's, which is this test's and may be large.
    inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    assert 0.05 < costs["peak_gb"] < max(1, inherited + 0.1)
    assert (tmp_path / "numba").is_dir()  # caches are where they were wanted


def test_a_process_that_fails_is_no_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wall, "_CHILD", "raise SystemExit(2)")
    with pytest.raises(subprocess.CalledProcessError):
        wall.measure("report", tmp_path / "a.h5ad", tmp_path, threads=1)


def test_everything_runs_in_turns_and_caches_are_filled_before_they_are_warm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def measure(what, file, caches, *, threads, busy):
        calls.append((what, file.stem, caches, threads, busy))
        return {"seconds": {"scanpy": 2.0, "report": 1.0}[what]}

    monkeypatch.setattr(wall, "measure", measure)
    given = argparse.Namespace(
        what=["scanpy", "report"], caches=["warm"], threads=[1, 2], busy=2, repeats=1
    )

    table = wall.measure_all([tmp_path / "a.h5ad"], given)

    assert [(what, threads) for what, _, _, threads, _ in calls] == [
        *[("scanpy", 1), ("report", 1)] * 2,
        *[("scanpy", 2), ("report", 2)] * 2,
    ]
    assert calls[0][2] == calls[2][2] != calls[1][2]  # a folder of caches each
    assert list(table["caches"].unique()) == ["warm"]
    ratio = wall.overview(table)
    assert ratio["report / scanpy"].tolist() == [0.5, 0.5]
    assert ratio["set"].tolist() == ["a", "a"]


def test_the_ratio_is_that_of_means_over_repeats() -> None:
    place = {"set": "a", "caches": "warm", "threads": 2, "busy": 0}
    table = pd.DataFrame(
        [
            {**place, "what": what, "seconds": seconds}
            for what, seconds in [("scanpy", 2.0), ("scanpy", 4.0), ("report", 3.0)]
        ]
    )
    assert wall.overview(table)["report / scanpy"].tolist() == [1.0]


def test_the_seconds_of_a_stage_add_up() -> None:
    stages = {"read": 1.0}
    with wall._timed("read", stages):
        pass
    assert stages["read"] >= 1.0
