"""What every clustering method is and does, whatever it is."""

import numpy as np
import pandas as pd
import pytest

from scrcl import InputError, ScRCL
from scrcl.config import METHODS
from scrcl.methods import get_method
from tests.model.conftest import both, consensus, domains, kmeans, small, tissue, unseen

__all__ = ["consensus", "domains", "kmeans"]  # fixtures


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_is(name: str) -> None:
    method = get_method(name)
    assert method.about.endswith(".")
    assert set(method.tasks) <= {"sc", "st"}
    assert method.tasks
    assert isinstance(method.needs_network, bool)
    assert isinstance(method.finds_k, bool)


def test_a_method_that_is_none_is_refused_with_all_names() -> None:
    with pytest.raises(InputError, match=r"cluster\.method.*'consensus', 'domains', 'kmeans'"):
        small(method="fancy")


@pytest.mark.parametrize("name", ["consensus", "domains", "kmeans"])
def test_its_own_number_of_clusters_is_a_cut(name: str, request: pytest.FixtureRequest) -> None:
    fitted = request.getfixturevalue(name).found_.fitted
    again = fitted.cut(fitted.clustering.n_clusters)
    np.testing.assert_array_equal(again.clustering.labels, fitted.clustering.labels)


@pytest.mark.parametrize("name", ["consensus", "domains"])
def test_a_cut_of_the_tree_is_what_a_run_with_that_number_finds(
    name: str, request: pytest.FixtureRequest
) -> None:
    model: ScRCL = request.getfixturevalue(name)
    found = model.found_.fitted.cut(5)
    other = ScRCL(**(model.get_params() | {"n_clusters": 5}))
    run = other.fit(both()[0] if name == "consensus" else tissue()).found_.fitted
    assert found.clustering.n_clusters == 5
    np.testing.assert_array_equal(found.clustering.labels, run.clustering.labels)
    np.testing.assert_array_equal(found.clustering.confidence, run.clustering.confidence)
    assert found.threshold == run.threshold


@pytest.mark.parametrize("name", ["consensus", "domains"])
@pytest.mark.parametrize("n_clusters", [5, None, (3, 6)])
def test_a_cut_is_the_same_from_a_file(
    name: str, n_clusters: object, request: pytest.FixtureRequest, tmp_path
) -> None:
    model: ScRCL = request.getfixturevalue(name)
    model.save(tmp_path / "model")
    loaded = ScRCL.load(tmp_path / "model")._fitted.fitted.cut(n_clusters)
    fitted = model.found_.fitted.cut(n_clusters)
    np.testing.assert_array_equal(loaded.clustering.labels, fitted.clustering.labels)
    assert loaded.threshold == fitted.threshold


def test_domains_that_are_found_are_those_that_a_number_gives(domains: ScRCL) -> None:
    found = domains.cut("auto")
    assert found.n_clusters_ == domains.tree_.anchor.n_found
    np.testing.assert_array_equal(found.labels_, domains.cut(found.n_clusters_).labels_)


def test_new_spots_are_mapped_at_any_cut(domains: ScRCL, tmp_path) -> None:
    cut = domains.cut(4)
    found = cut.predict(tissue())
    assert set(found["nearest"]) <= set("0123")
    assert (found["nearest"].astype(int) == cut.labels_).mean() > 0.7
    cut.save(tmp_path / "model")
    pd.testing.assert_frame_equal(ScRCL.load(tmp_path / "model").predict(tissue()), found)


def test_k_means_has_one_number(kmeans: ScRCL) -> None:
    with pytest.raises(InputError, match=r"n_clusters: got 5, wanted 3.*Train again"):
        kmeans.found_.fitted.cut(5)


def test_clusters_of_k_means_are_numbered_from_the_largest(kmeans: ScRCL) -> None:
    sizes = np.bincount(kmeans.labels_)
    assert sizes.tolist() == sorted(sizes, reverse=True)


@pytest.mark.parametrize("name", ["consensus", "domains", "kmeans"])
def test_new_cells_are_mapped_only_when_asked_for(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = []
    monkeypatch.setattr(
        "scrcl.methods.space.NearestNeighbors", lambda **_: searches.append(1) or 1 / 0
    )
    model: ScRCL = request.getfixturevalue(name)
    fresh = ScRCL(**model.get_params())
    adata = unseen(model)
    fresh.fit(adata)
    assert not searches
    with pytest.raises(ZeroDivisionError):
        fresh.predict(adata)
