"""Two processes never write the same run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scrcl._validate import InputError
from scrcl.results import check_not_written, lock, only_writer

ROOT = Path(__file__).parents[2]
HELD = """
import sys, os, signal, pathlib
from scrcl.results import only_writer
with only_writer(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    with only_writer(tmp_path / "run"):
        for attempt in (only_writer(tmp_path / "run").__enter__, None):
            with pytest.raises(InputError, match=rf"process {os.getpid()} on .* since 2.*--out"):
                attempt() if attempt else check_not_written(tmp_path / "run")
        with only_writer(tmp_path / "other"):
            pass


def test_nothing_is_left_of_a_lock(tmp_path: Path) -> None:
    with only_writer(tmp_path / "set" / "run"):
        pass
    assert list(tmp_path.iterdir()) == []
    check_not_written(tmp_path / "set" / "run")


@pytest.mark.skipif(os.name == "nt", reason="no such signals")
def test_a_lock_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HELD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"process {holder.pid} on"):
            check_not_written(tmp_path / "run")
        holder.send_signal(signal.SIGKILL)
        holder.wait()

    assert (tmp_path / ".run.lock").is_file()
    check_not_written(tmp_path / "run")
    with only_writer(tmp_path / "run"):
        pass


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{}"])
def test_a_lock_that_does_not_say_whose_it_is_locks_all_the_same(
    tmp_path: Path, content: bytes
) -> None:
    with only_writer(tmp_path / "run"):
        (tmp_path / ".run.lock").write_bytes(content)
        with pytest.raises(InputError, match="which another process is writing"):
            check_not_written(tmp_path / "run")


def test_without_locks_of_the_system_nobody_is_kept_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "fcntl", None)
    with only_writer(tmp_path / "run"), only_writer(tmp_path / "run"):
        check_not_written(tmp_path / "run")
        assert (tmp_path / ".run.lock").is_file()


def test_a_file_system_without_locks_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("scrcl.results.lock.fcntl.flock", refuse)
    with only_writer(tmp_path / "run"):
        assert (tmp_path / ".run.lock").is_file()


def test_a_lock_that_its_holder_has_just_removed_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed = []

    def flock(*_: object) -> None:
        if not removed:
            removed.append(True)
            (tmp_path / ".run.lock").unlink()

    monkeypatch.setattr("scrcl.results.lock.fcntl.flock", flock)
    with only_writer(tmp_path / "run"):
        assert (tmp_path / ".run.lock").is_file()
