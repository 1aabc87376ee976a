import pytest
import torch
from torch.autograd import gradcheck

from scrcl.config import TrainConfig
from scrcl.distributed import Processes
from scrcl.nn import Views, fast, pairwise
from scrcl.nn.losses import (
    LOSSES,
    Step,
    combine,
    cross_view_consistency,
    hybrid_alignment,
    neighborhood_contrast,
)
from tests.nn import dense
from tests.nn.sizes import LargestTensor

N_OBS, N_HIDDEN, N_LATENT = 12, 9, 4
WEIGHTS = {"hea": 1.0, "ndc": 10.0, "cvc": 2.0}
compare = fast.compare


def fast_hea(e1, e2, temperature):
    unlinked = dense.to_csr(torch.zeros(len(e1), len(e1), dtype=e1.dtype))
    return hybrid_alignment(compare(e1, e2, unlinked, temperature=temperature))


def fast_ndc(e1, e2, adj, temperature):
    return neighborhood_contrast(compare(e1, e2, adj, temperature=temperature), adj)


@pytest.fixture
def adj():
    return dense.random_case(N_OBS).adj


@pytest.fixture
def embeddings():
    return [dense.unit_rows(N_OBS, N_HIDDEN, seed=s).requires_grad_() for s in (1, 2)]


@pytest.fixture
def latents():
    return [dense.unit_rows(N_OBS, N_LATENT, seed=s).requires_grad_() for s in (3, 4)]


def gradients(value, tensors):
    return torch.autograd.grad(value, tensors)


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_hybrid_alignment_and_its_gradient_are_the_dense_definition(embeddings, temperature):
    fast = fast_hea(*embeddings, temperature)
    slow = dense.hybrid_alignment(*embeddings, temperature)

    torch.testing.assert_close(fast, slow, rtol=1e-11, atol=0)
    torch.testing.assert_close(
        gradients(fast, embeddings), gradients(slow, embeddings), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_neighborhood_contrast_and_its_gradient_are_the_dense_definition(
    embeddings, adj, temperature
):
    fast = fast_ndc(*embeddings, dense.to_csr(adj), temperature)
    slow = dense.neighborhood_contrast(*embeddings, adj, temperature)

    torch.testing.assert_close(fast, slow, rtol=1e-11, atol=0)
    torch.testing.assert_close(
        gradients(fast, embeddings), gradients(slow, embeddings), rtol=1e-9, atol=1e-12
    )


def test_cross_view_consistency_and_its_gradient_are_the_dense_definition(latents, adj):
    fast = cross_view_consistency(*latents, dense.to_csr(adj))
    slow = dense.cross_view_consistency(*latents, adj)

    torch.testing.assert_close(fast, slow, rtol=1e-11, atol=0)
    torch.testing.assert_close(
        gradients(fast, latents), gradients(slow, latents), rtol=1e-9, atol=1e-12
    )


def test_every_loss_passes_a_numerical_gradient_check(embeddings, latents, adj):
    csr = dense.to_csr(adj)

    assert gradcheck(lambda a, b: fast_hea(a, b, 0.5), embeddings)
    assert gradcheck(lambda a, b: fast_ndc(a, b, csr, 0.5), embeddings)
    assert gradcheck(lambda a, b: cross_view_consistency(a, b, csr), latents)


def test_hand_computed_values_of_two_linked_cells():
    # One feature per cell and z1 = z2: z1 z2^T = [[1, 0], [0, 1]] against A + I = ones.
    z = torch.eye(2, dtype=torch.float64)
    linked = dense.to_csr(torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64))

    assert cross_view_consistency(z, z, linked).item() == pytest.approx(2 / 4)
    # Equal views agree fully; cell i differs from its only neighbour as from everyone else, and
    # not from itself, so near / far = (D + 0) / 2 / D.
    assert fast_hea(z, z, 1.0).item() == pytest.approx(0, abs=1e-15)
    assert fast_ndc(z, z, linked, 1.0).item() == pytest.approx(1 / 2)


def test_the_order_of_cells_changes_nothing(embeddings, latents, adj):
    order = torch.randperm(N_OBS, generator=torch.Generator().manual_seed(0))
    views = Views(*embeddings, *latents)
    shuffled = Views(*(view[order] for view in views))

    losses = combine(views, dense.to_csr(adj), temperature=0.1, weights=WEIGHTS)
    again = combine(shuffled, dense.to_csr(adj[order][:, order]), temperature=0.1, weights=WEIGHTS)

    torch.testing.assert_close(losses, again, rtol=1e-11, atol=0)


