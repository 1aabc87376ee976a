"""The script for a machine with a graphics card: its steps, its limit of time, its table."""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pandas as pd
import pytest

from benchmarks import gpu
from benchmarks.gpu import Step
from benchmarks.machine import ROOT


def python(code: str, table: Path | None = None) -> Step:
    return Step("a step", [sys.executable, "-c", code], table)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[TextIO]:
    with (tmp_path / "log").open("w+", encoding="utf-8") as file:
        yield file


def test_numbers_come_from_tables_and_from_what_is_said(tmp_path: Path, log: TextIO) -> None:
    table = tmp_path / "a.csv"
    pd.DataFrame({"n_obs": [10], "seconds": [2.5], "machine": ["one"]}).to_csv(table, index=False)

    found = gpu.run(python("print('done')", table), log, 60)
    said = gpu.run(python("""print('{"n_obs": 4, "same": 1}')"""), log, 60)

    assert found.loc[found["quantity"] == "seconds", ["n_obs", "value"]].to_numpy().tolist() == [
        [10, 2.5]
    ]
    assert said.loc[said["quantity"] == "same", "value"].tolist() == [1]
    log.seek(0)
    assert "done" in log.read()


def test_a_step_ends_with_its_children_when_the_time_is_over(tmp_path: Path, log: TextIO) -> None:
    alive = tmp_path / "alive"
    child = f"import time, pathlib; time.sleep(4); pathlib.Path({str(alive)!r}).touch()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    start = time.monotonic()

    found = gpu.run(python(code), log, 0.5)

    assert time.monotonic() - start < 4
    assert found.loc[found["quantity"] == "exit code", "value"].tolist() == [124]
    time.sleep(max(0.0, start + 5 - time.monotonic()))
    assert not alive.exists()


def test_the_table_is_there_after_each_step_and_a_failure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "describe", lambda device: f"on {device}")
    made = [python("pass"), python("raise SystemExit(3)")]
    monkeypatch.setattr(gpu, "steps", lambda *_: made)

    assert gpu.main(["--device", "cpu", "--out", str(tmp_path)]) == 1

    table = pd.read_csv(tmp_path / "gpu.csv")
    assert table.loc[table["quantity"] == "exit code", "value"].tolist() == [0, 3]
    assert set(table["machine"]) == {"on cpu"}
    assert "exit code 3" in (tmp_path / "gpu.log").read_text()


def test_every_size_is_run_and_every_test_with_the_mark(tmp_path: Path) -> None:
    given = argparse.Namespace(device="cuda", sizes=[300, 100], n_genes=50)
    found = gpu.steps(given, tmp_path)
    marked = next(step for step in found if step.name == "tests marked gpu").command
    assert str(ROOT / "tests" / "test_train.py") in marked
    runs = [step.command for step in found if step.name == "file to report"]
    assert [run[run.index("--sizes") + 1] for run in runs] == ["100", "300"]
    assert all("cuda" in run for run in runs)


def test_the_script_is_one_that_bash_reads() -> None:
    subprocess.run(["bash", "-n", ROOT / "benchmarks" / "gpu.sh"], check=True)
