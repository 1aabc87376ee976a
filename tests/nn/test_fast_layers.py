"""The layers against plain torch."""

import types

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn import functional as F

from scrcl.distributed import Processes
from scrcl.nn.fast import blocks
from scrcl.nn.fast.layers import dropped_product, graph_layers, unit_layer
from tests.nn import dense

N_OBS, N_IN, N_MID, N_OUT = 8, 5, 4, 6


def numbers(*shape, seed):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


def variables(*shapes):
    return [numbers(*shape, seed=i).requires_grad_() for i, shape in enumerate(shapes)]


def same_values_and_gradients(ours, torchs, given):
    outs = [out if isinstance(out, tuple) else (out,) for out in (ours(*given), torchs(*given))]
    torch.testing.assert_close(*outs)
    pulls = [
        torch.autograd.grad(sum((o * numbers(*o.shape, seed=9)).sum() for o in out), given)
        for out in outs
    ]
    torch.testing.assert_close(*pulls)


def unit_rows(h):
    length = h.norm(dim=1, keepdim=True)
    return h / length, length


@pytest.mark.parametrize("slope", [0.0, 0.01])
def test_a_layer_of_unit_rows_is_that_of_torch(slope):
    same_values_and_gradients(
        lambda x, w, b: unit_layer(x, w, b, slope=slope),
        lambda x, w, b: unit_rows(F.leaky_relu(x @ w.T + b, slope)),
        variables((N_OBS, N_IN), (N_OUT, N_IN), (N_OUT,)),
    )


def test_a_layer_of_unit_rows_passes_a_numerical_gradient_check():
    given = variables((N_OBS, N_IN), (N_OUT, N_IN), (N_OUT,))
    assert gradcheck(lambda x, w, b: unit_layer(x, w, b, slope=0.01), given)


def test_rows_of_zeros_are_treated_as_torch_treats_them():
    x = numbers(N_OBS, N_IN, seed=0)
    x[2], x[5] = 0, 1e-14
    no_bias = torch.zeros(N_OUT, dtype=torch.float64)
    given = [x.requires_grad_(), numbers(N_OUT, N_IN, seed=1).requires_grad_()]

    assert (unit_layer(*given, no_bias, slope=0.01)[0][2] == 0).all()
    same_values_and_gradients(
        lambda x, w: unit_layer(x, w, no_bias, slope=0.01)[0],
        lambda x, w: F.normalize(F.leaky_relu(x @ w.T, 0.01)),
        given,
    )


def test_relu_gives_no_negative_zeros():
    (x, weight), bias = variables((N_OBS, N_IN), (N_OUT, N_IN)), torch.zeros(N_OUT)
    e = unit_layer(x, weight, bias.double(), slope=0.0)[0]
    assert (e == 0).any()
    assert not torch.signbit(e).any()


@pytest.mark.parametrize("dropped", [False, True])
def test_graph_layers_are_those_of_torch(dropped):
    norm_adj = dense.random_case(N_OBS).adj + torch.eye(N_OBS, dtype=torch.float64)
    kept = numbers(N_OBS, N_OUT, seed=7) > 0 if dropped else None
    scale = 2.0 if dropped else 1.0

    def plain(ax, w1, b1, w2, b2):
        u = F.leaky_relu(ax @ w1.T + b1)
        out = F.leaky_relu(norm_adj @ u @ w2.T + b2)
        return out * kept * scale if dropped else out

    def ours(ax, w1, b1, w2, b2):
        csr, alone = dense.to_csr(norm_adj), Processes(n_obs=N_OBS)
        return graph_layers(ax, csr, (w1, b1), (w2, b2), kept=kept, scale=scale, processes=alone)

    shapes = ((N_OBS, N_IN), (N_MID, N_IN), (N_MID,), (N_OUT, N_MID), (N_OUT,))
    same_values_and_gradients(ours, plain, variables(*shapes))


@pytest.mark.parametrize("dropped", [False, True])
def test_a_dropped_product_is_that_of_torch(dropped):
    kept = numbers(N_OBS, N_IN, seed=7) > 0 if dropped else None
    same_values_and_gradients(
        lambda x, w: dropped_product(x, w, kept=kept, scale=2.0),
        lambda x, w: (x * kept if dropped else x) * 2 @ w.T,
        variables((N_OBS, N_IN), (N_OUT, N_IN)),
    )


@pytest.mark.parametrize("transposed", [False, True])
def test_products_in_single_precision_are_exact_to_its_digits(transposed):
    a, b = numbers(300, 700, seed=0), numbers(200, 700, seed=1)
    x, weight = a.float(), b.float()
    if transposed:  # views, as in the backward pass
        x, weight = x.T.contiguous().T, weight.T.contiguous().T

    found = blocks.product(x, weight, torch.float32)

    torch.testing.assert_close(found.double(), a @ b.T, rtol=0, atol=1e-5 * 700**0.5)
    assert torch.equal(found, blocks.product(x, weight, torch.float32))


@pytest.mark.parametrize(
    ("vendor", "there", "expected"),
    [("AuthenticAMD", True, True), ("GenuineIntel", True, False), ("AuthenticAMD", False, False)],
)
def test_onednn_multiplies_where_mkl_is_slow_and_the_operator_there(
    monkeypatch, vendor, there, expected
):
    operators = types.SimpleNamespace(**({"_linear_pointwise": None} if there else {}))
    monkeypatch.setattr(torch.ops, "mkldnn", operators)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(blocks, "cpu_vendor", lambda: vendor)
    assert blocks.prefers_onednn.__wrapped__() is expected


def test_products_without_onednn_are_those_of_torch(monkeypatch):
    monkeypatch.setattr(blocks, "prefers_onednn", lambda: False)
    x, weight = numbers(30, 7, seed=0).float(), numbers(20, 7, seed=1).float()
    assert torch.equal(blocks.product(x, weight, torch.float32), F.linear(x, weight))


@pytest.mark.parametrize("n_rows", [1, 5, 6, 11])
def test_blocks_cover_every_row_once(n_rows):
    rows = torch.arange(n_rows)
    assert torch.equal(torch.cat([rows[block] for block in blocks.row_blocks(rows)]), rows)
