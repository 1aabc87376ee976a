"""The label-free clustering of a tissue: components smoothed over the graph, and a vote.

No network takes part. On the sets at hand the learned embedding, clustered in the same way, was
behind the smoothed components, and adding it to the vote did not help (docs/research.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp
from sklearn.cluster import KMeans

from scrcl._threads import one_core, workers
from scrcl._validate import InputError
from scrcl.clustering.anchor import DEFAULT_RANGE
from scrcl.clustering.consensus import by_size
from scrcl.clustering.lowpass import best_strength, graph_laplacian, low_pass
from scrcl.clustering.result import Clustering, best_n_clusters

# The 30 voters: numbers of components, strengths in units of the best one, orders of the filter.
_N_COMPONENTS = (8, 10, 12, 15, 20)
_SCALES = (0.7, 1.0, 1.4)
_ORDERS = (1, 2)
# Components that choose the strength, and how far components are brought to equal variance.
_N_JUDGED = 20
_WHITENING = 0.75
# Ten starts each: with three, seeds agreed less on the slice at hand that is hardest to tell apart.
_N_STARTS = 10
# Steps that bring k-means to a mixture; 100 found the same domains. The least variance in any
# direction, relative to the mean one, for domains that are flat there.
_N_STEPS = 10
_SETTLED = 1e-3  # change of the mean log-likelihood
_FLAT = 1e-6
_MAX_ROUNDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """From components of expression to the embedding of a tissue, for this slice or another.

    Attributes
    ----------
    strength
        Of the low-pass filter.
    mean
        Of the smoothed components, (n_components,).
    axes
        On which they are whitened, (n_components, width).
    """

    strength: float
    mean: NDArray[np.float64]
    axes: NDArray[np.float64]

    def __call__(
        self, components: NDArray[np.floating], laplacian: sp.csr_matrix
    ) -> NDArray[np.float32]:
        """Embed the spots of a slice, (n_obs, width), on its own graph."""
        smooth = low_pass(components, laplacian, self.strength)
        return np.asarray((smooth - self.mean) @ self.axes, dtype=np.float32)


def domain_clusters(
    components: NDArray[np.floating],
    adj: sp.csr_matrix,
    n_clusters: int | tuple[int, int] | None,
    *,
    seed: int,
) -> tuple[Clustering, NDArray[np.float32]]:
    """Find the domains of a tissue.

    Components of expression are smoothed over the graph of the spots, by generalised
    cross-validation as strongly as the tissue calls for. 30 variants (strength, order, number of
    components) are each split by k-means and from there by a mixture of Gaussians of one shape,
    which learns along what the spots of a domain differ. They are brought to one vote for every
    spot, and the votes are smoothed once more, so that lone spots follow the tissue around them.
    Linear in the number of spots.

    Parameters
    ----------
    components
        Principal components of expression, (n_obs, n_components), about 100.
    adj
        Graph of neighbouring spots, (n_obs, n_obs), binary and symmetric.
    n_clusters
        A number, a range to find it in, or ``None``: found from 4 to 11.
    seed
        Seed of k-means.

    Returns
    -------
    Domains from the largest to the smallest, with each spot's share of the votes as confidence, its
    mean as stability, and, if the number was found, its curve; and the smoothed components,
    (n_obs, at most 20).

    Raises
    ------
    InputError
        If more domains are asked for than there are different spots.
    """
    voters = domain_voters(components, adj)
    return voters.clusters(n_clusters, seed=seed), voters.embedding.astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainVoters:
    """Smoothed components of a tissue, from which any number of domains can be voted.

    Attributes
    ----------
    members
        Of each of the 30 voters, (n_obs, n_components).
    embedding
        Those at the best strength, (n_obs, at most 20).
    strength
        The best strength of the filter, which smooths the votes, too.
    laplacian
        Of the graph of the spots, (n_obs, n_obs).
    """

    members: list[NDArray[np.float64]]
    embedding: NDArray[np.float64]
    strength: float
    laplacian: sp.csr_matrix

    @one_core()
    def clusters(self, n_clusters: int | tuple[int, int] | None, *, seed: int) -> Clustering:
        """Let the voters find a number of domains; see `domain_clusters`."""
        n_distinct = self.n_distinct
        curve = None
        if not isinstance(n_clusters, int):
            low, high = (
                max(min(bound, n_distinct - 1), 2) for bound in n_clusters or DEFAULT_RANGE
            )
            runs = {n: self.runs(n, seed=seed) for n in range(low, high + 1)}
            curve = agreement_curve(runs)
            n_clusters = best_n_clusters(curve)
        if n_clusters > n_distinct:
            msg = (
                f"n_clusters: got {n_clusters}, wanted at most {n_distinct}: no more spots differ. "
                "Ask for fewer domains."
            )
            raise InputError(msg)
        votes = self.votes(self.runs(n_clusters, seed=seed), seed=seed)
        labels = by_size(votes.argmax(axis=1))
        confidence = votes.max(axis=1).clip(0, 1)
        return Clustering(
            labels=labels,
            confidence=confidence.astype(np.float32),
            stability=np.bincount(labels, confidence) / np.bincount(labels),
            curve=curve,
        )

    @property
    def n_distinct(self) -> int:
        """How many different spots there are."""
        return len(np.unique(self.embedding, axis=0))

    def runs(
        self, n_clusters: int, *, seed: int, n_starts: int | None = None
    ) -> list[NDArray[np.intp]]:
        """K-means of every voter, (n_obs,) each, from its own stream of random numbers."""
        seeds = np.random.SeedSequence(seed).generate_state(len(self.members))
        n_starts = _N_STARTS if n_starts is None else n_starts

        def split(points: NDArray[np.float64], own: int) -> NDArray[np.intp]:
            labels: NDArray[np.intp] = KMeans(
                n_clusters, n_init=n_starts, random_state=own
            ).fit_predict(points)
            return labels

        with workers() as threads:
            return list(threads.map(split, self.members, map(int, seeds)))

    @one_core()
    def votes(
        self, runs: list[NDArray[np.intp]], *, seed: int, n_starts: int | None = None
    ) -> NDArray[np.float64]:
        """Share of the voters for each domain at each spot, smoothed, (n_obs, n_clusters).

        ``runs`` are where the voters' mixtures start.
        """
        n_starts = _N_STARTS if n_starts is None else n_starts
        with workers() as threads:
            mixtures = list(threads.map(_mixture, self.members, runs))
        votes = _vote(mixtures, seed=seed, n_starts=n_starts)
        return low_pass(votes, self.laplacian, self.strength)

    def some(self, step: int) -> "DomainVoters":
        """Every so manieth voter alone."""
        return replace(self, members=self.members[::step])


@one_core()
def domain_voters(components: NDArray[np.floating], adj: sp.csr_matrix) -> DomainVoters:
    """Smooth components over the graph in 30 ways; the arguments are those of `domain_clusters`."""
    laplacian = graph_laplacian(adj)
    members, embedding, strength = _members(components, laplacian)
    return DomainVoters(
        members=members, embedding=embedding, strength=strength, laplacian=laplacian
    )


def _members(
    components: NDArray[np.floating], laplacian: sp.csr_matrix
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64], float]:
    """Smoothed components of all voters, those at the best strength, and that strength."""
    judged = components[:, :_N_JUDGED].astype(np.float64)
    strengths = {order: best_strength(judged, laplacian, order=order) for order in _ORDERS}
    smoothed = {}
    for scale, order in product(_SCALES, _ORDERS):
        smooth = low_pass(components, laplacian, scale * strengths[order], order=order)
        smoothed[scale, order] = _whitened(smooth)
    members = [
        smoothed[scale, order][:, :width]
        for width, scale, order in product(_N_COMPONENTS, _SCALES, _ORDERS)
    ]
    return members, smoothed[1.0, 1], strengths[1]


@one_core()
def smoothing(components: NDArray[np.floating], adj: sp.csr_matrix) -> Smoothing:
    """Find how `domain_clusters` smooths components into the embedding that it returns."""
    laplacian = graph_laplacian(adj)
    judged = components[:, :_N_JUDGED].astype(np.float64)
    strength = best_strength(judged, laplacian)
    smooth = low_pass(components, laplacian, strength)
    axes, lengths = _whitening(smooth)
    return Smoothing(strength=strength, mean=smooth.mean(axis=0), axes=axes / lengths)


def _whitened(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Components of smoothed values, the weak ones lifted."""
    axes, lengths = _whitening(values)
    whitened: NDArray[np.float64] = (values - values.mean(axis=0)) @ axes / lengths
    return whitened


