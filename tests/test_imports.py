"""What is imported for nothing is paid for in every run: only what is needed is."""

import os
import subprocess
import sys

import pytest

from scrcl.cli import main

SLOW = {"anndata", "h5py", "matplotlib", "numpy", "pandas", "scanpy", "scipy", "sklearn", "torch"}
NEVER = {"networkx", "pynndescent", "umap"}
"""Of these the last two compile themselves when they are imported."""


def imported_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import scrcl", id="package"),
        pytest.param("from scrcl.cli.program import program_parser; program_parser()", id="help"),
    ],
)
def test_the_package_and_its_help_need_nothing_slow(code: str) -> None:
    assert not imported_by(code) & SLOW


def test_figures_need_nothing_that_compiles() -> None:
    assert not imported_by("import scrcl.pl.embedding, scrcl.pl.paga") & NEVER


@pytest.mark.parametrize("asked", [None, "active"])
def test_threads_wait_asleep_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, asked: str | None
) -> None:
    # So that it can be undone; and OpenMP, which reads it once, is loaded here already.
    monkeypatch.setenv("OMP_WAIT_POLICY", asked or "")
    if asked is None:
        del os.environ["OMP_WAIT_POLICY"]
    assert main(["completion", "bash"]) == 0
    assert os.environ["OMP_WAIT_POLICY"] == (asked or "passive")


def test_nothing_with_threads_is_imported_before_they_are_told_how_to_wait() -> None:
    assert not imported_by("import scrcl.cli.main") & {"torch", "sklearn", "numpy"}
