import dataclasses

import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import dense_step, speed, training_step
from scrcl.config import paper_defaults
from scrcl.nn import Views
from scrcl.seed import seeded
from tests.nn import dense

CPU = torch.device("cpu")
WEIGHTS = {"hea": 1.0, "ndc": 10.0, "cvc": 2.0}
# The process that measures, with small products and as few steps as there have to be.
SHORT = """
import json, sys

from benchmarks import training_step

training_step._MM_SIZE, training_step._ENOUGH_SECONDS = 256, 0.0
print(json.dumps(training_step.measure(**json.loads(sys.argv[1]))))
"""


@pytest.fixture
def config():
    paper = paper_defaults("sc")
    return dataclasses.replace(paper, model=dataclasses.replace(paper.model, n_hidden=16))


def double(inputs):
    return type(inputs)(*(member.double() for member in inputs))


def test_the_dense_losses_are_the_definitions_of_the_tests():
    case = dense.random_case()
    rows = [dense.unit_rows(12, width, seed=seed) for seed, width in enumerate((9, 9, 4, 4))]
    found = dense_step.combine(Views(*rows), case.adj, temperature=0.1, weights=WEIGHTS)
    torch.testing.assert_close(
        torch.stack(list(found.values())), dense.total(Views(*rows), case.adj, 0.1, WEIGHTS)
    )


def test_both_steps_have_the_same_losses_and_gradients(config):
    inputs = double(training_step.simulate(60, 30).rows(slice(0, 60)))
    inputs = inputs._replace(ax=inputs.norm_adj @ inputs.x)  # in double precision, too
    found = []
    for kind in ("ours", "dense"):
        trainer = training_step.make_trainer(kind, inputs, config, CPU)
        trainer.model.double()
        with seeded(0):  # dropout
            losses = trainer.losses()
        losses["total"].backward()
        gradients = [weight.grad for weight in trainer.model.parameters()]
        found.append((torch.stack(list(losses.values())), gradients))
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)


def test_operations_of_a_step_counted_by_hand():
    # mlp, conv1: 2x3x4 forwards and for the weight; conv2, linear: 2x4x4, and for the input too;
    # genes: 3x2x1 twice; fold: 1x3x4 and 1x3, three times; both views: 2x4x1, three times; Gram
    # matrices of both: 2x1x1, three times.
    products = 2 * 2 * 24 + 2 * 3 * 32 + 2 * 6 + 3 * (12 + 3) + 2 * 3 * 8 + 2 * 3 * 2
    assert training_step.step_flops(2, 3, 4, 1) == 2 * products


def test_operations_of_a_step_are_those_that_torch_counts(config):
    # In double precision: torch does not count what goes to oneDNN.
    inputs = double(training_step.simulate(60, 30).rows(slice(0, 60)))
    made = training_step.make_trainer("ours", inputs, config, CPU)
    # Anew: the optimiser's moments are of the precision that the network had.
    trainer = type(made)(made.model.double(), made.batches, made.cfg, made.temperature)
    with FlopCounterMode(display=False) as counter:
        training_step.step(trainer)
    sparse = (
        2 * 60 * 60 * (6 * 16 + 2 * training_step.N_LATENT + 3)
    )  # which torch counts as if dense
    expected = training_step.step_flops(60, 30, 16, training_step.N_LATENT)
    assert counter.get_total_flops() - sparse == pytest.approx(expected, rel=0.05)


def test_the_table_has_ratios_and_exponents():
    measured = {"dense_seconds": 8.0, "ours_gb": 1.0, "dense_gb": 4.0, "ours_seconds": 2.0}
    larger = {"n_obs": 200, "ours_seconds": 4.0, "ours_gb": 2.0}
    table = speed.compared([{"n_obs": 100, **measured}, larger])
    assert table["times_faster"][0] == 4
    assert table["share_of_memory"][0] == 0.25
    assert table["ours_exponent"][1] == pytest.approx(1)
    assert table["dense_exponent"].isna().all()


def test_all_sizes_are_measured_and_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(speed, "limit_threads", lambda _: None)
    monkeypatch.setattr(speed, "STEP", tmp_path / "short.py")
    monkeypatch.setenv("PYTHONPATH", str(speed.ROOT))
    speed.STEP.write_text(SHORT)
    out = tmp_path / "new" / "speed.csv"
    arguments = ["--sizes", "80", "--preset", "default", "--threads", "1", "--out", str(out)]
    assert speed.main(arguments) == 0
    row = pd.read_csv(out).iloc[0]
    assert row["n_obs"] == 80
    assert (row[["ours_seconds", "dense_seconds", "ours_gb", "dense_gb", "share_of_mm"]] > 0).all()
    assert "times_faster" in capsys.readouterr().out
