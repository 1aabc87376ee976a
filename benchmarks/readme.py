"""Put the tables of a benchmark into docs/results.md: python benchmarks/readme.py CSV NAME.

NAME is accuracy, spatial, structure, power or paper.

What stands between ``<!-- NAME-table:begin -->`` and ``<!-- NAME-table:end -->`` is made from the CSV
that the benchmark wrote, so no number there is typed. ``python benchmarks/readme.py`` alone makes the
short tables of the README from the CSV files in docs/benchmarks.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import tables
from benchmarks.machine import ROOT
from scrcl._validate import InputError
from scrcl.results.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TASKS = {"accuracy": "sc", "spatial": "st"}
SUMMED = ("structure", "power", "paper")
"""Benchmarks whose module has a ``summary`` of its own."""
_KINDS = {"accuracy": "single cells, 8 sets", "spatial": "tissues, 5 sets"}
_GROUPS = {"tune": "ARI, tuning sets", "report": "ARI, reporting sets", "all": "ARI, all sets"}
_SCORES = {
    "nmi": "NMI",
    "acc": "ACC",
    "f1": "macro-F1",
    "chaos": "CHAOS",
    "pas": "PAS",
    "purity": "local purity",
}


def summary(
    rows: pd.DataFrame,
    split: pd.DataFrame,
    baselines: Sequence[str],
    seeds: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row a method; means are left empty for a method that lacks some of the sets.

    Parameters
    ----------
    rows
        What the benchmark wrote: a row for each set, method and seed.
    split
        Half of each set.
    baselines
        Methods that ``not below`` compares with.
    seeds
        Agreement between seeds, if the benchmark wrote it: ``set``, ``method``, ``pairwise_ari``.
    """
    ari = tables.per_set(rows, "ari")
    groups = tables.members(list(ari.index), split)
    there = [name for name in baselines if name in ari]
    means = tables.per_group(ari, groups, there)
    found = means[list(_GROUPS)].rename(columns=_GROUPS)
    found["ARI, labels not made from expression"] = means["independent"]
    for metric, title in _SCORES.items():
        if metric in rows:
            found[title] = tables.per_set(rows, metric).mean()
    shares = tables.shares(rows, there)
    found["sets within .02 of the best baseline or above"] = shares.get("not_below")
    found["sets with k within 2"] = shares["k_near"]
    if seeds is not None:
        agreement = seeds.groupby("method")["pairwise_ari"]
        found["ARI between seeds"] = agreement.mean()
        found["of the worst set"] = agreement.min()
    found[means["n_sets"] < len(ari)] = float("nan")
    n_seeds = rows.groupby("method")["seed"].nunique().astype(str)
    found.insert(0, "seeds", n_seeds.reindex(found.index, fill_value="-"))
    return found


def seeds_run(rows: pd.DataFrame) -> pd.DataFrame:
    """ARI of each set and method, mean over seeds, and how many seeds that are."""
    ari = tables.per_set(rows, "ari")
    counts = rows.pivot_table("seed", "set", "method", aggfunc="nunique", fill_value=0)
    counts = counts.reindex_like(ari).fillna(0).astype(int)
    most = int(counts.max(axis=None))
    text = ari.map("{:.3f}".format).where(ari.notna(), "-")
    return text.where(counts.isin([0, most]), text + " (" + counts.astype(str) + ")")


