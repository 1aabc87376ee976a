"""Small maps of genes."""

import anndata as ad
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection, PathCollection

from scrcl._validate import InputError
from scrcl.data.expression import log_expression
from scrcl.pl import maps, spatial_genes, umap_genes

MARKERS = {"0": ["gene0"], "1": ["gene1", "gene4"]}


@pytest.fixture
def placed(result) -> ad.AnnData:
    """``result`` with a layout, the last cell without a place."""
    adata = result.copy()
    layout = np.random.default_rng(0).random((45, 2))
    layout[-1] = np.nan
    adata.obsm["X_scrcl_umap"] = layout
    return adata


def panels(fig) -> list:
    return [ax for ax in fig.axes if ax.get_title()]


def test_every_gene_has_a_map_named_after_group_and_gene(placed):
    titles = [ax.get_title() for ax in panels(umap_genes(placed, MARKERS))]

    assert titles == ["0: gene0", "1: gene1", "1: gene4"]


def test_a_plain_list_of_genes_has_their_names(placed):
    assert [ax.get_title() for ax in panels(umap_genes(placed, ["gene5", "gene2"]))] == [
        "gene5",
        "gene2",
    ]


def test_cells_are_coloured_by_expression_relative_to_its_99th_percentile(placed):
    (ax,) = panels(umap_genes(placed, ["gene0"]))
    (dots,) = [c for c in ax.collections if isinstance(c, PathCollection)]
    values = log_expression(placed)[:, "gene0"].X.toarray().ravel()
    expected = np.minimum(values / np.percentile(values[values > 0], 99), 1)[:-1]

    order = np.lexsort(np.asarray(dots.get_offsets()).T)
    drawn = np.asarray(dots.get_array())[order]

    np.testing.assert_allclose(drawn, expected[np.lexsort(placed.obsm["X_scrcl_umap"][:-1].T)])


def test_a_layout_is_computed_where_there_is_none(result):
    (ax,) = panels(umap_genes(result, ["gene0"]))

    assert len(ax.collections[0].get_offsets()) == 45


def test_a_gene_that_no_cell_expresses_is_drawn_as_such(placed):
    adata = placed.copy()
    X = adata.X.toarray()
    X[:, 0] = 0
    adata.X = X
    (ax,) = panels(umap_genes(adata, ["gene0"]))

    assert not np.asarray(ax.collections[0].get_array()).any()


def test_more_cells_than_fit_are_drawn_at_random_and_that_is_said(placed, monkeypatch):
    monkeypatch.setattr(maps, "_MAX_POINTS", 20)
    fig = umap_genes(placed, ["gene0", "gene1"])

    assert [len(ax.collections[0].get_offsets()) for ax in panels(fig)] == [20, 20]
    assert fig.get_supxlabel() == "UMAP of the embedding: 20 of 45 drawn, at random"
    again = umap_genes(placed, ["gene0"]).axes[0].collections[0].get_offsets()
    np.testing.assert_array_equal(again, panels(fig)[0].collections[0].get_offsets())


def test_spots_touch_and_lie_as_on_the_tissue(tissue):
    (ax,) = panels(spatial_genes(tissue, ["gene0"]))
    (spots,) = [c for c in ax.collections if isinstance(c, EllipseCollection)]

    xy = np.asarray(spots.get_offsets())
    coords = tissue.obsm["spatial"] * (1, -1)
    shift = xy.min(axis=0) - coords.min(axis=0)
    np.testing.assert_allclose(
        xy[np.lexsort(xy.round(6).T)], (coords + shift)[np.lexsort(coords.round(6).T)]
    )
    assert spots.get_widths() == pytest.approx(1.0)


def test_slices_lie_side_by_side_in_every_map(tissue):
    (ax,) = panels(spatial_genes(tissue, ["gene0"], slice_key="slice"))
    first, second = (np.asarray(c.get_offsets()) for c in ax.collections)

    assert len(first) == len(second) == 18
    assert first[:, 0].max() < second[:, 0].min()


@pytest.mark.parametrize("n_groups", [2, 14, 52])
def test_maps_of_up_to_fifty_two_groups_do_not_overlap(placed, n_groups):
    genes = {f"a group with a long name {i}": [f"gene{i}"] for i in range(n_groups)}
    fig = umap_genes(placed, genes)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [ax.get_tightbbox(renderer) for ax in panels(fig)]
    assert len(boxes) == n_groups
    overlapping = [
        (i, j)
        for i, a in enumerate(boxes)
        for j, b in enumerate(boxes[:i])
        if a.padded(-1).overlaps(b.padded(-1))
    ]
    assert overlapping == []


@pytest.mark.parametrize(("genes", "got"), [(["gene1", "XYZ"], "XYZ"), ([], "none"), ({}, "none")])
def test_unknown_and_no_genes_are_refused(placed, genes, got):
    with pytest.raises(InputError, match=f"genes: got .*{got}"):
        umap_genes(placed, genes)


def test_a_map_of_the_embedding_needs_one(tissue):
    with pytest.raises(InputError, match="X_scrcl"):
        umap_genes(tissue, ["gene0"])
