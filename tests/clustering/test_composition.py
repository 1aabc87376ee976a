"""Shares of clusters in conditions: tested over samples, and honest where that cannot be."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import scrcl
from scrcl import InputError
from scrcl.clustering.composition import Composition, check_design, log_odds_ratios
from tests.conftest import freeze


def cells(counts: dict[tuple[str, str], list[int]]) -> ad.AnnData:
    """Cells of conditions and samples, so many in each cluster."""
    rows = [
        (condition, sample, str(cluster))
        for (condition, sample), numbers in counts.items()
        for cluster, number in enumerate(numbers)
        for _ in range(number)
    ]
    obs = pd.DataFrame(rows, columns=["stim", "donor", "scrcl"]).set_axis(
        map(str, range(len(rows)))
    )
    return ad.AnnData(np.zeros((len(rows), 1), np.float32), obs)


def three_against_three(first: int = 20, second: int = 60) -> ad.AnnData:
    counts = {}
    for number in range(3):
        counts["ctrl", f"c{number}"] = [first + number, 100, 80 + 5 * number]
        counts["stim", f"s{number}"] = [second + number, 100, 80 + 5 * number]
    return cells(counts)


def compare(adata: ad.AnnData, **keys: str) -> Composition:
    return scrcl.composition(
        freeze(adata), **({"condition_key": "stim", "sample_key": "donor"} | keys)
    )


def simulated(
    rng: np.random.Generator, n_samples: int, share: float, rho: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cells of a cluster, and all, in samples that do not differ; from 60 to 3,000 cells each."""
    totals = rng.integers(60, 3000, n_samples)
    each = rng.beta(share * (1 / rho - 1), (1 - share) * (1 / rho - 1), n_samples)
    return rng.binomial(totals, each).astype(float), totals.astype(float)


def test_a_cluster_that_is_larger_in_a_condition_is_found() -> None:
    found = compare(three_against_three())

    row = found.table.set_index("cluster").loc["0"]
    assert (row["condition"], row["against"]) == ("stim", "ctrl")
    assert row["p_adjusted"] < 0.01
    assert 0 < row["ci_low"] < row["log_odds_ratio"] < row["ci_high"]
    shares = [(60 + i) / (240 + 6 * i) for i in range(3)]
    assert row["share"] == pytest.approx(np.mean(shares))
    assert (row["n_samples"], row["n_samples_against"]) == (3, 3)
    assert (row["n_cells"], row["n_cells_against"]) == (183, 63)
    assert "over samples" in found.notes[0]
    assert (found.table["p_adjusted"] >= found.table["p_value"]).all()
    assert len(found.samples) == 6 * 3
    assert found.samples.groupby(["condition", "sample"])[
        "share"
    ].sum().to_numpy() == pytest.approx(1)


def test_the_regression_is_the_binomial_one_where_samples_vary_by_chance_alone() -> None:
    """Closed form: log odds of the pooled shares, and the sum of their variances."""
    counts, totals = (
        np.array([10.0, 20, 30, 24, 36, 12]),
        np.array([100.0, 200, 300, 200, 300, 100]),
    )

    odds, covariance, n_spare = log_odds_ratios(counts, totals, np.repeat([0, 1], 3))

    pooled = np.array([0.1, 0.12])
    assert odds == pytest.approx(np.log(pooled / (1 - pooled)))
    assert np.diag(covariance) == pytest.approx(1 / (600 * pooled * (1 - pooled)))
    assert n_spare == 4


def test_samples_that_vary_weigh_alike_however_many_cells_they_have() -> None:
    """Weights are w = 1 / (1 + (n - 1) rho), with rho such that the statistic is what is expected."""
    counts = np.array([5.0, 400, 30, 900, 8, 300])
    totals = np.array([100.0, 2000, 100, 3000, 100, 3000])

    odds, covariance, n_spare = log_odds_ratios(counts, totals, np.repeat([0, 1], 3))

    shares = counts / totals
    expected = np.array([shares[:3].mean(), shares[3:].mean()])
    assert 1 / (1 + np.exp(-odds)) == pytest.approx(expected, abs=0.03)
    plain = 1 / (np.array([2200, 6100]) * expected * (1 - expected))
    assert (np.diag(covariance) > 10 * plain).all()
    assert n_spare == 4


def test_where_nothing_differs_five_in_a_hundred_are_below_five_percent() -> None:
    """A test of cells finds most of these; see benchmarks/composition.py for more of them."""
    rng, conditions = np.random.default_rng(0), np.repeat([0, 1], 3)
    found = []
    for _ in range(80):
        counts, totals = simulated(rng, 6, 0.1, 0.02)
        odds, covariance, n_spare = log_odds_ratios(counts, totals, conditions)
        found.append((odds[1] - odds[0]) / np.sqrt(np.trace(covariance)))

    n_found = int((np.abs(found) > 2.776).sum())  # t with 4 degrees of freedom
    assert n_spare == 4
    assert binom.cdf(n_found, 80, 0.05) > 0.005
    assert binom.sf(n_found - 1, 80, 0.05) > 0.01


