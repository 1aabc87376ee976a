import copy
import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scrcl._validate import InputError
from scrcl.config import DataConfig, ModelConfig, TrainConfig
from scrcl.data.graph import gene_graph, knn_graph, normalized_adjacency, normalized_gene_graph
from scrcl.data.prepare import build_inputs
from scrcl.methods.network_based import joint_views
from scrcl.nn import network
from scrcl.nn.batches import FullBatch, MiniBatches
from scrcl.nn.encode import encode
from scrcl.nn.inputs import Inputs
from scrcl.nn.minibatch import SparseInputs, sample_batches
from scrcl.train import Trainer, fit

CPU = torch.device("cpu")
ORIGINAL = SparseInputs.dense_rows
MODEL = ModelConfig(n_hidden=9, n_latent=4, dropout=0.0)
TRAIN = TrainConfig(n_epochs=12, lr=1e-3, batch_size=30)
CFG = DataConfig(n_smooth=(1, 2), n_gene_neighbors=3)


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.8, size=(60, 20)).astype(np.float32)
    return sp.csr_matrix(np.log1p(counts))


@pytest.fixture
def adj(x):
    return knn_graph(x, 5, metric="euclidean")


@pytest.fixture
def sparse(x, adj):
    return SparseInputs(
        x=x,
        adj=adj,
        norm_adj=normalized_adjacency(adj).astype(np.float32),
        norm_genes=normalized_gene_graph(gene_graph(x, 3)).astype(np.float32),
        n_smooth=CFG.n_smooth,
    )


def model_of(x):
    return fit(
        Inputs(
            x=torch.from_numpy(x.toarray()),
            ax=torch.from_numpy(x.toarray()),
            gx=torch.from_numpy(x.toarray().T.copy()),
            adj=torch.eye(x.shape[0]).to_sparse_csr(),
            norm_adj=torch.eye(x.shape[0]).to_sparse_csr(),
        ),
        MODEL,
        dataclasses.replace(TRAIN, n_epochs=3),
        n_latent=4,
        seed=1,
        device=CPU,
    ).model


def test_a_batch_of_all_cells_is_what_training_on_all_cells_sees(x, adj, sparse):
    batch, whole = sparse.batch(np.arange(60)), build_inputs(x, adj, CFG)
    for name in ("x", "ax", "gx", "adj", "norm_adj"):
        mine, other = getattr(batch, name).to_dense(), getattr(whole, name).to_dense()
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


def test_a_batch_sees_its_cells_as_they_are_among_all(sparse):
    cells = np.array([3, 8, 21, 40])
    batch, whole = sparse.batch(cells), sparse.batch(np.arange(60))
    torch.testing.assert_close(batch.x, whole.x[cells])
    torch.testing.assert_close(batch.ax, whole.ax[cells])
    torch.testing.assert_close(batch.gx, whole.gx[:, cells])
    assert torch.equal(batch.adj.to_dense(), whole.adj.to_dense()[cells][:, cells])


@pytest.mark.parametrize("n_smooth", [(0, 0), (1, 2)])
def test_a_batch_picked_from_rows_made_once_has_the_same_bits(sparse, n_smooth, monkeypatch):
    monkeypatch.setattr("scrcl.nn.minibatch.BLOCK", 17)
    inputs = sparse._replace(n_smooth=n_smooth)
    cells = np.array([3, 8, 21, 40, 59])

    picked, made = inputs.batch(cells, inputs.dense_rows()), inputs.batch(cells)

    for name in ("x", "ax", "gx", "adj", "norm_adj"):
        mine, other = getattr(picked, name), getattr(made, name)
        assert mine.layout != torch.strided or mine.stride() == other.stride()
        assert torch.equal(mine.to_dense(), other.to_dense())


@pytest.mark.parametrize(
    ("n_steps", "free", "once"), [(3, 1e9, True), (2, 1e9, False), (3, 1e4, False)]
)
def test_rows_are_made_once_where_that_is_less_work_and_fits(
    sparse, monkeypatch, n_steps, free, once
):
    monkeypatch.setattr("scrcl._memory.free_memory", lambda: free)
    made = []
    monkeypatch.setattr(
        SparseInputs, "dense_rows", lambda inputs: made.append(inputs) or ORIGINAL(inputs)
    )

    batches = MiniBatches(sparse, 30, n_steps=n_steps, seed=0, device=CPU)

    assert bool(made) == once
    assert batches.step()[0].x.isfinite().all()


def test_embedding_block_by_block_is_embedding_in_one_go(x, adj, sparse, monkeypatch):
    monkeypatch.setattr("scrcl.nn.minibatch.BLOCK", 17)
    model = model_of(x)
    others = {name: value * 0.5 for name, value in model.named_parameters()}
    full = build_inputs(x, adj, CFG)
    before = {name: value.clone() for name, value in model.named_parameters()}
    for parameters in ({}, others):
        other = copy.deepcopy(model)
        other.load_state_dict(parameters, strict=False)
        found = encode(other, sparse)
        torch.testing.assert_close(found, encode(other, full))
        halves = joint_views(found, "e")
        assert np.array_equal(halves, np.hstack([found.e1.numpy(), found.e2.numpy()]))
        assert np.shares_memory(halves, found.e1.numpy())
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name])


