"""What all benchmarks share: jobs in processes of their own, and a cache of what they found."""

from __future__ import annotations

import ast
import hashlib
import json
import logging
import multiprocessing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pandas as pd

from benchmarks.machine import ROOT, peak_gb
from scrcl.experiment.inputs import InputSpec, load
from scrcl.metrics import score, spatial_scores
from scrcl.results.atomic import atomic_path, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from scrcl.config import Task
    from scrcl.experiment.inputs import Dataset

log = logging.getLogger(__name__)

Cell: TypeAlias = dict[str, Any]
"""One result: the scores of a method on a set with a seed, its cost and its clusters."""


class Found(NamedTuple):
    """Clusters that a method found."""

    method: str
    labels: NDArray[np.integer]  # (n_kept,)
    kept: NDArray[np.bool_]  # (n_obs,) cells that took part
    seconds: float  # from the data in memory to the clusters


Runner: TypeAlias = "Callable[[Dataset, Sequence[str], int], Iterator[Found]]"
"""From data, names of methods and a seed to what they find."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method.

    Attributes
    ----------
    name
        Row of the tables.
    group
        Methods of one group share the expensive part: they run in one process.
    run
        Runs some methods of the group on a data set with a seed.
    params
        All that decides the outcome beside data, seed and code; part of the cache key.
    code
        Files and folders of the repository whose change makes cached results stale.
    needs
        Optional package.
    is_baseline
        Whether a user could have had it without this package, and without labels.
    """

    name: str
    group: str
    run: Runner
    params: Mapping[str, Any] = field(default_factory=dict)
    code: tuple[str, ...] = ()
    needs: str | None = None
    is_baseline: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """Methods of one group on one set with one seed: what one process does."""

    registry: str  # module with METHODS
    task: Task
    path: Path
    seed: int
    targets: dict[str, Path]  # method to the file of its result


def cache_key(method: Method, seed: int, content: str) -> str:
    """Name a result by all that decides it.

    Parameters
    ----------
    method
        Its name, parameters and code count.
    seed
        Seed of everything random.
    content
        Hash of the data file.
    """
    parts = [content, method.name, method.params, seed, code_digest(method.code)]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_digest(places: Iterable[str]) -> str:
    """SHA-256 of what source files do: neither comments nor docstrings count."""
    digest = hashlib.sha256()
    for place in places:
        path = ROOT / place
        for source in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            tree = ast.parse(source.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                    node.body = node.body[ast.get_docstring(node) is not None :]
            digest.update(ast.dump(tree).encode())
    return digest.hexdigest()


def run_all(jobs: Sequence[Job]) -> list[str]:
    """Run jobs one after the other, each in a process of its own; return what failed.

    A process of its own so that its peak memory is its own, and a crash costs one result only. All
    are forked from one clean process that has the slow imports behind it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "scrcl.experiment", "benchmarks.warm"])
    failed = []
    for number, job in enumerate(jobs, 1):
        names = ", ".join(job.targets)
        log.info("%d/%d  %s, seed %d: %s", number, len(jobs), job.path.stem, job.seed, names)
        process = context.Process(target=work, args=(job,))
        process.start()
        process.join()
        if process.exitcode:
            failed.append(f"{job.path.stem}, seed {job.seed}: {names}")
            log.error("failed, exit code %d: %s", process.exitcode, failed[-1])
    return failed


def work(job: Job) -> None:
    """Do a job and write its results, each as soon as it is there."""
    import importlib  # noqa: PLC0415

    methods: dict[str, Method] = importlib.import_module(job.registry).METHODS
    data = load(InputSpec(task=job.task, paths=(job.path,)))
    run = methods[next(iter(job.targets))].run
    for found in run(data, list(job.targets), job.seed):
        cell = scored(found, data, job)
        job.targets[found.method].parent.mkdir(parents=True, exist_ok=True)
        write_json(job.targets[found.method], cell)


def scored(found: Found, data: Dataset, job: Job) -> Cell:
    """Score clusters and add what they cost."""
    assert data.labels is not None  # sets without labels are not benchmarked
    truth = data.labels[found.kept]
    scores: dict[str, Any] = dict(score(truth, found.labels))
    if job.task == "st":
        scores |= spatial_scores(found.labels, data.adata.obsm["spatial"][found.kept])
    return {
        "set": job.path.stem,
        "method": found.method,
        "seed": job.seed,
        **scores,
        "n_classes": int(truth.nunique()),
        "seconds": round(found.seconds, 3),
        "peak_memory_mb": round(2**10 * peak_gb(), 1),
        "labels": " ".join(map(str, found.labels)),
    }


def write_table(path: Path, table: pd.DataFrame, *, digits: int = 6) -> None:
    """Write a table, whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part:
        table.to_csv(part, index=False, float_format=f"%.{digits}g")


def renew(path: Path, column: str, name: str, rows: pd.DataFrame) -> None:
    """Put rows into a table on disk, in place of those that have ``name`` in ``column``; print them."""
    table = rows
    if path.exists():
        before = pd.read_csv(path)
        table = pd.concat([before[before[column] != name], rows])
    table.round(4).to_csv(path, index=False)
    print(rows.round(3).to_string(index=False))  # noqa: T201
