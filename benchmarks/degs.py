"""Cost of marker genes at scale, and their equality with scanpy.

From the root of the repository:

    python -m benchmarks.degs --cells 50000 200000 --real CELLS.h5ad ... --out degs.csv

The cells of the timing are simulated: sparse counts of 2,000 genes in 12 groups, a tenth of the
genes of a group four times as high. Each row of the table is a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
import scipy.sparse as sp

from benchmarks.machine import Stopwatch, limit_threads
from scrcl import pl
from scrcl.data.expression import log_expression
from scrcl.experiment.inputs import InputSpec, load
from scrcl.markers import filter_markers, rank_genes, top_markers

N_GROUPS = 12
_ROWS = 5_000
_MB = 2**20 if sys.platform == "darwin" else 2**10  # units of ru_maxrss in one


def simulated(n_obs: int, n_genes: int, seed: int = 0) -> ad.AnnData:
    """Return simulated counts, (n_obs, n_genes), about one in twelve not 0, and ``obs["group"]``."""
    rng = np.random.default_rng(seed)
    group = rng.integers(N_GROUPS, size=n_obs)
    means = rng.gamma(0.3, 0.3, n_genes) * np.where(rng.random((N_GROUPS, n_genes)) < 0.1, 4, 1)
    blocks = [
        sp.csr_matrix(rng.poisson(means[group[start : start + _ROWS]]).astype(np.float32))
        for start in range(0, n_obs, _ROWS)
    ]
    obs = pd.DataFrame({"group": pd.Categorical(group.astype(str))})
    obs.index = obs.index.astype(str)
    var = pd.DataFrame(index=[f"gene{i}" for i in range(n_genes)])
    return ad.AnnData(sp.vstack(blocks, format="csr"), obs, var)


def cost(work: str, n_obs: int, n_genes: int) -> dict[str, Any]:
    """Do one piece of work and return what it took, beside the memory of the data."""
    adata = simulated(n_obs, n_genes)
    X = adata.X
    _DO[work](simulated(500, 100))  # compiles what has to be compiled
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clock, start = Stopwatch(), time.process_time()
    _DO[work](adata)
    seconds, cpu_seconds = clock(), time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "work": work,
        "cells": n_obs,
        "genes": n_genes,
        "nonzero": f"{X.nnz / np.prod(X.shape):.1%}",
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "data_mb": round((X.data.nbytes + X.indices.nbytes) / 2**20),
        "before_mb": round(before / _MB),
        "peak_mb": round(peak / _MB),
    }


def rank(adata: ad.AnnData) -> None:
    """Rank as draw_DEGs does."""
    rank_genes(adata, "group")


def rank_by_scanpy(adata: ad.AnnData) -> None:
    """Rank as scanpy does, on the same values."""
    sc.tl.rank_genes_groups(log_expression(adata), "group", method="wilcoxon")


def draw(adata: ad.AnnData) -> None:
    """Draw what draw_DEGs draws, five genes a group."""
    expression = log_expression(adata)
    genes = {str(g): [f"gene{5 * g + i}" for i in range(5)] for g in range(N_GROUPS)}
    table = pd.DataFrame(
        [(group, gene, 1.0) for group, own in genes.items() for gene in own],
        columns=["group", "gene", "score"],
    )
    figures = [pl.ranking(table)]
    figures += [
        figure(expression, genes, "group")
        for figure in (pl.dotplot, pl.heatmap, pl.stacked_violin, pl.matrixplot)
    ]
    for fig in figures:
        fig.canvas.draw()


def equality(path: Path) -> dict[str, Any]:
    """Compare with ``scanpy.tl.rank_genes_groups`` on labelled cells, gene by gene."""
    data = load(InputSpec(task="sc", paths=(path,)))
    assert data.labels is not None
    data.adata.obs["group"] = data.labels
    ours = rank_genes(data.adata, "group").table
    reference = log_expression(data.adata)
    size = reference.obs["group"].value_counts()
    tested = [str(name) for name in size.index[size >= 3]]
    reference = reference[reference.obs["group"].notna()].copy()
    sc.tl.rank_genes_groups(reference, "group", groups=tested, method="wilcoxon")
    theirs = sc.get.rank_genes_groups_df(reference, tested)
    both = ours.merge(theirs, left_on=["group", "gene"], right_on=["group", "names"])
    first = top_markers(ours, 20)
    same = [
        len(set(first[group]) & set(theirs.loc[theirs["group"] == group, "names"][:20])) / 20
        for group in tested
    ]
    return {
        "set": path.stem,
        "groups": len(tested),
        "genes": reference.n_vars,
        "compared": len(both),
        "score_max_difference": float((both["score"] - both["scores"]).abs().max()),
        "p_max_difference": float((both["p_value"] - both["pvals"]).abs().max()),
        "same_top_20": float(np.mean(same)),
        "markers": len(filter_markers(ours).table),
    }


_DO = {
    "wilcoxon": rank,
    "wilcoxon, scanpy": rank_by_scanpy,
    "five figures": draw,
}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="*", default=[50_000, 200_000])
    parser.add_argument("--genes", type=int, default=2_000)
    parser.add_argument("--work", nargs="*", choices=list(_DO), default=list(_DO))
    parser.add_argument("--real", type=Path, nargs="*", default=[])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/degs.csv"))
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    limit_threads(args.threads)
    rows = []
    for n_obs in args.cells:
        for work in args.work:
            # A process of its own, so that its peak memory is its own.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                rows.append(pool.apply(cost, (work, n_obs, args.genes)))
            pd.DataFrame(rows).to_csv(args.out, index=False)
    _say(pd.DataFrame(rows))
    if args.real:
        table = pd.DataFrame([equality(path) for path in args.real])
        table.to_csv(args.out.with_stem(f"{args.out.stem}_equality"), index=False)
        _say(table)


def _say(table: pd.DataFrame) -> None:
    if len(table):
        sys.stdout.write(f"{table.to_string(index=False)}\n")


if __name__ == "__main__":
    main()
