"""Scores of a clustering: against labels, between runs, and on the tissue.

Every function is pure and takes any number of clusters against any number of classes; nothing
larger than a table of classes by clusters is built.
"""

import itertools
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree
from sklearn.metrics import (
    adjusted_rand_score,
    f1_score,
    normalized_mutual_info_score,
)
from sklearn.metrics.cluster import contingency_matrix

from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.data.spatial import nearest_spots


class Scores(TypedDict):
    """Agreement of a clustering with labels, and the number of cells that it rests on."""

    acc: float
    nmi: float
    ari: float
    f1: float
    n_clusters: int
    n_scored: int
    n_unlabelled: int


class SpatialScores(TypedDict):
    """Continuity of domains on the tissue; none of these needs labels."""

    chaos: float
    pas: float
    purity: float


def score(y_true: ArrayLike, y_pred: ArrayLike) -> Scores:
    """Score clusters against labels; the predictions are used as they are.

    Parameters
    ----------
    y_true
        Label of each cell, shape (n_obs,). NaN, None and "" mean "no label": these cells are
        left out of the scores and counted in ``n_unlabelled``.
    y_pred
        Cluster of each cell, shape (n_obs,).

    Returns
    -------
    ``acc``, ``nmi``, ``ari`` and ``f1`` over the labelled cells, ``n_clusters`` over all cells.

    Raises
    ------
    InputError
        If the lengths differ, a cluster is missing, or no cell has a label.
    """
    truth, predicted = _codes(y_true), _codes(y_pred)
    if len(truth) != len(predicted):
        msg = (
            f"labels: got {len(truth)} for {counted(len(predicted), 'cells')}, wanted as many. "
            "Join labels and clusters by cell name."
        )
        raise InputError(msg)
    if (predicted < 0).any():
        msg = f"clusters: got {counted((predicted < 0).sum(), 'cells')} without one, wanted none."
        raise InputError(msg)
    labelled = truth >= 0
    if not labelled.any():
        msg = "labels: got none at all, wanted at least one. Leave the label column out."
        raise InputError(msg)
    # Coded anew, so that cells without a label do not decide between equally good matches.
    classes, clusters = _codes(truth[labelled]), _codes(predicted[labelled])
    named = _named_by_class(classes, clusters)
    return Scores(
        acc=float((classes == named).mean()),
        # The library's quotient of equal entropies may be 1 + 2e-16.
        nmi=min(float(normalized_mutual_info_score(classes, clusters)), 1.0),
        ari=float(adjusted_rand_score(classes, clusters)),
        f1=float(
            f1_score(classes, named, labels=np.unique(classes), average="macro", zero_division=0)
        ),
        n_clusters=int(predicted.max()) + 1,
        n_scored=int(labelled.sum()),
        n_unlabelled=int((~labelled).sum()),
    )


def adjusted_rand_index(first: ArrayLike, second: ArrayLike) -> float:
    """Agreement of two partitions of the same cells, 1 if equal and 0 on average by chance.

    Parameters
    ----------
    first, second
        Cluster of each cell, shape (n_obs,) each.

    Raises
    ------
    InputError
        If the lengths differ, a cell has no cluster, or there is no cell.
    """
    codes = _codes(first), _codes(second)
    sizes, missing = [len(part) for part in codes], sum(int((part < 0).sum()) for part in codes)
    if sizes[0] != sizes[1] or sizes[0] == 0 or missing:
        msg = (
            f"partitions: got {sizes[0]} and {counted(sizes[1], 'cells')}, {missing} of them without a cluster, "
            "wanted the same cells twice, a cluster for each. Compare the cells that both have."
        )
        raise InputError(msg)
    return float(adjusted_rand_score(*codes))


