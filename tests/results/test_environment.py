"""Versions and commits are those of this very installation."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from scrcl.results import describe_environment
from scrcl.results.environment import git_commit


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository that tracks one file of a package."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text("a = 1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def test_the_environment_names_versions_device_and_command() -> None:
    environment = describe_environment("cpu", ["/some/where/runSC.py", "--input", "my data.h5ad"])

    assert environment["device"] == "cpu"
    assert environment["packages"]["numpy"] == np.__version__  # type: ignore[index]
    assert environment["command"] == "runSC.py --input 'my data.h5ad'"


def test_the_commit_of_a_checkout_is_named_and_edits_are_told(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")

    assert git_commit(checkout / "package") == commit
    (checkout / "package" / "module.py").write_text("a = 2\n")
    assert git_commit(checkout / "package") == f"{commit}+changes"


def test_an_environment_inside_somebody_elses_checkout_has_no_commit(checkout: Path) -> None:
    installed = checkout / ".venv" / "scrcl"
    installed.mkdir(parents=True)

    assert git_commit(installed) is None


def test_without_git_there_is_no_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    assert git_commit(checkout / "package") is None
