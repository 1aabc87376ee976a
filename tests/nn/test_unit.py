import torch
from torch.autograd import gradcheck
from torch.nn import functional as F

from scrcl.nn.unit import unit_rows


def rows():
    rng = torch.Generator().manual_seed(0)
    return torch.randn(6, 4, generator=rng, dtype=torch.float64)


def test_rows_have_unit_length_and_the_right_gradient():
    h = rows().requires_grad_()
    torch.testing.assert_close(unit_rows(h).norm(dim=1), torch.ones(6, dtype=torch.float64))
    assert gradcheck(unit_rows, h)


def test_rows_of_zeros_are_treated_as_torch_treats_them():
    h = rows()
    h[2], h[3] = 0, 1e-14
    h.requires_grad_()
    weights = rows().flip(0)

    assert (unit_rows(h)[2] == 0).all()
    torch.testing.assert_close(unit_rows(h), F.normalize(h))
    ours, torchs = (
        torch.autograd.grad((f(h) * weights).sum(), h) for f in (unit_rows, F.normalize)
    )
    torch.testing.assert_close(ours, torchs)
