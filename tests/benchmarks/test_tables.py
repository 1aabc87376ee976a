import pytest

from benchmarks import tables
from benchmarks.figure import draw

BASELINES = ["low", "high"]


def test_sets_that_the_split_does_not_name_count_as_reporting():
    found = tables.members(["Deng", "Pollen", "new"], tables.read_split("sc"))
    assert found == {
        "tune": ["Deng", "Pollen"],
        "report": ["new"],
        "all": ["Deng", "Pollen", "new"],
        "independent": ["Deng", "Pollen"],
    }


def test_the_split_halves_both_kinds_of_sets_and_names_each_set_once():
    for task, n_sets in (("sc", 16), ("st", 10)):
        split = tables.read_split(task)
        assert split.index.is_unique
        assert split["half"].value_counts().to_dict() == {
            "tune": n_sets // 2,
            "report": n_sets // 2,
        }


def test_every_second_of_the_sorted_sets_of_cells_tunes():
    split = tables.read_split("sc")
    assert list(split.index[split["half"] == "tune"]) == sorted(split.index)[::2]


def test_seeds_are_averaged_before_sets(cells):
    means = tables.per_set(tables.results(cells), "ari")
    assert list(means.index) == ["Deng", "Pollen", "new"]
    assert means.loc["Deng", "good"] == pytest.approx(0.8)
    groups = tables.members(list(means.index), tables.read_split("sc"))
    by_group = tables.per_group(means, groups, BASELINES)
    assert by_group.loc["good", "tune"] == pytest.approx((0.8 + 0.49) / 2)
    assert by_group.loc["good", "report"] == 0.2
    assert by_group.loc["good", "n_sets"] == 3


def test_the_best_baseline_is_picked_on_each_set(cells):
    means = tables.per_set(tables.results(cells), "ari")
    by_group = tables.per_group(means, {"all": list(means.index)}, BASELINES)
    assert by_group.loc[tables.BEST_BASELINE, "all"] == pytest.approx((0.6 + 0.5 + 0.3) / 3)


def test_a_method_that_lacks_a_set_is_averaged_over_the_others(cells):
    rows = tables.results([one for one in cells if (one["set"], one["method"]) != ("new", "good")])
    means = tables.per_set(rows, "ari")
    by_group = tables.per_group(means, {"all": list(means.index)})
    assert by_group.loc["good", "all"] == pytest.approx((0.8 + 0.49) / 2)
    assert by_group.loc["good", "n_sets"] == 2


def test_shares_count_sets_near_k_and_not_below_the_best_baseline(cells):
    shares = tables.shares(tables.results(cells), BASELINES)
    assert shares.loc["good", "k_near"] == 2 / 3  # 6 clusters for 3 classes on "new"
    assert shares.loc["good", "not_below"] == 2 / 3  # .20 against .30 on "new"
    assert shares.loc["high", "not_below"] == 2 / 3
    assert shares.loc["good", "seconds"] == (1.5 + 1 + 1) / 3


def test_stability_compares_the_seeds_of_a_method_on_a_set(cells):
    pairs = tables.stability(cells).set_index(["set", "method"])["pairwise_ari"]
    assert set(pairs.index) == {("Deng", "low"), ("Deng", "high"), ("Deng", "good")}
    assert pairs["Deng", "good"] == 1.0
    assert pairs["Deng", "low"] == -0.5  # 0 0 1 1 against 0 1 0 1


def test_all_tables_print_each_method(cells):
    rows, pairs = tables.results(cells), tables.stability(cells)
    printed = tables.overview(rows, pairs, tables.read_split("sc"), [*BASELINES, "absent"])
    for table in printed.values():
        text = tables.to_text(table)
        assert all(method in text for method in ("low", "high", "good"))


def test_the_figure_has_a_number_for_every_method_and_set(cells):
    fig = draw(tables.results(cells), tables.read_split("sc"))
    ax = fig.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["good", "high", "low"]
    names = [label.get_text() for label in ax.get_xticklabels()]
    assert names == ["Deng", "Pollen", "new", "mean: tune", "mean: report"]
    assert len(ax.texts) == 15
