"""Where a run lies, what state it is in, and what it holds. Nothing here writes."""

import glob
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import h5py
import numpy as np
import pandas as pd
import yaml
from numpy.typing import ArrayLike, NDArray

from scrcl._keys import PARAMS
from scrcl._validate import InputError
from scrcl.results.protocols import PROTOCOLS

Metrics: TypeAlias = Mapping[str, Mapping[str, float]]
"""Protocol ("label_free", "oracle") to score to value, for one seed."""

CHECKPOINTS = ".seed_*.ckpt"
ASIDE, PART = ".old", ".part"
"""Endings of the run that is being replaced, and of folders that are being filled."""


NAMES = "names.csv"
"""File of a run with the names that a user gave its clusters; an empty one takes a name away."""
SUGGESTED = "cluster_names.csv"
"""File of a run with the names that lists of markers suggest for its clusters."""
COMPOSITION = "composition"
"""Folder of a run about the shares of clusters in conditions."""
SPLITS, TREE = "splits.csv", "tree.npz"
"""Files of a seed about the tree that its clusters are a cut of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """What one seed gave; the rows of all arrays belong to ``obs_names``."""

    seed: int
    obs_names: ArrayLike
    """Cell names, shape (n_obs,), unique."""
    clusters: NDArray[np.integer]
    """Cluster of each cell, shape (n_obs,), found without labels."""
    embedding: NDArray[np.floating]
    """Shape (n_obs, n_latent)."""
    history: Sequence[Mapping[str, float]]
    """Loss terms, one mapping an epoch."""
    metrics: Metrics
    confidence: NDArray[np.floating] | None = None
    """Confidence of each cell's cluster, shape (n_obs,), 0 to 1."""
    oracle_clusters: NDArray[np.integer] | None = None
    """Clusters of the epoch that the labels chose, shape (n_obs,)."""
    left_out: ArrayLike = ()
    """Names of the cells that got no cluster: preprocessing dropped them."""
    stability: pd.Series | None = None
    """Stability of each cluster, 0 to 1, indexed by cluster."""
    curve: pd.DataFrame | None = None
    """Criterion for each number of clusters that was tried."""
    associations: pd.DataFrame | None = None
    """Genes of each cluster, as :func:`scrcl.markers.association_table` makes them."""
    modules: pd.DataFrame | None = None
    """``gene`` and ``module`` of each gene that the model saw."""
    activity: pd.DataFrame | None = None
    """Modules and clusters, as :func:`scrcl.markers.module_activity` makes them."""
    splits: pd.DataFrame | None = None
    """Evidence for the splits of the tree, as :func:`scrcl.clustering.split_table` makes it."""
    tree: Mapping[str, NDArray[Any]] | None = None
    """The tree of clusters, as :func:`scrcl.clustering.tree_arrays` makes it."""
    leaves: NDArray[np.integer] | None = None
    """Leaf of the tree of each cell, shape (n_obs,)."""
    seconds: Mapping[str, float] | None = None
    """Protocol to the seconds that training and clustering took; ``None``: not measured."""
    outliers: NDArray[np.bool_] | None = None
    """Which cells lie apart from all others, too few for a cluster of their own, shape (n_obs,)."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run on disk, or the place where one will be."""

    path: Path

    @classmethod
    def at(cls, results_dir: str | Path, *, task: str, dataset: str, name: str) -> Self:
        """Folder of a run by its address.

        Parameters
        ----------
        results_dir
            Folder of all results.
        task
            "sc" or "st".
        dataset, name
            Data set and run, for instance "Baron_human" and "paper".

        Raises
        ------
        InputError
            If the data set or the run has a name that cannot be a folder.
        """
        _check_name(dataset, "dataset")
        _check_name(name, "run")
        return cls(Path(results_dir) / task.upper() / dataset / name)

    def beside(self, name: str) -> Self:
        """Folder of another run of the same data set.

        Raises
        ------
        InputError
            If the name cannot be that of a folder.
        """
        _check_name(name, "run")
        return type(self)(self.path.with_name(name))

    @property
    def has_expression(self) -> bool:
        """Whether ``result.h5ad`` holds a matrix; true, too, of what is no HDF5: its reader tells."""
        try:
            with h5py.File(self.path / "result.h5ad") as file:
                return "X" in file or "raw" in file or len(file.get("layers", ())) > 0
        except OSError:
            return True

    def check_expression(self, advice: str) -> None:
        """Refuse a run whose ``result.h5ad`` was written without expression.

        Raises
        ------
        InputError
            With the advice at its end.
        """
        if not self.has_expression:
            msg = (
                f"expression: got {self.path / 'result.h5ad'}, which was written without it "
                f"(--no-x), wanted it, too. {advice}"
            )
            raise InputError(msg)

    @property
    def name(self) -> str:
        """Name of the run, for instance "paper"."""
        return self.path.name

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.path.parent.name

    @property
    def environment(self) -> dict[str, object]:
        """Content of ``env.json``; empty if the folder is not that of a run."""
        try:
            content: dict[str, object] = json.loads((self.path / "env.json").read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
            return {}
        return content

    @property
    def settings(self) -> dict[str, Any]:
        """What decided the results beside configuration and seed, as saved in ``env.json``."""
        environment: dict[str, Any] = self.environment
        return dict(environment.get("settings", {}))

    @property
    def seconds(self) -> dict[int, dict[str, float]]:
        """Seed to protocol to the seconds that it took; without seeds that went on from a cut."""
        measured: Any = self.environment.get("seconds", {})
        return {int(seed): dict(of_protocol) for seed, of_protocol in measured.items()}

    @property
    def config(self) -> str:
        """Resolved configuration, YAML."""
        return (self.path / "config.yaml").read_text("utf-8")

    @property
    def is_paper(self) -> bool:
        """Whether it clusters by the paper's k-means, whose label-free row is its last epoch."""
        return bool(yaml.safe_load(self.config)["cluster"].get("method") == "kmeans")

    @property
    def features(self) -> str:
        """Which features took part, see `scrcl.config.DataConfig`."""
        return str(yaml.safe_load(self.config)["data"].get("features", "genes"))

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return self.environment.get("finished") is not None

    def checkpoint(self, seed: int) -> Path:
        """Where the training of a seed is saved until the seed is done."""
        return self.path / f".seed_{seed}.ckpt"

    @property
    def seeds(self) -> list[int]:
        """Seeds that are finished, ascending."""
        folders = (path.name.removeprefix("seed_") for path in self.path.glob("seed_*"))
        return sorted(int(seed) for seed in folders if seed.isdecimal())

    @property
    def shown_seed(self) -> int:
        """Seed whose clusters ``result.h5ad`` shows, and names of clusters are about.

        Raises
        ------
        InputError
            If there is no such file, or it is not one that scrcl wrote.
        """
        path = self.path / "result.h5ad"
        if not path.is_file():
            msg = f"run: got {self.path} without result.h5ad, wanted a finished run. Run it again."
            raise InputError(msg)
        try:
            with h5py.File(path) as file:
                return int(file["uns"][PARAMS]["seed"][()])
        except (OSError, KeyError) as error:
            msg = f"run: got {path}, which scrcl did not write or is damaged ({error}). Run again."
            raise InputError(msg) from error

    @property
    def names(self) -> dict[str, str]:
        """Names that a user gave the clusters of ``result.h5ad``, "" for one that he took away."""
        return self._names(NAMES)

    @property
    def shown_names(self) -> dict[str, str]:
        """Cluster of ``result.h5ad`` to the name that a user gave it, or else a list of markers."""
        names = self._names(SUGGESTED) | self.names
        return {cluster: name for cluster, name in names.items() if name}

    def _names(self, file: str) -> dict[str, str]:
        """Cluster to name; empty where there is no such table."""
        path = self.path / file
        if not path.is_file():
            return {}
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        if not {"cluster", "name"} <= set(table):
            return {}
        return dict(zip(table["cluster"], table["name"], strict=True))

    def load_clusters(self, seed: int, *, protocol: str = "label_free") -> pd.DataFrame:
        """Clusters of a seed, one row a cell.

        Parameters
        ----------
        seed
            A finished one.
        protocol
            "label_free", or "oracle" where it was asked for.

        Returns
        -------
        Indexed by cell name: ``cluster`` (missing for cells that got none) and, where it was
        written, ``confidence`` and ``outlier``.

        Raises
        ------
        InputError
            If the seed is not finished, or the table is not one that scrcl wrote.
        """
        path = self._file_of(seed, PROTOCOLS[protocol])
        # Only these columns may be empty: a cell that is called "NA" keeps its name.
        missing = {"cluster": [""], "confidence": [""], "outlier": [""]}
        table = pd.read_csv(path, dtype={"obs_name": str}, keep_default_na=False, na_values=missing)
        if not {"obs_name", "cluster"} <= set(table) or table["obs_name"].duplicated().any():
            msg = (
                f"clusters: got {path} with the columns {list(table)}, wanted obs_name (each name "
                "once) and cluster. Run this seed again."
            )
            raise InputError(msg)
        return table.astype({"cluster": "Int64"}).set_index("obs_name")

    def load_embedding(self, seed: int) -> pd.DataFrame:
        """Embedding of a seed, (n_obs, n_latent), indexed by cell name.

        Raises
        ------
        InputError
            If the seed is not finished.
        """
        with np.load(self._file_of(seed, "embedding.npz")) as arrays:
            return pd.DataFrame(arrays["embedding"], index=arrays["obs_names"])

    def load_result(self, seed: int) -> SeedResult:
        """Everything that :meth:`RunWriter.write_seed` wrote, for instance to go on with a run.

        Raises
        ------
        InputError
            If the seed is not finished, or a table is not one that scrcl wrote.
        """
        table, embedding = self.load_clusters(seed), self.load_embedding(seed)
        clustered = table.loc[embedding.index]
        oracle = None
        if self._path(seed, PROTOCOLS["oracle"]).is_file():
            oracle = self.load_clusters(seed, protocol="oracle").loc[embedding.index]
        stability = self._optional(seed, "stability.csv")
        tree, rows = self.load_tree(seed), ("obs_names", "leaves")
        history: list[Any] = self.load_history(seed).reset_index().to_dict("records")
        return SeedResult(
            seed=seed,
            obs_names=embedding.index,
            clusters=clustered["cluster"].to_numpy(dtype=np.int64),
            embedding=embedding.to_numpy(),
            history=history,
            metrics=self.load_metrics(seed),
            confidence=clustered["confidence"].to_numpy() if "confidence" in clustered else None,
            outliers=clustered["outlier"].to_numpy(bool) if "outlier" in clustered else None,
            oracle_clusters=None if oracle is None else oracle["cluster"].to_numpy(dtype=np.int64),
            left_out=table.index.difference(embedding.index, sort=False),
            stability=None if stability is None else stability.set_index("cluster")["stability"],
            curve=self._optional(seed, "n_clusters.csv"),
            associations=self._genes(seed, "gene_associations.csv"),
            modules=self._genes(seed, "gene_modules.csv"),
            activity=self._optional(seed, "module_activity.csv"),
            splits=self.load_splits(seed),
            tree=None if tree is None else {name: tree[name] for name in tree if name not in rows},
            leaves=None if tree is None else tree["leaves"],
        )

    def load_splits(self, seed: int) -> pd.DataFrame | None:
        """Evidence for the splits of a seed's tree, indexed by node; ``None`` where there is none."""
        path = self._path(seed, SPLITS)
        if not path.is_file():
            return None
        text = ["genes", "supported", "explained_by"]
        return pd.read_csv(
            path, index_col="node", keep_default_na=False, dtype=dict.fromkeys(text, str)
        )

    def load_tree(self, seed: int) -> dict[str, NDArray[Any]] | None:
        """Return the tree of a seed with ``obs_names`` and ``leaves``; ``None`` where there is none.

        :func:`scrcl.clustering.tree_of` makes a tree of it.
        """
        path = self._path(seed, TREE)
        if not path.is_file():
            return None
        with np.load(path) as arrays:
            return dict(arrays)

    def load_history(self, seed: int) -> pd.DataFrame:
        """Loss terms of a seed, indexed by epoch.

        Raises
        ------
        InputError
            If the seed is not finished.
        """
        return pd.read_csv(self._file_of(seed, "history.csv"), index_col="epoch")

    def load_metrics(self, seed: int) -> Metrics:
        """Scores of a seed by protocol.

        Raises
        ------
        InputError
            If the seed is not finished.
        """
        metrics: Metrics = json.loads(self._file_of(seed, "metrics.json").read_text("utf-8"))
        return metrics

    def _optional(self, seed: int, name: str) -> pd.DataFrame | None:
        path = self._path(seed, name)
        return pd.read_csv(path) if path.is_file() else None

    def _genes(self, seed: int, name: str) -> pd.DataFrame | None:
        """Read a table with gene names, of which "NA" is one."""
        path = self._path(seed, name)
        if not path.is_file():
            return None
        table = pd.read_csv(path, dtype={"cluster": str}, keep_default_na=False, na_values={})
        numbers = table.columns.difference(["cluster", "gene", "symbol"])
        table[numbers] = table[numbers].apply(pd.to_numeric)
        return table

    def _file_of(self, seed: int, name: str) -> Path:
        path = self._path(seed, name)
        if not path.is_file():
            msg = f"seed: got {seed}, wanted one that is finished in {self.path}: {self.seeds}."
            raise InputError(msg)
        return path

    def _path(self, seed: int, name: str) -> Path:
        return self.path / f"seed_{seed}" / name


def _check_name(name: str, what: str) -> None:
    if not name or name.startswith(".") or name.endswith((ASIDE, PART)) or "/" in name:
        msg = (
            f"{what}: got the name {name!r}, wanted one that can name a folder. "
            f"Leave out slashes, leading dots and the endings {ASIDE} and {PART}."
        )
        raise InputError(msg)


def find_runs(
    results_dir: str | Path,
    *,
    task: str | None = None,
    dataset: str | None = None,
    name: str | None = None,
) -> list[RunFolder]:
    """List the runs with at least one finished seed, newest first.

    Parameters
    ----------
    results_dir
        Folder of all results.
    task, dataset, name
        Only those of this task ("sc" or "st"), data set or run; ``None``: any.
    """
    address = (task and task.upper(), dataset, name)
    pattern = "/".join("*" if part is None else glob.escape(part) for part in address)
    written = sorted(
        Path(results_dir).glob(f"{pattern}/env.json"),
        key=lambda path: (path.stat().st_mtime_ns, path),
        reverse=True,
    )
    runs = (RunFolder(path.parent) for path in written)
    return [run for run in runs if run.seeds and not run.name.endswith((ASIDE, PART))]


def find_run(
    results_dir: str | Path,
    *,
    task: str | None = None,
    dataset: str | None = None,
    name: str | None = None,
) -> RunFolder:
    """Find the newest run; see :func:`find_runs`.

    Raises
    ------
    InputError
        If there is none.
    """
    runs = find_runs(results_dir, task=task, dataset=dataset, name=name)
    if runs:
        return runs[0]
    there = find_runs(results_dir)
    known = ", ".join("/".join(run.path.parts[-3:]) for run in there[:10]) or "none at all"
    wanted = "/".join(part or "*" for part in (task and task.upper(), dataset, name))
    msg = (
        f"run: got no run with a finished seed at {Path(results_dir) / wanted} (found: {known}), "
        "wanted one. Run runSC.py or runST.py first, or give --dataset, --run or --out."
    )
    raise InputError(msg)
