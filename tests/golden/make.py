"""Rewrite ``dense_tiny.json`` and ``dropout_tiny.json``: traces of the dense formulas in float64.

``python -m tests.golden.make``. The file is a fixed point of reference: rewrite it only when the
method itself changes.
"""

import json
from pathlib import Path

import torch
from torch.nn import functional as F

from scrcl.nn import ScRCLNet
from tests.nn import dense

PATH = Path(__file__).with_name("dense_tiny.json")
SIZES = {"n_hidden": 6, "n_latent": 3}
TRAINING = {"temperature": 0.1, "lr": 0.01, "weight_decay": 0.05, "weights": [1.0, 10.0, 2.0]}
N_STEPS = 25
DROPOUT_PATH = Path(__file__).with_name("dropout_tiny.json")
DROPOUT = 0.3
N_DROPOUT_STEPS = 10


def main() -> None:
    """Draw a case and a network, train it with the dense formulas, write everything down."""
    case = dense.random_case(10, 6, seed=1)
    torch.default_generator.manual_seed(1)
    net = ScRCLNet(10, 6, dropout=0.0, **SIZES).double()
    record = {
        "case": {name: value.tolist() for name, value in case._asdict().items()},
        "sizes": SIZES,
        "training": TRAINING,
        "start": {name: value.tolist() for name, value in net.state_dict().items()},
        "losses": train(net, case),
        "views": {name: v.tolist() for name, v in dense.views(net, case)._asdict().items()},
    }
    PATH.write_text(json.dumps(record) + "\n")


def make_dropout() -> None:
    """Train with dropout on, its masks drawn as PyTorch's own dropout draws them; write all down."""
    case = dense.random_case(10, 6, seed=3)  # of seed 2, all genes are embedded as 0
    torch.default_generator.manual_seed(3)
    net = ScRCLNet(10, 6, dropout=0.0, **SIZES).double()
    record = {
        "case": {name: value.tolist() for name, value in case._asdict().items()},
        "sizes": SIZES,
        "training": TRAINING,
        "dropout": DROPOUT,
        "start": {name: value.tolist() for name, value in net.state_dict().items()},
        "masks": [],
        "losses": [],
    }
    adam = torch.optim.Adam(
        net.parameters(), lr=TRAINING["lr"], weight_decay=TRAINING["weight_decay"]
    )
    for step in range(N_DROPOUT_STEPS):
        ones = torch.ones(10, SIZES["n_hidden"], dtype=torch.float64)
        masks = [F.dropout(ones, DROPOUT) for _ in range(3)]
        losses = dense.total(
            dense.views(net, case, masks),
            case.adj,
            TRAINING["temperature"],
            dict(zip(dense.LOSSES, TRAINING["weights"], strict=True)),
        )
        adam.zero_grad()
        losses[-1].backward()
        if step == 0:
            grads = {name: value.grad.tolist() for name, value in net.named_parameters()}
            record["gradients"] = grads
        adam.step()
        record["masks"].append([(mask > 0).int().tolist() for mask in masks])
        record["losses"].append(losses.tolist())
    record["end"] = {name: value.tolist() for name, value in net.state_dict().items()}
    DROPOUT_PATH.write_text(json.dumps(record, separators=(",", ":")) + "\n")


def train(net: ScRCLNet, case: dense.Case) -> list[list[float]]:
    """Return hea, ndc, cvc and total before each step; ``net`` is trained in place."""
    adam = torch.optim.Adam(
        net.parameters(), lr=TRAINING["lr"], weight_decay=TRAINING["weight_decay"]
    )
    trace = []
    for _ in range(N_STEPS):
        losses = dense.total(
            dense.views(net, case),
            case.adj,
            TRAINING["temperature"],
            dict(zip(dense.LOSSES, TRAINING["weights"], strict=True)),
        )
        trace.append(losses.tolist())
        adam.zero_grad()
        losses[-1].backward()
        adam.step()
    return trace


if __name__ == "__main__":
    main()
    make_dropout()
