import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scrcl.report.explorer.pack import (
    NOWHERE,
    packed,
    packed_sparse,
    packed_words,
    plane,
    steps,
)
from tests.report.unpacked import array, sparse, words


@given(arrays(np.uint16, st.integers(0, 40)))
def test_arrays_come_back_as_they_were(values):
    assert np.array_equal(array(packed(values), "u2"), values)
    assert np.array_equal(array(packed(values.astype(">u2")), "u2"), values)


@given(arrays(np.uint8, st.integers(0, 60), elements=st.sampled_from([0, 0, 0, 1, 7, 255])))
def test_codes_of_which_many_are_zero_come_back_as_they_were(codes):
    assert np.array_equal(sparse(packed_sparse(codes), len(codes)), codes)


def test_names_of_any_script_come_back_as_they_were():
    names = ["AAC-1", "</script>", "细胞", 'a"b', "NA", ""]
    assert words(packed_words(names)) == names


@given(arrays(np.float64, (7, 2), elements=st.floats(-1e5, 1e5)))
def test_places_are_kept_to_a_part_in_sixty_thousand_of_their_span(xy):
    xy[3] = np.nan
    codes, (left, bottom, unit) = plane(xy)
    assert (codes[3] == NOWHERE).all()
    there = np.arange(7) != 3
    back = codes[there] * unit + [left, bottom]
    assert codes[there].max() < NOWHERE
    assert np.abs(back - xy[there]).max() <= max(unit, 1e-9) * 0.51


def test_only_nothing_is_nothing():
    codes, top = steps(np.array([0.0, 1e-6, 2.0, 4.0]), 63)
    assert codes.tolist() == [0, 1, 32, 63]
    assert top == 4.0


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros(0)])
def test_a_gene_that_is_nowhere_has_no_steps(values):
    codes, top = steps(values, 63)
    assert not codes.any()
    assert top == 0.0
