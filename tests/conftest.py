"""Tiny data for all tests. Their arrays are read-only: whoever writes to his input fails."""

from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scrcl.clustering import domains, tissue_tree
from scrcl.pl.style import save
from tests.running import Runner

REAL_DATA = Path(__file__).parents[1].parent / "shared"

# Two domains on a hexagonal grid, seen from above; every other row is shifted by half a step.
TISSUE = (
    "aaaaaa",
    "aaaaaa",
    "aaaabb",
    "aabbbb",
    "bbbbbb",
    "bbbbbb",
)


@pytest.fixture(scope="session", autouse=True)
def fewer_votes() -> Iterator[None]:
    """Ask a third of a tissue's voters, and less often: domains this clear need no more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(domains, "_N_STARTS", 2)
        patch.setattr(domains, "_SCALES", (1.0,))
        patch.setattr(tissue_tree, "_FINER", (14,))
        yield


def freeze(adata: ad.AnnData) -> ad.AnnData:
    """Make the arrays of ``adata`` read-only."""
    for matrix in [adata.X, *adata.layers.values(), *adata.obsm.values()]:
        parts = (matrix.data, matrix.indices, matrix.indptr) if sp.issparse(matrix) else (matrix,)
        for part in parts:
            part.flags.writeable = False
    return adata


def counts(groups: np.ndarray, n_genes: int, seed: int) -> sp.csr_matrix:
    """Counts in which group g is high in the genes g, g + n_groups, g + 2 n_groups, ..."""
    rng = np.random.default_rng(seed)
    n_groups = groups.max() + 1
    high = np.arange(n_genes) % n_groups == groups[:, None]
    means = rng.gamma(2.0, 0.4, n_genes) * np.where(high, 4.0, 1.0)
    return sp.csr_matrix(rng.poisson(means), dtype=np.float32)


@pytest.fixture
def adata_sc() -> ad.AnnData:
    """45 cells x 60 genes of 3 types: counts, and ``obs["cell_type1"]``."""
    groups = np.arange(45) % 3
    obs = pd.DataFrame(
        {"cell_type1": pd.Categorical([f"type{g}" for g in groups])},
        index=[f"cell{i}" for i in range(45)],
    )
    var = pd.DataFrame(index=[f"gene{i}" for i in range(60)])
    return freeze(ad.AnnData(counts(groups, 60, seed=0), obs, var))


@pytest.fixture
def adata_st() -> ad.AnnData:
    """36 spots x 40 genes on the tissue above: counts, ``obs["ground_truth"]``, positions."""
    domains = np.array(list("".join(TISSUE)))
    row, col = np.divmod(np.arange(domains.size), len(TISSUE[0]))
    obs = pd.DataFrame(
        {"ground_truth": pd.Categorical(domains)}, index=[f"spot{i}" for i in range(domains.size)]
    )
    var = pd.DataFrame(index=[f"gene{i}" for i in range(40)])
    adata = ad.AnnData(counts((domains == "b").astype(int), 40, seed=1), obs, var)
    adata.obsm["spatial"] = np.column_stack([col + 0.5 * (row % 2), row * np.sqrt(0.75)])
    return freeze(adata)


@pytest.fixture(autouse=True)
def _coarse_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save figures at a fifth of the resolution: most of their time is that of compressing pixels."""
    monkeypatch.setitem(save.__kwdefaults__, "dpi", 60)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real data sets and golden numbers; tests that need it are skipped without."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data at {REAL_DATA}")
    return REAL_DATA


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for a run that the tests of a module have copies of; it is not there yet."""
    return tmp_path_factory.mktemp("kept") / "run"


def _simple_layout(adata: ad.AnnData) -> None:
    adata.obsm["X_scrcl_umap"] = adata.obsm["X_scrcl"][:, :2]


@pytest.fixture
def runner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Runner:
    """Runs the scripts on tiny data, without figures, which would take most of the time."""
    monkeypatch.setattr("scrcl.experiment.finish.draw", lambda *_, **__: None)
    monkeypatch.setattr("scrcl.experiment.finish.write_up", lambda *_, **__: None)
    monkeypatch.setattr("scrcl.experiment.finish.add_layout", _simple_layout)
    return Runner(tmp_path, capsys)
