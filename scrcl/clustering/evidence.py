"""What speaks for every split of a tree of clusters, from sums over its leaves."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr
from scipy.stats import false_discovery_control, rankdata

from scrcl.clustering.consensus import Consensus, sums_below
from scrcl.clustering.tree import AREA, DEPTH

# A gene tells two sides apart if all of this holds.
MIN_LOG2_FOLD = 1.0
MAX_ADJUSTED_P = 0.01
MIN_DETECTION = 0.25
"""Share of the cells with the gene, on the side that has more of it."""

N_COMPONENTS = 30
_CELLS_PER_COMPONENT = 4
_N_NULL = 20
_NULL_SIZES = np.unique(np.geomspace(2, 400, 24).astype(int))
"""Numbers of cells for which the null model is drawn; the next smaller one serves."""
_NULL_STEPS = 8
_N_NAMED = 5
ERROR_RATE = 0.05
"""Chance of believing any split of data without structure, shared out over the tree by cells."""

_CELLS_FOR_AREA = 5
_LIKE = 8
"""Cells next in value that are asked for a cell's side."""
_CELLS_PER_CLASS, _MOST_CLASSES = 20, 10
"""Cells of like depth go together: so many at least, in so many classes at most."""

_AreaOf: TypeAlias = Callable[[NDArray[np.intp], int], float]
"""From the cells of a node, those of its left side first, and their number to the area, .5 to 1."""
NullOfNode: TypeAlias = Callable[[NDArray[np.intp], int], tuple[float, float]]
"""From the cells of a node and a number of components to mean and deviation of the distance of its
halves where there is nothing to be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """What the evidence is computed from, of the cells in the tree.

    Attributes
    ----------
    components
        Principal components of expression, (n_obs, n_components).
    log_norm
        Log-normalised expression, natural logs, (n_obs, n_genes).
    genes
        Names of the genes, (n_genes,).
    covariates
        What may explain a split instead of a type: numbers for each cell, such as its total
        counts, or categories, such as its batch, (n_obs, any).
    """

    components: NDArray[np.floating]
    log_norm: sp.csr_matrix
    genes: NDArray[np.object_]
    covariates: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __getitem__(self, cells: NDArray[np.intp]) -> "Expression":
        """Return that of some cells."""
        return Expression(
            components=self.components[cells],
            log_norm=self.log_norm[cells],
            genes=self.genes,
            covariates=self.covariates.iloc[cells] if len(self.covariates) else self.covariates,
        )


def split_evidence(
    found: Consensus, expression: Expression, *, seed: int, null: NullOfNode | None = None
) -> pd.DataFrame:
    """Compute the evidence for every split.

    Parameters
    ----------
    found
        The consensus, whose tree is judged.
    expression
        Of the same cells.
    seed
        Seed of the null model.
    null
        Another null model than the Gaussian.

    Returns
    -------
    One row for each merge, indexed by the number of its node:

    ``n_left``, ``n_right``
        Cells of the sides: the first is that of the first node of the merge.
    ``height``
        Share of the partitions that keep a cell of one side and a cell of the other apart.
    ``mixing``
        How often partitions put cells of different sides together, relative to cells of the same
        side: 0 to 1, and independent of how fine the partitions are.
    ``distance``
        Mahalanobis distance of the sides' means in the components, corrected for its bias; or that
        among cells of like depth (ten classes of their total counts), if it is less: what is left
        of the distance where depth is no difference.
    ``null_distance``
        The same for two halves (by 2-means) of a Gaussian with the node's size, on average: what
        clustering finds where nothing is to be found. The distance does not depend on the
        covariance of the Gaussian.
    ``p_value``, ``level``
        Chance of such a distance under that null model (normal approximation), and the level that
        it has to be below: .05 times the node's share of the cells (Meinshausen, Biometrika 2008).
    ``n_genes``, ``genes``
        How many genes tell the sides apart (twofold change of the mean, adjusted p of Welch's
        t-test at most .01, found in a quarter of the cells of the higher side), and the best five
        by effect size: ``+`` higher on the left side, ``-`` on the right.
    ``auc_...``
        For each covariate: how well it alone tells the sides apart, .5 to 1 (area under the ROC
        curve; categories in the order of their shares on one side, numbers in their own order or
        in that of the share among the 8 cells next in value, whichever tells more: one side may lie
        between two parts of the other); .5 where a side has fewer than 5 cells or a value is
        missing.
    """
    merges, n_leaves = found.merges, len(found.merges) + 1
    cells = _cells_below(merges, found.leaves)
    below = _below(merges)
    counts = below @ found.sizes
    left, right = merges.T
    null = gaussian_null(seed=seed) if null is None else null
    distance, mean, deviation = _distances(merges, cells, counts, expression.components, null=null)
    if DEPTH in expression.covariates:
        known = expression.covariates[DEPTH].to_numpy(np.float64)
        distance = np.minimum(distance, _of_like(merges, cells, expression.components, known))
    n_genes, genes = _telling_genes(found, below, counts, expression)
    excess = (distance - mean) / np.maximum(deviation, 1e-12)
    table = pd.DataFrame(
        {
            "n_left": counts[left],
            "n_right": counts[right],
            "height": found.heights,
            "mixing": _mixing(merges, below, found.sizes, found.together),
            "distance": distance,
            "null_distance": mean,
            "p_value": ndtr(-excess),
            "level": ERROR_RATE * counts[n_leaves:] / max(counts[-1], 1),
            "n_genes": n_genes,
            "genes": genes,
        },
        index=pd.RangeIndex(n_leaves, 2 * n_leaves - 1, name="node"),
    )
    for name, values in expression.covariates.items():
        area_of = _of_categories if isinstance(values.dtype, pd.CategoricalDtype) else _of_numbers
        table[f"{AREA}{name}"] = _areas(merges, cells, area_of(values))
    return table


def _areas(
    merges: NDArray[np.intp],
    cells: list[NDArray[np.intp]],
    area_of: _AreaOf,
) -> NDArray[np.float64]:
    """Area under the ROC curve of every split, (n_splits,)."""
    areas = np.full(len(merges), 0.5)
    for step, (left, right) in enumerate(merges):
        n_left, n_right = len(cells[left]), len(cells[right])
        if min(n_left, n_right) >= _CELLS_FOR_AREA:
            areas[step] = area_of(cells[len(merges) + 1 + step], n_left)
    return areas


def _area(values: NDArray[np.floating], n_left: int) -> float:
    """Area under the ROC curve of values, those of the left side first."""
    ranks = rankdata(values)[:n_left]
    area = (ranks.sum() - n_left * (n_left + 1) / 2) / (n_left * (len(values) - n_left))
    return float(area)


def _of_numbers(values: "pd.Series[float]") -> _AreaOf:
    """By a number in either order, or by the side of the cells next to it, whichever tells more."""
    numbers = values.to_numpy(np.float64)

    def area_of(cells: NDArray[np.intp], n_left: int) -> float:
        own = numbers[cells]
        if not np.isfinite(own).all():
            return 0.5
        area = _area(own, n_left)
        return max(area, 1.0 - area, _area(_share_nearby(own, n_left), n_left))

    return area_of


def _share_nearby(values: NDArray[np.floating], n_left: int) -> NDArray[np.float64]:
    """Share of the left side among the cells next in value, four below and four above, (n_cells,).

    A cell has no say in its own: without a relation the share tells nothing. Cells of one value
    have one share, in whatever order they come.
    """
    _, of_value, n_same = np.unique(values, return_inverse=True, return_counts=True)
    on_left = (np.bincount(of_value[:n_left], minlength=len(n_same)) / n_same)[np.sort(of_value)]
    sums = np.concatenate([[0.0], np.cumsum(on_left)])
    place, half = np.arange(len(values)), _LIKE // 2
    first, last = (place - half).clip(0), (place + half + 1).clip(None, len(values))
    share = (sums[last] - sums[first] - on_left) / (last - first - 1)
    return np.asarray((np.bincount(np.sort(of_value), share) / n_same)[of_value])


def _of_categories(values: "pd.Series[Any]") -> _AreaOf:
    """By the share of each category's cells on the left side; all missing ones are one."""
    codes = values.cat.codes.to_numpy(np.intp) + 1

    def area_of(cells: NDArray[np.intp], n_left: int) -> float:
        own = codes[cells]
        n_all = np.bincount(own)
        share = np.bincount(own[:n_left], minlength=len(n_all)) / n_all.clip(1)
        return _area(share[own], n_left)

    return area_of


