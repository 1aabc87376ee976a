import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl._validate import InputError
from scrcl.data.labels import labels


def cells(**columns: object) -> ad.AnnData:
    obs = pd.DataFrame(columns, index=list("pqrs"))
    return ad.AnnData(np.ones((4, 1)), obs)


@pytest.mark.parametrize("key", ["cell_type1", "celltype"])
def test_the_papers_columns_are_found(key):
    found = labels(cells(other=list("wxyz"), **{key: list("aabb")}))
    assert found.name == key
    assert found.to_dict() == {"p": "a", "q": "a", "r": "b", "s": "b"}


def test_cell_type1_comes_before_celltype():
    assert labels(cells(celltype=list("abab"), cell_type1=list("aabb"))).name == "cell_type1"


def test_a_column_without_a_value_is_passed_over_in_the_search():
    assert labels(cells(cell_type1=[None] * 4, celltype=list("abab"))).name == "celltype"


def test_no_column_means_no_labels():
    assert labels(cells(other=list("wxyz"))) is None


def test_the_search_can_be_for_another_column():
    adata = cells(layer_guess=["L1", "L2", None, "L1"])
    assert labels(adata, search=("layer_guess",)).notna().sum() == 3


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(["a", None, "", "b"], id="None and empty text"),
        pytest.param(["a", np.nan, "  ", "b"], id="NaN and blanks"),
        pytest.param(pd.Categorical(["a", None, None, "b"], ["unused", "a", "b"]), id="categories"),
    ],
)
def test_missing_values_are_missing_and_unused_categories_gone(column):
    found = labels(cells(kind=column), "kind")
    assert found.isna().tolist() == [False, True, True, False]
    assert list(found.cat.categories) == ["a", "b"]


@pytest.mark.parametrize(
    ("column", "classes"), [([1, 2, 1, 2], ["1", "2"]), ([True, False] * 2, ["False", "True"])]
)
def test_classes_are_text(column, classes):
    assert list(labels(cells(kind=column), "kind").cat.categories) == classes


def test_the_input_is_left_as_it_was():
    adata = cells(kind=pd.Categorical(list("aabb"), ["c", "b", "a"]))
    before = adata.obs.copy()
    labels(adata, "kind")
    pd.testing.assert_frame_equal(adata.obs, before)


def test_an_unknown_key_is_refused_with_the_columns_there_are():
    with pytest.raises(InputError, match=r"got key 'kind', wanted a column of obs: \['other'\]"):
        labels(cells(other=list("wxyz")), "kind")


@pytest.mark.parametrize("column", [[None] * 4, [np.nan] * 4, [""] * 4])
def test_a_column_without_a_value_is_refused_when_asked_for(column):
    with pytest.raises(InputError, match="without a single value"):
        labels(cells(kind=column), "kind")


def test_one_class_is_noted(caplog):
    assert labels(cells(kind=["a", "a", None, "a"]), "kind").notna().sum() == 3
    assert "holds one class only" in caplog.text
