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
pathlib.Path(sys.argv[3], "stages.json").write_text(json.dumps({sys.argv[1] + ", s": 2.0}))
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
    stages = {"read, s": 1.0, "read, cpu s": 2.0}
    with wall._timed("read", stages):
        pass
    assert stages["read, s"] >= 1.0
    assert stages["read, cpu s"] >= 2.0
    assert stages["read, peak GB"] > 0


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is measured, each time with costs that are told in advance."""
    measured: list[str] = []

    def measure(what, file, caches, *, threads, busy):
        if what == "cluster":
            raise subprocess.CalledProcessError(-9, "killed")
        measured.append(what)
        return {"seconds": 2.0, "cpu_seconds": 4.0, "peak_gb": 1.0, "read, cpu s": 1.0}

    monkeypatch.setattr(wall, "measure", measure)
    return measured


def asked(**changes: object) -> argparse.Namespace:
    given = {"what": ["scanpy", "report"], "caches": ["warm"], "threads": [1], "busy": 0}
    return argparse.Namespace(**{**given, "repeats": 1, **changes})


def test_what_the_table_has_is_not_measured_again(tmp_path: Path, costs: list[str]) -> None:
    file = tmp_path / "a.h5ad"
    tables: list[pd.DataFrame] = []
    first = wall.measure_all([file], asked(what=["scanpy"]), keep=tables.append)
    assert len(tables) == 1
    path = tmp_path / "wall.csv"
    first.to_csv(path, index=False)
    costs.clear()

    table = wall.measure_all([file], asked(), before=pd.read_csv(path))

    assert costs == ["report", "report"]  # cold, to fill the caches, and warm
    assert table["what"].tolist() == ["scanpy", "report"]


def test_one_that_fails_does_not_end_the_others(tmp_path: Path, costs: list[str]) -> None:
    table = wall.measure_all([tmp_path / "a.h5ad"], asked(what=["cluster", "report"]))
    assert table["what"].tolist() == ["report"]
    assert costs == ["report", "report"]


def test_the_page_has_costs_shares_and_the_processor(
    tmp_path: Path, costs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wall, "processor_name", lambda: "Abacus 2")
    out, page = tmp_path / "wall.csv", tmp_path / "speed.md"
    wall.measure_all(
        [tmp_path / "a.h5ad"], asked(), keep=lambda table: table.to_csv(out, index=False)
    )
    page.write_text("# Speed\n<!-- wall-table:begin -->\n<!-- wall-table:end -->\n")

    assert wall.main(["--only-tables", "--out", str(out), "--page", str(page)]) == 0

    text = page.read_text()
    assert "Measured on Abacus 2" in text
    assert "| a | warm | 1 | 0 | 2.000 | 2.000 | 4.000 | 4.000 | 1.000 | 1.000 | 1.000 |" in text
    assert "| a | 0.250 | 0.750 |" in text  # read, and the rest


def test_a_folder_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted = []

    def convert(source: Path, target: Path) -> None:
        converted.append(source.name)
        target.touch()

    monkeypatch.setattr("scrcl.convert.convert", convert)
    (tmp_path / "slice").mkdir()
    for _ in range(2):
        assert wall._as_h5ad(tmp_path / "slice", tmp_path) == tmp_path / "slice.h5ad"
    assert wall._as_h5ad(tmp_path / "cells.h5ad", tmp_path) == tmp_path / "cells.h5ad"
    assert converted == ["slice"]
