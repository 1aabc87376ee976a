"""Whether clusters have other shares in other conditions, tested over samples."""

from __future__ import annotations

import difflib
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import false_discovery_control, t

from scrcl._keys import CLUSTERS
from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.data.expression import group_labels

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

REST = "rest"
MIN_SAMPLES = 2
"""Samples that a condition needs to be tested."""
LEVEL = 0.05
"""Adjusted p-value below which a difference is told of."""
_MIN_CELLS = 10  # of a sample or condition, on average: fewer are names of cells, not of samples
_MOST_CONDITIONS = 20
_ALONE = 0.9  # share of a cluster that makes it one condition's own
_NO_TEST = (np.nan,) * 4


class Composition(NamedTuple):
    """Shares of clusters in conditions, and how sure their differences are.

    Attributes
    ----------
    table
        One row for each cluster and comparison: ``cluster``; ``condition`` and ``against``, the one
        that it is compared with or "rest"; ``share`` and ``share_against``, means over samples;
        ``log_odds_ratio`` (natural; above 0: more in ``condition``) with its 95 % interval
        ``ci_low`` to ``ci_high``; ``p_value``, and ``p_adjusted`` over all rows
        (Benjamini-Hochberg); ``n_samples``, ``n_samples_against``, ``n_cells`` of the cluster and
        ``n_cells_against``. What was not tested has no ratio, interval and p-value.
    samples
        One row for each sample and cluster: ``condition``, ``sample`` (empty where there is no
        sample key), ``cluster``, ``n_cells`` of the cluster, ``n_all`` of the sample, ``share``.
    notes
        Sentences: how it was tested or why it was not, and how to read it.
    """

    table: pd.DataFrame
    samples: pd.DataFrame
    notes: list[str]


class _Units(NamedTuple):
    """What is counted: a sample in a condition, or a condition where samples are not known."""

    counts: NDArray[np.float64]
    """Cells, (n_units, n_clusters)."""
    conditions: NDArray[np.intp]
    """Of each unit, (n_units,)."""
    samples: NDArray[np.intp]


def composition(
    adata: AnnData,
    groupby: str = CLUSTERS,
    *,
    condition_key: str,
    sample_key: str | None = None,
) -> Composition:
    """Compare the shares that clusters have of the cells of each condition.

    Each cluster has a beta-binomial regression of its own: cells of a sample are alike, so that
    shares vary between samples of one condition by more than chance. By how much is estimated over
    the samples (Williams 1982, doi:10.2307/2347977), and a sample weighs as much as it then tells,
    however many cells it has. Wald's test has Student's t for its law, with as many degrees of
    freedom as there are samples beyond the coefficients. Variation below that of chance is taken
    for chance: the test is then strict. If every sample is in every condition (one donor before and
    after), the samples are paired.

    With two conditions the second is compared with the first: in the order of a categorical column,
    else of the alphabet. With more, each is compared with the mean of the others.

    Parameters
    ----------
    adata
        Cells with clusters; not changed.
    groupby
        Column of ``obs`` with the clusters.
    condition_key
        Column of ``obs`` with the condition: a treatment, a diagnosis, a time.
    sample_key
        Column of ``obs`` with the biological sample: a donor, an animal, a section. ``None``: there
        are shares, but no test, as cells of one sample are no replicates.

    Returns
    -------
    See `Composition`. Cells without a cluster, condition or sample are left out, with a note.

    Raises
    ------
    InputError
        If a column is not there or is not of that kind, or there is one condition only.

    Examples
    --------
    >>> import numpy as np, scrcl
    >>> cells = scrcl.datasets.simulated_cells(n_obs=240, n_types=3)
    >>> cells.obs["scrcl"] = cells.obs["cell_type1"]
    >>> cells.obs["donor"] = np.tile(list("abcdef"), 40)
    >>> cells.obs["disease"] = (
    ...     cells.obs["donor"].isin(["d", "e", "f"]).map({True: "yes", False: "no"})
    ... )
    >>> found = scrcl.composition(cells, condition_key="disease", sample_key="donor")
    >>> found.table[["n_samples", "n_samples_against"]].drop_duplicates().values.tolist()
    [[3, 3]]
    """
    check_design(adata, condition_key, sample_key)
    if condition_key == groupby:
        msg = f"condition key: got {groupby!r}, the clusters themselves, wanted another column."
        raise InputError(msg)
    check_column(adata, groupby, "clusters")
    clusters, conditions = group_labels(adata, groupby), group_labels(adata, condition_key)
    samples = pd.Categorical([""] * adata.n_obs)
    if sample_key is not None:
        samples = group_labels(adata, sample_key)
    used = (clusters.codes >= 0) & (conditions.codes >= 0) & (samples.codes >= 0)
    notes = []
    n_left_out = int(((clusters.codes >= 0) & ~used).sum())
    if n_left_out:
        notes.append(f"{counted(n_left_out, 'cells')} without a condition or a sample left out.")
    clusters, conditions, samples = (
        column[used].remove_unused_categories() for column in (clusters, conditions, samples)
    )
    names = list(map(str, conditions.categories))
    if len(names) < 2:
        msg = f"condition key: got {names} among the cells with a cluster, wanted two or more."
        raise InputError(msg)
    units = _units(clusters, conditions, samples)
    tested = _tested(units, len(names), has_samples=sample_key is not None)
    table = _table(units, names, list(map(str, clusters.categories)), tested)
    notes += _how(units, names, tested, condition_key=condition_key, sample_key=sample_key)
    notes += _alone(clusters, conditions)
    shares = _sample_table(units, conditions, samples, clusters)
    return Composition(table, shares, notes)


