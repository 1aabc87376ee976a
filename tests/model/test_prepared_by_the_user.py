"""Genes, a graph and an embedding that the user has are used when asked for."""

import anndata as ad
import numpy as np
import pytest
from sklearn.neighbors import kneighbors_graph

from scrcl import InputError, ScRCL
from tests.model.conftest import both, cells, small, tissue


def with_all() -> ad.AnnData:
    adata = cells(90).copy()
    adata.var["highly_variable"] = np.arange(adata.n_vars) < 30
    rng = np.random.default_rng(0)
    adata.obsm["X_scVI"] = rng.normal(size=(90, 4)) + 9 * np.eye(3, 4)[np.arange(90) % 3]
    adata.obsm["X_nan"] = np.full((90, 2), np.nan)
    # As scanpy's neighbors writes it with key_added="mine": weights, and where they are.
    adata.obsp["mine_connectivities"] = kneighbors_graph(adata.obsm["X_scVI"], 4) * 0.5
    adata.uns["mine"] = {"connectivities_key": "mine_connectivities"}
    return adata


def test_marked_genes_are_those_of_the_model() -> None:
    model = ScRCL(small("paper", model_input="log"), 3, use_highly_variable=True).fit(with_all())
    assert list(model.genes_) == [f"gene{i}" for i in range(30)]


def test_a_stored_graph_is_the_cell_graph() -> None:
    adata = with_all()
    model = ScRCL(small("paper", model_input="log"), 3, neighbors_key="mine").fit(adata)
    links = model._fitted.training.data.prepared.adj
    stored = adata.obsp["mine_connectivities"] > 0
    assert (links.astype(bool) != (stored + stored.T)).nnz == 0
    by_name = ScRCL(small("paper", model_input="log"), 3, neighbors_key="mine_connectivities").fit(
        adata
    )
    np.testing.assert_array_equal(by_name.labels_, model.labels_)


def test_an_embedding_is_one_more_view(tmp_path) -> None:
    adata = with_all()
    model = ScRCL(small(), 3, use_rep="X_scVI").fit(adata)
    plain = ScRCL(small(), 3).fit(adata)
    assert not np.array_equal(model.found_.fitted.tree.heights, plain.found_.fitted.tree.heights)
    found = model.predict(adata)
    assert (found["nearest"].astype(int) == model.labels_).mean() > 0.95
    model.save(tmp_path / "model")
    assert ScRCL.load(tmp_path / "model").predict(adata).equals(found)
    with pytest.raises(InputError, match="X_scVI"):
        model.predict(both()[1])
    adata.obsm["X_scVI"] = adata.obsm["X_scVI"][:, :2]
    with pytest.raises(InputError, match="2 columns, wanted 4"):
        model.predict(adata)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"use_rep": "X_pca"}, "use_rep: got 'X_pca'"),
        ({"use_rep": "X_nan"}, "not finite"),
        ({"neighbors_key": "theirs"}, "neighbors_key: got 'theirs'"),
        ({"use_rep": "X_scVI", "method": "kmeans"}, "with cluster.method 'kmeans'"),
    ],
)
def test_what_is_not_there_or_not_taken_is_refused(settings, message) -> None:
    with pytest.raises(InputError, match=message):
        ScRCL(small(), 3, **settings).fit(with_all())


def test_genes_that_are_not_marked_are_asked_for() -> None:
    with pytest.raises(InputError, match="highly_variable"):
        ScRCL(small(), 3, use_highly_variable=True).fit(cells(30))


def test_a_graph_for_a_tissue_goes_by_another_name() -> None:
    with pytest.raises(InputError, match=r"data\.spatial_graph to stored"):
        ScRCL(small(task="st"), 2, neighbors_key="mine").fit(tissue())
