"""The table of odd inputs."""

from pathlib import Path

import pandas as pd

from benchmarks.cases import find_cases, page_of


def test_inputs_are_found_once_each_and_with_their_task(tmp_path: Path) -> None:
    for name in ("citeseq/a.h5ad", "coords/b.h5ad", "tiny/st1.h5ad", "CASES.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    inside = tmp_path / "visium_hd4" / "outs" / "segmented_outputs"
    inside.mkdir(parents=True)
    (inside / "matrix.h5").touch()
    found = {case.path.relative_to(tmp_path).as_posix(): case.task for case in find_cases(tmp_path)}
    assert found == {
        "citeseq/a.h5ad": "sc",
        "coords/b.h5ad": "st",
        "tiny/st1.h5ad": "st",
        "visium_hd4/outs": "st",
    }


def test_the_page_has_a_row_for_each_input() -> None:
    table = pd.DataFrame(
        {"input": ["a.h5", "b.h5"], "task": "sc", "exit": [0, 2], "clusters": [4.0, None]}
    ).assign(ari=["1.000", None], said=["X: counts | one", "error: none"])
    rows = [line for line in page_of(table).splitlines() if line.startswith("| `")]
    assert rows == [
        "| `a.h5` | 0 | 4 | 1.000 | X: counts ; one |",
        "| `b.h5` | 2 |  |  | error: none |",
    ]
