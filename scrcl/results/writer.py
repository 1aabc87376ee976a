"""Writing a run: what is there is complete, and an earlier run is safe until it is replaced."""

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd
import yaml

from scrcl._validate import InputError, check_one_of
from scrcl.results.atomic import (
    atomic_folder,
    atomic_path,
    plain,
    remove_folder,
    writable,
    write_csv,
    write_json,
)
from scrcl.results.environment import describe_environment
from scrcl.results.folder import (
    ASIDE,
    CHECKPOINTS,
    SPLITS,
    TREE,
    RunFolder,
    SeedResult,
)
from scrcl.results.lock import only_writer
from scrcl.results.protocols import PROTOCOLS
from scrcl.results.storable import storable

if TYPE_CHECKING:
    from anndata import AnnData

Existing: TypeAlias = Literal["refuse", "resume", "overwrite"]
"""What to do with an earlier run: nothing, keep its finished seeds, or replace it."""


AFTERWARDS = {"condition_key", "sample_key"}
"""Settings that decide nothing about a seed: to go on with others is to redo what they are for."""
FLOATS = {"gene_associations.csv": "%.6g", "module_activity.csv": "%.6g", SPLITS: "%.6g"}
"""How numbers are written in the large tables; in full elsewhere."""


@dataclass(frozen=True, slots=True)
class RunWriter:
    """A run that is open for writing, see :func:`writing`."""

    run: RunFolder

    def write_seed(
        self, result: SeedResult, *, save_model: Callable[[Path], None] | None = None
    ) -> None:
        """Write all files of a seed; its folder appears when they are complete.

        Parameters
        ----------
        result
            What the seed gave.
        save_model
            Writes the model to the folder that it is given.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        history = pd.DataFrame(list(result.history), index=range(1, len(result.history) + 1))
        history = history.drop(columns="epoch", errors="ignore")
        names = np.asarray(result.obs_names, dtype=np.str_)
        with atomic_folder(self.run.path / f"seed_{result.seed}") as part:
            for name, table in _tables(result).items():
                write_csv(table, part / name, float_format=FLOATS.get(name))
            np.savez(part / "embedding.npz", obs_names=names, embedding=result.embedding)
            if result.tree is not None and result.leaves is not None:
                arrays = {"obs_names": names, "leaves": result.leaves, **result.tree}
                np.savez_compressed(part / TREE, allow_pickle=False, **arrays)
            history.to_csv(part / "history.csv", index_label="epoch")
            write_json(part / "metrics.json", result.metrics)
            if save_model is not None:
                save_model(part / "model")
        if result.seconds is not None:
            environment = self.run.environment
            seconds: dict[str, object] = environment.setdefault("seconds", {})  # type: ignore[assignment]
            seconds[str(result.seed)] = dict(result.seconds)
            write_json(self.run.path / "env.json", environment)
        self.run.checkpoint(result.seed).unlink(missing_ok=True)

    def write_adata(self, adata: "AnnData") -> None:
        """Write ``result.h5ad``; :func:`scrcl.results.annotated` makes what belongs in it.

        What h5ad cannot hold is written as :func:`scrcl.results.storable` says.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        with atomic_path(self.run.path / "result.h5ad") as part:
            storable(adata)[0].write_h5ad(part)

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a table, such as "qc.csv"; its index is the first column if it has a name.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        with atomic_path(self.run.path / name) as part:
            write_csv(table, part, index=table.index.name is not None, float_format="%.6g")

    def finish(self, summary: pd.DataFrame, *, complete: bool = True) -> None:
        """Write ``summary.csv``, mark the run as finished, let go of the one that it replaces.

        Parameters
        ----------
        summary
            Of the seeds.
        complete
            Whether all files were made; if not, only ``summary.csv`` is written, and the run can be
            resumed.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        with atomic_path(self.run.path / "summary.csv") as part:
            summary.to_csv(part, index=False)
        if not complete:
            return
        write_json(self.run.path / "env.json", self.run.environment | {"finished": _now()})
        with writable(self.run.path):
            remove_folder(_aside(self.run))


def check_free(run: RunFolder, existing: Existing) -> None:
    """Refuse to touch what is there, unless asked to. Changes nothing.

    Raises
    ------
    InputError
        If the folder holds something that is not a run, or a run and ``existing`` is "refuse", or
        cannot be made.
    """
    check_one_of(existing, "existing", ("refuse", "resume", "overwrite"))
    with writable(run.path):
        _check_access(run.path)
    if not run.path.exists() or (run.path.is_dir() and not any(run.path.iterdir())):
        return
    if not run.environment:
        msg = (
            f"run: got {run.path}, which is there and is not a run, wanted a new folder. "
            "Choose another one with --out."
        )
        raise InputError(msg)
    if existing == "refuse":
        seeds = ", ".join(map(str, run.seeds)) or "none"
        state = "finished" if run.finished else "half-written"
        msg = (
            f"run: got {run.path}, where a {state} earlier run is (seeds done: {seeds}), wanted a "
            "new folder. --resume keeps its seeds and does the others, --overwrite replaces it."
        )
        raise InputError(msg)


@contextmanager
def writing(
    run: RunFolder,
    config: str,
    *,
    settings: Mapping[str, object],
    device: str,
    existing: Existing = "refuse",
) -> Iterator[RunWriter]:
    """Open a run for writing; end with :meth:`RunWriter.finish`.

    A run that fails before its first seed is done leaves nothing behind, and the run that it was
    to replace is put back. One that fails later stays, to be resumed, and the earlier one stays
    beside it as ``<run>.old`` until the new one is finished.

    Parameters
    ----------
    run
        Where to write.
    config
        Resolved configuration, YAML, saved as it is.
    settings
        What else decides the result (input, number of clusters, ...); saved in ``env.json``.
    device
        What the model runs on, for instance "cpu".
    existing
        What to do with an earlier run. "resume" starts anew where there is none.

    Raises
    ------
    InputError
        If another process is writing it, if there is an earlier run and it was not said what to do
        with it, if it is to be resumed with other settings, or if the folder cannot be written.
    """
    with ExitStack() as lock:
        with writable(run.path):
            lock.enter_context(only_writer(run.path))
            resumed = _make_room(run, config, settings, existing)
        environment = describe_environment(device) | {
            "settings": dict(settings),
            "started": run.environment.get("started", _now()),
            "finished": None,
            "seconds": run.environment.get("seconds", {}),
        }
        try:
            if resumed:
                write_json(run.path / "env.json", environment)
            else:
                with atomic_folder(run.path) as part:
                    (part / "config.yaml").write_text(config, encoding="utf-8")
                    write_json(part / "env.json", environment)
            yield RunWriter(run)
        except BaseException:
            # What was trained for a while is kept, to be resumed.
            if not run.seeds and not any(run.path.glob(CHECKPOINTS)):
                remove_folder(run.path)
                _put_back(run)
            raise


def _make_room(
    run: RunFolder, config: str, settings: Mapping[str, object], existing: Existing
) -> bool:
    """Do with an earlier run what was said; return whether it goes on."""
    _put_back(run)
    check_free(run, existing)
    if existing == "resume" and run.environment:
        _check_same(run, config, settings)
        return True
    if run.environment:
        _move_aside(run)
    return False


def _check_access(path: Path) -> None:
    """Raise `OSError` if ``path``, of which the first folders are there, cannot be written."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))


