"""Figures about the clustering itself."""

import numpy as np
import pandas as pd
import pytest

from scrcl._validate import InputError
from scrcl.pl import confusion, n_clusters_curve, stability


@pytest.fixture
def curve() -> pd.DataFrame:
    return pd.DataFrame({"n_clusters": [5, 2, 3, 4], "criterion": [0.2, 0.1, 0.9, 0.8]})


def test_the_three_best_numbers_and_the_chosen_one_are_marked(curve):
    (ax,) = n_clusters_curve(curve, 4).axes
    assert list(ax.lines[0].get_xdata()) == [2, 3, 4, 5]
    best, chosen = ax.collections
    assert sorted(best.get_offsets()[:, 0]) == [3, 4, 5]
    assert list(chosen.get_offsets()[:, 0]) == [4]
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["best: 3, 4, 5", "chosen: 4"]


def test_the_best_number_is_taken_if_none_is_given(curve):
    (ax,) = n_clusters_curve(curve.rename(columns={"criterion": "gap"}), criterion="gap").axes
    assert ax.get_legend().get_texts()[1].get_text() == "chosen: 3"
    assert ax.get_ylabel() == "gap"


def test_numbers_without_a_value_are_left_out(curve):
    curve.loc[0, "criterion"] = np.nan
    (ax,) = n_clusters_curve(curve).axes
    assert list(ax.lines[0].get_xdata()) == [2, 3, 4]


def test_a_curve_that_cannot_be_drawn_is_refused(curve):
    with pytest.raises(InputError, match="chosen: got 7"):
        n_clusters_curve(curve, 7)
    with pytest.raises(InputError, match="curve column: got 'gap'"):
        n_clusters_curve(curve, criterion="gap")
    with pytest.raises(InputError, match="got no number of clusters"):
        n_clusters_curve(curve.iloc[:0])


def test_each_cluster_has_a_bar_and_a_box(result):
    per_cluster = pd.Series([0.9, 0.5, 0.7], index=["0", "1", "2"])
    bars, boxes = stability(result, per_cluster).axes
    assert [bar.get_width() for bar in bars.patches] == [0.9, 0.5, 0.7]
    assert len(boxes.patches) == 3
    assert [text.get_text() for text in bars.get_yticklabels()] == [
        "0  (15)",
        "1  (15)",
        "2  (15)",
    ]


def test_clusters_may_be_numbered(result):
    bars, _ = stability(result, pd.Series([0.1, 0.2, 0.3])).axes
    assert [bar.get_width() for bar in bars.patches] == [0.1, 0.2, 0.3]


def test_a_cluster_without_a_stability_is_named(result):
    with pytest.raises(InputError, match=r"got no value for clusters \['2'\]"):
        stability(result, pd.Series([0.1, 0.2]))


def test_agreement_is_a_diagonal_with_the_counts_in_it():
    table = pd.DataFrame(
        [[0, 8, 2], [9, 0, 0], [1, 3, 6]], index=["x", "y", "z"], columns=[10, 11, 12]
    )
    ax = confusion(table).axes[0]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["11", "10", "12"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["x", "y", "z"]
    share = np.asarray(ax.images[0].get_array())
    np.testing.assert_allclose(share, [[0.8, 0, 0.2], [0, 1, 0], [0.3, 0.1, 0.6]])
    assert [text.get_text() for text in ax.texts] == ["8", "2", "9", "3", "1", "6"]


def test_clusters_beyond_the_labels_stand_beside_what_they_split():
    table = pd.DataFrame([[5, 0, 4, 0], [0, 7, 0, 3]], index=["x", "y"], columns=list("abcd"))
    ax = confusion(table).axes[0]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "c", "b", "d"]


def test_a_large_table_has_no_numbers_and_large_counts_are_in_thousands():
    assert len(confusion(pd.DataFrame(np.eye(30, dtype=int))).axes[0].texts) == 0
    (text,) = confusion(pd.DataFrame([[12_345]])).axes[0].texts
    assert text.get_text() == "12k"


@pytest.mark.parametrize("table", [pd.DataFrame(), pd.DataFrame([[-1]])])
def test_a_table_without_counts_is_refused(table):
    with pytest.raises(InputError, match="wanted counts"):
        confusion(table)
