"""What a user asks for is coerced or refused before anything is computed."""

import numpy as np
import pytest
from sklearn.base import clone

import scrcl
from scrcl import InputError, ScRCL
from scrcl.model.settings import as_n_clusters, as_seed
from tests.model.conftest import both, cells, consensus, small

__all__ = ["consensus"]  # a fixture


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (8, 8),
        (np.int64(8), 8),
        (np.uint8(8), 8),
        (4.0, 4),
        (np.float32(4), 4),
        (np.array(5), 5),
        (None, None),
        ("auto", None),
        ((3, 8), (3, 8)),
        ([3, 8], (3, 8)),
        (np.array([3, 8]), (3, 8)),
        ((np.int32(3), 8.0), (3, 8)),
    ],
    ids=repr,
)
def test_a_number_of_clusters_may_be_of_any_kind(given: object, meant: object) -> None:
    found = as_n_clusters(given)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    "given",
    [
        True,
        np.True_,
        4.5,
        "8",
        "many",
        [3],
        [3, 4, 5],
        [8, 3],
        0,
        -1,
        [0, 4],
        float("nan"),
        float("inf"),
        {},
        object,
    ],
    ids=repr,
)
def test_what_is_no_number_of_clusters_is_refused(given: object) -> None:
    with pytest.raises(InputError, match="n_clusters: got"):
        ScRCL(n_clusters=given)


@pytest.mark.parametrize("given", [7, np.int64(7), np.uint32(7), 7.0])
def test_a_seed_may_be_of_any_kind(given: object) -> None:
    assert as_seed(given) == 7
    assert type(as_seed(given)) is int


@pytest.mark.parametrize("given", [True, -1, 2**32, 1.5, "7", None])
def test_what_is_no_seed_is_refused(given: object) -> None:
    with pytest.raises(InputError, match="seed: got"):
        ScRCL(seed=given)  # type: ignore[arg-type]


def test_any_setting_goes_by_its_name() -> None:
    model = ScRCL(n_hvg=500, n_epochs=60, **{"train.lr": 1e-3})
    assert (model.config.data.n_hvg, model.config.train.n_epochs) == (500, 60)
    assert model.config.train.lr == 1e-3


@pytest.mark.parametrize(
    ("name", "hint"), [("n_hgv", "'n_hvg'"), ("epochs", "'n_epochs'"), ("train.lrr", "'train.lr'")]
)
def test_a_misspelt_setting_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=f"unknown key: got '{name}'.*Did you mean {hint}"):
        ScRCL(**{name: 5})


def test_a_value_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(InputError, match=r"data\.n_hvg"):
        scrcl.cluster(cells(10).copy(), n_hvg=-3)


def test_scikit_learn_can_clone_it() -> None:
    model = ScRCL(small(), np.int64(3), seed=np.int64(2), n_epochs=7)
    twin = clone(model)
    assert twin is not model
    assert twin.config == model.config
    assert (twin.n_clusters, twin.seed) == (3, 2)
    assert twin.get_params() == model.get_params()


def test_parameters_can_be_changed_and_are_checked() -> None:
    model = ScRCL(small(), 3)
    assert model.set_params(n_clusters=4, n_epochs=9) is model
    assert model.n_clusters == 4
    assert model.config.train.n_epochs == 9
    with pytest.raises(InputError, match="Did you mean 'n_epochs'"):
        model.set_params(n_epoch=2)
    assert model.config.train.n_epochs == 9


def test_changed_parameters_leave_what_was_fitted() -> None:
    model = ScRCL(small("paper", model_input="log"), 3).fit(both()[0])
    before = model.predict(both()[1])
    model.set_params(n_clusters=2, seed=5)
    assert model.n_clusters_ == 3
    assert model.predict(both()[1]).equals(before)


def test_fit_predict_returns_the_labels() -> None:
    model = ScRCL(small("paper", model_input="log"), 3)
    labels = model.fit_predict(both()[0])
    np.testing.assert_array_equal(labels, model.labels_)


@pytest.mark.parametrize(
    "what", ["labels_", "confidence_", "embedding_", "views_", "notes_", "links_", "found_"]
)
def test_what_a_file_does_not_hold_is_said(consensus: ScRCL, what: str, tmp_path) -> None:
    consensus.save(tmp_path / "model")
    loaded = ScRCL.load(tmp_path / "model")
    with pytest.raises(InputError, match=f"{what}: got a model from a file"):
        getattr(loaded, what)
    with pytest.raises(InputError, match="from a file"):
        loaded.summary()
    with pytest.raises(InputError, match="not fitted"):
        getattr(ScRCL(), what)


def test_the_embedding_has_at_most_50_columns_and_new_cells_share_it() -> None:
    train, new = both(90, 45)
    wide = {"n_hidden": 64, "n_smooth": [0, 0]}
    model = ScRCL(small(**wide), 3).fit(train, keep_views=True)

    assert model.views_.shape == (90, 128)
    assert model.embedding_.shape == (90, 50)
    assert model.embed(new).shape == (45, 50)
    centred = model.views_ - model.views_.mean(0)
    largest = np.linalg.svd(centred, compute_uv=False)[:50]
    lengths = np.linalg.norm(model.embedding_, axis=0)
    np.testing.assert_allclose(lengths[:10], largest[:10], rtol=1e-3)
    again = ScRCL(small(**wide), 3).fit(train)
    np.testing.assert_array_equal(again.embedding_, model.embedding_)
    with pytest.raises(InputError, match="keep_views=True"):
        _ = again.views_


def test_views_are_written_only_when_asked_for() -> None:
    adata = cells(45).copy()
    scrcl.cluster(adata, 3, config=small(n_hidden=32))
    assert "X_scrcl_views" not in adata.obsm
    assert adata.obsm["X_scrcl"].shape[1] <= 50
    scrcl.cluster(adata, 3, config=small(n_hidden=32), keep_views=True)
    assert adata.obsm["X_scrcl_views"].shape == (45, 64)


def test_domains_need_the_graph_of_the_places() -> None:
    with pytest.raises(InputError, match=r"data.graph: got 'expression' with .* 'domains'"):
        ScRCL(task="st", graph="expression").fit(cells(20))
    assert ScRCL("paper", 3, task="st", graph="expression").config.data.graph == "expression"
