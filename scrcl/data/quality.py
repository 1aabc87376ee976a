"""How good the cells look, told from their counts alone. Nothing is dropped here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.decomposition import TruncatedSVD
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.neighbors import NearestNeighbors

from scrcl.data.lazy import each_block

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    CSR: TypeAlias = sp.csr_matrix

MITOCHONDRIAL = r"(?i)^(?:.*_)?mt[-:.]"
"""Names as in man (MT-CO1), mouse (mt-Co1), fly (mt:CoI) and R (MT.CO1), a genome before them or not."""
RIBOSOMAL = r"(?i)^(?:.*_)?rp[sl]\d+[a-z]?\d*(?:-ps\d+)?$"
BATCH = (
    r"(?i)(?:^|[_. ])(?:batch|sample|donor|patient|subject|individual|plate|lane|library|channel|chip"
    r"|run|replicate|rep|tech|technology|protocol|platform|chemistry|site|dataset|study|orig\.?ident)"
    r"(?:$|[_. ]|id\b|\d)"
)
"""Names of columns that tell where cells come from."""
TOP_GENES = 50

_FEW_GENES, _FEW_SHARE, _MIN_GENES = 10, 0.5, 200
_MOSTLY, _QUARTER = 0.5, 0.25
_MIN_BARCODES, _EMPTY_RATIO, _EMPTY_GAP, _MAX_EMPTY = 100, 10.0, 2.0, 500
_MIN_FOR_DOUBLETS, _MAX_SIMULATED_FROM, _SIMULATED_PER_CELL = 200, 2_000, 2
_DOUBLET_COMPONENTS, _DOUBLETS_EXPECTED = 30, 0.06
_DOUBLETS_TOLD, _SUMS_SEEN, _SUMS_APART, _MIN_TOLD = 0.11, 0.25, 2.4, 400
_EXPLAINED = 0.6
_EMPTY = "most barcodes look empty"


def quality(
    X: CSR, genes: pd.Index, obs_names: pd.Index, *, kept: NDArray[np.bool_], variable: CSR | None
) -> tuple[pd.DataFrame, list[str]]:
    """Table of all cells, and a line on each thing that looks wrong with them as a whole.

    Parameters
    ----------
    X
        Counts, (n_obs, n_vars), in memory or on disk.
    genes, obs_names
        Names of the genes and the cells.
    kept
        Cells that take part, (n_obs,).
    variable
        Their counts of the variable genes, (n_kept, n_variable); ``None``: spots, which hold several
        cells anyway, so that nothing is said of doublets.
    """
    table = quality_table(X, genes, obs_names)
    totals = np.sum(each_block(X, lambda rows: np.asarray(rows.sum(0)).ravel()), axis=0)
    notes = quality_notes(table, totals, genes)
    # Sums of empty droplets are droplets.
    is_raw = any(note.startswith(_EMPTY) for note in notes)
    doublets = None if variable is None or is_raw else doublet_scores(variable)
    if doublets is not None:
        scores, note = doublets
        table.loc[kept, "doublet_score"] = scores
        notes += [note] if note else []
    return table, notes


def quality_table(X: CSR, genes: pd.Index, obs_names: pd.Index) -> pd.DataFrame:
    """Table of the cells, as `qc.csv` has it.

    Parameters
    ----------
    X
        Counts, (n_obs, n_vars), in memory or on disk.
    genes
        Names, (n_vars,).
    obs_names
        Names of the cells, (n_obs,).

    Returns
    -------
    Indexed by ``obs_name``: ``n_counts``, ``n_genes``, and the shares of the counts that are of
    mitochondrial genes, of ribosomal genes, and of the cell's 50 strongest genes, each from 0 to 1,
    missing for a cell without a count.
    """
    names = pd.Series(np.asarray(genes, dtype=str))
    groups = [names.str.contains(pattern).to_numpy() for pattern in (MITOCHONDRIAL, RIBOSOMAL)]

    def of_rows(rows: CSR) -> NDArray[np.float64]:
        rows = sp.csr_matrix(rows)
        parts = [rows[:, group].sum(1) for group in groups]
        sums = [np.asarray(part, dtype=np.float64).ravel() for part in (rows.sum(1), *parts)]
        return np.column_stack([*sums, _top_sums(rows, TOP_GENES), np.diff(rows.indptr)])

    total, mitochondrial, ribosomal, top, n_genes = np.concatenate(each_block(X, of_rows)).T
    counts = pd.Series(total).where(total > 0).to_numpy()
    return pd.DataFrame(
        {
            "n_counts": total,
            "n_genes": n_genes.astype(np.int64),
            "mitochondrial": mitochondrial / counts,
            "ribosomal": ribosomal / counts,
            f"top_{TOP_GENES}_genes": top / counts,
        },
        index=pd.Index(obs_names, name="obs_name"),
    )


def quality_notes(
    table: pd.DataFrame, gene_totals: NDArray[np.floating], genes: pd.Index
) -> list[str]:
    """One line on each thing that looks wrong with the cells as a whole; none if nothing does.

    Parameters
    ----------
    table
        Of `quality_table`.
    gene_totals
        Sum of the counts of each gene, (n_vars,).
    genes
        Their names.
    """
    notes = (
        _empty_note(table["n_counts"].to_numpy()),
        _few_genes_note(gene_totals, genes),
        _mitochondrial_note(table["mitochondrial"].to_numpy()),
    )
    return [note for note in notes if note]


def batch_notes(
    obs: pd.DataFrame,
    clusters: ArrayLike,
    *,
    batch_key: str | None = None,
    ignore: str | None = None,
) -> list[str]:
    """One line on each column of ``obs`` that tells where cells come from and explains the clusters.

    Parameters
    ----------
    obs
        Annotation of the clustered cells.
    clusters
        Cluster of each, (n_obs,).
    batch_key
        Column whose groups have been brought together.
    ignore
        Column with labels.
    """
    notes = []
    clusters = np.asarray(clusters)
    for name in obs.columns:
        if name == ignore or not re.search(BATCH, str(name)):
            continue
        codes = pd.factorize(obs[name])[0]
        known = codes >= 0
        if not 2 <= len(np.unique(codes[known])) <= known.sum() / 5 or len(set(clusters)) < 2:
            continue
        # Corrected for chance, and 1 if the one is a function of the other.
        shared = adjusted_mutual_info_score(codes[known], clusters[known], average_method="min")
        if shared >= _EXPLAINED:
            hint = (
                "although they were brought together"
                if name == batch_key
                else f"--batch-key {str(name)!r} brings its groups together"
            )
            notes.append(
                f"the clusters follow obs[{name!r}] (adjusted mutual information {shared:.2f}): "
                f"they may be batches, not cell types; {hint}"
            )
    return notes


def _top_sums(rows: CSR, n_top: int) -> NDArray[np.float64]:
    """Sum of the ``n_top`` largest values of each row, (n_rows,)."""
    sums = np.asarray(rows.sum(1), dtype=np.float64).ravel()
    for row in np.flatnonzero(np.diff(rows.indptr) > n_top):
        values = rows.data[rows.indptr[row] : rows.indptr[row + 1]]
        sums[row] = np.partition(values, len(values) - n_top)[-n_top:].sum(dtype=np.float64)
    return sums


def _empty_note(totals: NDArray[np.float64]) -> str | None:
    """Two sorts of barcodes, far apart, of which the smaller totals are the more."""
    if len(totals) < _MIN_BARCODES:
        return None
    logs = np.sort(np.log1p(totals))
    split = _split(logs)
    low, high = logs[:split], logs[split:]
    gap = (high.mean() - low.mean()) / max(low.std() + high.std(), 1e-9)
    typical_low, typical_high = np.expm1(np.median(low)), np.expm1(np.median(high))
    is_far = gap >= _EMPTY_GAP and typical_high >= _EMPTY_RATIO * max(typical_low, 1.0)
    if len(low) <= len(high) or not is_far or typical_low > _MAX_EMPTY:
        return None
    return (
        f"{_EMPTY}: {len(low):,} of {len(logs):,} have some {typical_low:,.0f} counts, "
        f"the others some {typical_high:,.0f}. Take the called cells (Cell Ranger's filtered "
        "matrix, EmptyDrops, CellBender): empty droplets make clusters of their own"
    )


def _split(ordered: NDArray[np.float64]) -> int:
    """Where to cut ascending values in two so that the variance within is least (Otsu), at least 1."""
    if ordered[0] == ordered[-1]:
        return len(ordered) - 1
    n = np.arange(1, len(ordered))
    below = np.cumsum(ordered)[:-1]
    between = (below * len(ordered) - n * ordered.sum()) ** 2 / (n * (len(ordered) - n))
    return int(np.argmax(between)) + 1


def _few_genes_note(gene_totals: NDArray[np.floating], genes: pd.Index) -> str | None:
    if len(genes) < _MIN_GENES or gene_totals.sum() <= 0:
        return None
    order = np.argsort(-gene_totals, kind="stable")
    shares = np.cumsum(gene_totals[order]) / gene_totals.sum()
    if shares[_FEW_GENES - 1] <= _FEW_SHARE:
        return None
    n_genes = int(np.searchsorted(shares, _FEW_SHARE)) + 1
    named = ", ".join(map(str, genes[order[: min(n_genes, 5)]]))
    return (
        f"most counts come from a few genes: {n_genes} of {len(genes):,} genes with "
        f"{shares[n_genes - 1]:.0%} of them ({named}{', ...' if n_genes > 5 else ''}), which hides "
        "the others. Drop them first if they are not what sets your cells apart"
    )


def _mitochondrial_note(shares: NDArray[np.float64]) -> str | None:
    is_dying = shares > _MOSTLY
    if not len(shares) or is_dying.mean() < _QUARTER:
        return None
    return (
        f"{is_dying.sum():,} of {len(shares):,} cells ({is_dying.mean():.0%}) have mostly "
        "mitochondrial counts: broken or dying cells make clusters of their own. Drop them first"
    )


# ---------------------------------------------------------------- doublets


def doublet_scores(counts: CSR, *, seed: int = 0) -> tuple[NDArray[np.float64], str | None] | None:
    """Score how much each cell looks like two, as Scrublet does, in time linear in the cells.

    Pairs of cells are added up; a cell among whose nearest neighbours are many such sums scores high
    (Wolock et al., Cell Systems 2019). Above 2,000 cells, the sums are of a random 2,000, and these
    and their sums are the neighbours that are looked at.

    Parameters
    ----------
    counts
        Of the variable genes, (n_obs, n_genes).
    seed
        Of the pairs.

    Returns
    -------
    Scores, (n_obs,), 0 to 1, and a line if too many cells score like sums of two sorts of cells;
    ``None`` for fewer than 200 cells, or equal ones, of which nothing can be said.
    """
    n_obs, n_genes = counts.shape
    n_components = min(_DOUBLET_COMPONENTS, n_genes - 1)
    if n_obs < _MIN_FOR_DOUBLETS or n_components < 2:
        return None
    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(n_obs)[:_MAX_SIMULATED_FROM])
    pairs = rng.choice(some, (2, _SIMULATED_PER_CELL * len(some)))
    simulated = counts[pairs[0]] + counts[pairs[1]]
    target = float(np.median(np.asarray(counts[some].sum(1))))
    cells, sums = (_log_normalized(part, target) for part in (counts, simulated))
    deviations = _deviations(cells[some])
    if not np.isfinite(deviations).any():  # all cells are equal
        return None
    axes = TruncatedSVD(n_components, random_state=seed).fit(cells[some].multiply(1 / deviations))
    places, sum_places = (
        axes.transform(sp.csr_matrix(part.multiply(1 / deviations))) for part in (cells, sums)
    )
    ratio = len(sum_places) / len(some)
    n_neighbors = round(0.5 * np.sqrt(len(some)) * (1 + ratio))
    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute")
    search.fit(np.concatenate([places[some], sum_places]))
    scores, sum_scores = (
        _scores(search, points, len(some), ratio) for points in (places, sum_places)
    )
    return scores, _doublet_note(scores, sum_scores)


def _scores(
    search: NearestNeighbors, points: NDArray[np.floating], n_cells: int, ratio: float
) -> NDArray[np.float64]:
    """Chance that a cell is a doublet, given the share of sums among its neighbours (Scrublet's)."""
    found = search.kneighbors(points, return_distance=False)
    share = ((found >= n_cells).sum(1) + 1) / (found.shape[1] + 2)
    expected = _DOUBLETS_EXPECTED
    scores: NDArray[np.float64] = (
        share * expected / ratio / (1 - expected - share * (1 - expected - expected / ratio))
    )
    return scores


def _doublet_note(scores: NDArray[np.float64], sum_scores: NDArray[np.float64]) -> str | None:
    """Many cells score like the sums that lie apart from all single cells.

    How many of the sums do so says how many doublets can be seen at all; where these do not lie
    well above the typical cell (cells that merge into each other), nothing can be said.
    """
    ordered = np.sort(np.log(sum_scores))
    split = _split(ordered)
    threshold = float(np.exp((ordered[split - 1] + ordered[split]) / 2))
    share, seen = (float((values > threshold).mean()) for values in (scores, sum_scores))
    is_apart = seen >= _SUMS_SEEN and threshold >= _SUMS_APART * np.median(scores)
    if len(scores) < _MIN_TOLD or not is_apart or share / seen < _DOUBLETS_TOLD:
        return None
    return (
        f"doublets suspected: {share:.0%} of the cells score as two cells at once would (above "
        f"{threshold:.2f}, doublet_score in qc.csv). Look at them with Scrublet or scDblFinder, "
        "sample by sample"
    )


def _log_normalized(counts: CSR, target: float) -> CSR:
    totals = np.asarray(counts.sum(1), dtype=np.float64).ravel()
    normalized = sp.csr_matrix(sp.diags(target / np.maximum(totals, 1.0)) @ counts)
    normalized.data = np.log1p(normalized.data)
    return normalized


def _deviations(X: CSR) -> NDArray[np.float64]:
    mean = np.asarray(X.mean(0)).ravel()
    variance = np.asarray(X.multiply(X).mean(0)).ravel() - mean**2
    # A gene that does not vary tells nothing: it is divided by infinity.
    deviations: NDArray[np.float64] = np.sqrt(np.where(variance > 1e-12, variance, np.inf))
    return deviations
