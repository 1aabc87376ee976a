"""Does scrcl know what a matrix holds? Real data, and what people do to them before they store them.

    python -m benchmarks.values ../shared/data ../shared/cases --out docs/benchmarks/values.csv

Every ``.h5ad`` below the folders whose ``X`` (or else a matrix beside it) holds counts goes through
each transformation below; what is concluded of the result is compared with the truth. A table of
truth x conclusion is printed, and every answer is written to the file: ``right``, ``asked`` (refused,
although it could be used), ``said`` (not told, and said so) or ``WRONG`` (a silent mistake).
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.data.values import find_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CSR: TypeAlias = sp.csr_matrix
Rng: TypeAlias = np.random.Generator

REFUSED = "refused"
MAX_CELLS = 3_000
N_PANEL = 50


def normalised(X: CSR, total: float | None) -> CSR:
    """Bring each cell to a total, or to the median of the totals."""
    totals = np.asarray(X.sum(1)).ravel()
    total = float(np.median(totals)) if total is None else total
    return sp.csr_matrix(sp.diags(total / np.maximum(totals, 1e-12)) @ X)


def each(X: CSR, of: Callable[[np.ndarray], np.ndarray]) -> CSR:
    """Apply a function to the stored values."""
    X = X.copy()
    X.data = of(X.data)
    X.eliminate_zeros()
    return X


def per_length(X: CSR, rng: Rng, total: float | None = None) -> CSR:
    """Divide by lengths of genes: RPKM, or TPM if there is a total."""
    rpkm = normalised(X, 1e6) @ sp.diags(1 / rng.lognormal(0.5, 0.8, X.shape[1]))
    return sp.csr_matrix(rpkm) if total is None else normalised(sp.csr_matrix(rpkm), total)


def corrected(X: CSR, rng: Rng) -> CSR:
    """Take the ambient share of each gene off each cell, as SoupX does without rounding."""
    profile = np.asarray(X.sum(0)).ravel() / X.sum()
    totals = np.asarray(X.sum(1)).ravel() * rng.uniform(0.05, 0.2, X.shape[0])
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    X = X.copy()
    X.data = np.maximum(X.data - totals[rows] * profile[X.indices], 0)
    X.eliminate_zeros()
    return X


def native(X: CSR, rng: Rng) -> CSR:
    """Multiply each count by its chance of being of this cell, as decontX does."""
    return each(X, lambda values: values * rng.beta(8, 2, values.size))


def z_scores(X: CSR) -> np.ndarray:
    """Centre and scale each gene, and cut at 10."""
    dense = X.toarray()
    deviations = np.where(dense.std(0, ddof=1) > 0, dense.std(0, ddof=1), 1)
    return np.minimum((dense - dense.mean(0)) / deviations, 10)


def uncentred(X: CSR) -> CSR:
    """Divide each gene by its standard deviation."""
    dense = X.toarray()
    deviations = np.where(dense.std(0, ddof=1) > 0, dense.std(0, ddof=1), 1)
    return sp.csr_matrix(np.minimum(dense / deviations, 10))


def residuals(X: CSR) -> np.ndarray:
    """Pearson residuals of a negative binomial."""
    totals, genes = np.asarray(X.sum(1)), np.asarray(X.sum(0))
    mean = totals @ genes / X.sum()
    return (X.toarray() - mean) / np.sqrt(mean + mean**2 / 100 + 1e-12)


def thinned(X: CSR, rng: Rng) -> CSR:
    """200 cells with 300 counts each, where they have that many."""
    rows = [
        rng.multivariate_hypergeometric(row.astype(int), min(300, int(row.sum())), method="count")
        if row.sum() < 1e6
        else rng.multinomial(300, row / row.sum())
        for row in X[:200].toarray()
    ]
    return sp.csr_matrix(np.array(rows, dtype=float))


def panel(X: CSR, rng: Rng) -> np.ndarray:
    """50 genes that at least 5 % of the cells show, if there are so many."""
    share = X.getnnz(0) / X.shape[0]
    usual = np.flatnonzero(share >= min(0.05, np.sort(share)[-min(N_PANEL, len(share))]))
    return np.sort(rng.choice(usual, min(N_PANEL, len(usual)), replace=False))


def transformed(X: CSR, rng: Rng) -> Iterator[tuple[str, str, CSR | np.ndarray]]:
    """Yield names, truths and matrices."""
    log2, log10 = (lambda v: np.log2(v + 1)), (lambda v: np.log10(v + 1))
    ten, tpm, rpkm = normalised(X, 1e4), per_length(X, rng, 1e6), per_length(X, rng)
    soup, own = corrected(X, rng), native(X, rng)
    log = each(ten, np.log1p)
    few = thinned(X, rng)
    whole = {
        "counts": ("counts", X),
        "counts, from logs": ("counts", each(each(X, np.log1p).astype(np.float32), np.expm1)),
        "log1p at 10,000": ("log", log),
        "log1p at the median": ("log", each(normalised(X, None), np.log1p)),
        "log1p of CPM": ("log", each(normalised(X, 1e6), np.log1p)),
        "log1p of counts": ("log", each(X, np.log1p)),
        "log1p, 3 decimals": ("log", each(log, lambda v: np.round(v, 3))),
        "log2 at 10,000": ("log2", each(ten, log2)),
        "log10 at 10,000": ("log10", each(ten, log10)),
        "CPM": ("linear", normalised(X, 1e6)),
        "CPM, rounded": ("linear", each(normalised(X, 1e6), np.rint)),
        "10,000 per cell": ("linear", ten),
        "TPM": ("linear", tpm),
        "RPKM": ("linear", rpkm),
        "log1p of TPM": ("log", each(tpm, np.log1p)),
        "log2 of TPM": ("log2", each(tpm, log2)),
        "log2 of RPKM": ("log2", each(rpkm, log2)),
        "SoupX": ("counts", soup),
        "decontX": ("counts", own),
        "decontX, 3 decimals": ("counts", each(own, lambda v: np.round(v, 3))),
        "log1p of decontX at 10,000": ("log", each(normalised(own, 1e4), np.log1p)),
        "square root": (REFUSED, each(ten, np.sqrt)),
        "square root of counts": (REFUSED, each(X, np.sqrt)),
        "arcsinh": (REFUSED, each(X, lambda v: np.arcsinh(v / 5))),
        "rounded logs": (REFUSED, each(log, np.rint)),
        "200 cells at 300": ("counts", few),
        "200 cells at 300, log1p": ("log", each(normalised(few, 1e4), np.log1p)),
        "200 cells at 300, CPM": ("linear", normalised(few, 1e6)),
    }
    genes = panel(X, rng)
    for name, (truth, matrix) in whole.items():
        yield name, truth, matrix
        if "rounded" not in name:  # of 50 genes: whole numbers, like any
            yield f"{name}, {N_PANEL} genes", truth, matrix[:, genes]
    yield "scaled", REFUSED, z_scores(log[:500])
    yield "scaled, not centred", REFUSED, uncentred(log[:500])
    yield "Pearson residuals", REFUSED, residuals(X[:500])
    half = X.shape[0] // 2
    for name, first, second in (
        ("counts + log1p", X, log),
        ("counts + CPM", X, whole["CPM"][1]),
        ("counts + TPM", X, tpm),
        ("log1p + log2", log, whole["log2 at 10,000"][1]),
        ("log1p + CPM", log, whole["CPM"][1]),
        ("log1p at 10,000 + at 1e6", log, whole["log1p of CPM"][1]),
        ("TPM + log1p of TPM", tpm, whole["log1p of TPM"][1]),
        ("decontX + log1p", own, log),
    ):
        yield name, REFUSED, sp.vstack([first[:half], second[half:]], format="csr")


def concluded(matrix: CSR | np.ndarray) -> tuple[str, str]:
    """Return what scrcl says: the kind (``asked`` and ``refused`` are such), and its line."""
    matrix = matrix.astype(np.float32)
    try:
        found = find_values(ad.AnnData(matrix))
    except InputError as error:
        return "asked" if "--values" in str(error) else REFUSED, str(error)
    base = found.about.base
    return found.kind if base == np.e else f"{found.kind}{base:g}", found.line


def judge(truth: str, said: str, line: str) -> str:
    """Judge a conclusion."""
    if said in {"asked", REFUSED}:
        return "right" if truth == REFUSED else "asked"
    if said == truth:
        return "right"
    # What the numbers cannot tell, and the line says so: values with decimals that are treated alike,
    # and the base of logarithms, a factor.
    told = {("counts", "linear"): "corrected counts", ("log2", "log"): "taken as natural"}
    return "said" if (truth, said) in told and told[truth, said] in line else "WRONG"


def counts_of(path: Path) -> CSR | None:
    """Read the counts, of X or .raw; ``None`` if there are none."""
    adata = ad.read_h5ad(path)
    raw = [] if adata.raw is None else [adata.raw.X]
    for matrix in (adata.X, *raw):
        X = sp.csr_matrix(matrix, dtype=np.float64)
        if X.nnz and X.data.min() >= 0 and np.array_equal(X.data, np.rint(X.data)):
            rows = np.sort(np.random.default_rng(0).permutation(X.shape[0])[:MAX_CELLS])
            X = X[rows]
            return X[X.getnnz(1) > 0]
    return None


def main() -> None:
    """Run all and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--min-cells", type=int, default=50, help="smaller sets are left out (50)")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore", category=UserWarning)
    rows = []
    for path in sorted(path for folder in args.folders for path in folder.rglob("*.h5ad")):
        X = counts_of(path)
        if X is None or X.shape[0] < args.min_cells or X.shape[1] < 10:
            continue
        for name, truth, matrix in transformed(X, np.random.default_rng(0)):
            said, line = concluded(matrix)
            judged = judge(truth, said, line)
            rows.append(
                {
                    "data": path.stem,
                    "values": name,
                    "truth": truth,
                    "said": said,
                    "judged": judged,
                    "line": line,
                }
            )
            if judged in {"WRONG", "asked"}:
                sys.stdout.write(
                    f"{judged:6} {path.stem:20} {name:32} {truth:8} {said:8} {line[:150]}\n"
                )
    table = pd.DataFrame(rows)
    sys.stdout.write(f"{pd.crosstab(table['truth'], table['said']).to_string()}\n")
    sys.stdout.write(f"{table['judged'].value_counts().to_string()}\n")
    if args.out:
        by_kind = pd.crosstab([table["values"], table["truth"]], table["said"])
        by_kind["wrong"] = table.groupby(["values", "truth"])["judged"].apply(
            lambda j: (j == "WRONG").sum()
        )
        by_kind.to_csv(args.out)


if __name__ == "__main__":
    main()
