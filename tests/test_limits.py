"""Memory grows with the cells as the documentation says: nothing is quadratic in them, nothing is left."""

import gc
import inspect
import re
import tracemalloc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import scrcl
from scrcl import ScRCL, markers, metrics, pl
from scrcl.clustering import consensus, partitions
from tests.model.conftest import cells, small

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
SMALL, FEW = 500, 2_000
"""Four times as many cells: 16 times as much is quadratic, and 4 times linear."""
AT_MOST = 7.0
PARTS = ("model", "markers", "metrics", "pl", "datasets")


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that an operation returned."""

    n_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(found):
            if isinstance(leaf, torch.Tensor) and leaf.layout == torch.strided:
                self.n_bytes = max(self.n_bytes, leaf.numel() * leaf.element_size())
        return found


def peak(compute: Callable[[], object]) -> int:
    """Bytes of the largest tensor, or all that Python and numpy held at once: the larger one."""
    gc.collect()
    tracemalloc.start()
    try:
        with Largest() as tensors:
            compute()
        return max(tracemalloc.get_traced_memory()[1], tensors.n_bytes)
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module", autouse=True)
def watched() -> None:
    """What torch imports when an operation is first watched is nobody's memory."""
    peak(lambda: torch.zeros(2, 1) @ torch.zeros(1, 2))


@pytest.fixture(autouse=True)
def few_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they cost is the same for each."""
    monkeypatch.setattr(partitions, "SIZES", (3,))
    monkeypatch.setattr(partitions, "RESOLUTIONS", (0.5,))
    monkeypatch.setattr(consensus, "_N_LEAVES", 20)


@pytest.fixture(scope="module")
def sets() -> tuple[ad.AnnData, ad.AnnData]:
    """Single cells, few and more, with clusters, positions and an embedding."""
    return clustered(SMALL), clustered(FEW)


def clustered(n_obs: int) -> ad.AnnData:
    adata = cells(n_obs).copy()
    adata.obs["scrcl"] = adata.obs["type"].astype(str).astype("category")
    adata.obs["part"] = np.char.add("s", (np.arange(n_obs) % 4).astype(str))
    adata.obsm["X_scrcl"] = np.random.default_rng(0).normal(size=(n_obs, 5)).astype(np.float32)
    adata.obsm["spatial"] = np.random.default_rng(1).random((n_obs, 2))
    return adata


FAST = {"n_epochs": 1, "n_hvg": 0, "n_hidden": 8}
STEPS: dict[str, Callable[[ad.AnnData], object]] = {
    "cluster": lambda adata: scrcl.cluster(adata, copy=True, device="cpu", **FAST),
    "paper": lambda adata: ScRCL("paper", 3, device="cpu", **FAST).fit(adata),
    "domains": lambda adata: ScRCL(task="st", n_clusters=2, device="cpu").fit(adata),
    "rank_genes": lambda adata: markers.rank_genes(adata, "scrcl"),
    "spatial_scores": lambda adata: metrics.spatial_scores(
        adata.obs["scrcl"], adata.obsm["spatial"]
    ),
    "score": lambda adata: metrics.score(adata.obs["type"], adata.obs["scrcl"]),
    "spatial_domains": pl.spatial_domains,
    "heatmap": lambda adata: pl.heatmap(adata, {"0": ["gene0", "gene1"]}),
    "paga": pl.paga,
}


TRAINED = ("cluster", "paper")
"""Steps that take their time, on half as many cells."""


@pytest.mark.parametrize("step", [step for step in STEPS if step not in TRAINED])
def test_four_times_the_cells_take_about_four_times_the_memory(sets, step: str) -> None:
    peak(lambda: STEPS[step](sets[0][:100].copy()))  # what is imported and made once
    few, more = (peak(lambda data=data: STEPS[step](data)) for data in sets)
    assert more / few < AT_MOST


@pytest.mark.slow
@pytest.mark.parametrize("step", TRAINED)
def test_four_times_the_cells_take_about_four_times_the_memory_to_train_on(sets, step: str) -> None:
    few, more = (data[: data.n_obs // 2].copy() for data in sets)
    peak(lambda: STEPS[step](few[:100].copy()))
    assert peak(lambda: STEPS[step](more)) / peak(lambda: STEPS[step](few)) < AT_MOST


def test_something_quadratic_would_be_seen(sets) -> None:
    few, more = (peak(lambda n=adata.n_obs: np.zeros((n, n))) for adata in sets)
    assert more / few > 2 * AT_MOST
    few, more = (
        peak(lambda n=adata.n_obs: torch.zeros(n, 1) @ torch.zeros(1, n)) for adata in sets
    )
    assert more / few > 2 * AT_MOST


def documented() -> dict[str, str]:
    """Bound of every name in the table of the page."""
    section = PAGE.read_text("utf-8").partition("## Memory")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return {name: row[0].strip() for row in rows[2:] for name in re.findall(r"`([\w.]+)`", row[1])}


def public() -> set[str]:
    """Functions of the public modules, and methods of the model."""
    found = {name for name in scrcl.__all__ if inspect.isfunction(getattr(scrcl, name))}
    for part in PARTS:
        module = getattr(scrcl, part)
        there = {name: getattr(module, name) for name in getattr(module, "__all__", vars(module))}
        functions = [name for name, it in there.items() if _is_function(it) and name[0] != "_"]
        if not hasattr(module, "__all__"):  # all that is its own
            functions = [name for name in functions if there[name].__module__ == module.__name__]
        found |= {f"{part}.{name}" if part != "model" else name for name in functions}
    methods = {name for name, _ in inspect.getmembers(ScRCL, inspect.isroutine)}
    return found | {f"ScRCL.{name}" for name in methods if not name.startswith("_")}


def _is_function(value: object) -> bool:
    return inspect.isfunction(value) or hasattr(value, "cache_info")


def test_every_public_function_has_a_bound_and_no_other_has() -> None:
    bounds = documented()
    assert set(bounds) == public()
    assert all(bounds.values())


def test_clustering_leaves_nothing_behind() -> None:
    def once() -> weakref.ref[ad.AnnData]:
        adata = cells(60).copy()
        scrcl.cluster(adata, device="cpu", **FAST)
        return weakref.ref(adata)

    once()
    gc.collect()
    before = len(gc.get_objects())
    left = [once() for _ in range(3)]
    gc.collect()
    assert [ref() for ref in left] == [None] * 3
    assert len(gc.get_objects()) - before < 100


def test_a_model_keeps_no_data_but_those_that_it_was_fitted_to_and_no_dense_inputs() -> None:
    model, adata = ScRCL(small(), 3), cells(60)
    seen = weakref.ref(adata)
    model.fit(adata)
    del adata
    model.fit(cells(70))
    gc.collect()
    assert seen() is None
    assert "inputs" not in vars(model._model.training.data.prepared)


def test_figures_die_with_their_last_name(sets, tmp_path: Path) -> None:
    figure = pl.spatial_domains(sets[0])
    pl.save(figure, tmp_path / "figure.png")
    seen = weakref.ref(figure)
    del figure
    gc.collect()
    assert seen() is None
    assert plt.get_fignums() == []
