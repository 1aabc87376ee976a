"""Our network, losses and training against fixed numbers.

``dense_tiny.json`` was made from the dense formulas and comes with the repository;
``official_tiny.npz`` was made with the official code and lies beside it, where there is one.
"""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from scrcl.config import TrainConfig
from scrcl.nn import ScRCLNet, Views
from scrcl.nn.batches import FullBatch
from scrcl.nn.losses import combine
from scrcl.train import Trainer
from tests.nn import dense

SHIPPED = Path(__file__).parent / "golden" / "dense_tiny.json"
OFFICIAL = Path(__file__).parents[2] / "shared" / "golden" / "official_tiny.npz"
TERMS = ("hea", "ndc", "cvc", "total")
# The names that parameters had when the shipped trace was made.
SHIPPED_NAMES = {
    "mlp.linear": "MLP_encoder.layer1",
    "gcn.conv1": "GNN_encoder.layer1.lin",
    "gcn.conv2": "GNN_encoder.layer2.lin",
    "gcn.linear": "GNN_encoder.layer3",
    "refine.conv": "gene_encoder.gcn.lin",
    "refine.projector": "projector",
}


def tensor(values):
    return torch.as_tensor(np.asarray(values), dtype=torch.float64)


def renamed(parameter):
    module, kind = parameter.rsplit(".", 1)
    name = SHIPPED_NAMES[module]
    return f"{name.removesuffix('.lin') if kind == 'bias' else name}.{kind}"


def relative_error(value, truth):
    """Largest deviation as a share of the largest entry."""
    return ((value - truth).abs().max() / truth.abs().max()).item()


def trace(net, inputs, *, n_epochs, temperature, lr, weight_decay, weights):
    hea, ndc, cvc = weights
    cfg = TrainConfig(
        n_epochs=n_epochs,
        lr=lr,
        weight_decay=weight_decay,
        lambda_hea=hea,
        lambda_ndc=ndc,
        lambda_cvc=cvc,
    )
    source = FullBatch(inputs, torch.device("cpu"))
    result = Trainer(net, source, cfg, temperature).run(keep="last", on_epoch=None, progress=False)
    return tensor([[row[term] for term in TERMS] for row in result.history]), result.views


def test_training_follows_the_shipped_trace_of_the_dense_formulas():
    golden = json.loads(SHIPPED.read_text())
    case = dense.Case(**{name: tensor(value) for name, value in golden["case"].items()})
    net = ScRCLNet(*case.x0.shape, dropout=0.0, **golden["sizes"]).double()
    net.load_state_dict({renamed(name): tensor(value) for name, value in golden["start"].items()})

    losses, views = trace(
        net, dense.to_inputs(case), n_epochs=len(golden["losses"]), **golden["training"]
    )

    torch.testing.assert_close(losses, tensor(golden["losses"]), rtol=1e-9, atol=0)
    expected = Views(**{name: tensor(value) for name, value in golden["views"].items()})
    torch.testing.assert_close(views, expected, rtol=0, atol=1e-8)


@pytest.fixture(scope="module")
def official():
    if not OFFICIAL.is_file():
        pytest.skip(f"{OFFICIAL.name} is not beside the repository")
    with np.load(OFFICIAL) as numbers:
        return {name: tensor(numbers[name]) for name in numbers.files}


@pytest.fixture
def official_inputs(official):
    return dense.to_inputs(
        dense.Case(
            x0=official["X0_lowpass3"],
            x1=official["X1_lowpass1"],
            adj=official["A"],
            gene_adj=official["gene_A_directed"],
        )
    )


@pytest.fixture
def official_net(official):
    n_obs, n_genes = official["X"].shape
    net = ScRCLNet(n_obs, n_genes, n_hidden=16, n_latent=5, dropout=0.0).double()
    net.load_state_dict(
        {name.removeprefix("w/"): w for name, w in official.items() if name.startswith("w/")}
    )
    return net


