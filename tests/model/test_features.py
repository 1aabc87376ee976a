"""What takes part, and what it is called, from the estimator's door."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scrcl import ScRCL
from scrcl.model.annotate import write_result
from tests.model.conftest import both, cells, small, tissue


def with_antibodies(adata: ad.AnnData) -> ad.AnnData:
    """Two antibodies beside the genes, with most of the counts."""
    loud = np.random.default_rng(0).poisson(500.0, (adata.n_obs, 2))
    var = pd.DataFrame(index=[*adata.var_names, "CD3_TotalSeqB", "CD4_TotalSeqB"])
    X = sp.hstack([adata.X, sp.csr_matrix(loud, dtype=np.float32)], format="csr")
    return ad.AnnData(X, adata.obs.copy(), var)


def test_antibodies_change_nothing_and_are_said():
    genes = cells(45)
    alone = ScRCL(small(), 3).fit(genes)
    mixed = ScRCL(small(), 3).fit(with_antibodies(genes))
    assert np.array_equal(mixed.labels_, alone.labels_)
    assert np.array_equal(mixed.embedding_, alone.embedding_)
    assert mixed.genes_.equals(alone.genes_)
    assert mixed.notes_[0].startswith("features: 60 genes used, 2 antibodies left out")


def test_they_can_be_asked_for():
    model = ScRCL(small(features="genes+antibodies"), 3).fit(with_antibodies(cells(45)))
    assert len(model.genes_) == 62


def test_new_cells_with_antibodies_are_mapped_as_without(consensus):
    new = both()[1]
    assert consensus.predict(with_antibodies(new)).equals(consensus.predict(new))


@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_each_of_two_genes_of_one_name_has_its_own_association():
    genes = cells(45)
    genes.var_names = ["same", *genes.var_names[1:5], "same", *genes.var_names[6:]]
    model = ScRCL(small(), 3).fit(genes)
    write_result(genes, model, "scrcl", links=model.links_)
    association = genes.varm["scrcl_association"]
    assert not np.isnan(association).any()
    rows = model.genes_.get_indexer(["same", "same-1"])
    assert np.array_equal(association[[0, 5]], model.links_.association.T[rows])


def test_names_in_a_column_of_raw_join_associations_to_the_genes_of_x():
    genes = cells(45)
    numbered = pd.DataFrame({"_index": genes.var_names}, index=list(map(str, range(60))))
    scaled = ad.AnnData(genes.X.toarray()[:, :20] - 1.0, genes.obs.copy(), genes.var.iloc[:20])
    scaled.raw = ad.AnnData(genes.X, genes.obs.copy(), numbered)
    model = ScRCL(small(), 3).fit(scaled)
    assert model.genes_[0] == "gene0"
    write_result(scaled, model, "scrcl", links=model.links_)
    assert not np.isnan(scaled.varm["scrcl_association"]).any()


def test_background_gets_no_domain_in_training_and_in_new_slices(domains):
    slide = tissue()
    slide.obs["in_tissue"] = (np.arange(slide.n_obs) >= 12).astype(int)
    model = ScRCL(small(task="st"), 2, task="st").fit(slide)
    assert (model.labels_[:12] == -1).all()
    assert (model.labels_[12:] >= 0).all()
    assert any(
        "12 spots that obs['in_tissue'] does not put on the tissue" in note for note in model.notes_
    )
    found = domains.predict(slide)["cluster"]
    assert found.isna().tolist() == [True] * 12 + [False] * (slide.n_obs - 12)
