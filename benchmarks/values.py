r"""Does scrcl know what a matrix holds? Real data, and what people do to them before they store them.

    python -m benchmarks.values ../shared/data ../shared/cases --out docs/benchmarks/values.csv \
        --page docs/values.md

Every ``.h5ad`` below the folders whose ``X`` (or else a matrix beside it) holds counts goes through
each transformation below; what is concluded of the result is compared with the truth: ``right``,
``asked`` (refused, although it could be used), ``doubted`` (something else, and it is said that there
is little to tell it by) or ``WRONG`` (a silent mistake). The tables count these.
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
MAX_CELLS = 500
MIN_CELLS, MIN_GENES = 50, 10
N_PANEL = 50
AS_THEY_ARE = {"FetalLiver_GSE87795_log": "log2", "Xin_sub_log": "log2", "Yan_rpkm": "linear"}
"""Sets without counts, and what they are."""
JUDGED = ["right", "asked", "doubted", "WRONG"]
PAGE = """# What the numbers of a matrix tell

{n_sets} real and simulated sets with counts, each through {n_kinds} transformations that people's files have gone
through ({n_cells:,} cells at most; those of two names are two kinds of values in one matrix), and {n_as_they_are} sets as
they are
(`python -m benchmarks.values FOLDERS --out docs/benchmarks/values.csv --page docs/values.md`).
Nothing but the numbers is given: no name of a layer, no history. `right` of {n}: {right} ({right_share:.1%});
`asked`, what could be used but is refused: {asked} ({asked_share:.1%}); `doubted`, something else is
concluded, and the line says that there is little to tell it by: {doubted} ({doubted_share:.1%}); `wrong`, without a
word: {wrong}.

## Truth and conclusion

{crossed}

## Each transformation

{kinds}
"""


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
    factors = sp.diags(rng.lognormal(0, 0.3, X.shape[0])) @ normalised(X, None)  # of scran's kind
    whole = {
        "counts": ("counts", X),
        "counts, from logs": ("counts", each(each(X, np.log1p).astype(np.float32), np.expm1)),
        "log1p at 10,000": ("log", log),
        "log1p at the median": ("log", each(normalised(X, None), np.log1p)),
        "log1p of CPM": ("log", each(normalised(X, 1e6), np.log1p)),
        "log1p of counts": ("log", each(X, np.log1p)),
        "log2 by size factors": ("log2", each(factors, log2)),
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


def concluded(matrix: CSR | np.ndarray) -> tuple[str, bool, str]:
    """Return what scrcl says: the kind (``asked``: how to answer is said), if in doubt, its line."""
    try:
        found = find_values(ad.AnnData(matrix.astype(np.float32)))
    except InputError as error:
        return "asked" if "--values" in str(error) else REFUSED, False, str(error)
    base = found.about.base
    kind = found.kind if base == np.e else f"{found.kind}{base:g}"
    return kind, found.about.thin, found.line


def judge(truth: str, said: str, *, in_doubt: bool) -> str:
    """Judge a conclusion."""
    if said in {"asked", REFUSED}:
        return "right" if truth == REFUSED else "asked"
    if said == truth:
        return "right"
    return "doubted" if in_doubt else "WRONG"


def counts_of(adata: ad.AnnData) -> CSR | None:
    """Take the counts of some cells, of X or .raw; ``None`` if there are none."""
    raw = [] if adata.raw is None else [adata.raw.X]
    for matrix in (adata.X, *raw):
        X = sp.csr_matrix(matrix, dtype=np.float64)
        if X.nnz and X.data.min() >= 0 and np.array_equal(X.data, np.rint(X.data)):
            rows = np.sort(np.random.default_rng(0).permutation(X.shape[0])[:MAX_CELLS])
            X = X[rows]
            X = X[X.getnnz(1) > 0]
            are_equal = len(np.unique(X[:MIN_CELLS].toarray(), axis=0)) == 1
            return None if are_equal or X.shape[0] < MIN_CELLS or X.shape[1] < MIN_GENES else X
    return None


def look_at(path: Path) -> Iterator[dict[str, str]]:
    """Judge what is concluded of a file: of each transformation, if there are counts."""
    adata = ad.read_h5ad(path)
    X = counts_of(adata)
    if path.stem in AS_THEY_ARE:
        cases = iter([("as it is", AS_THEY_ARE[path.stem], adata.X)])
    else:
        cases = iter(()) if X is None else transformed(X, np.random.default_rng(0))
    for name, truth, matrix in cases:
        said, in_doubt, line = concluded(matrix)
        judged = judge(truth, said, in_doubt=in_doubt)
        yield {
            "data": path.stem,
            "values": name,
            "truth": truth,
            "said": REFUSED if truth == REFUSED and judged == "right" else said,
            "judged": judged,
            "line": line,
        }


def by_kind(table: pd.DataFrame) -> pd.DataFrame:
    """Count conclusions and judgements of each transformation."""
    keys = [table["values"], table["truth"]]
    judged = pd.crosstab(keys, table["judged"]).reindex(columns=JUDGED, fill_value=0)
    counted = judged.join(pd.crosstab(keys, table["said"]).add_prefix("said "))
    order = pd.MultiIndex.from_frame(table[["values", "truth"]]).unique()
    return counted.reindex(order).reset_index()


def markdown(table: pd.DataFrame) -> str:
    """Write a table as Markdown."""
    rows = [list(map(str, table.columns)), ["---"] * table.shape[1], *table.astype(str).to_numpy()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def page_of(table: pd.DataFrame) -> str:
    """Return the page of the documentation that shows the tables."""
    counted = table["judged"].value_counts().reindex(JUDGED, fill_value=0)
    share = counted / len(table)
    is_whole = table["values"] != "as it is"
    crossed = pd.crosstab(table["truth"], table["said"]).reset_index()
    return PAGE.format(
        n=len(table),
        n_sets=table.loc[is_whole, "data"].nunique(),
        n_kinds=table.loc[is_whole, "values"].nunique(),
        n_as_they_are=int((~is_whole).sum()),
        n_cells=MAX_CELLS,
        right=counted["right"],
        right_share=share["right"],
        asked=counted["asked"],
        asked_share=share["asked"],
        doubted=counted["doubted"],
        doubted_share=share["doubted"],
        wrong=counted["WRONG"],
        crossed=markdown(crossed.rename(columns={"truth": "truth / concluded"})),
        kinds=markdown(by_kind(table)[["values", "truth", *JUDGED]]),
    )


def main() -> None:
    """Run all and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, help="conclusions of each transformation, counted")
    parser.add_argument("--page", type=Path, help="page of the documentation to write")
    parser.add_argument("--all", type=Path, help="each answer")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore", category=UserWarning)
    rows = []
    for path in sorted(path for folder in args.folders for path in folder.rglob("*.h5ad")):
        for row in look_at(path):
            rows.append(row)
            if row["judged"] != "right":
                cells = f"{row['data']:20} {row['values']:32} {row['truth']:8} {row['said']:8}"
                sys.stdout.write(f"{row['judged']:7} {cells} {row['line'][:150]}\n")
                sys.stdout.flush()
    table = pd.DataFrame(rows)
    sys.stdout.write(f"{pd.crosstab(table['truth'], table['said']).to_string()}\n")
    sys.stdout.write(f"{table['judged'].value_counts().to_string()}\n")
    if args.out:
        by_kind(table).to_csv(args.out, index=False)
    if args.all:
        table.to_csv(args.all, index=False)
    if args.page:
        args.page.write_text(page_of(table), encoding="utf-8")


if __name__ == "__main__":
    main()
