"""The tree of the domains of a tissue: the domains that the vote found, joined and divided."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.cluster import KMeans
from sklearn.utils.extmath import randomized_svd

from scrcl._threads import one_core
from scrcl.clustering.anchor import DEFAULT_RANGE, Anchor, searched
from scrcl.clustering.consensus import Consensus, average_linkage, by_size
from scrcl.clustering.domains import agreement_curve
from scrcl.clustering.evidence import gaussian_null, halves_apart, n_axes, split_evidence
from scrcl.clustering.lowpass import low_pass
from scrcl.clustering.result import best_n_clusters
from scrcl.clustering.tree import SMALLEST, ClusterTree

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scrcl.clustering.domains import DomainVoters
    from scrcl.clustering.evidence import Expression, NullOfNode

    Labels = NDArray[np.intp]

# All voters are asked for domains of these numbers, and every third one's mixture votes on those that
# are not taken; the others tell apart what is cut finer than the range that is searched.
_NUMBERS = range(2, DEFAULT_RANGE[1] + 1)
_FINER = (14, 20, 28, 40, 56)
_STEP = 3
_FEWER_STARTS = 3
_N_LEAVES = 300
_N_COMPONENTS = 50
# How sure the domains of a number are decides where their borders say the same.
_OF_SHARES = 0.01
_N_NULL = 20
_NULL_SPOTS = 400
_ROUGH = 1e-5


@one_core()
def domain_tree(
    voters: DomainVoters,
    expression: Expression,
    *,
    seed: int,
    wanted: tuple[int, int] | None = None,
    refine: Callable[[Labels], NDArray[np.integer]] | None = None,
) -> ClusterTree:
    """Build the tree of domains, anchored at those of the number that the voters agree best on.

    The voters find domains at numbers from 2 to 56, each anew, as `domain_clusters` does. Two spots
    are as far apart as the share of these numbers that keep them apart. At most 300 groups of spots
    with like votes, each within one domain of the anchor, are the leaves; average linkage joins them
    within the domains first, then these. So the cut at the number that is found is what
    `domain_clusters` finds, and every other one joins or divides its domains. Linear in the spots.

    Parameters
    ----------
    voters
        Of the tissue.
    expression
        Of the same spots: what the evidence comes from; its components are those of the voters.
    seed
        Of everything random here.
    wanted
        A range of numbers to be judged, too.
    refine
        From the labels of all spots to others, (n_obs,): a vote of the spots around each.
    """
    n_most = _most(voters)
    judged = {n: voters.runs(n, seed=seed) for n in _judged(wanted, n_most)}
    curve = agreement_curve(judged)
    n_found = best_n_clusters(searched(curve, *DEFAULT_RANGE)) if len(curve) else 1
    best = _found(voters, judged[n_found], seed=seed) if len(curve) else _one_domain(voters)
    some, found = voters.some(_STEP), {n_found: best}
    for number in (number for number in _NUMBERS if number in judged and number != n_found):
        runs = judged[number][::_STEP]
        found[number] = _found(some, runs, seed=seed, n_starts=_FEWER_STARTS)
    for number in (number for number in _FINER if number <= n_most):
        runs = some.runs(number, seed=seed, n_starts=_FEWER_STARTS)
        found[number] = _found(some, runs, seed=seed, n_starts=_FEWER_STARTS)
    columns = best.labels if refine is None else refine(best.labels)
    domains = by_size(columns)
    leaves = _leaves(list(found.values()), domains, seed=seed)
    first = np.unique(domains, return_index=True)[1]
    anchor = Anchor(
        clusters=domains[np.unique(leaves, return_index=True)[1]],
        shares=_means(best.shares, leaves)[:, columns[first]].clip(0, 1).astype(np.float32),
        curve=curve,
    )
    joined = _joined(list(found.values()), leaves, anchor.clusters)
    null = _tissue_null(voters, seed=seed)
    return ClusterTree(
        leaves=leaves,
        merges=joined.merges,
        heights=joined.heights,
        sizes=joined.sizes,
        together=joined.together,
        splits=split_evidence(joined, expression, seed=seed, null=null),
        anchor=anchor,
    )


class _Found(NamedTuple):
    """The domains at one number."""

    shares: NDArray[np.float32]
    """Of the votes, smoothed, (n_obs, n_domains)."""
    labels: Labels
    """The domain with the most at each spot, (n_obs,)."""

    @property
    def one_hot(self) -> NDArray[np.float32]:
        """Whether it is that domain, (n_obs, n_domains)."""
        return np.eye(self.shares.shape[1], dtype=np.float32)[self.labels]


def _found(
    voters: DomainVoters, runs: list[Labels], *, seed: int, n_starts: int | None = None
) -> _Found:
    votes = voters.votes(runs, seed=seed, n_starts=n_starts)
    return _Found(votes.astype(np.float32), votes.argmax(axis=1))


def _one_domain(voters: DomainVoters) -> _Found:
    """Spots that do not differ are one domain."""
    n_obs = len(voters.embedding)
    return _Found(np.ones((n_obs, 1), np.float32), np.zeros(n_obs, np.intp))


def _most(voters: DomainVoters) -> int:
    """Return the most domains that the voters can be asked for: one less than there are different spots."""
    n_distinct = voters.n_distinct
    return n_distinct if n_distinct <= 2 else n_distinct - 1


def _judged(wanted: tuple[int, int] | None, n_most: int) -> list[int]:
    """Numbers of domains that all voters are asked for."""
    beyond = () if wanted is None else range(wanted[0], wanted[1] + 1)
    return [number for number in sorted({*_NUMBERS, *beyond}) if 2 <= number <= n_most]


def _leaves(found: list[_Found], domains: Labels, *, seed: int) -> Labels:
    """Group spots with like votes, within each domain as many groups as it has spots to its share."""
    points = _points(found, seed=seed)
    leaves, n_leaves = np.empty(len(domains), dtype=np.intp), 0
    sizes = np.bincount(domains)
    room = _N_LEAVES - len(sizes)
    for domain, size in enumerate(sizes):
        own = np.flatnonzero(domains == domain)
        groups = _groups(points[own], max(1, int(room * size) // len(domains)), seed=seed)
        leaves[own] = groups + n_leaves
        n_leaves += int(groups.max()) + 1
    return leaves


def _points(found: list[_Found], *, seed: int) -> NDArray[np.floating]:
    """Leading components of the votes at all numbers, (n_obs, at most 50)."""
    table = np.hstack([domains.shares + domains.one_hot for domains in found])
    n_components = min(_N_COMPONENTS, min(table.shape) - 1)
    if n_components < 1:
        return table
    left, values, _ = randomized_svd(table, n_components, n_iter=7, random_state=seed)
    return np.ascontiguousarray(left * values)


def _groups(points: NDArray[np.floating], n_groups: int, *, seed: int) -> Labels:
    """Group points, at most so many; those that are the same go together."""
    distinct, groups = np.unique(points.round(3), axis=0, return_inverse=True)
    if len(distinct) > n_groups:
        groups = KMeans(n_groups, n_init=1, random_state=seed).fit_predict(points)
    return np.unique(groups.ravel(), return_inverse=True)[1]


def _means(values: NDArray[np.floating], leaves: Labels) -> NDArray[np.float64]:
    """Mean of each leaf's spots, (n_leaves, any)."""
    members = sp.csr_matrix((np.ones(len(leaves)), (leaves, np.arange(len(leaves)))))
    return np.asarray((members @ values) / np.bincount(leaves)[:, None])


