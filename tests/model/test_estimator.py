"""The estimator as an object."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from scrcl import InputError, ScRCL
from scrcl.datasets import simulated_cells
from scrcl.model import find_config
from scrcl.nn.network import Views
from tests.conftest import freeze
from tests.model.conftest import both, cells, small, tissue


@pytest.mark.parametrize("what", ["predict", "embed", "match_genes", "save"])
def test_a_model_that_is_not_fitted_says_so(what: str) -> None:
    model = ScRCL()
    with pytest.raises(InputError, match=r"not fitted.*Call fit"):
        getattr(model, what)(cells(10))


def test_it_says_what_it_is(consensus: ScRCL) -> None:
    assert repr(ScRCL()) == "ScRCL(sc, consensus, n_clusters=None, not fitted)"
    assert repr(consensus) == "ScRCL(sc, consensus, 3 clusters, 60 genes, 4 epochs, seed 0)"


def test_the_same_seed_gives_the_same_result() -> None:
    config = small("paper", model_input="log")
    first, second = (ScRCL(config, 3, seed=7).fit(both()[0]) for _ in range(2))
    np.testing.assert_array_equal(first.labels_, second.labels_)
    np.testing.assert_array_equal(first.embedding_, second.embedding_)
    assert first.threshold_ == second.threshold_


def test_callbacks_see_every_epoch_and_change_nothing() -> None:
    config = small("paper", model_input="log")
    seen: list[tuple[int, int]] = []

    def watch(epoch: int, views: Views) -> None:
        seen.append((epoch, len(views.e1)))

    watched = ScRCL(config, 3).fit(both()[0], callbacks=[watch, watch])
    alone = ScRCL(config, 3).fit(both()[0])

    assert seen == [(epoch, 90) for epoch in range(1, 5) for _ in range(2)]
    np.testing.assert_array_equal(watched.labels_, alone.labels_)


def test_the_history_has_a_row_for_each_epoch(consensus: ScRCL, domains: ScRCL) -> None:
    assert consensus.history.index.tolist() == [1, 2, 3, 4]
    assert list(consensus.history.columns) == ["hea", "ndc", "cvc", "total"]
    assert np.isfinite(consensus.history.to_numpy()).all()
    assert domains.history.empty


def test_the_epoch_with_the_smallest_loss_maps_new_cells_too() -> None:
    config = small("paper", model_input="log", selection="min_loss", embedding="e1", lr=0.3)

    model = ScRCL(config, 3).fit(both()[0])

    np.testing.assert_allclose(model.embed(both()[0]), model.embedding_, atol=1e-3)


def test_a_fit_that_fails_leaves_the_model_as_it_was() -> None:
    model = ScRCL(small("paper", model_input="log"), 3).fit(both()[0])
    labels = model.labels_
    with pytest.raises(InputError):
        model.fit(cells(2))
    assert model.labels_ is labels


def test_batches_are_brought_together() -> None:
    adata = cells(90).copy()
    adata.obs["donor"] = np.repeat(["a", "b"], 45)
    X = adata.X.toarray()
    X[45:, ::2] *= 4
    adata.X = X
    config = small("paper", model_input="log", embedding="e")

    plain = ScRCL(config, 3).fit(adata)
    together = ScRCL(config, 3).fit(freeze(adata), batch_key="donor")

    def gap(points: np.ndarray) -> float:
        centred = points - points.mean(0)
        between = centred[:45].mean(0) - centred[45:].mean(0)
        return float((between**2).sum() / (centred**2).sum() * 90)

    assert gap(together.embedding_) < 0.5 * gap(plain.embedding_)
    assert together.embed(adata[:5]).shape == (5, together.embedding_.shape[1])


def test_a_batch_key_is_refused_for_a_tissue() -> None:
    adata = tissue().copy()
    adata.obs["donor"] = "a"
    with pytest.raises(InputError, match=r"batch key.*slice_key"):
        ScRCL(small(task="st"), 2, task="st").fit(adata, batch_key="donor")


def test_a_method_for_tissues_is_refused_for_cells() -> None:
    with pytest.raises(InputError, match=r"cluster\.method"):
        ScRCL(small(method="domains"), 3).fit(cells(45))


@pytest.mark.parametrize("name", ["default", "paper"])
def test_presets_go_by_name(name: str) -> None:
    assert ScRCL(name).config == find_config(name, "sc")


def test_a_preset_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="wanted 'default', 'paper'"):
        ScRCL("fancy")


def test_cells_that_took_no_part_have_no_cluster() -> None:
    adata = cells(45).copy()
    X = adata.X.toarray()
    X[0] = 0
    adata.X = X

    model = ScRCL(small("paper", model_input="log"), 3).fit(adata)

    assert model.labels_[0] == -1
    assert np.isnan(model.embedding_[0]).all()
    assert pd.Series(model.labels_[1:]).between(0, 2).all()


def test_types_are_found_where_cells_differ_more_in_depth_than_in_type() -> None:
    adata = simulated_cells(n_obs=400, n_genes=700)
    types = adata.obs.pop("cell_type1")
    model = ScRCL(n_clusters=types.nunique()).fit(adata)
    assert adjusted_rand_score(types, model.labels_) > 0.8  # .44 with components at 10,000 counts
