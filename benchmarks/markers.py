"""Known markers among the top genes: python benchmarks/markers.py --data-dir DIR.

Of each labelled set whose types have known markers (benchmarks/markers/*.csv), the share of known
markers among the 20 best genes of a type: by gene association, by the Wilcoxon score, by the output
of the projector itself, and by chance. All rank the same genes, those that the model saw. Groups
are the true labels, and our clusters, matched to the labels one to one by their cells.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd
import torch
from scipy.optimize import linear_sum_assignment

from benchmarks.ours import default_config, prepared_setup
from benchmarks.tables import read_split
from scrcl.data.expression import log_expression
from scrcl.experiment.inputs import InputSpec, load
from scrcl.markers import association_table, embedding_links, network_links, read_marker_lists
from scrcl.model.pipeline import run_seed
from scrcl.nn.inputs import Inputs
from scrcl.results.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scrcl.methods import TrainingData
    from scrcl.model.pipeline import SeedRun

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[1]
TOP = 20
MIN_CELLS = 3


class Known(NamedTuple):
    """Where the markers of a set are, and what its labels are called there if not the same."""

    tissue: str
    names: dict[str, str] = {}  # noqa: RUF012  (never written to)


KNOWN = {
    "Baron_human_sub2142": Known("pancreas"),
    "Kang_ifnb2800": Known(
        "blood",
        {
            "CD4 Naive T": "Naive CD4 T",
            "CD4 Memory T": "Memory CD4 T",
            "Mk": "Platelet",
            "Eryth": "Erythroid",
        },
    ),
    "Zheng_500": Known("blood", {"bcell": "B", "cd56_NK": "NK"}),
    "PBMC3k": Known("blood", {"CD14+ Mono": "CD14 Mono", "FCGR3A+ Mono": "CD16 Mono"}),
    "Xin_sub_log": Known("pancreas"),
    "Zeisel_part1464": Known("brain"),
    "FetalLiver_GSE87795_log": Known("fetal_liver"),
    "151673": Known("cortex"),
    "151674": Known("cortex"),
    "MOB_rep12": Known("olfactory_bulb"),
    "A1": Known("breast"),
    "B1": Known("breast"),
    "C1": Known("breast"),
    "D1": Known("breast"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; sets that are done are not run again. Return 0, or 1 if none is there."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("scrcl").setLevel(logging.ERROR)
    given = _parser().parse_args(argv)
    files = {path.stem: path for path in sorted(given.data_dir.expanduser().rglob("*.h5ad"))}
    tables = []
    for name in given.sets:
        done = given.out / "markers" / f"{name}.csv"
        if not done.exists() and name not in files:
            log.warning("%s: left out, it is not in %s", name, given.data_dir)
            continue
        if not done.exists():
            log.info("%s", name)
            done.parent.mkdir(parents=True, exist_ok=True)
            table = evaluate(name, files[name])
            with atomic_path(done) as part:
                table.to_csv(part, index=False, float_format="%.6g")
        tables.append(pd.read_csv(done, dtype={"set": str}))
    if not tables:
        return 1
    rows = pd.concat(tables, ignore_index=True)
    with atomic_path(given.out / "markers.csv") as part:
        rows.to_csv(part, index=False)
    print(summary(rows).to_string(index=False, float_format="%.3f", na_rep="-"))  # noqa: T201
    return 0


def evaluate(name: str, path: Path) -> pd.DataFrame:
    """Precision at 20 of each type of a set: ``set``, ``groups``, ``type``, ``method``, ..."""
    task = "st" if name in read_split("st").index else "sc"
    data = load(InputSpec(task=task, paths=(path,)))  # type: ignore[arg-type]
    config = default_config(task)  # type: ignore[arg-type]
    prepared, setup = prepared_setup(data, config, find_k=False)
    found = run_seed(setup, 0)
    assert data.labels is not None  # all sets of KNOWN have some
    types = data.labels[prepared.kept].astype(str).replace(KNOWN[name].names)
    expression = log_expression(data.without_labels())[prepared.kept, prepared.var_names].copy()
    enough = types.isin(types.value_counts().loc[lambda sizes: sizes >= MIN_CELLS].index)
    truth = pd.Categorical(types.where(enough, "_rest"))
    groups = {
        "labels": (truth.codes.astype(np.intp), dict(enumerate(truth.categories))),
        "clusters": (found.clustering.labels, matched(types, found.clustering.labels)),
    }
    rows = [
        {"set": name, "groups": kind, **row}
        for kind, (codes, names) in groups.items()
        for row in _precision(name, codes, names, setup=setup, found=found, expression=expression)
    ]
    return pd.DataFrame(rows)


def matched(types: pd.Series, clusters: NDArray[np.integer]) -> dict[int, str]:
    """Match clusters to types one to one, so that as many cells as possible agree."""
    shared = pd.crosstab(clusters, types.to_numpy())
    rows, columns = linear_sum_assignment(-shared.to_numpy())
    return {
        int(shared.index[row]): str(shared.columns[column])
        for row, column in zip(rows, columns, strict=True)
    }


def precision(ranked: Sequence[str], known: set[str]) -> float:
    """Share of known markers among the first 20 genes."""
    return sum(gene.upper() in known for gene in ranked[:TOP]) / TOP


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over types of each set, then over sets: precision at 20 of each method."""
    halves = pd.concat([read_split("sc"), read_split("st")])["half"]
    keys = ["groups", "set"]
    table = rows.pivot_table("precision", keys, "method", sort=False).reset_index()
    sizes = rows.groupby(keys, sort=False)["type"].nunique().rename("types").reset_index()
    table = table.merge(sizes).assign(half=table["set"].map(halves))
    order = ["chance", "projector", "association", "wilcoxon", "best possible"]
    order = [name for name in order if name in table]
    means = table.groupby(["groups", "half"], sort=False)[order].mean().reset_index()
    means = means.assign(
        set="mean", types=table.groupby(["groups", "half"], sort=False)["types"].sum().to_numpy()
    )
    return pd.concat([table, means])[["groups", "half", "set", "types", *order]]


