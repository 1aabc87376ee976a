"""Tiny runs of the scripts, in this process."""

import shutil
from pathlib import Path

import anndata as ad
import pytest
from torch import Tensor

from scrcl.cli import main_degs, main_sc, main_st
from scrcl.train import Trainer

FAST = """\
data:
  n_hvg: 0
  n_neighbors: 5
  drop_unlabelled: false
model:
  n_hidden: 16
train:
  n_epochs: 4
  lr: 0.001
"""
SCRIPTS = {"sc": main_sc, "st": main_st, "degs": main_degs}


class Runner:
    """Writes data, runs scripts on them, and finds what they wrote; everything below one folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.out = folder / "results"
        self.config = folder / "fast.yaml"
        self.config.write_text(FAST)
        self.capsys = capsys

    def save(self, adata: ad.AnnData, name: str = "cells") -> Path:
        path = self.folder / f"{name}.h5ad"
        adata.write_h5ad(path)
        return path

    def __call__(self, script: str, *arguments: object) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self.capsys.readouterr()
        code = SCRIPTS[script]([str(a) for a in (*arguments, "--out", self.out)])
        told = self.capsys.readouterr()
        return code, told.out, told.err

    def fast(self, script: str, adata: ad.AnnData, *arguments: object) -> Path:
        """Run on data with a small network; the folder of the run, named "fast"."""
        given = (*arguments, "--quiet", "--device", "cpu")
        code, _, error = self(script, "--input", self.save(adata), "--config", self.config, *given)
        assert code == 0, error
        return self.run_of(script)

    def shared(self, kept: Path, script: str, adata: ad.AnnData, *arguments: object) -> Path:
        """What `fast` gives, as a copy of the folder ``kept``, which the first call makes."""
        if not kept.exists():
            shutil.copytree(self.fast(script, adata, *arguments), kept)
            return self.run_of(script)
        self.save(adata)
        return Path(shutil.copytree(kept, self.run_of(script)))

    def run_of(self, script: str, dataset: str = "cells") -> Path:
        return self.out / script.upper() / dataset / "fast"


def interrupt_training(patch: pytest.MonkeyPatch, *, after: int) -> None:
    """Let training end as by the keyboard once so many epochs are in its history."""
    update = Trainer.update

    def interrupted(trainer: Trainer, total: Tensor) -> None:
        if len(trainer.history) == after:
            raise KeyboardInterrupt
        update(trainer, total)

    patch.setattr(Trainer, "update", interrupted)


def tree(folder: Path) -> dict[str, bytes]:
    """Content of all files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
