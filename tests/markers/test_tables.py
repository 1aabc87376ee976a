"""Filter, choice and layout of marker tables."""

import numpy as np
import pandas as pd
import pytest
import scanpy as sc

from scrcl.markers import (
    filter_markers,
    layout,
    leading_markers,
    rank_genes,
    top_markers,
)
from scrcl.markers.tables import group_table


@pytest.fixture
def table() -> pd.DataFrame:
    """Group a has two genes that pass the default filter (g1, g3), group b none."""
    return pd.DataFrame(
        {
            "group": ["a", "a", "a", "b", "b"],
            "gene": ["g1", "g2", "g3", "g1", "g2"],
            "score": [3.0, 2.0, 1.0, 2.0, 1.0],
            "log2_fold_change": [2.0, 3.0, 1.5, 1.0, 4.0],
            "p_value": [0.1] * 5,
            "p_adjusted": [0.1] * 5,
            "fraction_in": [0.9, 0.5, 0.6, 0.9, 0.9],
            "fraction_out": [0.1, 0.1, 0.2, 0.1, 0.25],
        }
    )


def test_all_three_comparisons_of_the_filter_are_strict(table):
    kept, notes = filter_markers(table)
    assert list(zip(kept["group"], kept["gene"], strict=True)) == [("a", "g1"), ("a", "g3")]
    (note,) = notes
    assert note == (
        "group b: no gene is in more than 50% of its cells, in less than 25% of the others and has "
        "a log2 fold change above 1"
    )


def test_the_filter_keeps_what_scanpy_keeps():
    pbmc = sc.datasets.pbmc68k_reduced()
    sc.tl.rank_genes_groups(pbmc, "bulk_labels", method="wilcoxon", pts=True)
    sc.tl.filter_rank_genes_groups(
        pbmc, min_in_group_fraction=0.5, max_out_group_fraction=0.25, min_fold_change=1
    )
    names = pd.DataFrame(pbmc.uns["rank_genes_groups_filtered"]["names"])
    wanted = {group: set(names[group].dropna()) for group in names}
    kept, _ = filter_markers(rank_genes(pbmc, "bulk_labels").table)
    found = {group: set(genes) for group, genes in kept.groupby("group")["gene"]}
    assert found == {group: genes for group, genes in wanted.items() if genes}


def test_top_markers_follow_the_order_of_the_table(table):
    assert top_markers(table, 2) == {"a": ["g1", "g2"], "b": ["g1", "g2"]}
    assert top_markers(table, 1) == {"a": ["g1"], "b": ["g1"]}


def test_the_layout_ranks_and_marks_the_genes_that_were_kept(table):
    kept, _ = filter_markers(table)
    arranged = layout(table, kept)
    assert list(arranged["rank"]) == [1, 2, 3, 1, 2]
    assert list(arranged["kept"]) == [True, False, True, False, False]
    assert "rank" not in table


def test_a_short_layout_holds_the_best_and_all_that_were_kept(table):
    kept, _ = filter_markers(table)
    arranged = layout(table, kept, n_genes=1)
    assert list(zip(arranged["group"], arranged["rank"], strict=True)) == [
        ("a", 1),
        ("a", 3),
        ("b", 1),
    ]


def test_untested_genes_take_no_part_in_the_adjustment():
    p_value = np.array([0.01, np.nan, 0.04])
    effects = dict.fromkeys(["log2_fold_change", "fraction_in", "fraction_out"], np.zeros(3))
    rows = group_table(
        "a",
        pd.Index(["x", "y", "z"]),
        score=np.array([1.0, 3, 2]),
        p_value=p_value,
        effects=effects,
    )
    assert list(rows["gene"]) == ["y", "z", "x"]
    np.testing.assert_allclose(rows["p_adjusted"], [np.nan, 0.04, 0.02])


def test_a_group_without_kept_genes_is_led_by_its_best_score(table):
    kept = filter_markers(table).table[1:]

    assert leading_markers(table, kept) == {"a": ["g3"], "b": ["g1"]}
