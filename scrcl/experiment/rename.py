"""Names that a user gives to the clusters of a finished run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem, write_elem

from scrcl._keys import CLUSTERS, NAME, PARAMS
from scrcl._validate import InputError
from scrcl.report import REPORT, write_report
from scrcl.results import NAMES, atomic_path, kept_on_failure, only_writer, write_csv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from scrcl.results import RunFolder


def rename_clusters(run: RunFolder, path: Path) -> dict[str, str]:
    """Name the clusters of a run: in ``names.csv``, ``clusters.csv``, ``result.h5ad``, the report.

    All of these are rewritten, or none. Numbers of clusters stay as they are. A cluster that the
    file does not list keeps its name; one with an empty name loses it.

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
    with h5py.File(result) as file:
        seed = int(read_elem(file["uns"][PARAMS])["seed"])
        clusters = [str(name) for name in read_elem(file["obs"][CLUSTERS]).categories]
    names = {**run.names, **_read(path, clusters, run)}
    names = {cluster: names[cluster] for cluster in clusters if names.get(cluster)}
    table = run.path / f"seed_{seed}" / "clusters.csv"
    with (
        only_writer(run.path),
        kept_on_failure([result, table, run.path / NAMES, run.path / REPORT]),
    ):
        _write_names(run.path / NAMES, names)
        _write_table(table, names)
        _write_result(result, names)
        write_report(run)
    return names


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
