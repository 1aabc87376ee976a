"""How often a difference is found where there is none, and where there is one.

python -m benchmarks.composition. Cells of a cluster are drawn from samples whose shares vary around
one mean, beta-distributed with the correlation ``rho`` of the cells of a sample; samples have 60 to
3,000 cells. Beside the test of `scrcl.composition`: a chi-square test of the cells, and Student's
test of the samples' shares. Seeded; writes docs/benchmarks/composition.csv.
"""

from __future__ import annotations

import argparse
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, t, ttest_ind

from scrcl.clustering.composition import log_odds_ratios

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

OUT = Path("docs/benchmarks/composition.csv")
SAMPLES = (2, 3, 6)
SHARES = (0.01, 0.1)
CORRELATIONS = (0.0, 0.005, 0.03)
RATIOS = (1.0, 4.0)
LEVEL = 0.05


def draw(
    rng: np.random.Generator, shares: NDArray[np.float64], rho: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw cells of the cluster and all cells of samples with these shares, (n_samples,) each."""
    totals = rng.integers(60, 3000, len(shares))
    own = shares if rho == 0 else rng.beta(shares * (1 / rho - 1), (1 - shares) * (1 / rho - 1))
    return rng.binomial(totals, own).astype(float), totals.astype(float)


def p_values(
    counts: NDArray[np.float64], totals: NDArray[np.float64], conditions: NDArray[np.intp]
) -> dict[str, float]:
    """Return the p-value of each test."""
    odds, covariance, n_spare = log_odds_ratios(counts, totals, conditions)
    ratio = abs(odds[1] - odds[0]) / np.sqrt(np.trace(covariance))
    sides = np.array(
        [[counts[conditions == c].sum(), totals[conditions == c].sum()] for c in (0, 1)]
    )
    sides[:, 1] -= sides[:, 0]
    shares = counts / totals
    first, second = shares[conditions == 0], shares[conditions == 1]
    same = np.ptp(shares) == 0
    return {
        "beta_binomial": float(2 * t.sf(ratio, n_spare)),
        "cells": float(chi2_contingency(sides).pvalue) if sides.sum(axis=0).all() else 1.0,
        "t_test": 1.0 if same else float(ttest_ind(first, second).pvalue),
    }


def measure(
    n_samples: int, share: float, rho: float, *, ratio: float, n_draws: int
) -> dict[str, float]:
    """Share of draws with a p-value below .05, for one design."""
    rng = np.random.default_rng(0)
    conditions = np.repeat([0, 1], n_samples)
    odds = share / (1 - share) * ratio
    shares = np.where(conditions == 0, share, odds / (1 + odds))
    found = [p_values(*draw(rng, shares, rho), conditions) for _ in range(n_draws)]
    return (pd.DataFrame(found) < LEVEL).mean().round(3).to_dict()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure all designs and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=150)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(argv)
    designs = product(RATIOS, SAMPLES, SHARES, CORRELATIONS)
    rows = [
        {"odds_ratio": ratio, "n_samples": n, "share": share, "rho": rho}
        | measure(n, share, rho, ratio=ratio, n_draws=args.draws)
        for ratio, n, share, rho in designs
    ]
    pd.DataFrame(rows).to_csv(args.out, index=False)
    sys.stdout.write(args.out.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
