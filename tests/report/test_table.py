"""How values are written, and what they are sorted by."""

import math

import pandas as pd
import pytest

from scrcl.report.table import Cell, count, from_frame, mark, number, p_value, percent


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        pytest.param(count(12345), "12,345", id="count"),
        pytest.param(number(0.12345), "0.123", id="number"),
        pytest.param(number(None), "-", id="none"),
        pytest.param(number(math.nan), "-", id="nan"),
        pytest.param(percent(0.256), "26%", id="share"),
        pytest.param(percent(math.nan), "-", id="no share"),
        pytest.param(p_value(0.0123), "1.2e-02", id="p"),
        pytest.param(p_value(0.0), "< 1e-300", id="p too small"),
        pytest.param(p_value(math.nan), "-", id="not tested"),
    ],
)
def test_values_are_written_for_a_reader(cell: Cell, text: str) -> None:
    assert cell.text == text
    assert cell.value is not None


def test_clusters_are_sorted_by_number_and_marked_in_their_colour() -> None:
    assert mark("10", {"10": "#ff0000"}) == Cell("10", 10.0, "#ff0000")
    assert mark("beta", {}) == Cell("beta", None, None)


def test_any_table_can_be_shown() -> None:
    frame = pd.DataFrame(
        {"cluster": ["0", "1"], "mean_score": [0.12345, None], "n": [1000, 2], "ok": [True, False]}
    )

    table = from_frame(frame, "a table", colors={"0": "#000000"})

    assert table.columns == ["cluster", "mean score", "n", "ok"]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["0", "0.123", "1,000", "yes"],
        ["1", "-", "2", "no"],
    ]
    assert table.rows[0][0].color == "#000000"
