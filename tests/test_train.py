import dataclasses
import pickle
from pathlib import Path

import pytest
import torch

from scrcl._validate import InputError
from scrcl.checkpoint import Checkpoint
from scrcl.config import ModelConfig, TrainConfig
from scrcl.distributed import Processes
from scrcl.train import FLUSH_EVERY, Trainer, fit
from tests.nn import dense

N_OBS, N_GENES = 12, 7
CPU = torch.device("cpu")
MODEL = ModelConfig(n_hidden=10, dropout=0.2)
TRAIN = TrainConfig(n_epochs=FLUSH_EVERY + 3, lr=1e-2, weight_decay=0.01)
# Dropout of a half lets the loss jump, so that the smallest one is in the middle.
UNSTEADY = ModelConfig(n_hidden=10, dropout=0.5), dataclasses.replace(TRAIN, lr=0.05)


@pytest.fixture
def inputs():
    return dense.to_inputs(dense.random_case(N_OBS, N_GENES))


def run(inputs, model=MODEL, train=TRAIN, *, seed=5, n_latent=3, **options):
    return fit(inputs, model, train, n_latent=n_latent, seed=seed, device=CPU, **options)


def refinement(model):
    """Parameters of gene module and projector."""
    parts = ("gene_encoder", "projector")
    return {name: value for name, value in model.state_dict().items() if name.startswith(parts)}


