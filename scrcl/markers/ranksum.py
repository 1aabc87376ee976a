"""The rank-sum test on sparse expression: only what is not zero is sorted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csc_matrix


def rank_sum_test(
    X: csc_matrix,
    codes: NDArray[np.integer],
    tested: list[int],
    *,
    reference: int | None = None,
    tie_correct: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Test groups of cells by Wilcoxon's rank sum, as ``scanpy.tl.rank_genes_groups`` does.

    Normal approximation, without continuity correction; a gene that does not vary scores 0.

    Parameters
    ----------
    X
        Expression, (n_obs, n_genes).
    codes
        Group of each cell, (n_obs,), from 0.
    tested
        Groups to test.
    reference
        Group to compare with; None: all other cells.
    tie_correct
        Correct the variance for ties.

    Returns
    -------
    Scores and two-sided p-values, (n_tested, n_genes) each.
    """
    if reference is not None:
        pairs = [_against(X, codes, group, reference, tie_correct=tie_correct) for group in tested]
        scores, p_values = zip(*pairs, strict=True)
        return np.concatenate(scores), np.concatenate(p_values)
    sums, tied = rank_sums(X, codes, int(codes.max()) + 1)
    sizes = np.bincount(codes).astype(np.float64)[tested, None]
    return _scored(sums[tested], sizes, X.shape[0], tied if tie_correct else None)


def rank_sums(
    X: csc_matrix, codes: NDArray[np.integer], n_groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum the ranks of every group's cells, gene by gene; ties share the mean of their ranks.

    Returns
    -------
    Sums, (n_groups, n_genes), and the sum of t^3 - t over the tied runs of each gene, (n_genes,).
    """
    n_obs, n_genes = X.shape
    gene = np.repeat(np.arange(n_genes), np.diff(X.indptr))
    there = X.data != 0
    value, gene, group = X.data[there], gene[there], codes[X.indices[there]].astype(np.intp)
    order = _order(value, gene)
    value, entry = value[order], group[order] * n_genes + gene[order]
    gene = gene[order]

    changes = np.ones(len(value), dtype=bool)
    changes[1:] = (value[1:] != value[:-1]) | (gene[1:] != gene[:-1])
    starts = np.flatnonzero(changes)
    length = np.diff(starts, append=len(value))
    n_there = np.bincount(gene, minlength=n_genes)
    first = np.cumsum(n_there) - n_there
    gene, n_zero = gene[starts], (n_obs - n_there).astype(np.float64)
    below = np.bincount(gene, weights=length * (value[starts] < 0), minlength=n_genes)

    # The first rank of a run is its place in the column, behind the zeros if it is positive.
    rank = starts - first[gene] + (length + 1) / 2 + n_zero[gene] * (value[starts] > 0)
    rank_of_zero = below + (n_zero + 1) / 2
    above = np.repeat(rank - rank_of_zero[gene], length)
    sums = np.bincount(entry, weights=above, minlength=n_groups * n_genes)
    sizes = np.bincount(codes, minlength=n_groups)[:, None]
    run = length.astype(np.float64)
    tied = np.bincount(gene, weights=run**3 - run, minlength=n_genes) + n_zero**3 - n_zero
    return sums.reshape(n_groups, n_genes) + sizes * rank_of_zero, tied


def _order(value: NDArray[np.floating], gene: NDArray[np.integer]) -> NDArray[np.intp]:
    """Sort by gene, then by value; those that are equal come in any order.

    Gene and float32 together are one whole number, which is sorted eight times as fast as the pair:
    the bits of floats are in the order of the floats once those of negative ones are turned around.
    """
    if value.dtype != np.float32:
        return np.lexsort((value, gene))
    bits = value.view(np.int32)
    bits = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    return np.argsort((gene.astype(np.int64) << 32) + bits)


def _against(
    X: csc_matrix,
    codes: NDArray[np.integer],
    group: int,
    reference: int,
    *,
    tie_correct: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    both = np.flatnonzero((codes == group) | (codes == reference))
    is_other = (codes[both] == reference).astype(np.intp)
    sums, tied = rank_sums(X.tocsr()[both].tocsc(), is_other, 2)
    size = np.array([[len(both) - is_other.sum()]], dtype=np.float64)
    return _scored(sums[:1], size, len(both), tied if tie_correct else None)


def _scored(
    sums: NDArray[np.float64],
    sizes: NDArray[np.float64],
    n_obs: int,
    tied: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    correction = 1.0 if tied is None else 1 - tied / (float(n_obs) ** 3 - n_obs)
    deviation = np.sqrt(correction * sizes * (n_obs - sizes) * (n_obs + 1) / 12)
    with np.errstate(invalid="ignore", divide="ignore"):  # all cells alike
        scores = np.nan_to_num((sums - sizes * (n_obs + 1) / 2) / deviation, posinf=0, neginf=0)
    return scores, 2 * ndtr(-np.abs(scores))
