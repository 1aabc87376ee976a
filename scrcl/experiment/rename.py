"""Names of the clusters of a finished run: those that a user gives, and those that a cut keeps."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem, write_elem

from scrcl._keys import CLUSTERS, NAME
from scrcl._validate import InputError
from scrcl.experiment.figures import TREE_FIGURE, redraw_tree
from scrcl.experiment.genes import sisters
from scrcl.markers import UNCLEAR, clear_names
from scrcl.report import REPORT, write_report
from scrcl.results import NAMES, SUGGESTED, atomic_path, kept_on_failure, only_writer, write_csv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from scrcl.results import RunFolder

log = logging.getLogger(__name__)


def rename_clusters(run: RunFolder, path: Path) -> dict[str, str]:
    """Name the clusters of a run: in ``names.csv``, ``clusters.csv``, ``result.h5ad``, the tree, the report.

    All of these are rewritten, or none. Numbers of clusters stay as they are. A cluster that the
    file does not list keeps its name, be it one that a list of markers suggested; one with an empty
    name loses it.

    Parameters
    ----------
    run
        A finished one.
    path
        Table with the columns ``cluster`` and ``name``, as the report hands it over.

    Returns
    -------
    Cluster to name, of all that have one.

    Raises
    ------
    InputError
        If the file cannot be read or is about other clusters, or the folder cannot be written to.
    """
    result = run.path / "result.h5ad"
    if not run.seeds or not result.is_file():
        msg = f"rename: got {run.path}, where no finished run is, wanted the folder of one."
        raise InputError(msg)
    seed = run.shown_seed
    with h5py.File(result) as file:
        clusters = [str(name) for name in read_elem(file["obs"][CLUSTERS]).categories]
    typed = {**run.names, **_read(path, clusters, run)}
    typed = {cluster: typed[cluster] for cluster in clusters if cluster in typed}
    table = run.path / f"seed_{seed}" / "clusters.csv"
    with (
        only_writer(run.path),
        kept_on_failure(
            [result, table, *(run.path / name for name in (NAMES, TREE_FIGURE, REPORT))]
        ),
    ):
        _write_names(run.path / NAMES, typed)
        shown = run.shown_names
        names = {cluster: shown[cluster] for cluster in clusters if cluster in shown}
        _write_table(table, names)
        _write_result(result, names)
        redraw_tree(run, seed)
        write_report(run)
    return names


def carry_names(run: RunFolder, new: RunFolder, seed: int) -> pd.DataFrame | None:
    """Name the clusters of a cut as those of the run that they are made of; say what is dropped.

    A cluster with the same cells keeps its name, and one that is made of several of one name has
    that name. Those that a user gave are written to ``names.csv`` and ``clusters.csv``.

    Parameters
    ----------
    run
        With names, or without.
    new
        Its cut, whose clusters are on the disk.
    seed
        Whose clusters ``result.h5ad`` shows.

    Returns
    -------
    ``cluster_names.csv`` of the cut, if a list of markers named clusters of the run that are kept.
    """
    shown = run.shown_names
    if not shown:
        return None
    before, after = (folder.load_clusters(seed)["cluster"] for folder in (run, new))
    made_of = _made_of(before, after.reindex(before.index))
    kept = {
        cluster: shown[parts[0]]
        for cluster, parts in made_of.items()
        if parts[0] in shown and len({shown.get(part) for part in parts}) == 1
    }
    _tell_dropped(shown, {part for cluster in kept for part in made_of[cluster]})
    by_hand = {name for name in kept if any(run.names.get(part) for part in made_of[name])}
    if by_hand:
        _write_names(new.path / NAMES, {name: kept[name] for name in kept if name in by_hand})
        _write_table(new.path / f"seed_{seed}" / "clusters.csv", kept)
    suggested = {name: made_of[name] for name in kept if name not in by_hand}
    if not suggested:
        return None
    table = pd.read_csv(run.path / SUGGESTED, dtype=str, keep_default_na=False)
    rows = table.set_index("cluster")
    carried = [
        {
            **(rows.loc[parts[0]] if len(parts) == 1 else {}),
            "cluster": cluster,
            "name": kept[cluster],
        }
        for cluster, parts in suggested.items()
    ]
    found = pd.DataFrame(carried, columns=list(table))
    if "with" in found:
        names = [kept.get(str(number), UNCLEAR) for number in range(after.nunique())]
        beside = sisters(new, seed, after.dropna().astype(int), names)
        found["with"] = [beside[int(cluster)] for cluster in found["cluster"]]
    return found


def _made_of(before: pd.Series, after: pd.Series) -> dict[str, list[str]]:
    """Find the earlier clusters that new ones are made of; only those of whole ones are returned."""
    pairs = pd.DataFrame({"before": before, "after": after}).drop_duplicates().dropna().astype(str)
    whole = pairs.groupby("before")["after"].transform("size") == 1
    return {
        str(name): sorted(part["before"], key=int)
        for name, part in pairs.groupby("after")
        if whole[part.index].all()
    }


def _tell_dropped(shown: Mapping[str, str], kept: set[str]) -> None:
    named = clear_names(shown)
    dropped = [f"{name!r} ({cluster})" for cluster, name in named.items() if cluster not in kept]
    log.info("names: %d of %d are kept", len(named) - len(dropped), len(named))
    if dropped:
        log.warning("names: dropped %s: cells divided or joined", ", ".join(dropped))


def _read(path: Path, clusters: list[str], run: RunFolder) -> dict[str, str]:
    """Read the names in a file, checked against the clusters that there are."""
    separator = "\t" if path.suffix.lower() in {".tsv", ".txt"} else ","
    try:
        table = pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except (OSError, ValueError) as error:  # pandas' own are ValueErrors
        msg = f"names: got {path}, which cannot be read ({error}), wanted a table."
        raise InputError(msg) from error
    if not {"cluster", "name"} <= set(table):
        msg = f"names: got {path} with the columns {list(table)}, wanted cluster and name."
        raise InputError(msg)
    found = table["cluster"].str.strip()
    others = set(table.get("n_clusters", ())) - {str(len(clusters))}
    if others or "no" in set(table.get("of_run", ())):
        number = min(others, default=str(len(clusters)))
        msg = (
            f"names: got {path}, which names another cut of the tree, into {number} clusters, wanted "
            f"names of the {len(clusters)} clusters of {run.path}. Make that cut a run first: "
            f"scrcl cut {run.path} --n-clusters {number}."
        )
        raise InputError(msg)
    unknown = sorted(set(found) - set(clusters))
    if unknown or found.duplicated().any():
        wrong = f"clusters that the run has not, {unknown}" if unknown else "a cluster twice"
        msg = f"names: got {wrong} in {path}, wanted each of {clusters} once at most."
        raise InputError(msg)
    return dict(zip(found, table["name"].str.split().str.join(" "), strict=True))


def _write_names(path: Path, names: Mapping[str, str]) -> None:
    with atomic_path(path) as part:
        table = pd.DataFrame({"cluster": list(names), "name": list(names.values())})
        write_csv(table, part)


def _write_table(path: Path, names: Mapping[str, str]) -> None:
    """Add the names to ``clusters.csv``, whose other fields stay as they are written."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table["name"] = [names.get(cluster, "") for cluster in table["cluster"]]
    with atomic_path(path) as part:
        write_csv(table, part)


def _write_result(path: Path, names: Mapping[str, str]) -> None:
    """Put the names into ``obs``; nothing else of the file is read or written."""
    with atomic_path(path) as part:
        shutil.copyfile(path, part)
        with h5py.File(part, "r+") as file:
            obs = file["obs"]
            clusters = read_elem(obs[CLUSTERS])
            given = pd.Series(clusters.astype(object)).map(names)
            order = list(dict.fromkeys(names.values()))
            columns = [name for name in obs.attrs["column-order"] if name != NAME]
            if NAME in obs:
                del obs[NAME]
            write_elem(obs, NAME, pd.Categorical(given, categories=order))
            obs.attrs["column-order"] = np.array([*columns, NAME], dtype=h5py.string_dtype())