def assert_same(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_training_lowers_the_loss(inputs):
    train = dataclasses.replace(TRAIN, n_epochs=60)

    history = run(inputs, ModelConfig(n_hidden=10, dropout=0.0), train).history

    assert history[-1]["total"] < 0.8 * history[0]["total"]


def test_history_has_every_term_of_every_epoch(inputs):
    history = run(inputs).history

    assert [row["epoch"] for row in history] == list(range(1, TRAIN.n_epochs + 1))
    for row in history:
        assert list(row) == ["epoch", "hea", "ndc", "cvc", "total"]
        weighted = row["hea"] + 100 * row["ndc"] + row["cvc"]
        assert row["total"] == pytest.approx(weighted, rel=1e-12)


def test_views_are_those_of_the_final_model_in_evaluation_mode(inputs):
    result = run(inputs)

    assert not result.model.training
    assert_same(result.views, tuple(view.detach() for view in result.model(inputs)))
    assert not any(view.requires_grad for view in result.views)
    assert result.best_views is None
    assert result.best_epoch is None


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(inputs):
    first, second, other = run(inputs), run(inputs), run(inputs, seed=6)

    assert_same(first.views, second.views)
    assert first.history == second.history
    assert not torch.equal(first.views.e1, other.views.e1)


def test_the_global_random_state_neither_matters_nor_changes(inputs):
    first = run(inputs)
    torch.rand(3)
    before = torch.get_rng_state()

    second = run(inputs)

    assert torch.equal(torch.get_rng_state(), before)
    assert_same(first.views, second.views)


def test_inputs_are_not_changed(inputs):
    before = [member.to_dense().clone() for member in inputs]

    run(inputs)

    assert_same([member.to_dense() for member in inputs], before)


def test_the_hook_sees_each_epoch_and_cannot_disturb_the_training(inputs):
    seen = []

    def hook(epoch, views):
        torch.rand(epoch)  # a hook that draws, as clustering may
        seen.append((epoch, views))

    watched, plain = run(inputs, on_epoch=hook), run(inputs)

    assert [epoch for epoch, _ in seen] == list(range(1, TRAIN.n_epochs + 1))
    assert_same(watched.views, plain.views)
    assert watched.history == plain.history
    assert_same(seen[-1][1], plain.views)


def test_min_loss_keeps_the_parameters_that_had_the_smallest_loss(inputs):
    model, train = UNSTEADY

    result = run(inputs, model, train, keep="min_loss")

    totals = [row["total"] for row in result.history]
    assert 1 < result.best_epoch < train.n_epochs
    assert totals[result.best_epoch - 1] == min(totals)
    # That loss was measured before the epoch's own step.
    shorter = dataclasses.replace(train, n_epochs=result.best_epoch - 1)
    assert_same(result.best_views, run(inputs, model, shorter).views)
    assert_same(result.views, run(inputs, model, train).views)


def test_the_dtype_of_the_inputs_is_the_dtype_of_the_network(inputs):
    single = type(inputs)(*(member.float() for member in inputs))

    assert all(view.dtype == torch.float64 for view in run(inputs).views)
    assert all(view.dtype == torch.float32 for view in run(single).views)


def test_the_configured_latent_width_comes_before_the_number_of_clusters(inputs):
    wide = dataclasses.replace(MODEL, n_latent=6)

    assert run(inputs, n_latent=3).views.z1.shape == (N_OBS, 3)
    assert run(inputs, wide, n_latent=3).views.z1.shape == (N_OBS, 6)


def test_without_cross_view_consistency_the_gene_module_is_left_alone(inputs):
    off = dataclasses.replace(TRAIN, lambda_cvc=0)
    one_epoch = dataclasses.replace(off, n_epochs=1)

    result = run(inputs, train=off)

    start = run(inputs, train=one_epoch).model
    assert_same(dict(refinement(result.model)), dict(refinement(start)))
    assert all(row["cvc"] != row["cvc"] for row in result.history)  # NaN: not evaluated
    assert result.views.z1.shape == (N_OBS, 3)


def test_a_loss_that_is_not_finite_names_the_epoch_and_what_to_try(inputs):
    inputs.x[0, 0] = torch.inf

    with pytest.raises(
        InputError,
        match=r"loss of nan at epoch 1 \(from hea, ndc, cvc\).*smaller train.lr \(now 0.01\)",
    ):
        run(inputs)


def test_a_single_cell_is_refused(inputs):
    case = dense.random_case(1, N_GENES)

    with pytest.raises(InputError, match="cells: got 1, wanted at least 2"):
        run(dense.to_inputs(case))


def test_the_progress_bar_is_on_stderr_and_off_by_default(inputs, capsys):
    run(inputs)
    assert capsys.readouterr() == ("", "")

    run(inputs, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{TRAIN.n_epochs}/{TRAIN.n_epochs}" in err
    assert "total=" in err


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_follows_the_cpu(inputs):
    model = dataclasses.replace(MODEL, dropout=0.0)

    cpu = run(inputs, model)
    gpu = fit(inputs, model, TRAIN, n_latent=3, seed=5, device=torch.device("cuda"))

    assert gpu.views.e1.device == CPU
    for row, reference in zip(gpu.history, cpu.history, strict=True):
        assert row == pytest.approx(reference, rel=1e-9)


class CutError(Exception):
    """Stands for whatever ends a process."""


def cut_after(monkeypatch, n_epochs):
    """Let training die in the step after ``n_epochs``."""
    update = Trainer.update

    def dying(trainer, total):
        if len(trainer.history) >= n_epochs:
            raise CutError
        update(trainer, total)

    monkeypatch.setattr(Trainer, "update", dying)


@pytest.mark.parametrize("keep", ["last", "min_loss"])
def test_a_training_that_was_cut_off_ends_as_if_it_had_not_been(
    inputs, tmp_path, monkeypatch, keep
):
    whole = run(inputs, *UNSTEADY, keep=keep)
    saved = Checkpoint(path=tmp_path / "seed.ckpt", every_s=0)
    with monkeypatch.context() as patch:
        cut_after(patch, FLUSH_EVERY)
        with pytest.raises(CutError):
            run(inputs, *UNSTEADY, keep=keep, checkpoint=saved)
    torch.rand(7)

    resumed = run(inputs, *UNSTEADY, keep=keep, checkpoint=saved)

    assert resumed.history == whole.history
    assert_same(resumed.views, whole.views)
    assert resumed.best_epoch == whole.best_epoch
    if keep == "min_loss":
        assert_same(resumed.best_views, whole.best_views)


def test_a_checkpoint_of_a_finished_training_gives_its_outcome_without_a_step(
    inputs, tmp_path, monkeypatch
):
    saved = Checkpoint(path=tmp_path / "seed.ckpt", every_s=0)
    whole = run(inputs, checkpoint=saved)
    monkeypatch.delattr(Trainer, "update")
    assert_same(run(inputs, checkpoint=saved).views, whole.views)


@pytest.mark.parametrize(
    "change",
    [
        lambda inputs: (inputs, MODEL, dataclasses.replace(TRAIN, lr=0.02), 5),
        lambda inputs: (inputs, MODEL, TRAIN, 6),
        lambda inputs: (inputs._replace(x=inputs.x + 1), MODEL, TRAIN, 5),
    ],
    ids=["settings", "seed", "data"],
)
def test_a_checkpoint_of_another_training_is_refused(inputs, tmp_path, change):
    saved = Checkpoint(path=tmp_path / "seed.ckpt", every_s=0)
    run(inputs, checkpoint=saved)
    before = saved.path.read_bytes()
    *other, seed = change(inputs)
    with pytest.raises(InputError, match="of another training"):
        run(*other, seed=seed, checkpoint=saved)
    assert saved.path.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_costs_the_checkpoint_and_not_the_training(inputs, tmp_path, caplog):
    whole = run(inputs)
    saved = Checkpoint(path=tmp_path / "seed.ckpt", every_s=0)
    part = tmp_path / ".seed.ckpt.part"
    part.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        saved.save("identity", {"weights": torch.zeros(1000, 1000)})
    assert list(tmp_path.iterdir()) == []

    def full(_: object, *__: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "save", full)
        assert_same(run(inputs, checkpoint=saved).views, whole.views)
    assert [message.split(" ")[0] for message in caplog.messages] == ["checkpoint:"]


def test_a_checkpoint_cannot_run_code(inputs, tmp_path):
    path = tmp_path / "seed.ckpt"
    path.write_bytes(pickle.dumps(CutError("not a checkpoint"), protocol=2))
    with pytest.raises(InputError, match="cannot be read"):
        run(inputs, checkpoint=Checkpoint(path=path))


def test_half_precision_is_refused_without_the_fast_step():
    with pytest.raises(InputError, match=r"train\.precision: got 'bfloat16' without the fast step"):
        TrainConfig(precision="bfloat16", fast_step=False)


def test_several_processes_are_refused_without_the_fast_step(inputs, monkeypatch):
    monkeypatch.setattr("scrcl.train.current_processes", lambda n_obs: Processes(0, 2, n_obs))
    plain = dataclasses.replace(TRAIN, fast_step=False)
    with pytest.raises(InputError, match=r"train\.fast_step: got false for 2 processes"):
        run(inputs, train=plain)
