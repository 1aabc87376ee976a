"""Expression for marker genes and figures."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.data import expression
from scrcl.data.expression import (
    count_matrix,
    group_counts,
    group_labels,
    group_sums,
    log_expression,
)


def with_column(values: object) -> ad.AnnData:
    column = pd.Series(values)
    adata = ad.AnnData(np.ones((len(column), 1), dtype=np.float32))
    adata.obs["group"] = column.to_numpy() if column.dtype == object else column.array
    return adata


def test_counts_become_log_of_ten_thousand_per_cell(adata_sc):
    found = log_expression(adata_sc)
    counts = adata_sc.X.toarray()
    wanted = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found.X.toarray(), wanted, rtol=1e-5)
    assert list(found.obs.columns) == list(adata_sc.obs.columns)


def test_log_values_are_taken_as_they_are(adata_sc):
    once = log_expression(adata_sc)
    twice = log_expression(once)
    np.testing.assert_array_equal(once.X.toarray(), twice.X.toarray())


def test_only_what_is_log_expression_already_is_not_looked_at_again(adata_sc, monkeypatch):
    looked = []
    find = expression.find_values
    monkeypatch.setattr(expression, "find_values", lambda cells: looked.append(1) or find(cells))
    once = log_expression(adata_sc)
    again = log_expression(once)
    assert len(looked) == 1
    assert again.X is once.X
    again.obs["new"] = 1
    assert "new" not in once.obs  # a copy, as always

    log_expression(once[:, :50])

    assert len(looked) == 2


def test_log_values_of_another_base_are_brought_to_the_natural_one(adata_sc):
    natural = log_expression(adata_sc)
    binary = ad.AnnData(natural.X / np.float32(np.log(2)), natural.obs, natural.var)
    binary.uns["log1p"] = {"base": 2}
    found = log_expression(binary).X.toarray()
    np.testing.assert_allclose(found, natural.X.toarray(), rtol=1e-5)


def test_scaled_values_fall_back_on_raw():
    pbmc = sc.datasets.pbmc68k_reduced()
    np.testing.assert_array_equal(log_expression(pbmc).X.toarray(), pbmc.raw.X.toarray())


def test_counts_are_asked_for_by_name_when_there_are_none(adata_sc):
    with pytest.raises(InputError, match="got log values from X, wanted counts"):
        count_matrix(log_expression(adata_sc))


def test_count_matrix_returns_the_counts_and_gene_names(adata_sc):
    counts, genes = count_matrix(adata_sc)
    np.testing.assert_array_equal(counts.toarray(), adata_sc.X.toarray())
    assert list(genes) == list(adata_sc.var_names)


@pytest.mark.parametrize(
    ("values", "categories", "codes"),
    [
        (["10", "9", "1"], ["1", "9", "10"], [2, 1, 0]),
        ([3.0, np.nan, 20.0], ["3", "20"], [0, -1, 1]),
        (["b", None, "", "a"], ["a", "b"], [1, -1, -1, 0]),
        ([True, False, True], ["False", "True"], [1, 0, 1]),
    ],
    ids=["whole numbers", "numbers beside missing ones", "text with gaps", "truth values"],
)
def test_groups_are_named_ordered_and_may_be_missing(values, categories, codes):
    labels = group_labels(with_column(values), "group")
    assert list(labels.categories) == categories
    assert list(labels.codes) == codes


def test_groups_keep_the_order_of_a_category_and_lose_what_is_unused():
    column = pd.Categorical(["low", "high", "low"], categories=["low", "mid", "high"])
    labels = group_labels(with_column(column), "group")
    assert list(labels.categories) == ["low", "high"]


def test_a_missing_column_of_groups_is_named_with_those_there_are():
    with pytest.raises(InputError, match=r"got 'nope', wanted one of \['group'\]"):
        group_labels(with_column(["a"]), "nope")


def test_a_column_without_any_group_is_refused():
    with pytest.raises(InputError, match="got no cell with a group"):
        group_labels(with_column([None, ""]), "group")


def test_group_sums_and_counts_leave_out_rows_without_a_group(monkeypatch):
    monkeypatch.setattr(expression, "_ROWS", 2)  # three steps for five rows
    X = sp.csr_matrix([[1.0, 0], [2, 5], [0, 7], [4, 0], [9, 9]], dtype=np.float32)
    codes = np.array([0, 1, 0, 0, -1])
    np.testing.assert_array_equal(group_sums(X, codes, 3), [[5, 7], [2, 5], [0, 0]])
    np.testing.assert_array_equal(group_counts(X, codes, 3), [[2, 1], [1, 1], [0, 0]])