def _tables(result: SeedResult) -> dict[str, pd.DataFrame]:
    """File name to content of what a seed has; cells that were left out come last, cluster empty."""
    names = np.asarray(result.obs_names, dtype=np.str_)
    left_out = pd.DataFrame({"obs_name": np.asarray(result.left_out, dtype=np.str_)})
    tables = {}
    for protocol, clusters in (("label_free", result.clusters), ("oracle", result.oracle_clusters)):
        if clusters is not None:
            table = pd.DataFrame({"obs_name": names, "cluster": pd.array(clusters, dtype="Int64")})
            if protocol == "label_free" and result.confidence is not None:
                table["confidence"] = result.confidence
            if protocol == "label_free" and result.outliers is not None:
                table["outlier"] = pd.array(result.outliers, dtype="boolean")
            tables[PROTOCOLS[protocol]] = pd.concat([table, left_out], ignore_index=True)
    if result.stability is not None:
        stability = result.stability.rename("stability").rename_axis("cluster")
        tables["stability.csv"] = stability.reset_index()
    if result.curve is not None:
        tables["n_clusters.csv"] = result.curve
    if result.splits is not None:
        tables[SPLITS] = result.splits.reset_index()
    genes = {
        "gene_associations.csv": result.associations,
        "gene_modules.csv": result.modules,
        "module_activity.csv": result.activity,
    }
    tables |= {name: table for name, table in genes.items() if table is not None}
    return tables


def _aside(run: RunFolder) -> Path:
    return run.path.with_name(run.name + ASIDE)


def _put_back(run: RunFolder) -> None:
    """Undo a replacement of which nothing is there (it was cut off, or it failed)."""
    if _aside(run).exists() and not run.path.exists():
        _aside(run).rename(run.path)


def _move_aside(run: RunFolder) -> None:
    """Make room; if a replacement was cut off, keep the run that it was to replace, not it."""
    if _aside(run).exists() and not run.finished:
        remove_folder(run.path)
        return
    remove_folder(_aside(run))
    run.path.rename(_aside(run))


def _check_same(run: RunFolder, config: str, settings: Mapping[str, object]) -> None:
    saved = _flat(yaml.safe_load(run.config)) | _flat(run.environment["settings"])
    wanted = _flat(yaml.safe_load(config)) | _flat(plain(settings))
    differing = [
        f"{key}: {saved.get(key, 'not set')} there, {wanted.get(key, 'not set')} now"
        for key in sorted((saved.keys() | wanted.keys()) - AFTERWARDS)
        if saved.get(key) != wanted.get(key)
    ]
    if differing:
        msg = (
            f"resume: got other settings than those of {run.path} ({'; '.join(differing)}), "
            "wanted the same. Give the same ones, or replace that run with --overwrite."
        )
        raise InputError(msg)


def _flat(value: object, name: str = "") -> dict[str, object]:
    """Map the dotted name of every leaf of a nested mapping to its value."""
    if not isinstance(value, Mapping):
        return {name: value}
    parts = (_flat(part, f"{name}.{key}".lstrip(".")) for key, part in value.items())
    return {key: leaf for part in parts for key, leaf in part.items()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
