"""What a figure can be coloured by."""

import numpy as np
import pytest

from scrcl._keys import CLUSTERS
from scrcl._validate import InputError
from scrcl.pl.colors import palette
from scrcl.pl.columns import read_columns
from tests.pl.conftest import repeated


def test_a_category_has_codes_and_a_colour_for_each_name(result):
    (column,) = read_columns(result, ["labels"])
    assert column.title == "labels"
    assert column.colors == dict(zip(["type0", "type1", "type2"], palette(3), strict=True))
    assert list(column.values[:7]) == [-1] * 5 + [2, 0]


def test_colours_of_the_data_are_used_where_there_is_one_for_each(result):
    result.uns[f"{CLUSTERS}_colors"] = ["red", "#00ff00", "b"]
    result.uns["labels_colors"] = ["red"]
    clusters, labels = read_columns(result, [CLUSTERS, "labels"])
    assert list(clusters.colors.values()) == ["#ff0000", "#00ff00", "#0000ff"]
    assert list(labels.colors.values()) == list(palette(3))


def test_a_gene_is_read_as_log_expression(result):
    (column,) = read_columns(result, ["gene7"])
    counts = result.X.toarray()
    wanted = np.log1p(1e4 * counts[:, 7] / counts.sum(axis=1))
    np.testing.assert_allclose(column.values, wanted, rtol=1e-5)
    assert column.colors is None


def test_whole_numbers_are_groups_if_few_and_quantities_if_many(result):
    cells = repeated(result, 200)
    cells.obs["few"] = np.arange(200) % 4
    cells.obs["many"] = np.arange(200)
    few, many = read_columns(cells, ["few", "many"])
    assert list(few.colors) == ["0", "1", "2", "3"]
    assert many.colors is None


def test_a_key_that_is_neither_column_nor_gene_is_refused(result):
    with pytest.raises(InputError, match=r"color: got \['nope'\], wanted columns of obs"):
        read_columns(result, ["labels", "nope"])