def test_samples_that_are_in_every_condition_are_paired() -> None:
    """Donors differ tenfold, the change within each is the same: only pairs can show it."""
    counts = {}
    for number, size in enumerate((10, 40, 120)):
        counts["ctrl", f"d{number}"] = [size, 400]
        counts["stim", f"d{number}"] = [2 * size, 400]
    paired = compare(cells(counts))
    apart = compare(cells({(c, f"{c}{d}"): n for (c, d), n in counts.items()}))

    assert "paired" in paired.notes[0]
    assert "paired" not in apart.notes[0]
    assert paired.table["p_value"].max() < 0.03
    assert apart.table["p_value"].min() > 0.2
    assert paired.table["log_odds_ratio"].iloc[0] == pytest.approx(np.log(2), abs=1e-3)


def test_a_cluster_that_a_condition_does_not_have_has_a_finite_ratio() -> None:
    none = three_against_three()
    none = none[~((none.obs["scrcl"] == "0") & (none.obs["stim"] == "ctrl"))].copy()
    found = compare(none)

    row = found.table.set_index("cluster").loc["0"]
    assert row["share_against"] == 0
    assert row["p_value"] < 0.05
    assert np.isfinite([row["log_odds_ratio"], row["ci_low"], row["ci_high"]]).all()
    assert "Cluster 0 is found in one condition nearly alone" in found.notes[-1]


def test_a_rare_cluster_that_shallow_samples_miss_is_no_finding() -> None:
    counts = {("a", f"a{i}"): [0, 100] for i in range(3)}
    counts |= {("b", f"b{i}"): [i, 5000] for i in range(3)}
    found = compare(cells(counts))
    assert found.table["p_value"].min() > 0.3


def test_without_samples_there_are_shares_and_a_reason_but_no_p_value() -> None:
    adata = three_against_three()
    found = scrcl.composition(adata, condition_key="stim")

    assert found.table["p_value"].isna().all()
    assert found.table["log_odds_ratio"].isna().all()
    assert found.table["share"].sum() == pytest.approx(1)
    assert "no replicates" in found.notes[0]
    assert set(found.samples["sample"]) == {""}


def test_one_sample_of_a_condition_is_no_test() -> None:
    found = compare(cells({("a", "x"): [30, 50], ("b", "y"): [50, 50], ("b", "z"): [40, 60]}))
    assert found.table["p_value"].isna().all()
    assert "too few samples (a 1, b 2)" in found.notes[0]


def test_of_more_conditions_each_is_compared_with_the_mean_of_the_others() -> None:
    counts = {
        (condition, f"{condition}{number}"): [size + number, 100]
        for condition, size in (("a", 20), ("b", 20), ("c", 90))
        for number in range(3)
    }
    counts["d", "d0"] = [20, 100]
    found = compare(cells(counts))

    table = found.table.set_index(["cluster", "condition"])
    assert (table["against"] == "rest").all()
    assert table.loc[("0", "c"), "p_adjusted"] < 0.01
    assert table.loc[("0", "c"), "log_odds_ratio"] > 1
    assert table.loc["0"].loc[["a", "b", "c"], "log_odds_ratio"].sum() == pytest.approx(0, abs=1e-6)
    assert np.isnan(table.loc[("0", "d"), "p_value"])
    assert found.notes[1] == "Not tested, as there is one sample of it: d."


def test_the_first_category_of_a_categorical_column_is_what_others_are_compared_with() -> None:
    adata = three_against_three()
    adata.obs["stim"] = pd.Categorical(adata.obs["stim"], categories=["stim", "ctrl"])
    assert set(compare(adata).table["against"]) == {"stim"}


def test_cells_without_a_value_are_left_out_and_told_of() -> None:
    adata = three_against_three()
    adata.obs.loc[["0", "1"], "stim"] = None
    adata.obs.loc["2", "donor"] = None
    adata.obs.loc["3", "scrcl"] = None
    found = compare(adata)
    assert found.notes[0] == "3 cells without a condition or a sample left out."
    assert found.samples["n_cells"].sum() == adata.n_obs - 4


def test_what_cannot_be_a_condition_or_a_sample_is_refused() -> None:
    adata = three_against_three()
    adata.obs["barcode"] = adata.obs_names
    adata.obs["one"] = "same"
    for keys, said in (
        (("stimm",), "Did you mean stim?"),
        (("qqqqq",), "Check the name."),
        (("one",), "1 value, wanted from 2"),
        (("barcode",), "wanted from 2 to 20 conditions"),
        (("stim", "donr"), "Did you mean donor"),
        (("stim", "barcode"), "Cells are no replicates"),
    ):
        with pytest.raises(InputError, match=said.replace("?", r"\?")):
            check_design(adata, *keys)
    with pytest.raises(InputError, match="the clusters themselves"):
        compare(adata, groupby="stim")
    with pytest.raises(InputError, match="clusters: got 'leiden'"):
        compare(adata, groupby="leiden")
    adata.obs.loc[adata.obs["stim"] == "ctrl", "scrcl"] = None
    with pytest.raises(InputError, match=r"got \['stim'\] among the cells"):
        compare(adata)