def check_design(adata: AnnData, condition_key: str, sample_key: str | None = None) -> None:
    """Refuse columns that cannot be conditions or samples, before anything is clustered.

    Raises
    ------
    InputError
        If a column is not there, holds no value or too many, or there is one condition only.
    """
    check_column(adata, condition_key, "condition key")
    n_conditions = len(group_labels(adata, condition_key).categories)
    if not 2 <= n_conditions <= _MOST_CONDITIONS:
        msg = (
            f"condition key: got obs[{condition_key!r}] with {counted(n_conditions, 'values')}, wanted "
            f"from 2 to {_MOST_CONDITIONS} conditions. Choose another column, or put values together."
        )
        raise InputError(msg)
    if sample_key is None:
        return
    check_column(adata, sample_key, "sample key")
    labels = group_labels(adata, sample_key)
    if (labels.codes >= 0).sum() < _MIN_CELLS * len(labels.categories):
        msg = (
            f"sample key: got obs[{sample_key!r}] with {counted(len(labels.categories), 'values')} for "
            f"{counted(adata.n_obs, 'cells')}, wanted biological samples (donors, animals, sections) "
            f"of {_MIN_CELLS} cells or more. Cells are no replicates: choose another column."
        )
        raise InputError(msg)


def check_column(adata: AnnData, key: str, what: str) -> None:
    """Raise `InputError` with the nearest names if ``obs`` has no such column."""
    columns = list(map(str, adata.obs))
    if key in columns:
        return
    close = difflib.get_close_matches(key, columns, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(close)}?" if close else "Check the name."
    msg = f"{what}: got {key!r}, wanted a column of obs: {columns}. {hint}"
    raise InputError(msg)


