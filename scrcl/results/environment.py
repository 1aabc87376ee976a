"""What a run was made with: versions, machine, commit and command."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "scrcl",
    "anndata",
    "harmonypy",
    "igraph",
    "numpy",
    "pandas",
    "pynndescent",
    "scanpy",
    "scikit-learn",
    "scikit-misc",
    "scipy",
    "torch",
)


def describe_environment(device: str, command: Sequence[str] | None = None) -> dict[str, object]:
    """Describe what decides whether a run can be repeated, apart from its settings.

    Parameters
    ----------
    device
        What the model ran on, for instance ``"cpu"``.
    command
        Command line; ``None`` takes that of this process.

    Returns
    -------
    ``python``, ``platform``, ``n_cpus``, ``packages`` (name to version, installed ones only),
    ``device``, ``commit`` (``None`` outside a checkout of scrcl) and ``command``.
    """
    program, *arguments = sys.argv if command is None else command
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "n_cpus": os.cpu_count(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "device": device,
        "commit": git_commit(Path(__file__).parent),
        "command": shlex.join([Path(program).name, *arguments]),
    }


def git_commit(folder: Path) -> str | None:
    """Commit of the checkout that tracks ``folder``, with "+changes" if files were edited since.

    ``None`` without git, outside a checkout, or where the checkout around ``folder`` is somebody
    else's (an environment within another project) and does not track it.
    """
    if not _git(folder, "ls-files", "."):
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    edited = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}+changes" if commit and edited else commit or None


def _git(folder: Path, *arguments: str) -> str:
    """Output of a git command, empty if it fails."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