def _whitening(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Axes of smoothed values, (n_components, at most 20), and by what to divide what lies on them."""
    centred: NDArray[np.float64] = values - values.mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    order = variances.argsort()[::-1][: max(_N_COMPONENTS)]
    order = order[variances[order] > 1e-12 * max(variances.max(), 1e-300)]
    if not order.size:
        return np.eye(centred.shape[1], 1), np.ones(1)
    return axes[:, order], variances[order] ** (_WHITENING / 2)


def _mixture(points: NDArray[np.float64], start: NDArray[np.intp]) -> NDArray[np.intp]:
    """Cluster by a mixture of Gaussians with one covariance, started from a clustering.

    As scikit-learn's with ``covariance_type="tied"``, which whitens all points for every component
    again: here that is done once a step.
    """
    start = np.unique(start, return_inverse=True)[1]  # k-means may leave numbers out
    shares = np.eye(int(start.max()) + 1)[start]
    floor = _FLAT * max(points.var(axis=0).mean(), 1e-6)
    squares, before = points.T @ points, -np.inf
    for _ in range(_N_STEPS):
        log_density = _log_densities(points, shares, squares, floor=floor)
        log_total = logsumexp(log_density, axis=1, keepdims=True)
        shares = np.exp(log_density - log_total)
        if abs(log_total.mean() - before) < _SETTLED:
            break
        before = log_total.mean()
    labels: NDArray[np.intp] = _log_densities(points, shares, squares, floor=floor).argmax(axis=1)
    return labels


def _log_densities(
    points: NDArray[np.float64],
    shares: NDArray[np.float64],
    squares: NDArray[np.float64],
    *,
    floor: float,
) -> NDArray[np.float64]:
    """Weighted log density of each component at each point, but for a constant, (n_obs, k).

    Parameters
    ----------
    points
        (n_obs, n_dims).
    shares
        Of each point in each component, which these are fitted to, (n_obs, k).
    squares
        Sum of the points' outer products, (n_dims, n_dims).
    floor
        Added to all variances.
    """
    sizes = shares.sum(axis=0) + 10 * np.finfo(np.float64).eps
    means = shares.T @ points / sizes[:, None]
    covariance = (squares - (sizes * means.T) @ means) / sizes.sum()
    covariance[np.diag_indices_from(covariance)] += floor
    root = np.linalg.cholesky(covariance)
    white, centres = (solve_triangular(root, x.T, lower=True).T for x in (points, means))
    distances = (white**2).sum(axis=1)[:, None] - 2 * white @ centres.T + (centres**2).sum(axis=1)
    log_weights = np.log(sizes / sizes.sum()) - np.log(np.diag(root)).sum()
    return np.asarray(log_weights - 0.5 * distances)


def _vote(runs: list[NDArray[np.intp]], *, seed: int, n_starts: int) -> NDArray[np.float64]:
    """Share of the runs that put a spot into each domain, (n_obs, k).

    Started from k-means on the leading components of all runs' indicators; then every run's
    clusters are matched to the domains (Hungarian) and vote, until no spot moves.
    """
    n_clusters = int(max(run.max() for run in runs)) + 1
    indicators, axes, _ = _vote_components(runs)
    start = indicators @ axes[:, :n_clusters]
    labels = KMeans(n_clusters, n_init=n_starts, random_state=seed).fit_predict(start)
    rows = np.arange(len(labels))
    for _ in range(_MAX_ROUNDS):
        votes = np.zeros((len(labels), n_clusters))
        for run in runs:
            table = sp.coo_matrix((np.ones(len(run)), (labels, run)), (n_clusters, n_clusters))
            domains, clusters = linear_sum_assignment(-table.toarray())
            matched = np.empty(n_clusters, dtype=np.intp)
            matched[clusters] = domains
            votes[rows, matched[run]] += 1 / len(runs)
        voted = votes.argmax(axis=1)
        if np.array_equal(voted, labels):
            break
        labels = voted
    return votes


def _vote_components(
    runs: list[NDArray[np.intp]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Centred indicators of all runs, their principal axes and variances, the largest first."""
    indicators = np.concatenate([np.eye(run.max() + 1)[run] for run in runs], axis=1)
    indicators -= indicators.mean(axis=0)
    variances, axes = np.linalg.eigh(indicators.T @ indicators / len(indicators))
    return indicators, axes[:, ::-1], variances[::-1]


def agreement_curve(runs: Mapping[int, list[NDArray[np.intp]]]) -> pd.DataFrame:
    """Judge numbers of domains by the gap behind the (k-1)-th variance of the runs' indicators.

    If all runs agree on k domains, their indicators have k - 1 directions and nothing beyond.

    Parameters
    ----------
    runs
        Number of domains to the labels of all voters, each (n_obs,).

    Returns
    -------
    One row a number: ``n_clusters``, ``criterion``.
    """
    rows = []
    for n_clusters, members in runs.items():
        variances = _vote_components(members)[2]
        gap = variances[n_clusters - 2] / max(variances[n_clusters - 1], 1e-12)
        rows.append((n_clusters, float(np.log(max(gap, 1e-12)))))
    return pd.DataFrame(rows, columns=["n_clusters", "criterion"])
