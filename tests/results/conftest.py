"""A run of three cells and the means to write it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from scrcl.results import RunFolder, RunWriter, SeedResult, writing

CONFIG = "data:\n  n_hvg: 2000\ntrain:\n  lr: 0.0001\n  n_epochs: 3\n"
SETTINGS = {"input": Path("pbmc.h5ad"), "n_clusters": 2, "selection": "last"}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.at(tmp_path / "results", task="sc", dataset="pbmc", name="paper")


@pytest.fixture
def open_run(run: RunFolder) -> Callable[..., AbstractContextManager[RunWriter]]:
    """``writing`` for that run, with arguments to taste."""

    def open_it(config: str = CONFIG, **arguments: object) -> AbstractContextManager[RunWriter]:
        values: dict[str, object] = {"settings": SETTINGS, "device": "cpu"}
        return writing(run, config, **(values | arguments))  # type: ignore[arg-type]

    return open_it


@pytest.fixture
def result() -> Callable[..., SeedResult]:
    """A seed's result, with fields to taste."""

    def make(seed: int = 5, **fields: object) -> SeedResult:
        values: dict[str, object] = {
            "seed": seed,
            "obs_names": ["NA", "cell,2", "0003"],  # names that a careless reader would spoil
            "clusters": np.array([1, 0, 1]),
            "embedding": np.arange(6, dtype=np.float32).reshape(3, 2),
            "history": [{"hea": 0.5, "total": 1.0}, {"hea": 0.25, "total": 0.5}],
            "metrics": {"label_free": {"ari": np.float64(0.5), "nmi": np.nan, "n_clusters": 2}},
        }
        return SeedResult(**(values | fields))  # type: ignore[arg-type]

    return make