def test_losses_of_a_batch_of_all_cells_are_those_of_all_cells(x, adj, sparse, monkeypatch):
    model = model_of(x)
    monkeypatch.setattr("scrcl.nn.batches.sample_batches", lambda *_, **__: iter([np.arange(60)]))
    batches = MiniBatches(sparse, 60, n_steps=1, seed=0, device=CPU)
    mine = Trainer(model, batches, TRAIN, 0.1).losses()
    other = Trainer(model, FullBatch(build_inputs(x, adj, CFG), CPU), TRAIN, 0.1).losses()
    torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", [1, 7, 25, 1000])
def test_every_cell_has_its_turn_before_any_has_another(adj, size):
    batches = sample_batches(adj, size, seed=4)
    seen = np.zeros(60, dtype=int)
    while seen.min() == 0:
        batch = next(batches)
        assert len(batch) <= size
        assert (np.diff(batch) > 0).all()
        seen[batch] += 1
    assert seen.sum() < 60 * 60


def test_batches_are_linked_and_follow_the_seed(adj):
    first, again, other = (next(sample_batches(adj, 25, seed=seed)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    alone = np.random.default_rng(0).choice(60, len(first), replace=False)
    assert adj[first][:, first].nnz > 1.3 * adj[alone][:, alone].nnz


def test_training_on_batches_lowers_the_loss_and_is_the_same_again(sparse):
    longer = dataclasses.replace(TRAIN, n_epochs=40)
    first, again = (fit(sparse, MODEL, longer, n_latent=4, seed=2, device=CPU) for _ in range(2))
    assert first.history == again.history
    torch.testing.assert_close(first.views, again.views, rtol=0, atol=0)
    totals = [row["total"] for row in first.history]
    assert np.mean(totals[-10:]) < 0.95 * np.mean(totals[:10])


def test_half_precision_moves_the_losses_a_little_and_the_final_embedding_is_whole(x, adj):
    inputs = build_inputs(x, adj, CFG)
    whole, half = (
        fit(
            inputs,
            MODEL,
            dataclasses.replace(TRAIN, precision=precision),
            n_latent=4,
            seed=2,
            device=CPU,
        )
        for precision in ("float32", "bfloat16")
    )
    assert half.views.e1.dtype == torch.float32
    assert whole.history != half.history
    for mine, other in zip(whole.history, half.history, strict=True):
        assert mine["total"] == pytest.approx(other["total"], rel=0.03)


@pytest.mark.parametrize("size", [2, 3, 7])
def test_no_batch_is_one_cell_alone(size):
    lonely = sp.csr_matrix((9, 9), dtype=np.float32)  # no cell has a neighbour
    batches = sample_batches(lonely, size, seed=0)
    seen = np.zeros(9, dtype=int)
    for _ in range(30):
        batch = next(batches)
        assert 2 <= len(np.unique(batch)) == len(batch) <= size
        seen[batch] += 1
    assert (seen > 0).all()


def test_training_with_isolated_cells_in_small_batches_stays_finite(sparse):
    cut = sp.csr_matrix(sparse.adj.shape, dtype=np.float32)
    inputs = sparse._replace(adj=cut, norm_adj=sp.identity(60, dtype=np.float32, format="csr"))
    few = dataclasses.replace(TRAIN, batch_size=2, n_epochs=40)
    history = fit(inputs, MODEL, few, n_latent=4, seed=2, device=CPU).history
    assert np.isfinite([row["total"] for row in history]).all()


def test_batches_of_one_cell_are_refused_before_training(sparse):
    with pytest.raises(InputError, match=r"train\.batch_size: got 1, wanted"):
        MiniBatches(sparse, 1, n_steps=1, seed=0, device=CPU)


def test_the_graph_of_a_batch_is_normalised_as_pyg_does(sparse):
    pyg = network.import_pyg()
    cells = np.arange(0, 60, 2)
    batch = sparse.batch(cells)
    edges, weights = pyg.nn.conv.gcn_conv.gcn_norm(
        pyg.utils.from_scipy_sparse_matrix(sparse.adj[cells][:, cells])[0], num_nodes=len(cells)
    )
    ours = batch.norm_adj.to_dense()
    assert len(weights) == len(batch.norm_adj.values())
    torch.testing.assert_close(ours[edges[0], edges[1]], weights)


def test_training_without_the_fast_step_is_the_same_up_to_rounding(x, adj, sparse):
    cfg = dataclasses.replace(TRAIN, n_epochs=5)
    dropped = dataclasses.replace(MODEL, dropout=0.3)
    for inputs in (build_inputs(x, adj, CFG), sparse):
        fast, plain = (
            fit(
                inputs,
                dropped,
                dataclasses.replace(cfg, fast_step=on),
                n_latent=4,
                seed=2,
                device=CPU,
            )
            for on in (True, False)
        )
        for mine, other in zip(fast.history, plain.history, strict=True):
            assert mine == pytest.approx(other, rel=1e-4)
