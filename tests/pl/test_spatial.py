"""Maps of a tissue."""

import anndata as ad
import numpy as np
import pytest
from matplotlib.collections import EllipseCollection

from scrcl._keys import CLUSTERS, CONFIDENCE
from scrcl._validate import InputError
from scrcl.pl import spatial_confidence, spatial_domains


def spots(ax) -> EllipseCollection:
    (collection,) = [c for c in ax.collections if isinstance(c, EllipseCollection)]
    return collection


def diameter(ax) -> float:
    return float(spots(ax).get_widths()[0])


def maps(fig) -> list:
    return [ax for ax in fig.axes if any(isinstance(c, EllipseCollection) for c in ax.collections)]


@pytest.fixture
def plain(tissue) -> ad.AnnData:
    """The tissue without its image."""
    adata = tissue.copy()
    del adata.uns["spatial"]
    return adata


def test_domains_stand_beside_the_annotation(plain):
    fig = spatial_domains(plain, [CLUSTERS, "ground_truth"])
    assert [ax.get_title() for ax in fig.axes] == ["scRCL domains", "ground_truth"]
    for ax in fig.axes:
        assert len(spots(ax).get_offsets()) == plain.n_obs
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]


def test_the_y_axis_points_down(plain):
    for ax in spatial_domains(plain).axes:
        assert ax.yaxis_inverted()
        assert not ax.xaxis_inverted()
        assert ax.get_aspect() == 1


def test_without_an_image_spots_are_as_wide_as_they_are_apart(plain):
    (ax,) = spatial_domains(plain).axes
    assert diameter(ax) == pytest.approx(1)
    assert len(ax.images) == 0


def test_on_an_image_spots_have_their_true_size_and_place(tissue):
    (ax,) = spatial_domains(tissue).axes
    assert diameter(ax) == 0.55
    (image,) = ax.images
    # The sharper image, 12 x 14 pixels, two of which are one unit of the coordinates.
    assert image.get_array().shape == (12, 14, 3)
    assert list(image.get_extent()) == [0, 7, 6, 0]
    assert ax.yaxis_inverted()


def test_the_image_can_be_left_out(tissue):
    (ax,) = spatial_domains(tissue, image=False).axes
    assert len(ax.images) == 0
    assert diameter(ax) == pytest.approx(1)


def test_an_image_without_its_scale_is_not_drawn(tissue):
    adata = tissue.copy()
    adata.uns["spatial"]["top"]["scalefactors"] = {}
    assert len(spatial_domains(adata).axes[0].images) == 0


def test_an_image_without_a_spot_size_gets_spots_as_wide_as_they_are_apart(tissue):
    adata = tissue.copy()
    del adata.uns["spatial"]["top"]["scalefactors"]["spot_diameter_fullres"]
    (ax,) = spatial_domains(adata).axes
    assert len(ax.images) == 1
    assert diameter(ax) == pytest.approx(1)


def test_slices_have_panels_of_their_own_and_one_legend(tissue):
    fig = spatial_domains(tissue, slice_key="slice")
    bottom, top = maps(fig)
    assert [bottom.get_title(), top.get_title()] == ["bottom", "top"]
    assert [len(spots(ax).get_offsets()) for ax in (bottom, top)] == [18, 18]
    assert [len(ax.images) for ax in (bottom, top)] == [0, 1]
    assert [ax.get_legend() is not None for ax in (bottom, top)] == [False, True]


def test_a_domain_has_one_colour_in_all_slices(tissue):
    bottom, top = maps(spatial_domains(tissue, slice_key="slice"))
    colors = [set(map(tuple, spots(ax).get_facecolor())) for ax in (bottom, top)]
    assert colors[0] & colors[1]
    assert len(colors[0] | colors[1]) == 2


def test_slices_are_rows_if_there_are_several_colourings(tissue):
    fig = spatial_domains(tissue, [CLUSTERS, "ground_truth"], slice_key="slice")
    assert [ax.get_title() for ax in maps(fig)] == [
        "bottom: scRCL domains",
        "bottom: ground_truth",
        "top: scRCL domains",
        "top: ground_truth",
    ]
    assert [ax.get_legend() is not None for ax in maps(fig)] == [True, True, False, False]


