"""What was run: data, settings, versions."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from scrcl.results import RunFolder


def facts(
    run: RunFolder, cells: pd.DataFrame, saved: Mapping[str, Any], noun: str
) -> list[tuple[str, str]]:
    """Return what a reader asks first, name and value.

    Parameters
    ----------
    run
        The run.
    cells
        As of :meth:`RunFolder.load_clusters`; without a cluster are those that were left out.
    saved
        ``uns["scrcl"]`` of ``result.h5ad``, with ``n_vars``, the genes of the data.
    noun
        What a row of the data is.
    """
    environment: dict[str, Any] = run.environment
    settings = run.settings
    n_kept = int(cells["cluster"].notna().sum())
    n_left_out = len(cells) - n_kept
    genes = f"{saved['n_vars']:,} in the data"
    if "n_genes" in saved:
        genes += f", {int(saved['n_genes']):,} used for the clusters"
    scored = settings.get("label_key")
    labels = f"obs[{scored!r}], for scores only" if scored else "none"
    told = {
        "data": settings["input"],
        noun: f"{n_kept:,} clustered, {n_left_out:,} left out",
        "genes": genes,
        "clusters": f"{cells['cluster'].nunique()}",
        "seeds": ", ".join(map(str, run.seeds)),
        "labels": labels,
        "slices": settings.get("slice_key") or "",
        "conditions": _design(settings),
        "time": _time(environment),
    }
    return [(name, str(value)) for name, value in told.items() if value]


def versions(run: RunFolder) -> list[tuple[str, str]]:
    """Return what the run was made with, name and value."""
    environment: dict[str, Any] = run.environment
    return [
        ("command", str(environment["command"])),
        ("commit", str(environment["commit"] or "not from a checkout")),
        ("python", f"{environment['python']}, {environment['platform']}"),
        ("device", f"{environment['device']}, {environment['n_cpus']} cores"),
        ("packages", ", ".join(f"{n} {v}" for n, v in environment["packages"].items())),
    ]


def _design(settings: Mapping[str, Any]) -> str:
    """Name the columns of conditions and samples."""
    keys = (settings.get("condition_key"), settings.get("sample_key"))
    told = [f"obs[{key!r}]" for key in keys if key]
    return f"{' over samples of '.join(told)}, compared afterwards" if told else ""


def _time(environment: Mapping[str, Any]) -> str:
    """Say when the run began and ended."""
    if not environment["finished"]:
        return "not finished: --resume goes on"
    start, end = (datetime.fromisoformat(environment[key]) for key in ("started", "finished"))
    same_day = start.date() == end.date()
    return f"{start:%Y-%m-%d %H:%M} to {end:{'%H:%M' if same_day else '%Y-%m-%d %H:%M'}} UTC"
