import pytest
import torch

from scrcl._validate import InputError
from scrcl.seed import isolated, resolve_device, seeded


def test_the_same_seed_draws_the_same_numbers_whatever_was_drawn_before():
    with seeded(3):
        first = torch.rand(4)
    torch.rand(7)
    with seeded(3, torch.device("cpu")):
        second = torch.rand(4)
    with seeded(4):
        other = torch.rand(4)

    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("block", [lambda: seeded(3), isolated], ids=["seeded", "isolated"])
def test_draws_inside_the_block_do_not_show_outside(block):
    before = torch.get_rng_state()

    with block():
        torch.rand(5)

    assert torch.equal(torch.get_rng_state(), before)


def test_the_random_state_comes_back_after_an_error_too():
    def draw_and_fail():
        with seeded(3):
            torch.rand(1)
            raise OSError

    before = torch.get_rng_state()

    with pytest.raises(OSError):  # noqa: PT011 - it has no message
        draw_and_fail()

    assert torch.equal(torch.get_rng_state(), before)


def test_isolated_starts_from_the_current_state():
    with seeded(3):
        expected = torch.rand(2)
    with seeded(3), isolated():
        assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (False, True, "cpu"), (False, False, "cpu")],
)
def test_auto_takes_the_best_device_there_is(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    assert resolve_device("auto") == torch.device(expected)
    assert resolve_device("cpu") == torch.device("cpu")


def test_mps_is_there_for_who_asks_and_says_that_it_is_not_tested(monkeypatch, caplog):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)

    assert resolve_device("mps") == torch.device("mps")
    assert "nobody has tested scrcl on it" in caplog.text


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_an_absent_device_is_refused(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    with pytest.raises(InputError, match=f"device: got '{name}'.*none here. Use 'auto'"):
        resolve_device(name)


def test_an_unknown_device_is_refused():
    with pytest.raises(InputError, match=r"device: got 'tpu', wanted one of .*'mps'"):
        resolve_device("tpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_random_state_of_the_gpu_is_covered():
    device = torch.device("cuda")
    before = torch.cuda.get_rng_state()

    draws = []
    for _ in range(2):
        with seeded(3, device):
            draws.append(torch.rand(4, device=device))

    assert torch.equal(*draws)
    assert torch.equal(torch.cuda.get_rng_state(), before)
