"""The whole way on a graphics card; ``benchmarks/gpu.sh`` runs these where one is lent."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from scrcl import ScRCL
from scrcl.experiment.protocols import Oracle
from tests.conftest import counts, freeze
from tests.model.conftest import both, cells, small, tissue

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
PAPER = {"lr": 0.001, "n_epochs": 20, "dropout": 0.0}


def paper(**changes):
    return small("paper", model_input="log", **{**PAPER, **changes})


def agreement(first, second):
    return adjusted_rand_score(first.labels_, second.labels_)


@pytest.mark.parametrize(
    ("config", "adata", "k"),
    [
        (small(), both()[0], 3),
        (small(task="st"), tissue(), 2),
        (paper(), both()[0], 3),
        (small("paper", "st", n_refine=5, hvg_flavor="seurat", n_smooth=[1, 1]), tissue(), 2),
    ],
    ids=["cells", "domains", "paper", "paper, tissue"],
)
def test_the_card_finds_what_the_processor_finds(config, adata, k):
    gpu, cpu = (ScRCL(config, k, task=config.task, device=d).fit(adata) for d in ("cuda", "cpu"))

    assert agreement(gpu, cpu) > 0.9


def test_without_dropout_the_embedding_is_the_processors():
    gpu, cpu = (ScRCL(paper(), 3, device=d).fit(both()[0]) for d in ("cuda", "cpu"))

    difference = np.linalg.norm(gpu.embedding_ - cpu.embedding_) / np.linalg.norm(cpu.embedding_)
    assert difference < 1e-3


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_precisions_train(precision):
    model = ScRCL(paper(precision=precision), 3, device="cuda").fit(both()[0])

    assert np.isfinite(model.history.to_numpy()).all()


def test_mini_batches_train_there():
    model = ScRCL(paper(batch_size=32), 3, device="cuda").fit(both()[0])

    assert np.isfinite(model.embedding_).all()


def test_the_oracle_watches_there_and_changes_nothing():
    adata = cells(90)
    oracle = Oracle(adata.obs["type"].astype("category"), seed=0, spots=None)

    watched = ScRCL(paper(), 3, device="cuda").fit(adata, callbacks=[oracle])
    alone = ScRCL(paper(), 3, device="cuda").fit(adata)

    assert len(oracle.history) == PAPER["n_epochs"]
    assert agreement(watched, alone) == 1


def test_a_model_trained_there_maps_new_cells_where_there_is_no_card(tmp_path):
    train, new = both()
    model = ScRCL(paper(), 3, device="cuda").fit(train)

    model.save(tmp_path / "model.scrcl")
    loaded = ScRCL.load(tmp_path / "model.scrcl")

    pd.testing.assert_frame_equal(loaded.predict(new), model.predict(new))


def test_a_card_that_is_full_trains_on_mini_batches_and_says_so(caplog):
    groups = np.arange(6_000) % 3
    adata = cells(10)
    adata = freeze(type(adata)(counts(groups, 300, seed=0)))
    whole = torch.cuda.mem_get_info()[1]
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(120e6 / whole)  # of which mem_get_info knows nothing
    try:
        model = ScRCL(paper(n_hidden=512, batch_size=None, n_epochs=2), 3, device="cuda").fit(adata)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)

    assert "device cuda ran out of memory with all 6,000 cells" in caplog.text
    assert np.isfinite(model.embedding_).all()


@pytest.fixture
def deterministic(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("batch_size", [None, 32])
def test_the_deterministic_mode_gives_the_same_bits(deterministic, batch_size):
    config = paper(batch_size=batch_size, dropout=0.2)
    first, second = (ScRCL(config, 3, device="cuda").fit(both()[0]) for _ in range(2))

    np.testing.assert_array_equal(first.embedding_, second.embedding_)
    np.testing.assert_array_equal(first.labels_, second.labels_)