def log_odds_ratios(
    counts: NDArray[np.float64],
    totals: NDArray[np.float64],
    conditions: NDArray[np.intp],
    samples: NDArray[np.intp] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Fit the share of one cluster by a beta-binomial regression, see `composition`.

    Parameters
    ----------
    counts, totals
        Cells of the cluster, and of all clusters, in each sample, (n_samples,).
    conditions
        Of each sample, 0, 1, ..., (n_samples,).
    samples
        What a sample is paired by, 0, 1, ..., (n_samples,); ``None``: by nothing.

    Returns
    -------
    Log odds of each condition, (n_conditions,), up to a constant if samples are paired; their
    covariance; and the degrees of freedom that are left.
    """
    groups = np.eye(conditions.max() + 1)[conditions]
    units = groups
    if samples is not None:
        units = np.eye(len(counts))
        groups = np.hstack([groups, np.eye(samples.max() + 1)[samples][:, 1:]])
    inside = units.T @ counts
    if (inside == 0).any() or (inside == units.T @ totals).any():
        # Half a cell a sample, in proportion to its size, or deeper samples would seem to have less.
        counts = counts + 0.5 * totals / totals.mean()
        totals = totals + totals / totals.mean()
    n_spare = len(counts) - groups.shape[1]

    def excess(rho: float) -> float:
        return float(_fitted(counts, totals, groups, rho).pearson_chi2 - n_spare)

    rho = 0.0
    if excess(0) > 0:
        rho = 1.0 if excess(1) > 0 else float(brentq(excess, 0, 1, xtol=1e-4))
    fitted = _fitted(counts, totals, groups, rho)
    own = slice(conditions.max() + 1)
    return fitted.params[own], fitted.cov_params()[own, own], n_spare


def _fitted(
    counts: NDArray[np.float64],
    totals: NDArray[np.float64],
    groups: NDArray[np.float64],
    rho: float,
) -> Any:  # statsmodels has no types
    """Fit a binomial regression whose samples weigh as with ``rho``, the correlation of their cells."""
    from statsmodels.genmod.families import Binomial  # noqa: PLC0415  (seconds)
    from statsmodels.genmod.generalized_linear_model import GLM  # noqa: PLC0415
    from statsmodels.tools.sm_exceptions import PerfectSeparationWarning  # noqa: PLC0415

    weights = 1 / (1 + (totals - 1).clip(0) * rho)
    both = np.column_stack([counts, totals - counts])
    with warnings.catch_warnings():
        # Of shares that are equal.
        warnings.filterwarnings("ignore", category=PerfectSeparationWarning)
        return GLM(both, groups, family=Binomial(), var_weights=weights).fit(scale=1.0)


def _units(clusters: pd.Categorical, conditions: pd.Categorical, samples: pd.Categorical) -> _Units:
    """Count the cells of every cluster in every sample of a condition that has any."""
    shape = (len(conditions.categories), len(samples.categories), len(clusters.categories))
    counts = np.zeros(shape)
    np.add.at(counts, (conditions.codes, samples.codes, clusters.codes), 1)
    condition, sample = np.nonzero(counts.sum(axis=2))
    return _Units(counts[condition, sample], condition, sample)


def _tested(units: _Units, n_conditions: int, *, has_samples: bool) -> NDArray[np.intp]:
    """Conditions that can be compared, none if there are fewer than two."""
    n_samples = np.bincount(units.conditions, minlength=n_conditions)
    enough = np.flatnonzero(n_samples >= MIN_SAMPLES)
    return enough if has_samples and len(enough) >= 2 else enough[:0]


def _is_paired(units: _Units) -> bool:
    """Whether every sample is in every condition."""
    n_conditions, n_samples = len(np.unique(units.conditions)), len(np.unique(units.samples))
    return n_samples > 1 and len(units.conditions) == n_conditions * n_samples


def _among(units: _Units, tested: NDArray[np.intp]) -> _Units:
    """Keep the units of these conditions, and number conditions and samples anew."""
    rows = np.isin(units.conditions, tested)
    return _Units(
        units.counts[rows],
        np.unique(units.conditions[rows], return_inverse=True)[1],
        np.unique(units.samples[rows], return_inverse=True)[1],
    )


def _table(
    units: _Units, names: list[str], clusters: list[str], tested: NDArray[np.intp]
) -> pd.DataFrame:
    totals = units.counts.sum(axis=1)
    compared = [1] if len(names) == 2 else list(range(len(names)))
    n_samples = np.bincount(units.conditions, minlength=len(names))
    of_condition = np.eye(len(names))[units.conditions]
    cells = of_condition.T @ units.counts
    shares = (of_condition.T @ (units.counts / totals[:, None])) / n_samples[:, None]
    among = _among(units, tested)
    rows = []
    for number, cluster in enumerate(clusters):
        tests = _tests(among, number) if len(tested) else np.zeros((0, 4))
        for condition in compared:
            others = np.arange(len(names)) != condition
            place = np.flatnonzero(tested == condition)
            ratio, low, high, p_value = tests[place[0]] if len(place) else _NO_TEST
            rows.append(
                {
                    "cluster": cluster,
                    "condition": names[condition],
                    "against": names[0] if len(names) == 2 else REST,
                    "share": shares[condition, number],
                    "share_against": shares[others, number].mean(),
                    "log_odds_ratio": ratio,
                    "ci_low": low,
                    "ci_high": high,
                    "p_value": p_value,
                    "n_samples": n_samples[condition],
                    "n_samples_against": n_samples[others].sum(),
                    "n_cells": int(cells[condition, number]),
                    "n_cells_against": int(cells[others, number].sum()),
                }
            )
    table = pd.DataFrame(rows)
    known = table["p_value"].notna()
    adjusted = pd.Series(np.nan, index=table.index)
    if known.any():
        adjusted[known] = false_discovery_control(table.loc[known, "p_value"])
    table.insert(list(table).index("p_value") + 1, "p_adjusted", adjusted)
    return table


def _tests(units: _Units, cluster: int) -> NDArray[np.float64]:
    """Log odds ratio, its interval and p-value of each condition against the mean of the others."""
    odds, covariance, n_spare = log_odds_ratios(
        units.counts[:, cluster],
        units.counts.sum(axis=1),
        units.conditions,
        units.samples if _is_paired(units) else None,
    )
    n = len(odds)
    contrasts = np.eye(n) - (1 - np.eye(n)) / (n - 1)
    ratios = contrasts @ odds
    errors = np.sqrt(np.einsum("ij,jk,ik->i", contrasts, covariance, contrasts))
    half = t.isf(LEVEL / 2, n_spare) * errors
    p_values = 2 * t.sf(np.abs(ratios) / errors, n_spare)
    return np.column_stack([ratios, ratios - half, ratios + half, p_values])


def _how(
    units: _Units,
    names: list[str],
    tested: NDArray[np.intp],
    *,
    condition_key: str,
    sample_key: str | None,
) -> list[str]:
    """Say how it was tested, or why it was not and what would be needed."""
    if sample_key is None:
        told = (
            "No p-values: it is not known which sample each cell comes from, and cells of one sample "
            f"are no replicates. Name their column (sample key), with {MIN_SAMPLES} samples or more "
            "of each condition."
        )
        return [told]
    n_samples = np.bincount(units.conditions, minlength=len(names))
    sizes = ", ".join(f"{name} {n}" for name, n in zip(names, n_samples, strict=True))
    if not len(tested):
        told = (
            f"No p-values: obs[{sample_key!r}] has too few samples ({sizes}), and one sample cannot "
            f"tell how much samples of a condition differ. {MIN_SAMPLES} samples or more of each of "
            "two conditions are needed."
        )
        return [told]
    paired = ", paired" if _is_paired(_among(units, tested)) else ""
    told = (
        f"Tested over samples of obs[{sample_key!r}]{paired} ({sizes}), not over cells: a "
        f"beta-binomial regression on obs[{condition_key!r}] for each cluster, p-values adjusted for "
        "the number of tests. Shares add up to 1: a cluster that grows makes all others smaller."
    )
    alone = [name for number, name in enumerate(names) if number not in tested]
    return [told] + [f"Not tested, as there is one sample of it: {name}." for name in alone]


def _alone(clusters: pd.Categorical, conditions: pd.Categorical) -> list[str]:
    """Name clusters of one condition only: often cells of a known type in another state."""
    counts = pd.crosstab(clusters, conditions, dropna=False).to_numpy(np.float64)
    weighed = counts / counts.sum(axis=0)
    most = weighed.max(axis=1) / weighed.sum(axis=1)
    own = [
        str(name) for name, share in zip(clusters.categories, most, strict=True) if share >= _ALONE
    ]
    if not own:
        return []
    which = f"Cluster {own[0]} is" if len(own) == 1 else f"Clusters {', '.join(own)} are each"
    told = (
        f"{which} found in one condition nearly alone: it may be a type of cell that the condition "
        "changed, not one that came or went. Compare its genes with those of its neighbours, or "
        "cluster again with the conditions brought together (batch key)."
    )
    return [told]


def _sample_table(
    units: _Units, conditions: pd.Categorical, samples: pd.Categorical, clusters: pd.Categorical
) -> pd.DataFrame:
    n_units, n_clusters = units.counts.shape
    totals = units.counts.sum(axis=1)
    return pd.DataFrame(
        {
            "condition": np.repeat(conditions.categories[units.conditions].astype(str), n_clusters),
            "sample": np.repeat(samples.categories[units.samples].astype(str), n_clusters),
            "cluster": np.tile(clusters.categories.astype(str), n_units),
            "n_cells": units.counts.ravel().astype(int),
            "n_all": np.repeat(totals, n_clusters).astype(int),
            "share": (units.counts / totals[:, None]).ravel(),
        }
    )
