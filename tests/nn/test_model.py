import pytest
import torch

from scrcl.nn import ScRCLNet
from scrcl.nn.refine import GeneRefinement
from scrcl.nn.world import World
from tests.nn import dense
from tests.nn.sizes import LargestTensor

N_OBS, N_GENES = 12, 7


@pytest.fixture
def case():
    return dense.random_case(N_OBS, N_GENES)


@pytest.fixture
def inputs(case):
    return dense.to_inputs(case)


def make_net(dropout=0.0, seed=0):
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(seed)
        net = ScRCLNet(N_OBS, N_GENES, n_hidden=10, n_latent=3, dropout=dropout)
        for bias in (p for name, p in net.named_parameters() if name.endswith("bias")):
            torch.nn.init.uniform_(bias, -0.1, 0.3)
    return net.double()


def test_views_are_those_of_the_formulas(case, inputs):
    net = make_net()

    torch.testing.assert_close(net(inputs), dense.views(net, case), rtol=1e-10, atol=1e-12)


def test_gradients_are_those_of_the_formulas(case, inputs):
    net = make_net()
    weight = torch.linspace(-1, 1, N_OBS, dtype=torch.float64)[:, None]

    fast = sum((weight * view).sum() for view in net(inputs))
    slow = sum((weight * view).sum() for view in dense.views(net, case))

    torch.testing.assert_close(
        torch.autograd.grad(fast, list(net.parameters())),
        torch.autograd.grad(slow, list(net.parameters())),
        rtol=1e-9,
        atol=1e-12,
    )


def test_rows_have_unit_length(inputs):
    for view in make_net()(inputs):
        torch.testing.assert_close(view.norm(dim=1), torch.ones(N_OBS, dtype=torch.float64))


def test_the_order_of_cells_only_reorders_the_views(case, inputs):
    order = torch.randperm(N_OBS, generator=torch.Generator().manual_seed(0))
    shuffled = dense.to_inputs(
        case._replace(x0=case.x0[order], x1=case.x1[order], adj=case.adj[order][:, order])
    )
    net, other = make_net(), make_net()
    with torch.no_grad():  # the gene module has one weight per cell
        other.refine.conv.weight.copy_(net.refine.conv.weight[:, order])

    for view, again in zip(net(inputs), other(shuffled), strict=True):
        torch.testing.assert_close(view[order], again)


def test_without_refinement_the_encodings_are_the_same_and_z_has_no_columns(inputs):
    net = make_net()

    full, plain = net(inputs), net(inputs, refine=False)

    torch.testing.assert_close(plain[:2], full[:2], rtol=0, atol=0)
    assert plain.z1.shape == plain.z2.shape == (N_OBS, 0)


def test_dropout_acts_in_training_mode_only_and_not_on_the_mlp_view(inputs):
    net = make_net(dropout=0.5)

    training = net.train()(inputs)
    evaluated = net.eval()(inputs)

    torch.testing.assert_close(evaluated, net(inputs), rtol=0, atol=0)
    torch.testing.assert_close(training.e1, evaluated.e1, rtol=0, atol=0)
    for name in ("e2", "z1", "z2"):
        assert not torch.equal(getattr(training, name), getattr(evaluated, name))


def test_refinement_never_forms_the_projection_of_cells_onto_genes():
    n_obs, n_genes, n_hidden = 60, 50, 8
    module = GeneRefinement(n_obs, n_genes, n_hidden=n_hidden, n_latent=3, dropout=0.3)
    e, gx = torch.ones(n_obs, n_hidden, requires_grad=True), torch.ones(n_genes, n_obs)
    view = e, torch.ones(n_obs, 1)

    with LargestTensor() as largest:
        sum(z.sum() for z in module(view, view, gx, cells=slice(n_obs), world=World())).backward()

    assert largest.numel <= max(n_obs * n_hidden, n_genes * n_hidden)


def test_graph_convolutions_start_with_glorot_weights_and_zero_bias():
    net = ScRCLNet(200, 100, n_hidden=50, n_latent=4, dropout=0.0)

    for conv in (net.gcn.conv1, net.gcn.conv2, net.refine.conv):
        n_out, n_in = conv.weight.shape
        limit = (6 / (n_in + n_out)) ** 0.5
        assert conv.bias.abs().max() == 0
        assert 0.9 * limit < conv.weight.abs().max() <= limit


def test_weights_are_stored_out_by_in():
    shapes = {name: tuple(p.shape) for name, p in make_net().named_parameters()}

    assert shapes["mlp.linear.weight"] == (10, N_GENES)
    assert shapes["gcn.conv1.weight"] == (10, N_GENES)
    assert shapes["refine.conv.weight"] == (3, N_OBS)
    assert shapes["refine.projector.weight"] == (N_GENES, 10)