def _below(merges: NDArray[np.intp]) -> NDArray[np.intp]:
    """Which leaves are below each node: 0 or 1, (2 n_leaves - 1, n_leaves)."""
    return sums_below(merges, np.eye(len(merges) + 1, dtype=np.intp))


def _cells_below(merges: NDArray[np.intp], leaves: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Numbers of the cells below each node, those of its left side first."""
    n_leaves = len(merges) + 1
    order = np.argsort(leaves, kind="stable")
    cells = list(np.split(order, np.searchsorted(leaves[order], np.arange(1, n_leaves))))
    for left, right in merges:
        cells.append(np.concatenate([cells[left], cells[right]]))
    return cells


def _mixing(
    merges: NDArray[np.intp],
    below: NDArray[np.intp],
    sizes: NDArray[np.intp],
    together: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Votes between the sides over those within them; a pair is two different cells."""
    pairs = together.astype(np.float64) * np.outer(sizes, sizes)
    left, right = merges.T
    counts = (below @ sizes).astype(np.float64)
    sums = below @ pairs  # (n_nodes, n_leaves)
    within = np.einsum("nl,nl->n", sums, below)
    # Every cell is always with itself, which says nothing.
    share = np.where(counts > 1, (within - counts) / np.maximum(counts * (counts - 1), 1), 1.0)
    between = np.einsum("nl,nl->n", sums[left], below[right]) / (counts[left] * counts[right])
    typical = np.sqrt(np.maximum(share[left] * share[right], 1e-12))
    mixing: NDArray[np.float64] = np.clip(between / typical, 0.0, 1.0)
    return mixing


def _distances(
    merges: NDArray[np.intp],
    cells: list[NDArray[np.intp]],
    counts: NDArray[np.intp],
    components: NDArray[np.floating],
    *,
    null: NullOfNode,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Distance of each split, and mean and deviation of what the null model gives."""
    points = np.asarray(components[:, :N_COMPONENTS], dtype=np.float64)
    n_leaves, width = len(merges) + 1, points.shape[1]
    means = np.zeros((n_leaves, width))
    squares = np.zeros((n_leaves, width, width))  # sums of outer products
    for leaf, members in enumerate(cells[:n_leaves]):
        own = points[members]
        means[leaf], squares[leaf] = own.sum(axis=0), own.T @ own
    means, squares = sums_below(merges, means), sums_below(merges, squares)
    scatter = squares - means[:, :, None] * means[:, None, :] / counts[:, None, None]
    means /= counts[:, None]
    found = np.empty((3, n_leaves - 1))
    for step, (left, right) in enumerate(merges):
        n_used = n_axes(int(counts[left] + counts[right]), width)
        within = (scatter[left] + scatter[right])[:n_used, :n_used]
        shift = (means[left] - means[right])[:n_used]
        found[0, step] = _distance(within, shift, *_freedom_and_weight(*counts[[left, right]]))
        found[1:, step] = null(cells[n_leaves + step], width)
    return found[0], found[1], found[2]


def gaussian_null(*, seed: int) -> NullOfNode:
    """Return the null model of single cells, a Gaussian with the size of the node."""
    known: dict[tuple[int, int], tuple[float, float]] = {}

    def null(cells: NDArray[np.intp], width: int) -> tuple[float, float]:
        n_drawn = int(_NULL_SIZES[np.searchsorted(_NULL_SIZES, len(cells), "right") - 1])
        key = (n_drawn, n_axes(n_drawn, width))
        if key not in known:
            known[key] = _null_distance(*key, seed=seed)
        return known[key]

    return null


def n_axes(n_obs: int, width: int) -> int:
    """Components in which a node of so many cells is judged."""
    return max(1, min(width, n_obs // _CELLS_PER_COMPONENT))


def _of_like(
    merges: NDArray[np.intp],
    cells: list[NDArray[np.intp]],
    components: NDArray[np.floating],
    values: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Distance of each split among cells of like value, infinite where some cell has none."""
    points = np.asarray(components[:, :N_COMPONENTS], dtype=np.float64)
    found = np.full(len(merges), np.inf)
    for step, (left, _) in enumerate(merges):
        node = cells[len(merges) + 1 + step]
        n_classes = min(len(node) // _CELLS_PER_CLASS, _MOST_CLASSES)
        if n_classes > 1 and np.isfinite(values[node]).all():
            classes = (rankdata(values[node]) - 0.5) * n_classes // len(node)
            own = points[node, : n_axes(len(node), points.shape[1])]
            of_class = np.unique(classes, return_inverse=True)[1]  # equal values share one
            found[step] = _distance_within(own, len(cells[left]), of_class)
    return found


def _distance_within(
    points: NDArray[np.float64], n_left: int, classes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Distance of the first points from the others by what they differ in within classes.

    The shift between the sides is the one that, with a mean for every class, fits the points best.
    """
    member = np.eye(classes.max() + 1)[classes]
    table = np.column_stack([np.arange(len(points)) < n_left, points])
    table -= member @ ((member.T @ table) / member.sum(axis=0)[:, None])
    side, centred = table[:, 0], table[:, 1:]
    weight = side @ side
    if weight < 1e-9:  # the classes are the sides
        return np.zeros(())
    shift = side @ centred / weight
    within = centred.T @ centred - weight * np.outer(shift, shift)
    return _distance(within, shift, len(points) - member.shape[1] - 1, weight)


def _freedom_and_weight(
    n_left: NDArray[np.integer] | int, n_right: NDArray[np.integer] | int
) -> tuple[NDArray[np.integer] | int, NDArray[np.floating] | float]:
    """Degrees of freedom within two sides, and the weight of the difference of their means."""
    return n_left + n_right - 2, n_left * n_right / (n_left + n_right)


def _distance(
    within: NDArray[np.float64],
    shift: NDArray[np.float64],
    freedom: NDArray[np.integer] | int,
    weight: NDArray[np.floating] | float,
) -> NDArray[np.float64]:
    """Mahalanobis distance of two means, less what sampling alone adds to it on average.

    Parameters
    ----------
    within
        Scatter within the sides, (..., width, width).
    shift
        Difference of their means, (..., width).
    freedom
        Degrees of freedom of the scatter, (...).
    weight
        Covariance within the sides over that of the difference, (...).
    """
    width = shift.shape[-1]
    covariance = within / np.maximum(freedom, 1)[..., None, None]
    floor = 1e-3 * np.trace(covariance, axis1=-2, axis2=-1) / width + 1e-12
    covariance = covariance + floor[..., None, None] * np.eye(width)
    squared = (shift * np.linalg.solve(covariance, shift[..., None])[..., 0]).sum(axis=-1)
    squared *= np.maximum(freedom - width - 1, 1) / np.maximum(freedom, 1)
    return np.asarray(np.sqrt(np.maximum(squared - width / weight, 0.0)))


def _null_distance(n_obs: int, width: int, *, seed: int) -> tuple[float, float]:
    """Mean and deviation of the distance between halves of a Gaussian, split by 2-means.

    A distance in units of the covariance is the same for every Gaussian, but 2-means is not: where
    no direction is longer than the others it has the most freedom to follow chance, so that is the
    Gaussian taken.
    """
    rng = np.random.default_rng((seed, n_obs, width))
    drawn = halves_apart(rng.standard_normal((_N_NULL, n_obs, width)))
    return float(drawn.mean()), float(drawn.std(ddof=1))


def halves_apart(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of the halves that 2-means finds in each of several clouds around 0, (n_clouds,).

    Parameters
    ----------
    points
        (n_clouds, n_obs, width).
    """
    n_obs = points.shape[1]
    side = points[..., 0] > 0
    for _ in range(_NULL_STEPS):
        first, second, n_first = _halves(points, side)
        halfway = ((first**2).sum(axis=-1) - (second**2).sum(axis=-1)) / 2
        nearer = (points @ (first - second)[..., None])[..., 0] > halfway[:, None]
        in_halves = (n_first > 0) & (n_first < n_obs)
        side = np.where(in_halves[:, None], nearer, side)
    first, second, n_first = _halves(points, side)
    in_halves = (n_first > 0) & (n_first < n_obs)
    centred = points - np.where(side[..., None], first[:, None], second[:, None])
    within = np.swapaxes(centred, 1, 2) @ centred
    n_first = n_first.clip(1, max(n_obs - 1, 1))
    freedom, weight = _freedom_and_weight(n_first, np.maximum(n_obs - n_first, 1))
    apart = _distance(within, first - second, freedom, weight)
    return np.where(in_halves, apart, 0.0)


def _halves(
    points: NDArray[np.float64], side: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Mean of either side of each cloud, (n_clouds, width), and points on the first, (n_clouds,)."""
    n_first = side.sum(axis=1)
    sums = (side[:, None, :].astype(np.float64) @ points)[:, 0]
    others = points.sum(axis=1) - sums
    n_second = side.shape[1] - n_first
    return sums / n_first.clip(1)[:, None], others / n_second.clip(1)[:, None], n_first


def _telling_genes(
    found: Consensus, below: NDArray[np.intp], counts: NDArray[np.intp], expression: Expression
) -> tuple[NDArray[np.intp], list[str]]:
    """Count the genes that tell the sides apart, and name the best."""
    X, merges, leaves = expression.log_norm, found.merges, found.leaves
    if not len(merges):
        return np.zeros(0, dtype=np.intp), []
    members = sp.csr_matrix((np.ones(len(leaves)), (leaves, np.arange(len(leaves)))))
    sums, squares, present = (
        below @ np.asarray((members @ part).toarray()) for part in (X, X.multiply(X), X > 0)
    )
    n = counts[:, None].astype(np.float64)
    means = sums / n
    scatter = np.maximum(squares - sums * means, 0.0)
    left, right = merges.T
    shift = means[left] - means[right]  # (n_splits, n_genes)
    pooled = (scatter[left] + scatter[right]) / np.maximum(n[left] + n[right] - 2, 1) + 1e-9
    p_values = _welch(shift, pooled, (scatter[left], n[left]), (scatter[right], n[right]))
    detection = np.where(shift > 0, (present / n)[left], (present / n)[right])
    tells = (
        (np.abs(shift) >= MIN_LOG2_FOLD * np.log(2))
        & (false_discovery_control(p_values, axis=1) <= MAX_ADJUSTED_P)
        & (detection >= MIN_DETECTION)
    )
    effect = np.where(tells, np.abs(shift) / np.sqrt(pooled), -np.inf)
    best = np.argsort(np.negative(effect), axis=1, kind="stable")[:, :_N_NAMED]
    names = [
        " ".join(
            f"{'+' if shift[row, g] > 0 else '-'}{expression.genes[g]}"
            for g in some
            if tells[row, g]
        )
        for row, some in enumerate(best)
    ]
    return tells.sum(axis=1), names


def _welch(
    shift: NDArray[np.float64],
    pooled: NDArray[np.float64],
    *sides: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Two-sided p-values of Welch's t-test from scatter and number of cells of both sides."""
    errors = []
    for scatter, n in sides:
        # A few cells that happen to agree would be infinitely sure; the other side says otherwise.
        variance = scatter / np.maximum(n - 1, 1) + pooled / n
        errors.append((variance / n, np.maximum(n - 1, 1)))
    total = sum((error for error, _ in errors), np.zeros(()))
    freedom = total**2 / sum((error**2 / free for error, free in errors), np.zeros(()))
    p_values: NDArray[np.float64] = 2.0 * stdtr(freedom, -np.abs(shift) / np.sqrt(total))
    return p_values.clip(0.0, 1.0)
