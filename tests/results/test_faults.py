"""What is said of an exception."""

import errno
import os
import tempfile
from pathlib import Path

import pytest
import torch

from scrcl._validate import InputError
from scrcl.results import bug_line, user_line


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("seed: got -1,\nwanted 0."), "seed: got -1, wanted 0."),
        (MemoryError("Unable to allocate 8 GiB"), "memory: got too little of it (Unable to"),
        (MemoryError(), "memory: got too little of it (MemoryError)"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "memory: got too little"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you"), "memory: got too"),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            "file: got No space left on device from",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "a.csv"),
            "Permission denied for a.csv",
        ),
    ],
)
def test_what_a_user_can_mend_is_one_clear_line(error: Exception, said: str) -> None:
    line = user_line(error)
    assert line is not None
    assert said in line
    assert "\n" not in line


@pytest.mark.parametrize("error", [KeyError("a"), ValueError("b"), RuntimeError("c"), OSError("d")])
def test_anything_else_is_a_fault_of_the_program(error: Exception) -> None:
    assert user_line(error) is None


def raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def test_a_fault_is_one_line_and_a_file_with_the_traceback(tmp_path: Path) -> None:
    line = bug_line(raised(KeyError("a\nb")), tmp_path / "new")

    assert "\n" not in line
    assert "KeyError" in line
    (report,) = (tmp_path / "new").iterdir()
    assert str(report) in line
    text = report.read_text()
    assert "Traceback (most recent call last)" in text
    assert "in raised" in text
    assert "numpy" in text


@pytest.mark.parametrize("folder", [None, Path("a file") / "below"])
def test_the_file_goes_where_it_can_be_written(
    folder: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a file").touch()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))

    line = bug_line(raised(ValueError()), folder)

    assert str(next((tmp_path / "temporary").iterdir())) in line


def test_without_any_place_to_write_there_is_the_line_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "file" / "below"))

    assert "nowhere to write" in bug_line(raised(ValueError("x")), None)
