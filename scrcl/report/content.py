"""What a report says, read from the folder of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from anndata.io import read_elem

from scrcl._keys import PARAMS
from scrcl._validate import InputError
from scrcl.markers import clear_names
from scrcl.pl.colors import palette
from scrcl.report.conditions import read_conditions
from scrcl.report.explorer import read_explorer, read_tree
from scrcl.report.facts import facts, versions
from scrcl.report.found import evidence, sentences
from scrcl.report.genes import Genes, associations, best_genes, read_genes
from scrcl.report.pictures import Picture, embed_all
from scrcl.report.scores import choice_of_k, scores, scores_by_seed
from scrcl.report.table import NOTHING, Cell, Table, count, mark, number, percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from scrcl.report.conditions import Conditions
    from scrcl.report.explorer import Explorer
    from scrcl.results import RunFolder

_SECTION_OF = {
    "umap": "map",
    "domains": "map",
    "confidence": "map",
    "tree": "why",
    "stability": "why",
    "paga": "why",
    "n_clusters": "k",
    "composition": "conditions",
    "confusion": "scores",
    "confusion_oracle": "scores",
    "training_curve": "training",
}
_OF_GENES = ("association", "module", "marker", "gene")  # in the name of a figure
_TOLD = 5  # genes of a cluster in the table of clusters


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Everything that the page shows, as text, tables and pictures."""

    title: str
    run: str
    noun: str
    """What a row of the data is: cells or spots."""
    facts: list[tuple[str, str]]
    notes: list[str]
    found: list[str]
    """What was found, in sentences."""
    explorer: Explorer | None
    """The cells to look at, select and take away; ``None`` where they have no place."""
    clusters: Table
    conditions: Conditions | None
    """How the clusters' shares differ between conditions; ``None`` where none were named."""
    k: str
    """How the number of clusters came about, one or two sentences."""
    candidates: Table | None
    said: list[str]
    """What the tree says, in sentences; none where there is no tree."""
    evidence: Table | None
    """What speaks for each split; ``None`` where the clusters are no cut of a tree."""
    genes: Genes | None
    """Marker genes that the run itself found."""
    associations: list[Table]
    scores: Table | None
    by_seed: Table
    more_genes: list[Genes]
    """What draw_DEGs was asked since."""
    figures: Mapping[str, list[Picture]]
    """Section to its figures."""
    versions: list[tuple[str, str]]
    config: str


def read_content(run: RunFolder) -> Content:
    """Read what there is to say about a run.

    Raises
    ------
    InputError
        If the folder is not that of a run that has come to its results.
    """
    saved = _saved(run)
    seed = int(saved["seed"])
    cells = run.load_clusters(seed)
    names = [str(cluster) for cluster in sorted(cells["cluster"].dropna().unique())]
    colors = dict(zip(names, palette(len(names)), strict=True))
    k, candidates = choice_of_k(run, seed)
    figures, unread = _figures(run)
    genes = read_genes(run.path / "markers", colors)
    notes = [*map(str, saved.get("notes", ()))]
    explorer, given = None, clear_names(run.shown_names)
    try:
        explorer = read_explorer(run, seed, colors=colors, names=given)
        notes += [] if explorer is None else explorer.notes
    except InputError as error:  # the rest of the page needs no expression
        notes.append(f"explorer: not made, {error}")
    notes += [f"figure {name}: cannot be read, so it is not shown" for name in unread]
    noun = "spots" if run.path.parent.parent.name == "ST" else "cells"
    return Content(
        title=run.dataset,
        run=run.name,
        noun=noun,
        facts=facts(run, cells, saved, noun),
        notes=notes,
        found=sentences(run, cells, noun=noun, names=given, seed=seed),
        explorer=explorer,
        clusters=_clusters(run, seed, cells, colors),
        conditions=read_conditions(run, colors, given),
        k=k,
        candidates=candidates,
        said=[str(sentence) for sentence in saved.get("evidence", ())],
        evidence=_evidence(run, seed, cells, colors, noun=noun),
        genes=genes,
        associations=[
            *associations(run.path, colors),
            *associations(run.path / f"seed_{seed}", colors),
        ],
        scores=scores(run),
        by_seed=scores_by_seed(run),
        more_genes=_more_genes(run, colors),
        figures=figures,
        versions=versions(run),
        config=run.config,
    )


