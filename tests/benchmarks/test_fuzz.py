"""A hundred of the cases that benchmarks/fuzz.py draws, without figures."""

from pathlib import Path

import pytest

from benchmarks.fuzz import run_case


@pytest.mark.no_cover  # takes its time when every line is noted, and is there to find what no test did
@pytest.mark.parametrize("number", range(100))
def test_odd_data_end_in_a_result_or_in_one_line(number: int, tmp_path: Path) -> None:
    assert run_case(number, 20, tmp_path, full=False).faults == []
