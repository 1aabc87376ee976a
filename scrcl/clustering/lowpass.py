"""Smoothing over a tissue, as strong as the data themselves ask for."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

# Strengths tried, and the number of random vectors that estimate a trace.
_STRENGTHS = 2.0 ** np.arange(-3, 8)
_N_PROBES = 40
_ROUGH = 1e-5
_FINE = 1e-8
_MAX_STEPS = 1000


def graph_laplacian(adj: sp.csr_matrix) -> sp.csr_matrix:
    """Return (D - A) / mean degree, (n_obs, n_obs): strengths then mean the same on any graph."""
    degree = np.asarray(adj.sum(axis=1)).ravel()
    return sp.csr_matrix((sp.diags(degree) - adj) / max(degree.mean(), 1.0), dtype=np.float64)


def low_pass(
    values: NDArray[np.floating],
    laplacian: sp.csr_matrix,
    strength: float,
    *,
    order: int = 1,
    tolerance: float = _FINE,
) -> NDArray[np.float64]:
    r"""Smooth columns over the graph: :math:`(I + a L)^{-o} x`, the mean of each column kept.

    Parameters
    ----------
    values
        (n_obs, n_columns).
    laplacian
        Of the graph, (n_obs, n_obs).
    strength
        a: 0 leaves the values as they are, infinity replaces them by their mean.
    order
        o: how often the filter is applied.
    tolerance
        Of the conjugate gradients that solve it, relative to each column.
    """
    mean = values.mean(axis=0)
    smooth: NDArray[np.float64] = (values - mean).astype(np.float64)
    system = sp.csr_matrix(sp.identity(laplacian.shape[0]) + strength * laplacian)
    for _ in range(order):
        smooth = _solve(system, smooth, tolerance)
    smooth += mean
    return smooth


def best_strength(
    values: NDArray[np.floating], laplacian: sp.csr_matrix, *, order: int = 1
) -> float:
    """Strength by generalised cross-validation: the one that best foretells a spot left out.

    Golub, Heath and Wahba (Technometrics 1979), the trace estimated with fixed random signs. The
    minimum over powers of two is refined by a parabola through its neighbours.

    Parameters
    ----------
    values
        (n_obs, n_columns), the leading components of expression.
    laplacian
        Of the graph, (n_obs, n_obs).
    order
        As in `low_pass`.
    """
    n_obs, n_columns = values.shape
    centred = values - values.mean(axis=0)
    probes = np.random.default_rng(0).choice([-1.0, 1.0], (n_obs, _N_PROBES))
    both = np.hstack([centred, probes - probes.mean(axis=0)])
    errors = []
    for strength in _STRENGTHS:
        smooth = low_pass(both, laplacian, strength, order=order, tolerance=_ROUGH)
        trace = (probes * smooth[:, n_columns:]).sum() / _N_PROBES
        residual = ((centred - smooth[:, :n_columns]) ** 2).mean()
        errors.append(residual / (1.0 - trace / n_obs) ** 2)
    best = int(np.argmin(errors))
    exponent = np.log2(_STRENGTHS[best])
    if 0 < best < len(errors) - 1:
        below, here, above = errors[best - 1 : best + 2]
        exponent += 0.5 * (below - above) / (below - 2 * here + above)
    return float(2.0**exponent)


def _solve(
    system: sp.csr_matrix, right: NDArray[np.float64], tolerance: float
) -> NDArray[np.float64]:
    """Conjugate gradients on all columns at once (scipy's take one at a time)."""
    found, residual = np.zeros_like(right), right.copy()
    direction, norm = residual.copy(), (residual**2).sum(axis=0)
    enough = tolerance**2 * norm
    tiny = np.finfo(np.float64).tiny
    for _ in range(_MAX_STEPS):
        if (norm <= enough).all():
            break
        image = system @ direction
        step = norm / np.maximum((direction * image).sum(axis=0), tiny)
        found += step * direction
        residual -= step * image
        before, norm = norm, (residual**2).sum(axis=0)
        direction = residual + norm / np.maximum(before, tiny) * direction
    return found
