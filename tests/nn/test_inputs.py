import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from scrcl.distributed import Processes
from scrcl.nn import sparse_csr
from scrcl.nn.sparse import symmetric_product
from tests.nn import dense


def test_propagate_and_its_gradients_are_the_dense_product():
    norm_adj = dense.normalized(dense.random_case().adj)
    x = dense.unit_rows(12, 5, seed=1).requires_grad_()
    csr = dense.to_csr(norm_adj)

    torch.testing.assert_close(symmetric_product(csr, x, Processes()), norm_adj @ x)
    assert gradcheck(lambda x: symmetric_product(csr, x, Processes()), x)
    assert gradgradcheck(lambda x: symmetric_product(csr, x, Processes()), x)


def test_propagate_never_asks_for_a_gradient_of_the_graph():
    csr = dense.to_csr(dense.random_case().adj)

    symmetric_product(
        csr, dense.unit_rows(12, 5, seed=1).requires_grad_(), Processes()
    ).sum().backward()

    assert not csr.requires_grad
    assert csr.grad is None


def test_inputs_already_on_the_device_are_not_copied():
    inputs = dense.to_inputs(dense.random_case())

    moved = inputs.to(torch.device("cpu"))

    assert all(new is old for new, old in zip(moved, inputs, strict=True))


def test_a_column_outside_the_matrix_is_refused_when_building():
    pointers, columns = torch.tensor([0, 1, 2]), torch.tensor([0, 5])

    with pytest.raises(RuntimeError, match="col_indices"):
        sparse_csr(pointers, columns, torch.ones(2), (2, 2))
