"""The figure of shares: a dot a sample, and ratios only where there was a test."""

import numpy as np
import pandas as pd
import pytest

from scrcl import pl
from scrcl._validate import InputError
from scrcl.clustering.composition import Composition


def found(*, tested: bool, conditions: tuple[str, ...] = ("a", "b")) -> Composition:
    clusters = ["0", "1"]
    rows = [
        (condition, f"{condition}{number}", cluster, 0.2 + 0.1 * number)
        for condition in conditions
        for number in range(3)
        for cluster in clusters
    ]
    samples = pd.DataFrame(rows, columns=["condition", "sample", "cluster", "share"])
    compared = conditions[1:] if len(conditions) == 2 else conditions
    table = pd.DataFrame(
        [
            (cluster, condition, "a" if len(conditions) == 2 else "rest", 1.0, -0.5, 2.5, 0.01, p)
            for cluster, p in zip(clusters, (0.02, 0.4), strict=True)
            for condition in compared
        ],
        columns=["cluster", "condition", "against", "log_odds_ratio", "ci_low", "ci_high", "p_value", "p_adjusted"],
    )  # fmt: skip
    if not tested:
        table[["log_odds_ratio", "ci_low", "ci_high", "p_value", "p_adjusted"]] = np.nan
        samples["sample"] = ""
    return Composition(table, samples, [])


def test_each_sample_is_a_dot_and_what_is_sure_is_filled() -> None:
    shares, ratios = pl.composition(found(tested=True), title="cell type").axes

    assert (
        sum(len(dots.get_offsets()) for dots in shares.collections if dots.get_offsets().any())
        >= 12
    )
    assert [text.get_text() for text in shares.get_yticklabels()] == ["0", "1"]
    assert shares.get_ylabel() == "cell type"
    assert ratios.get_title() == "log odds ratio, b against a"
    faces = [dots.get_facecolor()[0] for dots in ratios.collections if len(dots.get_facecolor())]
    assert [face[:3].tolist() == [1, 1, 1] for face in faces] == [False, True]


def test_of_more_conditions_each_has_a_ratio() -> None:
    _, ratios = pl.composition(found(tested=True, conditions=("a", "b", "c"))).axes
    assert ratios.get_title() == "log odds ratio, each against the others"


def test_without_a_test_there_are_shares_only() -> None:
    (shares,) = pl.composition(found(tested=False)).axes
    assert shares.get_title() == "share of the cells of each condition"


def test_nothing_to_draw_is_refused() -> None:
    nothing = found(tested=True)._replace(table=found(tested=True).table.iloc[:0])
    with pytest.raises(InputError, match="wanted at least one"):
        pl.composition(nothing)
