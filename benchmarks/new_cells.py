"""New cells: train on one set without labels, predict another; beside two methods that see labels.

    python benchmarks/new_cells.py --data-dir DATA [--pair NAME ...]

Labels name our clusters after the prediction (by majority among the training cells) and score it.
The two baselines are trained with the label of every training cell, which ours never sees.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.common import renew
from benchmarks.machine import Stopwatch
from scrcl import ScRCL
from scrcl.data import basis
from scrcl.data.expression import log_expression
from scrcl.model import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable

OUT = Path(__file__).parents[1] / "docs" / "new_cells.csv"
N_PCS = 50
GENE_SHARES = (0.1, 0.2, 0.3, 0.5, 0.75)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Where training and new cells come from.

    Attributes
    ----------
    train, new
        Files below the folder of the data.
    task
        ``sc`` or ``st``.
    split
        Column of ``obs`` and its value in the new cells, where both come from one file.
    without
        Class that is left out of the training, to see whether it is called unknown.
    same
        Names of classes of the new cells in the words of the training set.
    """

    train: str
    new: str
    task: str = "sc"
    split: tuple[str, str] | None = None
    without: str | None = None
    same: tuple[tuple[str, str], ...] = ()


BARON, KANG = "scdata/Baron_human_sub2142.h5ad", "scdata/Kang_ifnb2800.h5ad"
ZHENG = (("bcell", "B"), ("cd56_NK", "NK"), ("regulatory T", "Memory CD4 T"))
PAIRS = {
    "Baron donors 1-3 to 4": Pair(train=BARON, new=BARON, split=("donor", "4")),
    "Baron donors 1-3 without ductal to 4": Pair(
        train=BARON, new=BARON, split=("donor", "4"), without="ductal"
    ),
    "sc_mixology 3 lines to 5": Pair(
        train="scdata/mix_sc_celseq2.h5ad", new="scdata/mix_sc_celseq2_5cl_p1.h5ad"
    ),
    "PBMC3k to Zheng_500": Pair(
        train="scdata/PBMC3k.h5ad", new="scdata/Zheng_500.h5ad", same=ZHENG
    ),
    "Kang control to stimulated": Pair(train=KANG, new=KANG, split=("stim", "STIM")),
    "DLPFC 151673 to 151674": Pair(
        train="stdata/DLPFC/151673/151673.h5ad",
        new="stdata/DLPFC/151674/151674.h5ad",
        task="st",
    ),
}


def load(pair: Pair, data_dir: Path) -> tuple[ad.AnnData, ad.AnnData]:
    """Read both parts; ``obs["label"]`` has the classes."""
    key = "cell_type1" if pair.task == "sc" else "ground_truth"
    train = ad.read_h5ad(data_dir / pair.train)
    if pair.split is None:
        new = ad.read_h5ad(data_dir / pair.new)
    else:
        column, value = pair.split
        is_new = train.obs[column].astype(str).str.endswith(value).to_numpy()
        train, new = train[~is_new].copy(), train[is_new].copy()
    for part in (train, new):
        part.obs["label"] = part.obs[key].astype(str).replace(dict(pair.same))
    if pair.without is not None:
        train = train[train.obs["label"] != pair.without].copy()
    return train, new


def ours(train: ad.AnnData, new: ad.AnnData, pair: Pair) -> tuple[pd.DataFrame, ScRCL]:
    """Clusters of the new cells, named by the majority of the training labels."""
    spots = None if pair.task == "sc" else train.obs["label"].nunique()
    model = ScRCL(n_clusters=spots, task=pair.task).fit(without_labels(train))
    found = model.predict(without_labels(new))
    names = pd.Series(train.obs["label"].to_numpy()).groupby(model.labels_).agg(majority)
    found["named"] = found["nearest"].astype(int).map(names)
    found["unknown"] = found["cluster"] == UNKNOWN
    return found, model


def majority(labels: pd.Series) -> str:
    """Most frequent label."""
    return str(labels.mode().iloc[0])


def without_labels(adata: ad.AnnData) -> ad.AnnData:
    """Leave counts and positions alone."""
    bare = ad.AnnData(adata.X, pd.DataFrame(index=adata.obs_names), adata.var[[]])
    bare.obsm = adata.obsm
    return bare


