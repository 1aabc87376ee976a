"""The scripts by several processes, and after an interruption."""

import os
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl.train import FLUSH_EVERY, Trainer
from tests.running import Runner, interrupt_training, tree

ROOT = Path(__file__).parents[1]


@pytest.mark.timeout(600)  # imports and gloo are slow on few busy cores
def test_two_processes_give_what_one_gives(runner: Runner, adata_sc: ad.AnnData) -> None:
    alone = runner.fast("sc", adata_sc, "--n-clusters", 3, "--seeds", 1, "--no-report")
    out = runner.folder / "together"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += [f"--rdzv-endpoint=localhost:{20000 + os.getpid() % 20000}", "--rdzv-backend=c10d"]
    command += ["runSC.py", "--input", runner.folder / "cells.h5ad", "--config", runner.config]
    command += ["--device", "cpu", "--n-clusters", "3", "--seeds", "1", "--no-report"]
    command += ["--quiet", "--out", out]
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

    together = out / "SC" / "cells" / "fast"
    one, two = (pd.read_csv(run / "seed_1" / "history.csv") for run in (alone, together))
    np.testing.assert_allclose(two["total"], one["total"], rtol=1e-5)
    assert tree(together)["seed_1/clusters.csv"] == tree(alone)["seed_1/clusters.csv"]


@pytest.mark.parametrize(
    ("script", "arguments"),
    [("sc", ["--oracle"]), ("st", ["--set", "cluster.method=domains"])],
)
def test_several_processes_with_nothing_to_share_are_refused(
    runner: Runner, adata_st: ad.AnnData, monkeypatch: pytest.MonkeyPatch, script, arguments
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, error = runner(script, "--input", runner.save(adata_st), *arguments)
    assert code == 2
    assert error.startswith("error: processes: got 2, wanted one")


def test_an_interrupted_training_is_resumed_to_the_same_bits(
    runner: Runner, adata_sc: ad.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--n-clusters", 3, "--epochs", 3 * FLUSH_EVERY, "--no-report")
    whole = tree(runner.fast("sc", adata_sc, *given))
    monkeypatch.setattr("scrcl.checkpoint.Checkpoint.due", lambda _: True)
    update = Trainer.update
    command = ("--input", runner.folder / "cells.h5ad", "--config", runner.config, *given)
    command += ("--device", "cpu")
    with monkeypatch.context() as patch:
        interrupt_training(patch, after=2 * FLUSH_EVERY)
        code, _, error = runner("sc", *command, "--overwrite")
    assert code == 130
    assert "--resume" in error
    run = runner.run_of("sc")
    assert [path.name for path in run.glob(".seed_*")] == [".seed_0.ckpt"]
    n_steps = []
    monkeypatch.setattr(
        Trainer, "update", lambda trainer, total: (n_steps.append(1), update(trainer, total))
    )

    code, _, error = runner("sc", *command, "--resume")

    assert code == 0, error
    assert len(n_steps) == FLUSH_EVERY
    again = tree(run)
    for name in ("seed_0/clusters.csv", "seed_0/history.csv", "seed_0/embedding.npz"):
        assert again[name] == whole[name]
    assert not list(run.glob(".seed_*"))