def markdown(table: pd.DataFrame, corner: str) -> str:
    """Write a table of numbers to three digits, or of text."""
    text = table.map(lambda value: value if isinstance(value, str) else _number(value))
    lines = [[corner, *map(str, text.columns)], ["---"] * (len(text.columns) + 1)]
    lines += [[str(name), *row] for name, row in zip(text.index, text.to_numpy(), strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(text: str, name: str, content: str) -> str:
    """Return ``text`` with ``content`` between the markers of ``name``.

    Raises
    ------
    InputError
        If the markers are not there, once and in order.
    """
    begin, end = f"<!-- {name}-table:begin -->", f"<!-- {name}-table:end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        msg = f"page: got no place for the table, wanted {begin} and {end}, once each."
        raise InputError(msg)
    before, after = text[: text.index(begin)], text[text.index(end) :]
    return f"{before}{begin}\n{content}\n{after}"


def tables_of(rows: pd.DataFrame, name: str, seeds: pd.DataFrame | None = None) -> str:
    """Both tables of a benchmark as Markdown."""
    task = TASKS[name]
    methods = importlib.import_module(f"benchmarks.methods_{task}").METHODS
    baselines = [method.name for method in methods.values() if method.is_baseline]
    rows = rows.astype({"set": str})
    overall = summary(rows, tables.read_split(task), baselines, seeds)
    per_set = seeds_run(rows)
    n_seeds = rows["seed"].nunique()
    return (
        "Means over sets; - where a method was not run on every set:\n\n"
        f"{markdown(overall, 'method')}\n\n"
        f"ARI of each set; in brackets the number of seeds where it is not {n_seeds}:\n\n"
        f"{markdown(per_set, 'set')}"
    )


def content_of(path: Path, name: str) -> str:
    """Tables of any benchmark as Markdown."""
    if name in TASKS:
        return tables_of(_rows(path), name, _seeds(path))
    table: pd.DataFrame = importlib.import_module(f"benchmarks.{name}").summary(_rows(path))
    table.index = pd.Index([", ".join(map(str, row)) for row in table.index])
    return markdown(table, "")


def short_table(results: Mapping[str, pd.DataFrame]) -> str:
    """Compare the default with the best single baseline on the reporting sets, as Markdown.

    Parameters
    ----------
    results
        What each benchmark wrote, by its name in `TASKS`.
    """
    best, ours, lead = [], [], []
    for name, rows in results.items():
        methods = importlib.import_module(f"benchmarks.methods_{TASKS[name]}").METHODS
        baselines = [method.name for method in methods.values() if method.is_baseline]
        table = summary(rows.astype({"set": str}), tables.read_split(TASKS[name]), baselines)
        ari = table["ARI, reporting sets"]
        first = ari.reindex(baselines).idxmax()
        best.append(f"{ari[first]:.3f} ({first})")
        ours.append(f"{ari['ours_k']:.3f}")
        lead.append(f"{ari['ours_k'] - ari[first]:+.3f}")
    shown = pd.DataFrame({"best single baseline": best, "scrcl": ours, "lead": lead})
    shown.index = pd.Index([_KINDS[name] for name in results])
    return markdown(shown, "")


def short_tables() -> dict[str, str]:
    """Tables of the README by the names of their places, as Markdown."""
    folder = ROOT / "docs" / "benchmarks"
    paper = importlib.import_module("benchmarks.paper").short(_rows(folder / "paper.csv"))
    return {
        "short": short_table({task: _rows(folder / f"{task}.csv") for task in TASKS}),
        "paper": markdown(paper, "ARI"),
    }


def _seeds(path: Path) -> pd.DataFrame | None:
    """Read the agreement between seeds that lies beside the results, if it does."""
    beside = path.with_name(f"{path.stem}_seeds.csv")
    return pd.read_csv(beside, dtype={"set": str}) if beside.is_file() else None


def _number(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.3f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Fill docs/results.md, or, without arguments, the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=Path, nargs="?", help="what the benchmark wrote")
    parser.add_argument("name", choices=[*TASKS, *SUMMED], nargs="?")
    parser.add_argument("--page", type=Path, help="docs/results.md, or README.md")
    given = parser.parse_args(argv)
    if given.csv is not None and given.name is None:
        parser.error(
            f"name: got none, wanted one of {', '.join([*TASKS, *SUMMED])} behind the CSV."
        )
    try:
        if given.csv is None:
            page, contents = given.page or ROOT / "README.md", short_tables()
        else:
            page = given.page or ROOT / "docs" / "results.md"
            contents = {given.name: content_of(given.csv, given.name)}
        text = page.read_text(encoding="utf-8")
        for name, content in contents.items():
            text = filled(text, name, content)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    with atomic_path(page) as part:
        part.write_text(text, encoding="utf-8")
    return 0


def _rows(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"set": str})


if __name__ == "__main__":
    sys.exit(main())