def _joined(found: list[_Found], leaves: Labels, domains: Labels) -> Consensus:
    """Join the leaves, within the domains that they are in first."""
    sizes = np.bincount(leaves)
    together = np.zeros((len(sizes), len(sizes)))
    for at_number in found:
        for values, weight in ((at_number.one_hot, 1 - _OF_SHARES), (at_number.shares, _OF_SHARES)):
            means = _means(values, leaves)
            together += weight / len(found) * means @ means.T
    together = together.clip(0, 1)
    merges, heights = average_linkage(1.0 - together, sizes, domains)
    nothing = np.zeros(0, dtype=np.intp)
    return Consensus(
        leaves=leaves,
        sizes=sizes,
        merges=merges,
        heights=heights,
        together=together.astype(np.float32),
        votes=nothing,
        starts=nothing,
    )


def _tissue_null(voters: DomainVoters, *, seed: int) -> NullOfNode:
    """Return the null model of a tissue: noise, smoothed as its components are, at a node's spots."""
    n_obs, width = voters.embedding.shape
    rng = np.random.default_rng(seed)
    noise = np.empty((_N_NULL, n_obs, width), dtype=np.float32)
    for drawn in noise:
        white = rng.standard_normal((n_obs, width))
        drawn[:] = low_pass(white, voters.laplacian, voters.strength, tolerance=_ROUGH)
    of_few = gaussian_null(seed=seed)

    def null(spots: NDArray[np.intp], width: int) -> tuple[float, float]:
        if len(spots) < 2 * SMALLEST:  # is not divided whatever it says
            return of_few(spots, width)
        some = np.sort(spots)[:: -(-len(spots) // _NULL_SPOTS)]
        points = noise[:, some, : n_axes(len(some), width)].astype(np.float64)
        drawn = halves_apart(points - points.mean(axis=1, keepdims=True))
        return float(drawn.mean()), float(drawn.std(ddof=1))

    return null