def pairwise_ari(partitions: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """ARI of every pair of partitions, for instance of the same cells under different seeds.

    Parameters
    ----------
    partitions
        One array of clusters a seed, shape (n_obs,) each, cells in the same order.

    Returns
    -------
    One value a pair, in the order of :func:`itertools.combinations`; empty for one partition.
    """
    pairs = itertools.combinations(partitions, 2)
    return np.array([adjusted_rand_index(first, second) for first, second in pairs])


def spatial_scores(labels: ArrayLike, coords: ArrayLike, n_neighbors: int = 10) -> SpatialScores:
    """Score how connected the domains of one slice are, without labels.

    Parameters
    ----------
    labels
        Domain of each spot, shape (n_obs,).
    coords
        Positions, shape (n_obs, 2) or (n_obs, 3), any unit.
    n_neighbors
        Size of the neighbourhood of ``pas`` and ``purity``, the spot itself not counted.

    Returns
    -------
    ``chaos``, ``pas`` and ``purity``, see :func:`chaos`, :func:`pas`, :func:`local_purity`.

    Raises
    ------
    InputError
        If there are fewer than two spots, or the positions do not fit the labels.
    """
    return SpatialScores(
        chaos=chaos(labels, coords),
        pas=pas(labels, coords, n_neighbors),
        purity=local_purity(labels, coords, n_neighbors),
    )


def chaos(labels: ArrayLike, coords: ArrayLike) -> float:
    """Mean distance from a spot to the nearest other spot of its domain; small is continuous.

    Each axis is brought to unit variance first, as is usual for this score. Domains of one or
    two spots add nothing to the sum, but their spots count in the mean.
    """
    codes, table = _codes_and_coords(labels, coords)
    spread = table.std(axis=0)
    table = table / np.where(spread > 0, spread, 1.0)
    total = 0.0
    for members in np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1]):
        if len(members) > 2:
            distance, _ = KDTree(table[members]).query(table[members], k=[2])  # [1] is itself
            total += float(np.sum(distance))
    return total / len(codes)


def pas(labels: ArrayLike, coords: ArrayLike, n_neighbors: int = 10) -> float:
    """Proportion of abnormal spots: more than half of their nearest spots lie in other domains."""
    return float((_same_domain(labels, coords, n_neighbors) < 0.5).mean())


def local_purity(labels: ArrayLike, coords: ArrayLike, n_neighbors: int = 10) -> float:
    """Mean share of a spot's nearest spots that lie in its own domain."""
    return float(_same_domain(labels, coords, n_neighbors).mean())


def _same_domain(labels: ArrayLike, coords: ArrayLike, n_neighbors: int) -> NDArray[np.float64]:
    """Share of each spot's nearest spots that have its label, shape (n_obs,)."""
    codes, table = _codes_and_coords(labels, coords)
    neighbors = nearest_spots(table, n_neighbors)
    share: NDArray[np.float64] = (codes[neighbors] == codes[:, None]).mean(axis=1)
    return share


def _codes_and_coords(
    labels: ArrayLike, coords: ArrayLike
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    codes, table = _codes(labels), np.asarray(coords, dtype=np.float64)
    if len(codes) < 2 or (codes < 0).any():
        msg = (
            f"domains: got {counted(len(codes), 'spots')}, {int((codes < 0).sum())} of them without a domain, "
            "wanted at least 2 spots and a domain for each."
        )
        raise InputError(msg)
    if table.ndim != 2 or len(table) != len(codes):
        msg = (
            f"positions: got shape {table.shape} for {counted(len(codes), 'spots')}, wanted one row for each. "
            "Take both from the same slice."
        )
        raise InputError(msg)
    return codes, table


def _codes(labels: ArrayLike) -> NDArray[np.intp]:
    """Code the distinct labels as 0, 1, ...; missing ones (NaN, None, "") become -1."""
    values = pd.Series(labels).astype(object)
    return pd.factorize(values.mask(values == ""))[0]


def _named_by_class(classes: NDArray[np.intp], clusters: NDArray[np.intp]) -> NDArray[np.intp]:
    """Name each cell's cluster by the class matched to it one to one, so that most cells agree.

    Shape (n_obs,); -1 where the cluster is left over, because there are more of them than classes.
    Both are codes without gaps.
    """
    rows, columns = linear_sum_assignment(contingency_matrix(classes, clusters), maximize=True)
    matched = np.full(int(clusters.max()) + 1, -1, dtype=np.intp)
    matched[columns] = rows
    return matched[clusters]
