"""Figures of marker genes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection, PolyCollection

from scrcl._validate import InputError
from scrcl.data.expression import log_expression
from scrcl.pl import dotplot, genes_per_group, heatmap, matrixplot, ranking, save, stacked_violin

MARKERS = {"0": ["gene0", "gene3"], "1": ["gene1", "gene4"], "2": ["gene2"]}
FIGURES = [dotplot, matrixplot, heatmap, stacked_violin]


def rows(ax) -> list[str]:
    return [text.get_text() for text in ax.get_yticklabels()]


def columns(ax) -> list[str]:
    return [text.get_text() for text in ax.get_xticklabels()]


def group_means(adata) -> np.ndarray:
    X = log_expression(adata)[:, ["gene0", "gene3", "gene1", "gene4", "gene2"]].X.toarray()
    return np.stack([X[adata.obs["scrcl"] == group].mean(axis=0) for group in "012"], axis=1)


@pytest.mark.parametrize("figure", FIGURES)
def test_genes_are_rows_in_blocks_and_groups_are_columns(result, figure):
    ax = figure(result, MARKERS).axes[0]
    assert rows(ax) == ["gene0", "gene3", "gene1", "gene4", "gene2"]
    assert columns(ax) == ["0", "1", "2"]


@pytest.mark.parametrize("figure", FIGURES)
def test_a_gene_of_several_groups_is_shown_where_it_ranks_best(result, figure):
    markers = {"0": ["gene0", "gene3"], "1": ["gene3", "gene1"]}
    assert rows(figure(result, markers).axes[0]) == ["gene0", "gene3", "gene1"]


@pytest.mark.parametrize("figure", FIGURES)
def test_a_plain_list_of_genes_is_shown_in_its_order(result, figure):
    assert rows(figure(result, ["gene9", "gene2"]).axes[0]) == ["gene9", "gene2"]


@pytest.mark.parametrize("figure", FIGURES)
def test_cells_without_a_group_take_no_part(result, figure):
    ax = figure(result, ["gene9"], "labels").axes[0]
    assert columns(ax) == ["type0", "type1", "type2"]


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("n_groups", [2, 45])
def test_two_and_fifty_groups_can_be_saved(result, figure, n_groups, tmp_path):
    adata = result.copy()
    adata.obs["group"] = [f"group {i % n_groups}" for i in range(45)]
    fig = figure(adata, ["gene1", "gene2"], "group")
    assert len(columns(fig.axes[0])) == n_groups
    save(fig, tmp_path / "a.png", dpi=40)


def test_the_dots_are_as_large_as_the_share_of_cells(result):
    ax = dotplot(result, MARKERS).axes[0]
    dots = next(c for c in ax.collections if isinstance(c, PathCollection))
    assert len(dots.get_offsets()) == 15
    X = log_expression(result)[:, rows(ax)].X.toarray()
    share = np.stack([(X[result.obs["scrcl"] == g] > 0).mean(axis=0) for g in "012"], axis=1)
    sizes = dots.get_sizes().reshape(5, 3)
    np.testing.assert_allclose(sizes / sizes.max(), share / share.max())
    means = group_means(result)
    relative = means / means.max(axis=1, keepdims=True)
    np.testing.assert_allclose(dots.get_array().reshape(5, 3), relative, rtol=1e-5)


def test_the_matrix_shows_the_means(result):
    (image,) = matrixplot(result, MARKERS).axes[0].images
    np.testing.assert_allclose(image.get_array(), group_means(result), rtol=1e-5)


def test_every_group_is_equally_wide_in_the_heatmap(result):
    adata = result.copy()
    adata.obs["group"] = ["rare"] * 2 + ["common"] * 43
    (image,) = heatmap(adata, ["gene0", "gene1"], "group").axes[0].images
    values = np.asarray(image.get_array())
    assert values.shape == (2, 120)
    # "common" comes first; each of the two rare cells fills half of its group's width.
    assert len(np.unique(values[:, 60:], axis=1).T) == 2
    assert (values.min(), values.max()) == (0, 1)


def test_every_field_has_a_violin_within_its_bounds(result):
    ax = stacked_violin(result, MARKERS).axes[0]
    (violins,) = [c for c in ax.collections if isinstance(c, PolyCollection)]
    outlines = np.array([path.vertices for path in violins.get_paths()])
    assert len(outlines) == 15
    corner = np.stack(np.meshgrid(range(3), range(5)), axis=-1).reshape(15, 1, 2)
    inside = outlines - corner
    assert (inside >= 0).all()
    assert (inside <= 1).all()


def test_a_gene_that_no_cell_expresses_can_be_shown(result):
    adata = result.copy()
    X = adata.X.toarray()
    X[:, 0] = 0
    adata.X = X
    for figure in FIGURES:
        assert rows(figure(adata, ["gene0", "gene1"]).axes[0]) == ["gene0", "gene1"]


@pytest.mark.parametrize(("genes", "got"), [(["gene1", "XYZ"], "XYZ"), ([], "none")])
def test_unknown_and_no_genes_are_refused(result, genes, got):
    with pytest.raises(InputError, match=f"genes: got .*{got}"):
        dotplot(result, genes)


def test_the_ranking_has_a_panel_for_each_group():
    table = pd.DataFrame(
        {"group": ["a"] * 4 + ["b"] * 2, "gene": list("wxyzwx"), "score": [4, 3, 2, 1, 9, 8]}
    )
    first, second = ranking(table, n_genes=3).axes
    assert [first.get_title(), second.get_title()] == ["a", "b"]
    assert rows(first) == ["w", "x", "y"]
    assert list(second.lines[0].get_xdata()) == [9, 8]


def test_the_panels_of_a_ranking_wrap():
    groups = [f"g{i}" for i in range(52)]
    fig = ranking(pd.DataFrame({"group": groups, "gene": "a", "score": 1.0}))
    assert len(fig.axes) == 52
    assert fig.axes[0].get_gridspec().ncols == 9


def test_a_ranking_needs_genes():
    with pytest.raises(InputError, match="marker column: got 'group'"):
        ranking(pd.DataFrame())
    with pytest.raises(InputError, match="got an empty table"):
        ranking(pd.DataFrame(columns=["group", "gene", "score"]))


@pytest.mark.parametrize(("n_groups", "n_genes"), [(1, 10), (7, 10), (14, 5), (52, 2)])
def test_fewer_genes_are_shown_of_more_groups(n_groups, n_genes):
    assert genes_per_group(n_groups) == n_genes
