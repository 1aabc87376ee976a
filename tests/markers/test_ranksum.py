"""Sums of ranks of sparse values, against their definition and scipy."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, rankdata

from scrcl.markers.ranksum import rank_sum_test, rank_sums


def values(seed: int, dtype: str) -> np.ndarray:
    """60 cells x 8 genes: signed and tied; then one always 0, one always 1.5, one positive."""
    rng = np.random.default_rng(seed)
    dense = np.round(rng.normal(size=(60, 8)), 1) * (rng.random((60, 8)) < 0.5)
    dense[:, 5], dense[:, 6], dense[:, 7] = 0, 1.5, np.abs(dense[:, 7])
    return dense.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(seed=st.integers(0, 1_000))
def test_ranks_are_those_of_all_values_the_zeros_among_them(seed, dtype):
    dense = values(seed, dtype)
    codes = np.random.default_rng(seed).integers(0, 3, len(dense))
    ranks = np.apply_along_axis(rankdata, 0, dense)
    ties = [np.unique(column, return_counts=True)[1] for column in dense.T]

    sums, tied = rank_sums(sp.csc_matrix(dense), codes, 3)

    np.testing.assert_array_equal(sums, [ranks[codes == group].sum(axis=0) for group in range(3)])
    np.testing.assert_array_equal(tied, [(count**3 - count).sum() for count in ties])


@pytest.mark.parametrize("reference", [None, 1])
def test_p_values_are_those_of_scipy(reference):
    dense = values(0, "float32")
    codes = np.random.default_rng(0).integers(0, 3, len(dense))

    _, found = rank_sum_test(
        sp.csc_matrix(dense), codes, [0, 2], reference=reference, tie_correct=True
    )

    varies = [0, 1, 2, 3, 4, 7]
    for group, p_values in zip([0, 2], found, strict=True):
        others = codes != group if reference is None else codes == reference
        expected = mannwhitneyu(
            dense[codes == group][:, varies].astype(float),
            dense[others][:, varies].astype(float),
            method="asymptotic",
            use_continuity=False,
        ).pvalue
        np.testing.assert_allclose(p_values[varies], expected, rtol=1e-12)
        assert (p_values[[5, 6]] == 1).all()


def test_stored_zeros_are_zeros_and_the_input_stays_as_it_was():
    dense = values(0, "float32")
    codes = np.arange(60) % 2
    stored = sp.csc_matrix(np.where(dense == 0, 7, dense))
    stored.data[stored.data == 7] = 0
    before = stored.data.copy()

    found, _ = rank_sums(stored, codes, 2)

    np.testing.assert_array_equal(found, rank_sums(sp.csc_matrix(dense), codes, 2)[0])
    np.testing.assert_array_equal(stored.data, before)
