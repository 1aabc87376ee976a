import numpy as np
import pytest
import scipy.sparse as sp

from scrcl.data.components import aligned, components, expression_components


@pytest.fixture
def log_norm():
    rng = np.random.default_rng(0)
    return sp.csr_matrix(rng.poisson(1.0, (60, 25)).astype(np.float32))


def test_components_are_the_singular_vectors_of_the_centred_matrix(log_norm):
    centred = log_norm.toarray() - log_norm.toarray().mean(0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    ours = components(log_norm, 5)
    np.testing.assert_allclose(np.abs(ours), np.abs(left * values)[:, :5], rtol=1e-3, atol=1e-3)


def test_second_view_gives_every_gene_the_same_weight(log_norm):
    strong = log_norm.multiply(np.r_[1000, np.ones(24)]).tocsr().astype(np.float32)
    (plain, _), (scaled, _) = expression_components(strong)
    gene = strong[:, 0].toarray().ravel()
    assert abs(np.corrcoef(plain[:, 0], gene)[0, 1]) > 0.999
    assert abs(np.corrcoef(scaled[:, 0], gene)[0, 1]) < 0.9


def test_components_can_be_those_of_other_totals(log_norm):
    counts = log_norm.toarray() + 1
    at = {total: sp.csr_matrix(np.log1p(total * counts)) for total in (2.0, 50.0)}
    for (expected, _), (ours, axes) in zip(
        expression_components(at[2.0]), expression_components(at[50.0], 2 / 50), strict=True
    ):
        np.testing.assert_allclose(np.abs(ours), np.abs(expected), atol=5e-3)
        np.testing.assert_allclose(axes.project(at[50.0].toarray()), ours, atol=1e-4)


@pytest.mark.parametrize(("shape", "width"), [((3, 25), 2), ((60, 2), 1), ((60, 1), 1)])
def test_number_of_components_is_cut_to_what_there_is(log_norm, shape, width):
    assert components(log_norm[: shape[0], : shape[1]]).shape == (shape[0], width)


def two_slices(n_spots=300, shift=3.0, seed=0):
    """Components of three tissues on two slices, one of them shifted; the second lacks a tissue."""
    rng = np.random.default_rng(seed)
    tissue = np.concatenate([np.arange(n_spots) % 3, np.arange(n_spots) % 2])
    slices = np.repeat(["a", "b"], n_spots)
    centres = 8.0 * np.eye(3, 6)
    points = centres[tissue] + rng.normal(size=(2 * n_spots, 6))
    points[slices == "b"] += shift * rng.normal(size=6)
    points.flags.writeable = False
    return points, tissue, slices


def test_the_same_tissue_of_two_slices_comes_together_even_if_one_slice_lacks_another():
    points, tissue, slices = two_slices()

    def gap(values):
        return max(
            np.linalg.norm(
                values[(tissue == i) & (slices == "a")].mean(0)
                - values[(tissue == i) & (slices == "b")].mean(0)
            )
            for i in (0, 1)
        )

    found = aligned(points, slices)
    assert gap(found) < 0.2 * gap(points)
    centres = np.stack([found[tissue == i].mean(0) for i in range(3)])
    assert np.linalg.norm(centres[2] - centres[:2], axis=1).min() > 5


def test_slices_are_aligned_the_same_way_each_time():
    points, _, slices = two_slices()
    np.testing.assert_array_equal(aligned(points, slices), aligned(points, slices))


def test_a_lone_slice_is_left_as_it_is():
    points, _, _ = two_slices()
    np.testing.assert_array_equal(aligned(points, ["a"] * 600), points.astype(np.float32))


@pytest.mark.parametrize("n_spots", [2, 5, 40])
def test_tiny_slices_are_aligned(n_spots):
    points, _, _ = two_slices()
    found = aligned(points[:n_spots], ["a"] + ["b"] * (n_spots - 1))
    assert found.shape == (n_spots, 6)
    assert np.isfinite(found).all()
