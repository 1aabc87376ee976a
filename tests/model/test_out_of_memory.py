"""A device whose memory ends while all cells are trained at once."""

import dataclasses

import numpy as np
import pytest
import torch

from scrcl import ScRCL
from scrcl.config import override
from scrcl.experiment.protocols import Oracle
from scrcl.model import pipeline
from scrcl.nn.inputs import Inputs
from tests.model.conftest import both, cells, small

CONFIG = small("paper", model_input="log")


class Full:
    """Stands for a training that needs more than there is after some epochs, if it is on all cells."""

    def __init__(self, error: Exception, after: int = 0) -> None:
        self.error, self.after, self.fit = error, after, pipeline.fit

    def __call__(self, inputs, model_cfg, train_cfg, **kwargs):
        if not isinstance(inputs, Inputs):
            return self.fit(inputs, model_cfg, train_cfg, **kwargs)
        if self.after:
            shorter = dataclasses.replace(train_cfg, n_epochs=self.after)
            self.fit(inputs, model_cfg, shorter, **kwargs)
        raise self.error


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_training_starts_again_on_mini_batches_and_says_so(error, monkeypatch, caplog) -> None:
    adata = both()[0]
    wanted = ScRCL(override(CONFIG, {"train.batch_size": 90 // 4}), 3).fit(adata)
    monkeypatch.setattr(pipeline, "fit", Full(error))

    found = ScRCL(CONFIG, 3).fit(adata)

    np.testing.assert_array_equal(found.embedding_, wanted.embedding_)
    assert len(found.history) == CONFIG.train.n_epochs
    assert (
        "mini-batches: device cpu ran out of memory with all 90 cells at once, so that training starts again on 22 of them"
        in caplog.text
    )


def test_the_oracle_starts_again_too(monkeypatch) -> None:
    adata = cells(90)
    truth = adata.obs["type"].astype("category")
    monkeypatch.setattr(pipeline, "fit", Full(ERRORS[0], after=2))
    oracle = Oracle(truth, seed=0, spots=None)

    ScRCL(CONFIG, 3).fit(adata, callbacks=[oracle])

    assert len(oracle.history) == CONFIG.train.n_epochs


def test_a_callback_that_cannot_start_again_ends_it(monkeypatch) -> None:
    monkeypatch.setattr(pipeline, "fit", Full(ERRORS[0]))

    with pytest.raises(torch.OutOfMemoryError):
        ScRCL(CONFIG, 3).fit(cells(90), callbacks=[lambda *_: None])


def test_other_errors_are_not_taken_for_it(monkeypatch) -> None:
    monkeypatch.setattr(pipeline, "fit", Full(RuntimeError("mat1 and mat2 shapes differ")))

    with pytest.raises(RuntimeError, match="shapes differ"):
        ScRCL(CONFIG, 3).fit(cells(90))
