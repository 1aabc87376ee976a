"""What is imported for nothing is paid for in every run: only what is needed is."""

import subprocess
import sys

import pytest

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
