import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from benchmarks import scale
from tests.running import FAST


@pytest.fixture
def cells(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "_BLOCK", 150)
    path = tmp_path / "cells.h5ad"
    scale.simulate(path, 500, 400)
    return ad.read_h5ad(path)


def test_simulated_cells_are_counts_of_types_of_very_different_size(cells):
    assert cells.shape == (500, 400)
    assert np.array_equal(cells.X.data, np.rint(cells.X.data))
    totals = np.asarray(cells.X.sum(1)).ravel()
    assert 700 < np.median(totals) < 1300
    sizes = cells.obs["cell_type"].value_counts()
    assert len(sizes) == scale.N_TYPES
    assert sizes.max() > 8 * sizes.min()


def test_types_differ_in_their_genes_in_every_block(cells):
    shares = cells.X.toarray() / cells.X.sum(1)
    large = cells.obs["cell_type"].value_counts().index[:2]
    first, second = (np.asarray(cells.obs["cell_type"] == name) for name in large)
    early = np.arange(500) < 250
    apart = np.asarray(shares[first & early].mean(0) - shares[second & early].mean(0)).ravel()
    again = np.asarray(shares[first & ~early].mean(0) - shares[second & ~early].mean(0)).ravel()
    assert np.corrcoef(apart, again)[0, 1] > 0.5


def test_the_same_seed_simulates_the_same_cells(cells, tmp_path):
    scale.simulate(tmp_path / "again.h5ad", 500, 400)
    scale.simulate(tmp_path / "other.h5ad", 500, 400, seed=1)
    assert (ad.read_h5ad(tmp_path / "again.h5ad").X != cells.X).nnz == 0
    assert (ad.read_h5ad(tmp_path / "other.h5ad").X != cells.X).nnz > 0


def test_growth_is_the_exponent_between_sizes():
    table = pd.DataFrame({"n_obs": [10, 100, 1000], "cpu_seconds": [1.0, 10.0, 1000.0]})
    assert list(scale.growth(table)[1:]) == pytest.approx([1.0, 2.0])


def test_a_run_is_measured_by_stage(cells, tmp_path, capsys, monkeypatch):
    del cells  # written below the folder
    for place, name in scale.STAGES.values():
        module = scale.importlib.import_module(place)
        monkeypatch.setattr(module, name, getattr(module, name))  # put back afterwards
    config = tmp_path / "fast.yaml"
    config.write_text(FAST)
    given = ["--input", tmp_path / "cells.h5ad", "--config", config, "--n-clusters", "3", "--json"]
    given += ["--out", tmp_path, "--no-report", "--device", "cpu"]
    assert scale.measured_run([str(one) for one in given]) == 0
    costs = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {f"{stage}, s" for stage in scale.STAGES} <= set(costs)
    assert costs["seconds"] > costs["train and embed, s"] > 0
    assert costs["peak_gb"] > 0.1