def test_a_grid_of_slices_has_no_empty_panels(plain):
    adata = plain.copy()
    adata.obs["slice"] = np.arange(adata.n_obs) % 5
    fig = spatial_domains(adata, slice_key="slice")
    assert len(maps(fig)) == len(fig.axes) == 5


def test_many_domains_are_labelled_in_every_slice_that_has_them(plain):
    adata = plain.copy()
    adata.obs[CLUSTERS] = np.arange(adata.n_obs) % 30
    bottom, top = maps(spatial_domains(adata, slice_key="slice"))
    assert [text.get_text() for text in top.texts] == [str(i) for i in range(18)]
    assert len(bottom.texts) == 18


def test_a_gene_is_drawn_on_one_scale_in_all_slices(plain):
    bottom, top = maps(spatial_domains(plain, "gene1", slice_key="slice"))
    assert spots(bottom).get_clim() == spots(top).get_clim()


def test_confidence_is_drawn_from_zero_to_one(tissue):
    fig = spatial_confidence(tissue)
    (ax,) = maps(fig)
    assert spots(ax).get_clim() == (0, 1)
    assert ax.get_title() == "confidence of the domain"
    assert len(fig.axes) == 2  # and the colour bar


def test_spots_without_a_confidence_are_grey(tissue):
    adata = tissue.copy()
    adata.obs.loc[adata.obs_names[0], CONFIDENCE] = np.nan
    fig = spatial_confidence(adata)
    fig.draw_without_rendering()
    np.testing.assert_allclose(spots(maps(fig)[0]).get_facecolor()[0, :3], 211 / 255)


def test_missing_columns_and_positions_are_named(tissue, adata_sc):
    with pytest.raises(InputError, match="obs column: got 'nope'"):
        spatial_confidence(tissue, "nope")
    with pytest.raises(InputError, match="obs column: got 'nope'"):
        spatial_domains(tissue, slice_key="nope")
    with pytest.raises(InputError, match="obsm"):
        spatial_domains(adata_sc, "cell_type1")


def test_one_spot_and_spots_in_one_place_can_be_drawn(plain):
    one = plain[:1].copy()
    (ax,) = maps(spatial_domains(one))
    assert len(spots(ax).get_offsets()) == 1
    same = plain[:3].copy()
    same.obsm["spatial"] = np.zeros((3, 2))
    (ax,) = maps(spatial_domains(same))
    assert len(spots(ax).get_offsets()) == 3


def test_nothing_is_written_into_the_input(tissue):
    columns, keys = list(tissue.obs), list(tissue.uns)
    spatial_domains(tissue, [CLUSTERS, "gene1"])
    assert list(tissue.obs) == columns
    assert list(tissue.uns) == keys


@pytest.mark.parametrize(
    "content",
    [
        {"is_single": True},
        {},
        [],
        np.arange(3),
        "none",
        True,
        {"lib": {}},
        {"lib": {"images": {}, "scalefactors": {}}},
        {"lib": {"images": None, "scalefactors": None}},
        {
            "lib": {
                "images": {"hires": np.zeros((4, 4, 2))},
                "scalefactors": {"tissue_hires_scalef": 1},
            }
        },
        {"lib": {"images": {"hires": "path.png"}, "scalefactors": {"tissue_hires_scalef": 1.0}}},
        {
            "lib": {
                "images": {"hires": np.zeros((4, 4))},
                "scalefactors": {"tissue_hires_scalef": "?"},
            }
        },
        {"lib": {"scalefactors": {"spot_diameter_fullres": 0.0}}, "is_single": np.True_},
        {"lib": ["images"]},
    ],
)
def test_what_is_no_image_in_uns_is_none(plain, content):
    plain.uns["spatial"] = content
    (ax,) = spatial_domains(plain).axes
    assert len(ax.images) == 0
    assert diameter(ax) == pytest.approx(1)


def test_an_entry_without_a_name_is_the_image_of_the_tissue(tissue):
    (library,) = tissue.uns["spatial"].values()
    bare = tissue.copy()
    bare.uns["spatial"] = dict(library)
    (ax,) = spatial_domains(bare).axes
    assert len(ax.images) == 1


def test_spots_without_a_position_are_not_drawn(plain):
    text = plain.obsm["spatial"].astype(str).astype(object)
    text[:3] = "NA"
    plain.obsm["spatial"] = text
    (ax,) = spatial_domains(plain).axes
    assert len(spots(ax).get_offsets()) == plain.n_obs - 3
