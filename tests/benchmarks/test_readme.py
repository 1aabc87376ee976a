import pandas as pd
import pytest

from benchmarks import readme, tables

PAGE = "above\n<!-- accuracy-table:begin -->\nold\n<!-- accuracy-table:end -->\nbelow\n"


@pytest.fixture
def rows(cells):
    """All methods on all sets but "high" on "new", which has a second seed nowhere but on Deng."""
    rows = tables.results(cells)
    return rows[(rows["set"] != "new") | (rows["method"] != "high")]


def test_only_what_stands_between_the_markers_is_replaced(tmp_path, rows):
    page, table = tmp_path / "results.md", tmp_path / "rows.csv"
    page.write_text(PAGE)
    rows.to_csv(table, index=False)
    arguments = [str(table), "accuracy", "--page", str(page)]
    assert readme.main(arguments) == 0
    once = page.read_text()
    assert once.startswith("above\n<!-- accuracy-table:begin -->\nMeans over sets")
    assert once.endswith("<!-- accuracy-table:end -->\nbelow\n")
    assert "old" not in once
    assert readme.main(arguments) == 0
    assert page.read_text() == once


def test_a_page_without_markers_is_left_alone(tmp_path, rows, capsys):
    page, table = tmp_path / "results.md", tmp_path / "rows.csv"
    page.write_text("nothing")
    rows.to_csv(table, index=False)
    assert readme.main([str(table), "accuracy", "--page", str(page)]) == 2
    assert "wanted <!-- accuracy-table:begin -->" in capsys.readouterr().err
    assert page.read_text() == "nothing"


def test_a_method_that_lacks_a_set_has_no_mean(rows):
    found = readme.summary(rows, tables.read_split("sc"), ["low", "high"])
    assert found.loc["high"].drop("seeds").isna().all()
    assert found.loc["low", "seeds"] == "2"
    assert found.loc["low", "ARI, all sets"] == pytest.approx((0.2 + 0.5 + 0.1) / 3)
    assert found.loc["best baseline per set", "ARI, tuning sets"] == pytest.approx((0.6 + 0.5) / 2)


def test_agreement_between_seeds_is_told_where_it_was_measured(rows):
    seeds = pd.DataFrame({"set": ["a", "b"], "method": "low", "pairwise_ari": [0.9, 0.7]})
    found = readme.summary(rows, tables.read_split("sc"), ["low"], seeds)
    assert found.loc["low", "ARI between seeds"] == pytest.approx(0.8)
    assert found.loc["low", "of the worst set"] == pytest.approx(0.7)
    assert "ARI between seeds" not in readme.summary(rows, tables.read_split("sc"), ["low"])


def test_fewer_seeds_are_said(rows):
    found = readme.seeds_run(rows)
    assert found.loc["Deng", "good"] == "0.800"
    assert found.loc["Pollen", "good"] == "0.490 (1)"
    assert found.loc["new", "high"] == "-"


def test_markdown_has_a_line_for_each_row():
    table = pd.DataFrame({"a": [0.12345, None], "b": ["x", "y"]}, index=["one", "two"])
    assert readme.markdown(table, "m").splitlines() == [
        "| m | a | b |",
        "| --- | --- | --- |",
        "| one | 0.123 | x |",
        "| two | - | y |",
    ]


@pytest.mark.parametrize("name", [*readme.TASKS, *readme.SUMMED])
def test_the_tables_of_the_results_are_those_of_the_files(name):
    path = readme.ROOT / "docs" / "benchmarks" / f"{name}.csv"
    table = readme.content_of(path, name)
    page = (readme.ROOT / "docs" / "results.md").read_text()
    assert readme.filled(page, name, table) == page


def test_the_short_tables_of_the_readme_are_those_of_the_files(tmp_path):
    page = tmp_path / "README.md"
    own = (readme.ROOT / "README.md").read_text()
    page.write_text(own)
    assert readme.main(["--page", str(page)]) == 0
    assert page.read_text() == own
