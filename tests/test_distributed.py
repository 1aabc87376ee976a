"""Several processes against one: the same losses, weights and embedding."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from scrcl.config import ModelConfig, TrainConfig
from scrcl.distributed import Processes
from scrcl.nn.dropout import dropout_mask
from scrcl.seed import seeded
from scrcl.train import fit
from tests.nn import dense

N_OBS, N_GENES = 13, 7
CPU = torch.device("cpu")
MODEL = ModelConfig(n_hidden=10, n_latent=3, dropout=0.3)
TRAIN = TrainConfig(n_epochs=25, lr=1e-2, weight_decay=0.01)


def trained(keep="last"):
    inputs = dense.to_inputs(dense.random_case(N_OBS, N_GENES))
    return fit(inputs, MODEL, TRAIN, n_latent=3, seed=5, device=CPU, keep=keep)


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


@pytest.fixture(scope="module", autouse=True)
def _imported_once():
    """Fork all processes from one that has imported this module, and nothing else."""
    mp.get_context("forkserver").set_forkserver_preload([__name__])


@pytest.mark.parametrize("size", [2, 3])
def test_processes_together_find_what_one_finds_alone(tmp_path, size):
    alone = trained("min_loss")
    given = (size, tmp_path / "meeting", tmp_path)
    mp.start_processes(take_part, given, nprocs=size, start_method="forkserver")
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
    rows = [np.arange(n_obs)[Processes(rank, size, n_obs).rows] for rank in range(size)]
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(n_obs))
    lengths = [len(own) for own in rows]
    assert max(lengths) - min(lengths) <= 1


def test_a_process_alone_hears_itself():
    processes = Processes(n_obs=4)
    x = torch.arange(8.0).reshape(4, 2)
    assert processes.total(x) is x
    assert processes.gather(x) is x
    assert dataclasses.astuple(processes) == (0, 1, 4)


@pytest.mark.parametrize("probability", [0.05, 0.3, 0.9])
def test_dropout_keeps_each_entry_as_often_as_it_should(probability):
    with seeded(1):
        kept = dropout_mask(torch.empty(999, 501), probability, Processes(n_obs=999))
        other = dropout_mask(torch.empty(999, 501), probability, Processes(n_obs=999))
    assert kept.shape == (999, 501)
    sigma = (probability * (1 - probability) / kept.numel()) ** 0.5
    assert kept.double().mean().item() == pytest.approx(1 - probability, abs=5 * sigma)
    # Nothing in common with the next draw, with the row or with the column before.
    for one, next_one in ((kept, other), (kept[1:], kept[:-1]), (kept[:, 1:], kept[:, :-1])):
        both = torch.corrcoef(torch.stack([one.flatten(), next_one.flatten()]).double())[0, 1]
        assert abs(both.item()) < 5 / one.numel() ** 0.5


def test_processes_draw_the_rows_that_one_draws_alone():
    with seeded(1):
        alone = dropout_mask(torch.empty(10, 7), 0.3, Processes(n_obs=10))
    parts = []
    for rank in range(3):
        processes = Processes(rank, 3, 10)
        n_own = processes.rows.stop - processes.rows.start
        with seeded(1):
            parts.append(dropout_mask(torch.empty(n_own, 7), 0.3, processes))
    assert torch.equal(torch.cat(parts), alone)


def test_no_dropout_draws_nothing():
    with seeded(1):
        assert dropout_mask(torch.empty(10, 7), 0.0, Processes(n_obs=10)) is None
        first = torch.rand(1)
    with seeded(1):
        assert torch.equal(torch.rand(1), first)
