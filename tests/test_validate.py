import math

import pytest

from scrcl._validate import InputError, check_key, check_one_of, check_positive, check_range


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_a_number_within_closed_bounds_is_returned(value):
    assert check_range(value, "share", 0, 1) == value


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf, -math.inf])
def test_a_number_outside_or_not_finite_is_refused(value):
    with pytest.raises(InputError, match=r"share: got .*, wanted a finite number at least 0 and"):
        check_range(value, "share", 0, 1)


def test_open_bounds_are_outside():
    with pytest.raises(InputError, match="wanted a finite number above 0 and below 1"):
        check_range(0, "share", 0, 1, open_low=True, open_high=True)
    with pytest.raises(InputError, match="share: got 1"):
        check_range(1, "share", 0, 1, open_low=True, open_high=True)


def test_without_bounds_only_finiteness_counts():
    assert check_range(-1e300, "value") == -1e300
    with pytest.raises(InputError, match=r"value: got nan, wanted a finite number\.$"):
        check_range(math.nan, "value")


def test_positive_means_above_zero():
    assert check_positive(1e-300, "lr") == 1e-300
    with pytest.raises(InputError, match=r"lr: got 0, wanted .* above 0\. Try 1e-4\."):
        check_positive(0, "lr", hint="Try 1e-4.")


def test_a_value_that_is_not_allowed_is_refused_with_the_list():
    assert check_one_of("a", "letter", ["a", "b"]) == "a"
    with pytest.raises(InputError, match=r"letter: got 'c', wanted one of \['a', 'b'\]\. Ask\."):
        check_one_of("c", "letter", ["a", "b"], hint="Ask.")


def test_a_missing_key_is_refused_with_the_keys_there_are():
    columns = {"batch": 1, "donor": 2}

    assert check_key(columns, "donor", "obs column") == 2
    with pytest.raises(InputError, match=r"obs column: got 'type', .*\['batch', 'donor'\]"):
        check_key(columns, "type", "obs column")
