"""Free memory: of the machine, and of the control groups around the process."""

from pathlib import Path

import pytest

from scrcl import _memory
from scrcl._memory import fits, free_memory

V2 = ("memory.max", "memory.current", "inactive_file")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
MB = 2**20


def group(folder: Path, names: tuple[str, str, str], limit: object, used: int, cache: int) -> None:
    """Write the files of a control group."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 7\n{names[2]} {cache}\nslab 9\n")


def process(root: Path, lines: str) -> None:
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "self" / "cgroup").write_text(lines)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 1,000 MB free."""
    monkeypatch.setattr(
        "scrcl._memory.psutil.virtual_memory", lambda: type("M", (), {"available": 1000 * MB})
    )


def test_without_control_groups_it_is_that_of_the_machine(tmp_path: Path) -> None:
    assert free_memory(tmp_path) == 1000 * MB


def test_the_limit_of_a_job_counts_and_cached_files_are_free(tmp_path: Path) -> None:
    process(tmp_path, "0::/slurm/job_7\n")
    group(tmp_path / "sys/fs/cgroup/slurm/job_7", V2, 500 * MB, 200 * MB, 50 * MB)

    assert free_memory(tmp_path) == 350 * MB


def test_the_limit_of_a_group_around_it_counts_too(tmp_path: Path) -> None:
    process(tmp_path, "0::/slurm/job_7\n")
    group(tmp_path / "sys/fs/cgroup/slurm/job_7", V2, "max", 200 * MB, 0)
    group(tmp_path / "sys/fs/cgroup/slurm", V2, 300 * MB, 200 * MB, 0)

    assert free_memory(tmp_path) == 100 * MB


def test_the_first_version_of_control_groups_is_known_also_where_the_path_is_the_hosts(
    tmp_path: Path,
) -> None:
    process(tmp_path, "12:cpu,cpuacct:/docker/abc\n9:memory:/docker/abc\n1:name=systemd:/x:y\n")
    group(tmp_path / "sys/fs/cgroup/memory", V1, 400 * MB, 100 * MB, 10 * MB)

    assert free_memory(tmp_path) == 310 * MB


def test_a_limit_larger_than_the_machine_changes_nothing(tmp_path: Path) -> None:
    process(tmp_path, "9:memory:/\n")
    group(tmp_path / "sys/fs/cgroup/memory", V1, 2**63 - 4096, 100 * MB, 0)

    assert free_memory(tmp_path) == 1000 * MB


def test_a_group_beyond_its_limit_has_nothing_left(tmp_path: Path) -> None:
    process(tmp_path, "0::/\n")
    group(tmp_path / "sys/fs/cgroup", V2, 100 * MB, 150 * MB, 0)

    assert free_memory(tmp_path) == 0


def test_half_of_what_is_free_may_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_memory, "free_memory", lambda: 1000)
    assert fits(500)
    assert not fits(501)
