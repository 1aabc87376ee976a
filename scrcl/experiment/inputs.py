"""Read the data of an experiment, and take their labels off."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scrcl._keys import PARAMS
from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.clustering import check_design
from scrcl.data.bare import bare
from scrcl.data.features import GENES
from scrcl.data.labels import labels
from scrcl.data.read import read
from scrcl.data.slices import read_many
from scrcl.data.validate import grouping
from scrcl.datasets import DATASETS, DatasetSpec, locate

if TYPE_CHECKING:
    import anndata as ad
    import pandas as pd

    from scrcl.config import DataConfig, Task
    from scrcl.config.sections import Said

log = logging.getLogger(__name__)

SLICE = "slice"
"""Column of ``obs`` that says which of several inputs a spot comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """What to read: a registered set, or one or more paths.

    Attributes
    ----------
    task
        Single cells (``sc``) or tissue (``st``).
    spec
        The registered set; ``None``: ``paths`` are read.
    paths
        Files or folders; several are the slices of one tissue.
    data_dir
        Folder of the registered sets.
    label_key
        Column of ``obs`` with the ground truth; ``None``: the columns that the registered sets of
        this task use are tried.
    slice_key
        Column of ``obs`` that tells slices apart.
    batch_key
        Column of ``obs`` with donors, technologies or the like, to be brought together.
    condition_key, sample_key
        Columns of ``obs`` with conditions, and the samples that they are compared over, see
        `scrcl.composition`. Neither takes part in finding the clusters.
    """

    task: Task
    spec: DatasetSpec | None = None
    paths: tuple[Path, ...] = ()
    data_dir: Path = Path("datasets")
    label_key: str | None = None
    slice_key: str | None = None
    batch_key: str | None = None
    condition_key: str | None = None
    sample_key: str | None = None

    def __post_init__(self) -> None:
        if self.spec is not None and self.spec.task != self.task:
            script = {"sc": "runSC.py", "st": "runST.py"}[self.spec.task]
            msg = (
                f"dataset: got {self.spec.name}, which is of task {self.spec.task!r}, wanted one "
                f"of {self.task!r}. Run it with {script}."
            )
            raise InputError(msg)
        if len(self.paths) > 1 and self.slice_key is not None:
            msg = (
                f"slice key: got {self.slice_key!r} for {len(self.paths)} inputs, wanted one input. "
                "Several inputs are one slice each: leave it out."
            )
            raise InputError(msg)
        if self.sample_key is not None and self.condition_key is None:
            msg = (
                f"sample key: got {self.sample_key!r} without a condition key, wanted both: samples "
                "are what conditions are compared over. Name the condition's column, too."
            )
            raise InputError(msg)

    @property
    def name(self) -> str:
        """Name of the data set: that of the registered set, or of the files."""
        if self.spec is not None:
            return self.spec.name
        paths = [path.expanduser().absolute() for path in self.paths]
        return "+".join(path.name if path.is_dir() else path.stem for path in paths)

    @property
    def address(self) -> str:
        """What was read, for the record."""
        if self.spec is not None:
            return self.spec.name
        return ", ".join(str(path.expanduser().absolute()) for path in self.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Data as they were read, and their labels."""

    adata: ad.AnnData
    labels: pd.Series | None
    """Class of each cell, (n_obs,), categorical, missing where there is none."""
    slice_key: str | None
    batch_key: str | None = None
    values: Said = "auto"
    """What the matrix is said to hold."""
    features: str = GENES
    """Which features take part, see `scrcl.data.features.choose_features`."""
    condition_key: str | None = None
    sample_key: str | None = None

    def without_labels(
        self, cfg: DataConfig | None = None, notes: list[str] | None = None
    ) -> ad.AnnData:
        """Expression, positions, slices and batches: all that preprocessing and training may know.

        The matrices are shared with ``adata``; ``cfg`` names what else is to be used. What is to be
        told of it is added to ``notes``.
        """
        columns = [key for key in (self.slice_key, self.batch_key) if key]
        known = bare(self.adata, columns, cfg=cfg, features=self.features, notes=notes)
        if self.values != "auto":
            known.uns[PARAMS] = {"values": self.values}
        return known


def load(source: InputSpec, *, values: Said = "auto", features: str = GENES) -> Dataset:
    """Read the data and find their labels.

    ``values`` is what the matrix is said to hold, ``features`` are those that take part.

    Raises
    ------
    InputError
        If the data are not there or cannot be used, or a column that was asked for is missing.
    """
    adata = _read(source)
    slice_key = SLICE if len(source.paths) > 1 else source.slice_key
    if slice_key is not None:
        grouping(adata, slice_key)  # refuses a column that is absent or incomplete
    if source.batch_key is not None:
        grouping(adata, source.batch_key)
    if source.condition_key is not None:
        check_design(adata, source.condition_key, source.sample_key)
    truth = labels(adata, source.label_key, search=_label_keys(source))
    if truth is None:
        log.info("labels: none, so there will be no scores")
    else:
        n_classes, n_missing = truth.nunique(), int(truth.isna().sum())
        missing = f", {counted(n_missing, 'cells')} without" if n_missing else ""
        log.info("labels: obs[%r], %s%s", truth.name, counted(n_classes, "classes"), missing)
    return Dataset(
        adata=adata,
        labels=truth,
        slice_key=slice_key,
        batch_key=source.batch_key,
        values=values,
        features=features,
        condition_key=source.condition_key,
        sample_key=source.sample_key,
    )


def _read(source: InputSpec) -> ad.AnnData:
    spec = source.spec
    if spec is None:
        if len(source.paths) == 1:
            return read(source.paths[0], task=source.task)
        return read_many(source.paths, task=source.task, slice_key=SLICE)
    if spec.load is None:
        return read(locate(spec, source.data_dir), task=source.task)
    log.info("%s: %s", spec.name, spec.source)
    return spec.load()


def _label_keys(source: InputSpec) -> list[str]:
    """Columns to look for labels in, without repeats."""
    specs = DATASETS.values() if source.spec is None else [source.spec]
    keys = (key for spec in specs if spec.task == source.task for key in spec.label_keys)
    return list(dict.fromkeys(keys))