def common(train: ad.AnnData, new: ad.AnnData) -> tuple[ad.AnnData, ad.AnnData]:
    """Log values of the training's 2,000 most variable genes that both have."""
    genes = train.var_names[train.var_names.isin(new.var_names)]
    reference, query = (log_expression(part[:, genes]) for part in (train, new))
    sc.pp.highly_variable_genes(reference, n_top_genes=min(2000, len(genes)))
    chosen = reference.var["highly_variable"].to_numpy()
    return reference[:, chosen].copy(), query[:, chosen].copy()


def ingest(train: ad.AnnData, new: ad.AnnData) -> pd.Series:
    """Run scanpy's ingest on 50 components and 15 neighbours, trained with labels."""
    reference, query = common(train, new)
    reference.obs["label"] = pd.Categorical(train.obs["label"])
    sc.pp.pca(reference, n_comps=N_PCS)
    sc.pp.neighbors(reference)
    sc.tl.umap(reference)  # ingest refuses to work without
    sc.tl.ingest(query, reference, obs="label", embedding_method="pca")
    return query.obs["label"].astype(str)


def logistic(train: ad.AnnData, new: ad.AnnData) -> pd.Series:
    """Logistic regression on scaled genes, as CellTypist trains it, with labels."""
    reference, query = common(train, new)
    scaler = StandardScaler(with_mean=True)
    values = scaler.fit_transform(reference.X.toarray())
    model = LogisticRegression(C=1.0, max_iter=200, solver="lbfgs").fit(values, train.obs["label"])
    found = model.predict(scaler.transform(query.X.toarray()))
    return pd.Series(found, index=new.obs_names)


def row(
    pair: str, method: str, truth: pd.Series, found: pd.Series, **more: object
) -> dict[str, object]:
    """Scores of one method on one pair."""
    return {
        "pair": pair,
        "method": method,
        "n_new": len(truth),
        "accuracy": accuracy_score(truth, found),
        "macro_f1": f1_score(
            truth, found, average="macro", labels=sorted(set(truth)), zero_division=0
        ),
        **more,
    }


def rows(name: str, data_dir: Path) -> list[dict[str, object]]:
    """Every method on one pair."""
    pair = PAIRS[name]
    train, new = load(pair, data_dir)
    truth = new.obs["label"]
    clock = Stopwatch()
    found, model = ours(train, new, pair)
    seconds = clock()
    known = truth.isin(set(train.obs["label"]))
    report = {
        "seconds": round(seconds, 1),
        "genes_found": model.match_genes(new).share,
        "n_clusters": model.n_clusters_,
        "unknown": found["unknown"][known].mean(),
        "unknown_of_unseen_types": found["unknown"][~known].mean(),
    }
    sure = known & ~found["unknown"]
    table = [
        row(name, "ours", truth[known], found["named"][known], **report),
        row(name, "ours, known ones only", truth[sure], found["named"][sure]),
    ]
    baselines: dict[str, Callable[..., pd.Series]] = {"ingest": ingest, "logistic": logistic}
    for method, run in baselines.items():
        clock = Stopwatch()
        labels = run(train, new)
        table.append(row(name, method, truth[known], labels[known], seconds=round(clock(), 1)))
    if pair.split is not None and pair.without is None:
        names = pd.Series(train.obs["label"].to_numpy()).groupby(model.labels_).agg(majority)
        rng = np.random.default_rng(0)
        for share in GENE_SHARES:
            genes = rng.choice(new.n_vars, int(share * new.n_vars), replace=False)
            part = without_labels(new[:, np.sort(genes)])
            if model.match_genes(part).share >= 0.2:
                named = model.predict(part)["nearest"].astype(int).map(names)
                table.append(row(name, f"ours, {share:.0%} of the genes", truth, named))
    return table


def main() -> None:
    """Measure the pairs that are asked for and write them into the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--pair", action="append", choices=list(PAIRS), help="default: all")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")  # those of the baselines
    basis.MIN_FOUND = 0.0  # so that it can be seen what prediction is refused for
    for name in args.pair or PAIRS:
        renew(args.out, "pair", name, pd.DataFrame(rows(name, args.data_dir)))


if __name__ == "__main__":
    main()
