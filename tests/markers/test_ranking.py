"""The statistics are scanpy's."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

from scrcl._keys import CLUSTERS
from scrcl._validate import InputError
from scrcl.data.expression import log_expression
from scrcl.markers import rank_genes, ranking
from scrcl.markers.ranking import DOUBLE_DIPPING, PSEUDOREPLICATION
from scrcl.markers.tables import COLUMNS


@pytest.fixture(scope="module")
def pbmc() -> ad.AnnData:
    return sc.datasets.pbmc68k_reduced()


def by_scanpy(pbmc: ad.AnnData, **options: object) -> pd.DataFrame:
    reference = pbmc.copy()
    with np.errstate(invalid="ignore"):
        sc.tl.rank_genes_groups(reference, "bulk_labels", pts=True, **options)
    return sc.get.rank_genes_groups_df(reference, None).set_index(["group", "names"])


def assert_equal(table: pd.DataFrame, wanted: pd.DataFrame, *, rtol: float = 1e-9) -> None:
    found = table.set_index(["group", "gene"]).loc[list(wanted.index)]
    np.testing.assert_allclose(found["score"], wanted["scores"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["p_value"], wanted["pvals"], rtol=rtol)
    np.testing.assert_allclose(found["p_adjusted"], wanted["pvals_adj"], rtol=rtol)
    np.testing.assert_allclose(
        found["log2_fold_change"], wanted["logfoldchanges"], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("tie_correct", [False, True])
@pytest.mark.parametrize("reference", ["rest", "Dendritic"])
def test_wilcoxon_gives_the_numbers_of_scanpy(pbmc, reference, tie_correct):
    options = {"method": "wilcoxon", "reference": reference, "tie_correct": tie_correct}
    found = rank_genes(pbmc, "bulk_labels", **options)
    assert_equal(found.table, by_scanpy(pbmc, **options))


@pytest.mark.parametrize("reference", ["rest", "Dendritic"])
def test_t_test_gives_the_numbers_of_scanpy(pbmc, reference):
    options = {"method": "t-test", "reference": reference}
    found = rank_genes(pbmc, "bulk_labels", **options).table
    # Sums of float32 in another order: the tails of Welch's t are sensitive to the variance.
    assert_equal(found, by_scanpy(pbmc, **options), rtol=1e-4)


def test_fractions_are_those_of_scanpy(pbmc):
    found = rank_genes(pbmc, "bulk_labels").table.set_index(["group", "gene"])
    wanted = by_scanpy(pbmc, method="wilcoxon")
    found = found.loc[list(wanted.index)]
    np.testing.assert_allclose(found["fraction_in"], wanted["pct_nz_group"])
    np.testing.assert_allclose(found["fraction_out"], wanted["pct_nz_reference"])


def test_logistic_regression_gives_the_coefficients_of_scanpy(pbmc):
    found = rank_genes(pbmc, "bulk_labels", method="logreg").table
    wanted = pbmc.copy()
    sc.tl.rank_genes_groups(wanted, "bulk_labels", method="logreg", max_iter=1000)
    wanted = sc.get.rank_genes_groups_df(wanted, None).set_index(["group", "names"])
    scores = found.set_index(["group", "gene"])["score"].loc[list(wanted.index)]
    np.testing.assert_allclose(scores, wanted["scores"], atol=1e-4)  # an iterative solver
    assert found["p_value"].isna().all()


def test_logistic_regression_of_two_groups_gives_each_its_own_genes(adata_sc):
    pair = adata_sc[adata_sc.obs["cell_type1"] != "type2"].copy()
    best = rank_genes(pair, "cell_type1", method="logreg").table.groupby("group").head(5)
    for group, genes in best.groupby("group")["gene"]:
        # Genes 0, 3, 6, ... are high in type0, genes 1, 4, 7, ... in type1.
        assert {int(gene.removeprefix("gene")) % 3 for gene in genes} == {int(group[-1])}


def test_blocks_of_genes_change_nothing(pbmc, monkeypatch):
    whole = rank_genes(pbmc, "bulk_labels").table
    monkeypatch.setattr(ranking, "_BLOCK", 100 * pbmc.n_obs)
    pd.testing.assert_frame_equal(rank_genes(pbmc, "bulk_labels").table, whole)


def test_the_order_of_cells_changes_nothing(adata_sc):
    order = np.random.default_rng(0).permutation(adata_sc.n_obs)
    found = rank_genes(adata_sc[order], "cell_type1").table
    pd.testing.assert_frame_equal(found, rank_genes(adata_sc, "cell_type1").table)


def test_counts_and_their_logarithm_give_one_table(adata_sc):
    counts = rank_genes(adata_sc, "cell_type1").table
    pd.testing.assert_frame_equal(rank_genes(log_expression(adata_sc), "cell_type1").table, counts)


def test_every_group_lists_every_gene_best_first(adata_sc):
    table = rank_genes(adata_sc, "cell_type1").table
    assert tuple(table.columns) == COLUMNS
    assert list(table["group"].unique()) == ["type0", "type1", "type2"]
    for _, rows in table.groupby("group"):
        assert set(rows["gene"]) == set(adata_sc.var_names)
        assert rows["score"].is_monotonic_decreasing


def test_a_gene_that_never_varies_scores_zero(adata_sc):
    X = adata_sc.X.toarray()
    X[:, 0] = 0
    adata = ad.AnnData(X, adata_sc.obs, adata_sc.var)
    table = rank_genes(adata, "cell_type1", tie_correct=True).table
    rows = table[table["gene"] == "gene0"]
    assert (rows["score"] == 0).all()
    assert (rows["p_value"] == 1).all()


def test_small_groups_are_noted_and_their_cells_still_belong_to_the_rest(adata_sc):
    adata = adata_sc.copy()
    adata.obs["group"] = ["rare"] * 2 + list(adata.obs["cell_type1"].astype(str)[2:])
    merged = adata.copy()
    merged.obs["group"] = ["rare"] * 2 + [
        "type1" if g == "type1" else "x" for g in adata.obs.group[2:]
    ]
    found = rank_genes(adata, "group")
    assert "group rare: not tested, it has 2 of at least 3 cells" in found.notes
    assert "rare" not in set(found.table["group"])
    alone = rank_genes(merged, "group").table
    pd.testing.assert_frame_equal(
        found.table[found.table["group"] == "type1"].reset_index(drop=True),
        alone[alone["group"] == "type1"].reset_index(drop=True),
    )


def test_cells_without_a_group_take_no_part(adata_sc):
    adata = adata_sc.copy()
    adata.obs["group"] = adata.obs["cell_type1"].astype(object)
    adata.obs.loc[adata.obs_names[:9], "group"] = None
    found = rank_genes(adata, "group")
    assert "9 cells without a group in 'group' left out" in found.notes
    pd.testing.assert_frame_equal(found.table, rank_genes(adata_sc[9:], "cell_type1").table)


def test_clusters_of_the_same_data_are_warned_of_as_double_dipping(adata_sc):
    adata = adata_sc.copy()
    adata.obs[CLUSTERS] = adata.obs["cell_type1"]
    assert rank_genes(adata).notes == [DOUBLE_DIPPING, PSEUDOREPLICATION]
    assert rank_genes(adata, "cell_type1").notes == [PSEUDOREPLICATION]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groupby": "nope"}, "obs column: got 'nope'"),
        ({"method": "anova"}, "method: got 'anova', wanted one of"),
        ({"reference": "type9"}, "reference: got 'type9', wanted one of"),
        ({"reference": "type0", "method": "logreg"}, "wanted 'rest'"),
        ({"min_cells": 1}, "min_cells: got 1"),
        ({"min_cells": 16}, "got no group for a test"),
        ({"min_cells": 16, "reference": "type0"}, "got 15 cells in 'type0'"),
        ({"groupby": "one"}, r"got 1 group \('a'\), wanted at least 2"),
    ],
)
def test_what_cannot_be_tested_is_refused(adata_sc, options, message):
    adata = adata_sc.copy()
    adata.obs["one"] = "a"
    with pytest.raises(InputError, match=message):
        rank_genes(adata, **{"groupby": "cell_type1", **options})


def test_logistic_regression_needs_two_large_groups(adata_sc):
    adata = adata_sc.copy()
    adata.obs["group"] = ["rare"] * 2 + ["large"] * 43
    with pytest.raises(InputError, match="logreg: got 1 group"):
        rank_genes(adata, "group", method="logreg")
