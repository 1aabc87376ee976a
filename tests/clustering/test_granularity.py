"""The bar that a split has to meet."""

import itertools

import pytest

from scrcl import InputError
from scrcl.clustering import bar_of
from scrcl.config import LEVELS, as_granularity


def test_a_finer_bar_asks_for_less_of_everything():
    bars = [bar_of(g) for g in (0.25, 0.4, 0.5, 0.9, 1.0, 1.7, 2.0, 4.0)]
    for coarse, fine in itertools.pairwise(bars):
        assert coarse.mixing < fine.mixing
        assert coarse.distance > fine.distance
        assert coarse.n_genes > fine.n_genes


def test_cutting_one_cloud_in_halves_meets_no_bar():
    assert bar_of(4.0).distance >= 2.65


@pytest.mark.parametrize(("given", "number"), [*LEVELS.items(), ("1.5", 1.5), (4, 4.0)])
def test_a_granularity_has_a_name_or_is_a_number(given, number):
    assert as_granularity(given) == number


@pytest.mark.parametrize("given", ["", "fines", 0.2, 4.1, float("nan"), True, None, [1]])
def test_anything_else_is_refused(given):
    with pytest.raises(InputError, match=r"cluster\.granularity"):
        as_granularity(given)
