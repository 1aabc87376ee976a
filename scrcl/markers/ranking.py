"""One group against the rest, or against another group, cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from sklearn.linear_model import LogisticRegression

from scrcl._keys import CLUSTERS
from scrcl._text import counted
from scrcl._validate import InputError, check_one_of, check_range
from scrcl.data.expression import group_counts, group_labels, group_sums, log_expression
from scrcl.markers.ranksum import rank_sum_test
from scrcl.markers.tables import Ranking, group_table

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Scores: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]

Method: TypeAlias = Literal["wilcoxon", "t-test", "logreg"]
REST = "rest"

DOUBLE_DIPPING = (
    "double dipping: these clusters were found on the expression that is tested here, so p-values "
    "are too small; use them to order genes, not as evidence that two clusters differ"
)
PSEUDOREPLICATION = (
    "pseudoreplication: every cell counts as an independent observation; if the cells come from "
    "several donors or sections, p-values are too small: test by pseudobulk with a sample column"
)

# Genes are handed over in blocks of about this many matrix entries, counted as if dense: what a
# test copies stays small beside the data.
_BLOCK = 100_000_000


class _Comparison(NamedTuple):
    """Cells that take part, and what is compared with what."""

    expression: ad.AnnData  # log-normalised, cells with a group only
    labels: pd.Categorical  # their groups
    tested: list[str]
    reference: str  # a group, or "rest"


def rank_genes(
    adata: ad.AnnData,
    groupby: str = CLUSTERS,
    *,
    method: Method = "wilcoxon",
    reference: str = REST,
    min_cells: int = 3,
    tie_correct: bool = False,
) -> Ranking:
    """Rank the genes of every group of cells.

    Scores and p-values are those of ``scanpy.tl.rank_genes_groups`` on log-normalised expression.

    Parameters
    ----------
    adata
        Counts or log-normalised expression, see :func:`scrcl.data.expression.log_expression`. Not
        changed. Memory beyond one normalised copy does not depend on the number of genes.
    groupby
        Column of ``obs``; cells without a group are left out.
    method
        ``"wilcoxon"`` (rank sum, normal approximation), ``"t-test"`` (Welch) or ``"logreg"`` (one
        multinomial model of all groups; no p-values).
    reference
        ``"rest"``: compare each group with all other cells. Else the group to compare with.
    min_cells
        Smaller groups are not tested (a note says so); their cells still belong to the rest.
    tie_correct
        Correct the Wilcoxon variance for ties. Off, as in scanpy and the paper's script: p-values
        of sparse genes are then too large, never too small.

    Raises
    ------
    InputError
        If the column, the method or the reference does not exist, fewer than two groups are there,
        or none is large enough.
    """
    check_one_of(method, "method", get_args(Method))
    comparison, notes = _compare(adata, groupby, reference, min_cells)
    scores, p_values = _test(comparison, method, tie_correct=tie_correct)
    if method != "logreg":
        notes += [DOUBLE_DIPPING] * (groupby == CLUSTERS) + [PSEUDOREPLICATION]
    effects = effect_sizes(comparison.expression.X, comparison.labels, comparison.tested, reference)
    genes = comparison.expression.var_names
    tables = [
        group_table(group, genes, score=score, p_value=p_value, effects=effect)
        for group, score, p_value, effect in zip(
            comparison.tested, scores, p_values, effects, strict=True
        )
    ]
    return Ranking(pd.concat(tables, ignore_index=True), notes)


def _test(comparison: _Comparison, method: Method, *, tie_correct: bool) -> Scores:
    """Return score and p-value of every tested group and gene, (n_tested, n_genes) each."""
    if method == "logreg":
        return _logreg(comparison)
    if method == "wilcoxon":
        return _wilcoxon(comparison, tie_correct=tie_correct)
    return _t_test(comparison)


def effect_sizes(
    X: csr_matrix, labels: pd.Categorical, tested: list[str], reference: str
) -> list[dict[str, NDArray[np.float64]]]:
    """Return fold change and share of expressing cells of every tested group, gene by gene.

    The log2 fold change is scanpy's: of ``expm1`` of the mean log expression, plus 1e-9.

    Parameters
    ----------
    X
        Log-normalised expression, (n_obs, n_genes).
    labels
        Group of each cell, (n_obs,), none missing.
    tested
        Groups to return.
    reference
        A group, or ``"rest"``.
    """
    groups = list(labels.categories)
    size = np.bincount(labels.codes, minlength=len(groups)).astype(float)[:, None]
    sums = group_sums(X, labels.codes, len(groups))
    cells = group_counts(X, labels.codes, len(groups))
    effects = []
    for row in map(groups.index, tested):
        if reference == REST:
            others = size.sum() - size[row], sums.sum(0) - sums[row], cells.sum(0) - cells[row]
        else:
            ref = groups.index(reference)
            others = size[ref], sums[ref], cells[ref]
        mean_in, mean_out = sums[row] / size[row], others[1] / others[0]
        fold = (np.expm1(mean_in) + 1e-9) / (np.expm1(np.maximum(mean_out, 0)) + 1e-9)
        effects.append(
            {
                "log2_fold_change": np.log2(fold),
                "fraction_in": cells[row] / size[row],
                "fraction_out": others[2] / others[0],
            }
        )
    return effects


def _compare(
    adata: ad.AnnData, groupby: str, reference: str, min_cells: int
) -> tuple[_Comparison, list[str]]:
    labels = group_labels(adata, groupby)
    check_range(min_cells, "min_cells", 2, hint="A test needs some variation.")
    tested, notes = testable_groups(labels, groupby, reference, min_cells)
    expression = log_expression(adata)
    has_group = labels.codes >= 0
    if not has_group.all():
        notes.append(
            f"{counted((~has_group).sum(), 'cells')} without a group in {groupby!r} left out"
        )
        expression, labels = expression[has_group].copy(), labels[has_group]
    return _Comparison(expression, labels, tested, reference), notes


def testable_groups(
    labels: pd.Categorical, groupby: str, reference: str, min_cells: int
) -> tuple[list[str], list[str]]:
    """Return the groups with enough cells, the reference left out, and a note for each other.

    Raises
    ------
    InputError
        If there is only one group, the reference is none of them, or too few are large enough.
    """
    groups = list(labels.categories)
    if len(groups) < 2:
        msg = (
            f"obs[{groupby!r}]: got 1 group ({groups[0]!r}), wanted at least 2. "
            "Choose a column with several groups."
        )
        raise InputError(msg)
    check_one_of(reference, "reference", [REST, *groups])
    size = dict(zip(groups, np.bincount(labels.codes[labels.codes >= 0]), strict=True))
    small = [group for group in groups if size[group] < min_cells]
    if reference in small or len(small) == len(groups):
        which = (
            f"{counted(size[reference], 'cells')} in {reference!r}"
            if reference in small
            else "no group"
        )
        msg = (
            f"obs[{groupby!r}]: got {which} for a test, wanted at least {min_cells} cells a group. "
            "Use fewer clusters or another column."
        )
        raise InputError(msg)
    notes = [
        f"group {group}: not tested, it has {size[group]} of at least {min_cells} cells"
        for group in small
    ]
    return [group for group in groups if group not in {reference, *small}], notes


def _wilcoxon(comparison: _Comparison, *, tie_correct: bool) -> Scores:
    """Test block by block of genes, so that what is sorted stays small beside the data."""
    expression, labels, tested, reference = comparison
    groups = list(labels.categories)
    parts = [
        rank_sum_test(
            expression.X[:, block].tocsc(),
            labels.codes,
            [groups.index(group) for group in tested],
            reference=None if reference == REST else groups.index(reference),
            tie_correct=tie_correct,
        )
        for block in _blocks(expression)
    ]
    scores, p_values = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    # float32 as in scanpy, so that ties are ties in both.
    return scores.astype(np.float32).astype(np.float64), p_values


def _t_test(comparison: _Comparison) -> Scores:
    """Test block by block of genes: scanpy slices columns, which is slow on a wide CSR matrix."""
    expression, labels, tested, reference = comparison
    groups = tested if reference == REST else [*tested, reference]
    scores = np.empty((len(tested), expression.n_vars))
    p_values = np.empty_like(scores)
    for block in _blocks(expression):
        part = _as_block(expression.X[:, block].tocsc(), labels)
        with np.errstate(invalid="ignore"):  # genes without any variation; scanpy scores them 0
            sc.tl.rank_genes_groups(
                part, "group", groups=groups, reference=reference, method="t-test"
            )
        result = part.uns["rank_genes_groups"]
        for row, group in enumerate(tested):
            # Genes are named by their position: the test returns them in order of the score.
            position = block.start + result["names"][group].astype(int)
            scores[row, position] = result["scores"][group]
            p_values[row, position] = result["pvals"][group]
    return scores, p_values


def _blocks(expression: ad.AnnData) -> list[slice]:
    """Cut the genes into pieces that are tested at a time."""
    step = max(_BLOCK // expression.n_obs, 1)
    return [slice(start, start + step) for start in range(0, expression.n_vars, step)]


def _logreg(comparison: _Comparison) -> Scores:
    """Coefficients of scanpy's model, which gives two groups the sign of the other one."""
    expression, labels, tested, reference = comparison
    if reference != REST:
        msg = (
            f"reference: got {reference!r} with method 'logreg', wanted 'rest'. Logistic "
            "regression compares all groups at once; use 'wilcoxon' or 't-test' for pairs."
        )
        raise InputError(msg)
    rows = np.flatnonzero(labels.isin(tested))
    codes = pd.Categorical(labels[rows], categories=tested).codes
    if len(tested) < 2:
        msg = "logreg: got 1 group that is large enough, wanted at least 2. Use 'wilcoxon'."
        raise InputError(msg)
    coefficients = LogisticRegression(max_iter=1000).fit(expression.X[rows], codes).coef_
    if len(tested) == 2:
        coefficients = np.vstack([-coefficients, coefficients])
    return coefficients.astype(np.float64), np.full(coefficients.shape, np.nan)


def _as_block(X: csr_matrix, labels: pd.Categorical) -> ad.AnnData:
    """Wrap a matrix for a test, genes named by position."""
    obs = pd.DataFrame({"group": labels}, index=np.arange(X.shape[0]).astype(str))
    return ad.AnnData(X, obs=obs, var=pd.DataFrame(index=np.arange(X.shape[1]).astype(str)))