def _saved(run: RunFolder) -> dict[str, Any]:
    """Return what ``result.h5ad`` says about the run, and how many genes it has; not the matrix."""
    path = run.path / "result.h5ad"
    if not run.seeds or not path.is_file():
        msg = (
            f"report: got {run.path}, where no finished run is, wanted the folder of one. "
            "--resume finishes a run that was cut off."
        )
        raise InputError(msg)
    with h5py.File(path) as file:
        params: dict[str, Any] = dict(read_elem(file["uns"][PARAMS]))
        var = file["var"]
        params["n_vars"] = len(
            read_elem(var[var.attrs["_index"]])
        )  # a group, where text may be missing
    return params


def _clusters(run: RunFolder, seed: int, cells: pd.DataFrame, colors: Mapping[str, str]) -> Table:
    """One row a cluster: its size, how sure it is, and its best genes."""
    result = run.load_result(seed)
    of = cells["cluster"].dropna().astype(str)
    best = best_genes(run.path / "markers", _TOLD)
    given = run.shown_names
    heads = ["cluster", "size", "share"]
    heads += ["name"] if given else []
    heads += ["stability"] if result.stability is not None else []
    heads += ["confidence (median)"] if "confidence" in cells else []
    heads += [f"best {_TOLD} genes"] if best else []
    stable = {} if result.stability is None else dict(result.stability)
    rows: list[list[Cell]] = []
    for name in colors:
        members = of.index[of == name]
        row = [mark(name, colors), count(len(members)), percent(len(members) / len(of))]
        if given:
            row.append(Cell(given.get(name, NOTHING)))
        if result.stability is not None:
            row.append(number(stable.get(int(name)), 2))
        if "confidence" in cells:
            row.append(number(float(cells.loc[members, "confidence"].median()), 2))
        if best:
            row.append(Cell(", ".join(best.get(name, [])) or NOTHING))
        rows.append(row)
    return Table(caption=f"Clusters of seed {seed}.", columns=heads, rows=rows)


def _evidence(
    run: RunFolder, seed: int, cells: pd.DataFrame, colors: Mapping[str, str], *, noun: str
) -> Table | None:
    tree = read_tree(run, seed)
    if tree is None:
        return None
    return evidence(
        tree[0], cells.loc[tree[1].index, "cluster"].to_numpy(np.intp), colors, noun=noun
    )


def _figures(run: RunFolder) -> tuple[dict[str, list[Picture]], list[str]]:
    """Figures by section, and those that could not be read."""
    order = list(_SECTION_OF)
    paths = [path for path in (run.path / "figures").glob("*") if path.suffix in {".png", ".svg"}]
    paths.sort(key=lambda path: (order.index(path.stem) if path.stem in order else 99, path.stem))
    pictures, unread = embed_all(paths)
    by_section: dict[str, list[Picture]] = {
        name: [] for name in (*_SECTION_OF.values(), "genes", "other")
    }
    for picture in pictures:
        of_genes = any(word in picture.name for word in _OF_GENES)
        section = _SECTION_OF.get(picture.name, "genes" if of_genes else "other")
        by_section[section].append(picture)
    return by_section, unread


def _more_genes(run: RunFolder, colors: Mapping[str, str]) -> list[Genes]:
    folders = sorted(path for path in (run.path / "degs").glob("*") if path.is_dir())
    found = (read_genes(folder, colors) for folder in folders)
    return [genes for genes in found if genes is not None]