@pytest.mark.realdata
def test_smoothed_views_are_powers_of_the_normalised_graph(official):
    norm_adj = dense.normalized(official["A"])
    power = torch.linalg.matrix_power

    assert relative_error(power(norm_adj, 3) @ official["X"], official["X0_lowpass3"]) < 1e-6
    assert relative_error(power(norm_adj, 1) @ official["X"], official["X1_lowpass1"]) < 1e-6


@pytest.mark.realdata
def test_outputs_are_the_official_ones(official, official_net, official_inputs):
    for view, name in zip(
        official_net(official_inputs), ("emb_1", "emb_2", "z_1", "z_2"), strict=True
    ):
        assert relative_error(view, official[f"out/{name}"]) < 1e-12


@pytest.mark.realdata
@pytest.mark.parametrize("temperature", ["0.1", "1.0"])
def test_losses_and_gradients_are_the_official_ones(
    official, official_net, official_inputs, temperature
):
    losses = combine(
        official_net(official_inputs),
        official_inputs.adj,
        temperature=float(temperature),
        weights={"hea": 1.0, "ndc": 10.0, "cvc": 2.0},
    )
    losses["total"].backward()

    expected = official[f"t{temperature}/losses_hea_ndc_cvc_total(l1=10,l2=2)"]
    torch.testing.assert_close(torch.stack(list(losses.values())), expected, rtol=1e-12, atol=0)
    for name, parameter in official_net.named_parameters():
        truth = official[f"t{temperature}/grad/{name}"]
        assert relative_error(parameter.grad, truth) < 1e-8, name


@pytest.mark.realdata
def test_training_follows_the_official_trace(official, official_net, official_inputs):
    losses, _ = trace(
        official_net,
        official_inputs,
        n_epochs=25,
        temperature=0.1,
        lr=1e-2,
        weight_decay=0.05,
        weights=(1.0, 10.0, 2.0),
    )

    expected = official["trace25(adam lr=1e-2 wd=.05 t=.1 l1=10 l2=2 dropout=0)"]
    torch.testing.assert_close(losses, expected, rtol=1e-6, atol=0)


DROPOUT = Path(__file__).parent / "golden" / "dropout_tiny.json"


@pytest.mark.parametrize("fast_step", [True, False], ids=["fast", "plain"])
def test_ten_updates_with_dropout_follow_the_recorded_masks(monkeypatch, fast_step):
    """The masks are used in the order of the official draws: inside the GCN view, then both heads."""
    golden = json.loads(DROPOUT.read_text())
    case = dense.Case(**{name: tensor(value) for name, value in golden["case"].items()})
    net = ScRCLNet(*case.x0.shape, dropout=golden["dropout"], **golden["sizes"]).double()
    net.load_state_dict({name: tensor(value) for name, value in golden["start"].items()})
    masks = [torch.tensor(mask, dtype=torch.bool) for step in golden["masks"] for mask in step]
    drawn = iter(masks)
    for name in ("scrcl.nn.network", "scrcl.nn.fast.forward"):
        # By its name as a module: scrcl.nn.fast has a function forward, too.
        monkeypatch.setattr(importlib.import_module(name), "dropout_mask", lambda *_: next(drawn))
    training = golden["training"]
    weights = dict(zip(("hea", "ndc", "cvc"), training["weights"], strict=True))
    cfg = TrainConfig(
        lr=training["lr"],
        weight_decay=training["weight_decay"],
        fast_step=fast_step,
        **{f"lambda_{name}": weight for name, weight in weights.items()},
    )
    source = FullBatch(dense.to_inputs(case), torch.device("cpu"))
    trainer = Trainer(net, source, cfg, training["temperature"])

    for step, expected in enumerate(golden["losses"]):
        losses = trainer.losses()
        found = torch.stack([losses[term].detach() for term in TERMS])
        torch.testing.assert_close(found, tensor(expected), rtol=1e-6, atol=0)
        trainer.update(losses["total"])
        if step == 0:
            for name, parameter in net.named_parameters():
                truth = tensor(golden["gradients"][name])
                assert relative_error(parameter.grad, truth) < 1e-6, name

    assert next(drawn, None) is None
    for name, parameter in net.named_parameters():
        assert relative_error(parameter.detach(), tensor(golden["end"][name])) < 1e-6, name
