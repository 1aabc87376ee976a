"""Cells that the model has not seen."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from scrcl import InputError, ScRCL
from scrcl.config import DataConfig
from scrcl.data.basis import Basis, new_cells
from scrcl.data.preprocess import preprocess
from scrcl.methods.space import labelled_space
from scrcl.model import UNKNOWN
from tests.model.conftest import both, small, tissue, unseen


def agreement(model: ScRCL, new: ad.AnnData, key: str) -> float:
    return float(adjusted_rand_score(new.obs[key], model.predict(new)["nearest"].astype(int)))


def test_new_cells_of_known_types_get_the_cluster_of_their_type(consensus: ScRCL) -> None:
    assert agreement(consensus, both()[1], "type") == 1.0


def test_the_paper_s_clusters_take_new_cells_too(kmeans: ScRCL) -> None:
    train = both()[0]
    truth = adjusted_rand_score(train.obs["type"], kmeans.labels_)
    assert agreement(kmeans, both()[1], "type") >= truth - 0.3


@pytest.mark.parametrize("name", ["domains", "network"])
def test_a_slice_that_was_trained_on_gets_its_own_domains(
    name: str, request: pytest.FixtureRequest
) -> None:
    model: ScRCL = request.getfixturevalue(name)

    found = model.predict(tissue())["nearest"].astype(int)

    assert (found == model.labels_).mean() > 0.95


def test_training_cells_fall_where_they_are(consensus: ScRCL) -> None:
    found = consensus.predict(both()[0])["nearest"].astype(int)
    assert (found == consensus.labels_).mean() > 0.95


def test_the_network_of_a_tissue_says_the_same_without_its_gene_module(network: ScRCL) -> None:
    np.testing.assert_allclose(network.embed(tissue()), network.embedding_, atol=2e-4)


def test_the_mlp_view_of_a_training_cell_is_found_again(consensus: ScRCL) -> None:
    width = consensus.embedding_.shape[1] // 2
    again = consensus.embed(both()[0])
    np.testing.assert_allclose(again[:, :width], consensus.embedding_[:, :width], atol=1e-3)


def test_a_cell_far_from_all_training_cells_is_unknown(consensus: ScRCL) -> None:
    new = both()[1].copy()
    X = new.X.toarray()
    X[0] = 0
    X[0, 7] = 300
    new.X = sp.csr_matrix(X)

    found = consensus.predict(new)

    assert found["cluster"].iloc[0] == UNKNOWN
    assert found["confidence"].iloc[0] < consensus.threshold_
    assert found["nearest"].iloc[0] != UNKNOWN
    assert (found["cluster"].iloc[1:] != UNKNOWN).mean() > 0.8


def test_the_threshold_can_be_set(consensus: ScRCL) -> None:
    new = both()[1]
    assert (consensus.predict(new, unknown_below=0.0)["cluster"] != UNKNOWN).all()
    assert (consensus.predict(new, unknown_below=1.1)["cluster"] == UNKNOWN).all()


def test_order_and_spare_genes_do_not_matter(consensus: ScRCL) -> None:
    new = both()[1]
    spare = ad.AnnData(
        np.full((new.n_obs, 2), 9.0), new.obs, pd.DataFrame(index=["spare1", "spare2"])
    )
    wider = ad.concat([spare, new[:, ::-1]], axis=1, merge="first")

    pd.testing.assert_frame_equal(consensus.predict(wider), consensus.predict(new))


def test_missing_genes_are_named_and_hardly_matter(
    consensus: ScRCL, caplog: pytest.LogCaptureFixture
) -> None:
    new = both()[1][:, 12:].copy()

    match = consensus.match_genes(new)

    assert match.share == pytest.approx(0.8)
    assert match.missing == [f"gene{i}" for i in range(12)]
    assert agreement(consensus, new, "type") > 0.8
    assert "80% of the model's are there; 12 lack (gene0, gene1" in caplog.text


def test_too_few_genes_are_refused(model: ScRCL) -> None:
    other = unseen(model)[:, :6].copy()
    with pytest.raises(InputError, match=r"10% of the model's.*wanted at least 40%"):
        model.predict(other)


def test_log_values_are_taken_as_they_are(consensus: ScRCL) -> None:
    new = both()[1].copy()
    X = new.X.toarray().astype(np.float64)
    new.X = np.log1p(X / X.sum(1, keepdims=True) * 1e4).astype(np.float32)

    expected = consensus.predict(both()[1])

    pd.testing.assert_series_equal(consensus.predict(new)["nearest"], expected["nearest"])


@pytest.mark.parametrize(
    ("base", "total"),
    [
        pytest.param(2, 1e4, id="log2"),
        pytest.param(np.e, 1e6, id="another total"),
        pytest.param(2, 1e6, id="both"),
    ],
)
def test_logarithms_of_another_base_or_total_are_brought_to_the_models(
    consensus: ScRCL, base: float, total: float
) -> None:
    counts, new = both()[1], both()[1].copy()
    X = new.X.toarray()
    new.X = (np.log1p(X / X.sum(1, keepdims=True) * total) / np.log(base)).astype(np.float32)
    np.testing.assert_allclose(consensus.embed(new), consensus.embed(counts), atol=1e-3)


def test_counts_are_brought_to_the_logarithms_of_the_model() -> None:
    train, new = both()
    logs = train.copy()
    X = train.X.toarray()
    logs.X = np.log2(X / X.sum(1, keepdims=True) * 3_000 + 1).astype(np.float32)
    basis = preprocess(logs, DataConfig(n_hvg=0, model_input="log")).basis
    expected = np.log1p(new.X.toarray() / new.X.toarray().sum(1, keepdims=True) * 3_000)
    cells = new_cells(new, basis)
    np.testing.assert_allclose(cells.log.toarray(), expected[:, cells_genes(new, basis)], rtol=1e-3)


def cells_genes(new: ad.AnnData, basis: Basis) -> np.ndarray:
    columns = new.var_names.get_indexer(basis.genes)
    return columns[columns >= 0]


def test_new_cells_of_several_kinds_are_refused(consensus: ScRCL) -> None:
    new = both()[1].copy()
    X = new.X.toarray().astype(np.float32)
    X[::2] = np.log1p(X[::2] / X[::2].sum(1, keepdims=True) * 1e4)
    new.X = X
    with pytest.raises(InputError, match="several kinds"):
        consensus.predict(new)


def test_a_model_of_counts_wants_counts(kmeans: ScRCL) -> None:
    new = both()[1].copy()
    new.X = np.log1p(new.X.toarray() / 3)
    with pytest.raises(InputError, match="got log values, wanted counts"):
        kmeans.predict(new)


def test_cells_without_a_count_get_nothing(consensus: ScRCL) -> None:
    new = both()[1].copy()
    X = new.X.toarray()
    X[3] = 0
    new.X = sp.csr_matrix(X)

    found, embedding = consensus.predict(new), consensus.embed(new)

    assert found.iloc[3].isna().all()
    assert np.isnan(embedding[3]).all()
    assert np.isfinite(np.delete(embedding, 3, axis=0)).all()


def test_prediction_is_the_same_in_blocks(
    consensus: ScRCL, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = consensus.predict(both()[1])
    monkeypatch.setattr("scrcl.data.basis._BLOCK", 7)
    monkeypatch.setattr("scrcl.methods.space._BLOCK", 5)

    found = consensus.predict(both()[1])

    pd.testing.assert_series_equal(found["cluster"], expected["cluster"])
    np.testing.assert_allclose(found["confidence"], expected["confidence"], atol=1e-5)


def test_labels_of_the_new_cells_change_nothing(consensus: ScRCL) -> None:
    new = both()[1]
    without = new.copy()
    del without.obs["type"]

    pd.testing.assert_frame_equal(consensus.predict(without), consensus.predict(new))


def test_at_most_so_many_training_cells_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scrcl.methods.space.MAX_REFERENCE", 40)
    config = small("paper", model_input="log")

    model = ScRCL(config, 3).fit(both()[0])

    assert len(model._model.fitted.space.points) == 40
    assert len(model.predict(both()[1])) == 45


def test_one_percent_of_the_training_cells_would_be_unknown() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 3
    points = (rng.normal(size=(600, 4)) + 2 * np.eye(3, 4)[labels]).astype(np.float32)

    space = labelled_space(points, labels)
    doubted = space.confidence(*space.vote(points + np.float32(1e-6))) < space.threshold

    assert doubted.mean() < 0.02
    far = np.full((1, 4), 40, dtype=np.float32)
    assert space.confidence(*space.vote(far))[0] < space.threshold
