"""What is computed does not depend on how many threads there are."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from scrcl import ScRCL, _pca
from scrcl._pca import leading_axes
from scrcl._threads import one_core, workers
from scrcl.clustering.domains import domain_voters
from scrcl.data.spatial import spatial_graph
from scrcl.methods.reduction import fit_reduction
from tests.model.conftest import both, small, tissue


def n_threads() -> int:
    return max(pool["num_threads"] for pool in threadpool_info())


def test_inside_there_is_one_core_and_outside_what_was():
    with threadpool_limits(3):
        before = n_threads()
        with one_core(), one_core():
            assert n_threads() == 1
        assert n_threads() == before


def test_workers_are_as_many_as_libraries_had_and_compute_on_one_core_each():
    with threadpool_limits(3), one_core(), workers() as threads:
        assert threads._max_workers == 3
        assert set(threads.map(lambda _: n_threads(), range(6))) == {1}
    with threadpool_limits(1), workers(beside=1) as threads:
        assert threads._max_workers == 1


def with_threads(number, compute):
    with threadpool_limits(number):
        return compute()


@pytest.mark.parametrize("n_obs", [150, 800])
def test_axes_and_what_lies_on_them_are_the_same_bits(n_obs):
    points = np.random.default_rng(0).normal(size=(n_obs, 300)).astype(np.float32)

    def found():
        reduction = fit_reduction(points)
        return [*leading_axes(points, 50), reduction(points), reduction.axes]

    for one, two in zip(with_threads(1, found), with_threads(2, found), strict=True):
        np.testing.assert_array_equal(one, two)


def test_blocks_of_cells_add_up(monkeypatch):
    points = np.random.default_rng(0).normal(size=(100, 8))
    whole = leading_axes(points, 3)[1]
    monkeypatch.setattr(_pca, "_BLOCK", 30)
    np.testing.assert_allclose(leading_axes(points, 3)[1], whole, atol=1e-12)


def test_clusters_and_embedding_are_the_same_bits():
    def found():
        model = ScRCL(small()).fit(both()[0])
        return model.labels_, model.embedding_, model.confidence_

    for one, two in zip(with_threads(1, found), with_threads(2, found), strict=True):
        np.testing.assert_array_equal(one, two)


def test_domains_are_the_same_bits():
    spots = tissue(side=9)
    adj = spatial_graph(spots.obsm["spatial"], n_neighbors=4)
    components = np.random.default_rng(0).normal(size=(81, 20)) + spots.obs[["domain"]].to_numpy()

    def found():
        voters = domain_voters(components, adj)
        return voters.clusters(3, seed=0).confidence, voters.embedding

    for one, two in zip(with_threads(1, found), with_threads(2, found), strict=True):
        np.testing.assert_array_equal(one, two)
