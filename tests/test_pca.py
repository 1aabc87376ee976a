"""Leading principal axes."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.decomposition import PCA

from scrcl._pca import leading_axes


def values(n_obs: int = 40, width: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.poisson(rng.gamma(1.0, 2.0, width), (n_obs, width)).astype(np.float64)


@pytest.mark.parametrize("n_axes", [1, 5, 12])
@pytest.mark.parametrize("as_matrix", [np.asarray, sp.csr_matrix], ids=["dense", "sparse"])
def test_the_axes_are_those_of_scikit_learn(n_axes: int, as_matrix: type) -> None:
    X = values()
    wanted = PCA(n_axes, svd_solver="covariance_eigh").fit(X)

    mean, axes = leading_axes(as_matrix(X), n_axes)

    np.testing.assert_allclose(mean, wanted.mean_)
    np.testing.assert_allclose(axes, wanted.components_, atol=1e-9)
    np.testing.assert_allclose(axes @ axes.T, np.eye(n_axes), atol=1e-12)


def test_the_largest_entry_of_an_axis_is_positive_and_the_input_as_it_was() -> None:
    X = values().astype(np.float32)
    before = X.copy()

    _, axes = leading_axes(X, 4)

    assert axes.dtype == np.float32
    assert (axes.max(axis=1) == np.abs(axes).max(axis=1)).all()
    assert np.array_equal(X, before)


def test_columns_that_do_not_vary_have_axes_too() -> None:
    _, axes = leading_axes(np.ones((5, 3)), 2)
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-12)


def test_axes_are_there_also_where_the_fast_solver_gives_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X = values()
    wanted = leading_axes(X, 3)

    def fail(*_: object, **__: object) -> None:
        raise np.linalg.LinAlgError

    monkeypatch.setattr("scrcl._pca.eigh", fail)
    found = leading_axes(X, 3)

    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)