def _precision(
    name: str,
    codes: NDArray[np.integer],
    names: dict[int, str],
    *,
    setup: TrainingData,
    found: SeedRun,
    expression: AnnData,
) -> list[dict[str, object]]:
    """Precision of all methods for the groups of cells that have markers in the data."""
    lists = read_marker_lists(ROOT / "benchmarks" / "markers" / f"{KNOWN[name].tissue}.csv")
    if found.network is None:
        links, projector = embedding_links(setup.prepared.x, found.embedding, codes), None
    else:
        assert setup.inputs is not None  # it was trained on them
        links = network_links(found.network, setup.inputs, codes)
        projector = projector_contrast(found, setup, codes)
    table = association_table(links, expression, codes)
    genes = expression.var_names
    rows = []
    for number, kind in names.items():
        known = {gene.upper() for gene in lists.get(kind, ())}
        n_known = sum(gene.upper() in known for gene in genes)
        own = table[table["cluster"] == str(number)]
        if not n_known or own["wilcoxon_score"].isna().all():
            continue
        by_method = {
            "association": precision(list(own["gene"]), known),
            "wilcoxon": precision(
                list(own.sort_values("wilcoxon_score", ascending=False, kind="stable")["gene"]),
                known,
            ),
            "chance": n_known / len(genes),
            "best possible": min(n_known, TOP) / TOP,
        }
        if projector is not None:
            by_method["projector"] = precision(list(genes[np.argsort(-projector[number])]), known)
        rows += [
            {"type": kind, "n_known": n_known, "method": method, "precision": value}
            for method, value in by_method.items()
        ]
    return rows


def projector_contrast(
    found: SeedRun, setup: TrainingData, codes: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Mean output P(h) of the projector in each group minus that in the others, (k, n_genes)."""
    assert found.network is not None
    assert isinstance(setup.inputs, Inputs)
    model, inputs = found.network, setup.inputs
    with torch.no_grad():
        gnn = model.GNN_encoder
        u = gnn.hidden(gnn.mix(inputs.norm_adj, gnn.messages(inputs.ax)))
        hidden = model.MLP_encoder(inputs.x) + gnn.last(u)
        inside = torch.nn.functional.one_hot(torch.from_numpy(codes.astype(np.int64))).to(hidden)
        means = inside.T @ hidden / inside.sum(0)[:, None]
        others = (1 - inside).T @ hidden / (1 - inside).sum(0)[:, None]
        contrast: NDArray[np.float64] = ((means - others) @ model.projector.weight.T).numpy()
    return contrast


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data-dir", type=Path, default=ROOT / "datasets", help="folder with .h5ad files"
    )
    parser.add_argument("--sets", nargs="+", choices=list(KNOWN), default=list(KNOWN))
    parser.add_argument(
        "--out", type=Path, default=ROOT / "results" / "benchmarks", help="folder of the tables"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
