import numpy as np
import pytest
import scipy.sparse as sp

from scrcl.data.components import components, expression_components


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
    plain, scaled = expression_components(strong)
    gene = strong[:, 0].toarray().ravel()
    assert abs(np.corrcoef(plain[:, 0], gene)[0, 1]) > 0.999
    assert abs(np.corrcoef(scaled[:, 0], gene)[0, 1]) < 0.9


@pytest.mark.parametrize(("shape", "width"), [((3, 25), 2), ((60, 2), 1), ((60, 1), 1)])
def test_number_of_components_is_cut_to_what_there_is(log_norm, shape, width):
    assert components(log_norm[: shape[0], : shape[1]]).shape == (shape[0], width)
