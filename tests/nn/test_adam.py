"""Adam without torch's compiler."""

import subprocess
import sys

import pytest
import torch

from scrcl.nn.adam import Adam


def parameters() -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.nn.Parameter(torch.randn(shape, generator=generator))
        for shape in [(3, 4), (5,), (2, 2)]
    ]


def descend(optimizer, values: list[torch.nn.Parameter], n_steps: int) -> list[torch.Tensor]:
    for _ in range(n_steps):
        optimizer.zero_grad()
        sum((value**4).sum() for value in values[:2]).backward()  # the last one has no gradient
        optimizer.step()
    return [value.detach().clone() for value in values]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_steps_are_those_of_torch_bit_for_bit(fused, weight_decay):
    mine, its = parameters(), parameters()
    settings = {"lr": 0.01, "weight_decay": weight_decay, "fused": fused}
    found = descend(Adam(mine, **settings), mine, 20)
    expected = descend(torch.optim.Adam(its, **settings), its, 20)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_a_resumed_descent_goes_on_as_if_uninterrupted(tmp_path):
    settings = {"lr": 0.01, "weight_decay": 0.1, "fused": True}
    whole = parameters()
    expected = descend(Adam(whole, **settings), whole, 10)

    first = parameters()
    optimizer = Adam(first, **settings)
    halfway = descend(optimizer, first, 5)
    torch.save(optimizer.state_dict(), tmp_path / "state")
    second = [torch.nn.Parameter(value) for value in halfway]
    resumed = Adam(second, **settings)
    resumed.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    for one, other in zip(descend(resumed, second, 5), expected, strict=True):
        assert torch.equal(one, other)


def test_the_compiler_of_torch_is_not_imported():
    code = (
        "import sys, torch\n"
        "from scrcl.nn.adam import Adam\n"
        "value = torch.nn.Parameter(torch.ones(2)); value.sum().backward()\n"
        "Adam([value], lr=0.1, weight_decay=0.0, fused=True).step()\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
