"""Genes of the clusters: what tests found, and what the model ties to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from scrcl.markers import shown_genes
from scrcl.report.pictures import CAPTIONS, Picture, embed_all
from scrcl.report.table import Cell, Table, from_frame, mark, number, p_value, percent

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from pathlib import Path

_SHOWN = 10  # genes of a group
_HEADS = [
    "cluster",
    "rank",
    "gene",
    "score",
    "log2 fold change",
    "adjusted p",
    "in cluster",
    "outside",
    "marker",
]
_NAMES = ("group", "cluster", "gene", "symbol", "name", "genes")  # columns of text
_TABLES = {
    "cluster_names.csv": "Names that the list of markers suggests. They are suggestions: no "
    "cluster was renamed.",
    "gene_associations.csv": f"Genes that the model ties to each cluster, the best {_SHOWN}.",
    "gene_modules.csv": f"Modules: groups of genes that the model embeds alike, {_SHOWN} of each.",
}
"""File to what it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Genes:
    """The answer to one question about marker genes.

    Attributes
    ----------
    name
        Of its folder.
    table
        The best genes of every group.
    notes
        How far the numbers can be trusted, and what was left out.
    figures
        Those that a page can show.
    """

    name: str
    table: Table
    notes: list[str]
    figures: list[Picture]


def read_genes(folder: Path, colors: Mapping[str, str]) -> Genes | None:
    """Read a folder that `scrcl.experiment.draw_markers` wrote; ``None`` if it is not there.

    Parameters
    ----------
    folder
        With ``markers.csv``, ``notes.txt`` and figures.
    colors
        Cluster to colour.
    """
    table = _read(folder / "markers.csv")
    if table is None:
        return None
    notes = folder / "notes.txt"
    order = list(CAPTIONS)
    paths = [path for path in folder.glob("*") if path.suffix in {".png", ".svg"}]
    paths.sort(key=lambda path: (order.index(path.stem) if path.stem in order else 99, path.stem))
    return Genes(
        name=folder.name,
        table=_best(table, colors),
        notes=notes.read_text("utf-8").splitlines() if notes.is_file() else [],
        figures=embed_all(paths)[0],
    )


def best_genes(folder: Path, n_genes: int) -> dict[str, list[str]]:
    """Return the first genes of every group, those that pass the filter before the others."""
    table = _read(folder / "markers.csv")
    if table is None:
        return {}
    ordered = shown_genes(table).sort_values("kept", ascending=False, kind="stable")
    first = ordered.groupby("group", sort=False).head(n_genes)
    return {str(name): list(genes) for name, genes in first.groupby("group")["gene"]}


def associations(folder: Path, colors: Mapping[str, str]) -> list[Table]:
    """Read what the model says about genes, as far as it is there."""
    tables = []
    for name, caption in _TABLES.items():
        table = _read(folder / name)
        if table is not None and "rank" in table:
            table = table[table["rank"] <= _SHOWN]
        if table is not None and "module" in table:
            table = _members(table)
        if table is not None and len(table):
            tables.append(from_frame(table, caption, colors=colors))
    return tables


def _members(modules: pd.DataFrame) -> pd.DataFrame:
    """One row for each module of genes instead of one for each gene."""
    genes = shown_genes(modules).groupby("module")["gene"]
    return pd.DataFrame(
        {
            "n_genes": genes.size(),
            "genes": genes.agg(lambda names: ", ".join(names.head(_SHOWN))),
        }
    ).reset_index()


def _best(table: pd.DataFrame, colors: Mapping[str, str]) -> Table:
    shown = shown_genes(table[table["rank"] <= _SHOWN])
    columns = [
        [mark(group, colors) for group in shown["group"]],
        [Cell(str(rank), float(rank)) for rank in shown["rank"]],
        [Cell(gene) for gene in shown["gene"]],
        [number(score, 2) for score in shown["score"]],
        [number(fold, 2) for fold in shown["log2_fold_change"]],
        [p_value(p) for p in shown["p_adjusted"]],
        [percent(share) for share in shown["fraction_in"]],
        [percent(share) for share in shown["fraction_out"]],
        [Cell("yes" if kept else "no") for kept in shown["kept"]],
    ]
    caption = (
        f"The best {_SHOWN} genes of each cluster by the score of the test. 'In cluster' and "
        "'outside': share of cells that express the gene. 'Marker': common inside, rare outside "
        "and at least twice as high."
    )
    return Table(caption=caption, columns=_HEADS, rows=list(zip(*columns, strict=True)))


def _read(path: Path) -> pd.DataFrame | None:
    """Read a table. What names something stays text: "NA" and "1e5" are names too."""
    if not path.is_file():
        return None
    heads = pd.read_csv(path, nrows=0).columns
    empty = {head: [""] for head in heads if head not in _NAMES}
    names: dict[Hashable, type[str]] = dict.fromkeys(_NAMES, str)
    return pd.read_csv(path, dtype=names, keep_default_na=False, na_values=empty)