def test_swapping_the_views_leaves_the_symmetric_losses_alone(embeddings, latents, adj):
    csr = dense.to_csr(adj)

    torch.testing.assert_close(fast_hea(*embeddings, 0.1), fast_hea(*embeddings[::-1], 0.1))
    torch.testing.assert_close(
        cross_view_consistency(*latents, csr), cross_view_consistency(*latents[::-1], csr)
    )


@pytest.mark.parametrize("spread", [1.0, 0.03], ids=["far cells", "near cells"])
def test_float32_stays_close_to_float64(spread):
    n_obs = 150
    adj = dense.to_csr(dense.random_case(n_obs).adj)
    e1, e2 = (dense.unit_rows(n_obs, 300, seed=s, spread=spread) for s in (1, 2))
    z1, z2 = (dense.unit_rows(n_obs, 6, seed=s) for s in (3, 4))
    views = Views(e1, e2, z1, z2)

    exact = combine(views, adj, temperature=0.1, weights=WEIGHTS)
    single = combine(
        Views(*(view.float() for view in views)), adj.float(), temperature=0.1, weights=WEIGHTS
    )

    assert list(single) == list(exact)
    for name, value in single.items():
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(exact[name].item(), rel=2e-5)


def test_losses_of_weight_zero_are_not_evaluated(embeddings, latents, adj):
    views = Views(*embeddings, *latents)
    csr = dense.to_csr(adj)
    everything = combine(views, csr, temperature=0.1, weights=WEIGHTS)

    for name, weight in WEIGHTS.items():
        losses = combine(views, csr, temperature=0.1, weights=WEIGHTS | {name: 0.0})
        assert torch.isnan(losses[name])
        rest = everything["total"] - weight * everything[name]
        torch.testing.assert_close(losses["total"], rest)


def test_a_single_loss_can_stand_alone(embeddings, latents, adj):
    csr = dense.to_csr(adj)

    views, alone = Views(*embeddings, *latents), {"hea": 0.0, "ndc": 0.0, "cvc": 2.0}
    losses = combine(views, csr, temperature=0.1, weights=alone)

    assert torch.isnan(losses["hea"])
    assert torch.isnan(losses["ndc"])
    torch.testing.assert_close(losses["total"], 2 * cross_view_consistency(*latents, csr))


def test_no_step_of_the_losses_is_quadratic_in_the_number_of_cells():
    n_obs, n_hidden = 300, 8
    near = torch.arange(n_obs - 1)
    links = torch.zeros(n_obs, n_obs, dtype=torch.float64)
    links[near, near + 1] = links[near + 1, near] = 1
    adj = dense.to_csr(links)
    rows = [dense.unit_rows(n_obs, n_hidden, seed=s).requires_grad_() for s in range(4)]

    with LargestTensor() as largest:
        combine(Views(*rows), adj, temperature=0.1, weights=WEIGHTS, compare=compare)[
            "total"
        ].backward()

    assert largest.numel == n_obs * n_hidden


@pytest.mark.parametrize("compare", [fast.compare, pairwise.compare], ids=["fast", "plain"])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_of_the_registry_is_its_dense_definition(
    embeddings, latents, adj, name, compare
):
    views = Views(*embeddings, *latents)
    step = Step(views=views, adj=dense.to_csr(adj), temperature=0.3, compare=compare)
    found, defined = LOSSES[name].evaluate(step), dense.LOSSES[name](views, adj, 0.3)

    torch.testing.assert_close(found, defined, rtol=1e-11, atol=0)
    torch.testing.assert_close(
        *(torch.autograd.grad(v, views, materialize_grads=True) for v in (found, defined)),
        rtol=1e-9,
        atol=1e-12,
    )


def test_every_loss_has_a_weight_in_the_configuration_and_a_definition():
    assert list(TrainConfig().loss_weights) == list(LOSSES) == list(dense.LOSSES)


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_the_fast_comparison_is_the_plain_one(embeddings, adj, linked, temperature):
    csr = dense.to_csr(adj) if linked else None
    found = []
    for compare in (fast.compare, pairwise.compare):
        pairs = compare(*embeddings, csr, temperature=temperature, processes=Processes(n_obs=N_OBS))
        values = [part for part in pairs if part is not None]
        pull = sum((torch.linspace(-1, 1, N_OBS).double() * part).sum() for part in values)
        found.append((values, gradients(pull, embeddings)))
    assert len(found[0][0]) == 5 + linked
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-10)
