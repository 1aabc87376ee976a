"""Palettes of any length."""

import numpy as np
import pytest
from matplotlib.colors import is_color_like

from scrcl.pl import colors, matched_palette, palette


@pytest.mark.parametrize("n_colors", [0, 1, 8, 9, 52, 120])
def test_a_palette_has_as_many_different_colours_as_asked_for(n_colors):
    found = palette(n_colors)
    assert len(set(found)) == n_colors
    assert all(map(is_color_like, found))


def test_a_longer_palette_starts_with_the_shorter_one():
    assert palette(60)[:12] == palette(12)
    assert palette(12)[:3] == palette(3)


@pytest.mark.parametrize(("n_colors", "least"), [(12, 0.05), (20, 0.05), (52, 0.03)])
def test_colours_stay_apart_with_normal_and_deficient_vision(n_colors, least):
    seen = colors._vision(np.array([colors._to_rgb(color) for color in palette(n_colors)]))
    distance = colors._distance(seen, seen)
    np.fill_diagonal(distance, np.inf)
    assert distance.min() > least


def test_no_colour_beyond_the_first_eight_comes_near_the_grey_of_missing_labels():
    both = np.array([colors._to_rgb(color) for color in (*palette(52)[8:], colors.MISSING)])
    seen = colors._vision(both)
    assert colors._distance(seen[:, :-1], seen[:, -1:]).min() > 0.03


def test_hex_and_rgb_are_each_others_inverse():
    assert colors._to_hex(np.array(colors._to_rgb("#0a80ff"))) == "#0a80ff"


def test_white_has_full_lightness_and_no_hue():
    np.testing.assert_allclose(colors._lab(np.ones((1, 3))), [[1, 0, 0]], atol=1e-6)


def test_labels_take_the_colours_of_the_clusters_they_overlap_with():
    counts = np.array([[0, 90, 0], [80, 5, 0], [70, 0, 0], [0, 0, 0]])
    found = matched_palette(counts)
    assert found[:2] == (palette(3)[1], palette(3)[0])
    # The third label overlaps with a cluster that another one matches better.
    assert len(set(found)) == 4
    assert not set(found[2:]) & set(palette(3))
