"""Tiny models, trained once for all tests."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl import ScRCL
from scrcl.config import Config, Task, override
from scrcl.model import find_config
from tests.conftest import counts, freeze

SMALL = {"n_hvg": 0, "n_neighbors": 5, "n_hidden": 16, "n_epochs": 4, "lr": 0.001}


def small(config: str = "default", task: Task = "sc", **changes: object) -> Config:
    return override(find_config(config, task), SMALL | changes)


def cells(n_obs: int, seed: int = 0, *, n_types: int = 3, prefix: str = "cell") -> ad.AnnData:
    """Cells of types in turn; ``obs["type"]`` is the truth."""
    groups = np.arange(n_obs) % n_types
    obs = pd.DataFrame({"type": groups}, index=[f"{prefix}{i}" for i in range(n_obs)])
    var = pd.DataFrame(index=[f"gene{i}" for i in range(60)])
    return freeze(ad.AnnData(counts(groups, 60, seed), obs, var))


def tissue(seed: int = 0, side: int = 12) -> ad.AnnData:
    """Two halves of a square of spots."""
    row, col = np.divmod(np.arange(side * side), side)
    domain = (col >= side // 2).astype(int)
    obs = pd.DataFrame({"domain": domain}, index=[f"spot{i}" for i in range(side * side)])
    var = pd.DataFrame(index=[f"gene{i}" for i in range(60)])
    spots = ad.AnnData(counts(domain, 60, seed), obs, var)
    spots.obsm["spatial"] = np.column_stack([col, row]).astype(float)
    return freeze(spots)


def both(first: int = 90, second: int = 45) -> tuple[ad.AnnData, ad.AnnData]:
    """Training cells and new ones, from the same genes' means."""
    together = cells(first + second)
    return together[:first].copy(), together[first:].copy()


@pytest.fixture(scope="session")
def consensus() -> ScRCL:
    return ScRCL(small(), 3).fit(both()[0])


@pytest.fixture(scope="session")
def kmeans() -> ScRCL:
    return ScRCL(small("paper", n_smooth=[1, 0]), 3).fit(both()[0])


@pytest.fixture(scope="session")
def domains() -> ScRCL:
    return ScRCL(small(task="st"), 2, task="st").fit(tissue())


@pytest.fixture(scope="session")
def network() -> ScRCL:
    config = small("paper", "st", n_refine=5, hvg_flavor="seurat", n_smooth=[1, 1])
    return ScRCL(config, 2, task="st").fit(tissue())


MODELS = ("consensus", "kmeans", "domains", "network")


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> ScRCL:
    """Every way of mapping new cells."""
    fitted: ScRCL = request.getfixturevalue(request.param)
    return fitted


def unseen(model: ScRCL) -> ad.AnnData:
    return tissue() if model.config.task == "st" else both()[1]
