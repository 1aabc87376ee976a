import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from scrcl._validate import InputError
from scrcl.clustering import domains
from scrcl.clustering.domains import DEFAULT_RANGE, domain_clusters
from scrcl.clustering.lowpass import best_strength, graph_laplacian, low_pass
from scrcl.data.spatial import spatial_graph


def layered(n_layers=4, *, side=24, noise=1.0, seed=0):
    """Square tissue of horizontal layers: components, graph and layers of its spots."""
    rng = np.random.default_rng(seed)
    rows, cols = np.divmod(np.arange(side * side), side)
    truth = rows * n_layers // side
    centres = rng.normal(size=(n_layers, 30))
    components = centres[truth] + rng.normal(size=(len(truth), 30)) * noise
    adj = spatial_graph(np.column_stack([cols, rows]), n_neighbors=4)
    components.flags.writeable = False
    return components, adj, truth


@pytest.fixture(autouse=True)
def fewer_starts(monkeypatch):
    """Start k-means three times, not ten: tissues this clear need no more, and each start costs ms."""
    monkeypatch.setattr(domains, "_N_STARTS", 3)
    monkeypatch.setattr(domains, "_SCALES", (0.7, 1.0, 1.4))


@pytest.fixture
def path_graph():
    """Return six spots in a row."""
    links = np.eye(6, k=1) + np.eye(6, k=-1)
    return graph_laplacian(sp.csr_matrix(links))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("strength", [0.0, 0.7, 30.0])
def test_low_pass_is_the_inverse_of_its_definition(path_graph, strength, order):
    values = np.random.default_rng(0).normal(size=(6, 3))
    system = np.linalg.matrix_power(np.eye(6) + strength * path_graph.toarray(), order)
    expected = np.linalg.solve(system, values)
    smooth = low_pass(values, path_graph, strength, order=order)
    np.testing.assert_allclose(smooth, expected, atol=1e-8)


def test_low_pass_keeps_the_mean_and_lowers_the_variance(path_graph):
    values = np.random.default_rng(0).normal(size=(6, 3))
    smooth = low_pass(values, path_graph, 2.0)
    np.testing.assert_allclose(smooth.mean(0), values.mean(0))
    assert (smooth.var(0) < values.var(0)).all()


def test_laplacian_has_rows_that_sum_to_zero_and_a_mean_diagonal_of_one(path_graph):
    np.testing.assert_allclose(path_graph.sum(1), 0, atol=1e-12)
    assert path_graph.diagonal().mean() == pytest.approx(1)


def test_noisier_tissue_is_smoothed_more():
    strengths = []
    for noise in (0.2, 1.0, 4.0):
        components, adj, _ = layered(noise=noise)
        strengths.append(best_strength(components, graph_laplacian(adj)))
    assert strengths == sorted(strengths)
    assert strengths[-1] > 4 * strengths[0]


def test_layers_are_found_where_single_spots_do_not_tell():
    components, adj, truth = layered(noise=2.5)
    found, embedding = domain_clusters(components, adj, 4, seed=0)
    assert adjusted_rand_score(truth, found.labels) > 0.9
    assert embedding.shape == (576, 20)
    assert found.confidence.shape == (576,)
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    assert found.stability.shape == (found.n_clusters,)
    assert (np.diff(np.bincount(found.labels)) <= 0).all()


def test_number_of_domains_is_found():
    components, adj, truth = layered(5, side=30, noise=1.5)
    found, _ = domain_clusters(components, adj, None, seed=0)
    assert found.n_clusters == 5
    assert adjusted_rand_score(truth, found.labels) > 0.9
    assert list(found.curve["n_clusters"]) == list(range(DEFAULT_RANGE[0], DEFAULT_RANGE[1] + 1))


def test_number_of_domains_stays_in_the_range_asked_for():
    components, adj, _ = layered(5)
    found, _ = domain_clusters(components, adj, (2, 3), seed=0)
    assert list(found.curve["n_clusters"]) == [2, 3]


def test_same_seed_gives_the_same_bits():
    components, adj, _ = layered()
    (first, points), (again, same) = (domain_clusters(components, adj, 4, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.confidence, again.confidence)
    np.testing.assert_array_equal(points, same)


def test_order_of_the_spots_does_not_matter():
    components, adj, _ = layered(noise=0.5)
    order = np.random.default_rng(1).permutation(len(components))
    found, _ = domain_clusters(components, adj, 4, seed=0)
    moved, _ = domain_clusters(components[order], adj[order][:, order], 4, seed=0)
    assert adjusted_rand_score(found.labels[order], moved.labels) > 0.99


def test_slices_without_a_link_are_clustered_together():
    components, adj, truth = layered(noise=0.5)
    two = sp.block_diag([adj, adj], format="csr")
    found, _ = domain_clusters(np.vstack([components, components]), two, 4, seed=0)
    np.testing.assert_array_equal(found.labels[:576], found.labels[576:])
    assert adjusted_rand_score(truth, found.labels[:576]) > 0.95


@pytest.mark.parametrize("n_spots", [3, 6, 12])
def test_tiny_tissues_are_clustered(n_spots):
    rng = np.random.default_rng(0)
    adj = spatial_graph(rng.normal(size=(n_spots, 2)), n_neighbors=2)
    found, _ = domain_clusters(rng.normal(size=(n_spots, 4)), adj, 2, seed=0)
    assert 1 <= found.n_clusters <= 2
    auto, _ = domain_clusters(rng.normal(size=(n_spots, 4)), adj, None, seed=0)
    assert auto.n_clusters <= n_spots


def test_spots_that_do_not_differ_are_one_domain():
    _, adj, _ = layered(side=6)
    found, _ = domain_clusters(np.ones((36, 5)), adj, 1, seed=0)
    assert found.n_clusters == 1


def test_more_domains_than_different_spots_are_refused():
    components, adj, _ = layered(side=4)
    with pytest.raises(InputError, match="n_clusters: got 17, wanted at most 16"):
        domain_clusters(components, adj, 17, seed=0)
