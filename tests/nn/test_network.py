import subprocess
import sys

import pytest
import torch

from scrcl.nn import ScRCLNet, fast
from scrcl.seed import seeded
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
        other.gene_encoder.weight.copy_(net.gene_encoder.weight[:, order])

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


@pytest.mark.parametrize("forward", [ScRCLNet.__call__, fast.forward], ids=["plain", "fast"])
def test_refinement_never_forms_the_projection_of_cells_onto_genes(forward):
    n_obs, n_genes, n_hidden = 80, 50, 8
    net = ScRCLNet(n_obs, n_genes, n_hidden=n_hidden, n_latent=3, dropout=0.3)
    inputs = dense.to_inputs(dense.random_case(n_obs, n_genes))
    # Inputs of few genes, so that the projection would be the largest of all.
    few = inputs._replace(x=inputs.x[:, :5], ax=inputs.ax[:, :5])
    few = type(inputs)(*(member.float() for member in few))
    small = ScRCLNet(n_obs, 5, n_hidden=n_hidden, n_latent=3, dropout=0.3)
    net.MLP_encoder, net.GNN_encoder = small.MLP_encoder, small.GNN_encoder

    with LargestTensor() as largest:
        sum(view.sum() for view in forward(net, few)).backward()

    assert largest.numel < n_obs * n_genes


def test_graph_convolutions_start_with_glorot_weights_and_zero_bias():
    net = ScRCLNet(200, 100, n_hidden=50, n_latent=4, dropout=0.0)

    for conv in (net.GNN_encoder.layer1, net.GNN_encoder.layer2, net.gene_encoder.gcn):
        n_out, n_in = conv.lin.weight.shape
        limit = (6 / (n_in + n_out)) ** 0.5
        assert conv.bias.abs().max() == 0
        assert 0.9 * limit < conv.lin.weight.abs().max() <= limit


def test_weights_are_stored_out_by_in_under_the_official_names():
    shapes = {name: tuple(p.shape) for name, p in make_net().named_parameters()}

    assert shapes == {
        "MLP_encoder.layer1.weight": (10, N_GENES),
        "MLP_encoder.layer1.bias": (10,),
        "GNN_encoder.layer1.lin.weight": (10, N_GENES),
        "GNN_encoder.layer1.bias": (10,),
        "GNN_encoder.layer2.lin.weight": (10, 10),
        "GNN_encoder.layer2.bias": (10,),
        "GNN_encoder.layer3.weight": (10, 10),
        "GNN_encoder.layer3.bias": (10,),
        "gene_encoder.gcn.lin.weight": (3, N_OBS),
        "gene_encoder.gcn.bias": (3,),
        "projector.weight": (N_GENES, 10),
        "projector.bias": (N_GENES,),
    }


def test_the_second_convolution_is_that_of_pyg_on_edges(case, inputs):
    gnn = make_net().GNN_encoder
    u = dense.unit_rows(N_OBS, 10, seed=0)
    edges = dense.normalized(case.adj).to_sparse_coo()

    found = gnn.mix(inputs.norm_adj, gnn.layer2.lin(u)) + gnn.layer2.bias

    torch.testing.assert_close(found, gnn.layer2(u, edges.indices(), edges.values()))


@pytest.mark.parametrize("cells", [None, [0, 2, 3, 7, 8]], ids=["all cells", "a batch"])
@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_the_fast_step_is_the_network_in_value_and_gradient(inputs, cells, refine, training):
    net = make_net(dropout=0.4).train(training)
    batch = None
    if cells is not None:
        batch = torch.tensor(cells)
        part = dense.random_case(len(cells), N_GENES, seed=3)
        inputs = dense.to_inputs(part)
    found = []
    for forward in (net, lambda *given, **asked: fast.forward(net, *given, **asked)):
        with seeded(7):
            views = forward(inputs, batch, refine=refine)
            after = torch.rand(1)
        pull = sum((dense.unit_rows(*v.shape, seed=1) * v).sum() for v in views if v.numel())
        weights = list(net.parameters())
        grads = torch.autograd.grad(pull, weights, allow_unused=True, materialize_grads=True)
        found.append((views, grads, after))
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-10)


MAKES_A_NETWORK = """
import sys, torch
from scrcl.nn.network import ScRCLNet, import_pyg
ScRCLNet(4, 3, n_hidden=2, n_latent=2, dropout=0.0)
print({"torch._dynamo", "sympy"} & set(sys.modules))
# Who wants the compiler gets it, through PyG and by itself.
assert import_pyg().isinstance.is_torch_instance(torch.nn.Linear(1, 1), torch.nn.Linear)
assert torch._dynamo.OptimizedModule is not None
"""


def test_a_network_is_made_without_the_compiler_of_torch():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MAKES_A_NETWORK],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
