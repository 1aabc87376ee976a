"""Several processes against one: the same losses, weights and embedding."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn import functional as F

from scrcl.config import ModelConfig, TrainConfig
from scrcl.nn.world import World
from scrcl.seed import seeded
from scrcl.train import fit
from tests.nn import dense

N_OBS, N_GENES = 13, 7
MODEL = ModelConfig(n_hidden=10, n_latent=3, dropout=0.3)
TRAIN = TrainConfig(n_epochs=25, lr=1e-2, weight_decay=0.01)


def trained(keep="last"):
    inputs = dense.to_inputs(dense.random_case(N_OBS, N_GENES))
    device = torch.device("cpu")
    return fit(inputs, MODEL, TRAIN, n_latent=3, seed=5, device=device, keep=keep)


def take_part(rank, size, address, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{address}", rank=rank, world_size=size)
    found = trained("min_loss")
    torch.save(
        {
            "totals": [row["total"] for row in found.history],
            "views": list(found.views),
            "best": list(found.best_views),
            "best_epoch": found.best_epoch,
        },
        folder / f"{rank}.pt",
    )
    dist.destroy_process_group()


@pytest.mark.parametrize("size", [2, 3])
def test_processes_together_find_what_one_finds_alone(tmp_path, size):
    alone = trained("min_loss")
    mp.spawn(take_part, (size, tmp_path / "meeting", tmp_path), nprocs=size)
    for rank in range(size):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        np.testing.assert_allclose(
            found["totals"], [row["total"] for row in alone.history], rtol=1e-9
        )
        for mine, other in zip(found["views"], alone.views, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-8)
        assert found["best_epoch"] == alone.best_epoch
        for mine, other in zip(found["best"], alone.best_views, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("n_obs", "size"), [(13, 1), (13, 3), (3, 3), (100, 7)])
def test_every_cell_belongs_to_one_process_and_all_have_about_as_many(n_obs, size):
    rows = [np.arange(n_obs)[World(rank, size, n_obs).rows] for rank in range(size)]
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(n_obs))
    lengths = [len(own) for own in rows]
    assert max(lengths) - min(lengths) <= 1


def test_a_process_alone_hears_itself():
    world = World(n_obs=4)
    x = torch.arange(8.0).reshape(4, 2)
    assert world.total(x) is x
    assert world.gather(x) is x
    assert dataclasses.astuple(world) == (0, 1, 4)


def test_dropout_is_that_of_torch_bit_for_bit():
    x = torch.rand(5, 7, generator=torch.Generator().manual_seed(0), requires_grad=True)
    drawn = []
    for dropout in (
        lambda: World(n_obs=5).dropout(x, 0.3, training=True),
        lambda: F.dropout(x, 0.3),
    ):
        with seeded(1):
            out = dropout()
            drawn.append((out, torch.autograd.grad(out.sum(), x)[0], torch.rand(1)))
    torch.testing.assert_close(*drawn, rtol=0, atol=0)
