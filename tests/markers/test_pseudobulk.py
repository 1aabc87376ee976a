"""Samples as replicates."""

import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl._keys import CLUSTERS
from scrcl._validate import InputError
from scrcl.data.expression import log_expression
from scrcl.markers import pseudobulk
from scrcl.markers.ranking import DOUBLE_DIPPING


@pytest.fixture
def donors() -> ad.AnnData:
    """240 cells x 40 genes of 2 groups from 3 donors; genes 0 to 3 are high in group b."""
    rng = np.random.default_rng(0)
    groups, samples = np.arange(240) % 2, np.arange(240) // 2 % 3
    means = np.ones((240, 40))
    means[np.ix_(groups == 1, np.arange(4))] = 4.0
    adata = ad.AnnData(rng.poisson(means).astype(np.float32))
    adata.var_names = [f"gene{i}" for i in range(40)]
    adata.obs["group"] = np.array(["a", "b"])[groups]
    adata.obs["donor"] = [f"donor{s}" for s in samples]
    return adata


pytest.importorskip("pydeseq2")


def test_genes_that_differ_between_the_groups_of_every_sample_are_found(donors):
    found = pseudobulk(donors, "group", "donor")
    best = found.table[found.table["group"] == "b"].head(4)
    assert set(best["gene"]) == {"gene0", "gene1", "gene2", "gene3"}
    assert (best["p_adjusted"] < 1e-3).all()
    assert (best["log2_fold_change"] > 1).all()
    assert (found.table["p_adjusted"].dropna() <= 1).all()
    assert found.notes == []


def test_clusters_are_warned_of_but_not_of_pseudoreplication(donors):
    donors.obs[CLUSTERS] = donors.obs["group"]
    assert pseudobulk(donors, CLUSTERS, "donor").notes == [DOUBLE_DIPPING]


def test_a_group_of_one_sample_is_noted(donors):
    donors.obs.loc[donors.obs["donor"] == "donor0", "group"] = "only"
    found = pseudobulk(donors, "group", "donor")
    assert found.notes[0].startswith("group only: not tested, 1 samples inside and 2 outside")
    assert set(found.table["group"]) == {"a", "b"}


def test_groups_can_be_compared_in_pairs(donors):
    donors.obs["group"] = donors.obs["group"].where(np.arange(240) % 3 > 0, "c")
    table = pseudobulk(donors, "group", "donor", reference="a", min_cells=5).table
    assert set(table["group"]) == {"b", "c"}


def test_cells_without_a_sample_are_left_out(donors):
    donors.obs["donor"] = donors.obs["donor"].where(np.arange(240) > 9, None)
    notes = pseudobulk(donors, "group", "donor").notes
    assert notes == ["10 cells without a group or a sample left out"]


def test_rare_genes_are_not_tested(donors):
    donors.X[:, 39] = 0
    row = pseudobulk(donors, "group", "donor").table.query("gene == 'gene39'")
    assert (row["score"] == 0).all()
    assert row["p_value"].isna().all()


def test_two_samples_are_needed(donors):
    donors.obs["donor"] = "one"
    with pytest.raises(InputError, match="got no group of obs"):
        pseudobulk(donors, "group", "donor")


def test_counts_are_needed(donors):
    with pytest.raises(InputError, match="wanted counts"):
        pseudobulk(log_expression(donors), "group", "donor")


def test_without_pydeseq2_the_message_says_how_to_get_it(donors, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydeseq2", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'scrcl\[pseudobulk\]'"):
        pseudobulk(donors, "group", "donor")


def test_the_input_stays_as_it_is(donors):
    before, obs = donors.X.copy(), donors.obs.copy()
    pseudobulk(donors, "group", "donor")
    np.testing.assert_array_equal(donors.X, before)
    pd.testing.assert_frame_equal(donors.obs, obs)
