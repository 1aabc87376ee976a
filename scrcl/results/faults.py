"""What is said of an exception: one line, and for a fault of ours a file with the traceback."""

from __future__ import annotations

import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from scrcl._memory import is_lack_of_memory
from scrcl._validate import InputError
from scrcl.results.environment import describe_environment


def user_line(error: Exception) -> str | None:
    """Say what a user can mend: bad input, too little memory, a file that the system refuses.

    Returns
    -------
    One line; ``None`` for anything else, which is a fault of the program, see `bug_line`.
    """
    if isinstance(error, InputError):
        return _one_line(error)
    if is_lack_of_memory(error):
        return (
            f"memory: got too little of it ({_one_line(error)}), wanted more. Close other programs, "
            "take fewer cells or genes (--set data.n_hvg=2000), train on fewer cells at once "
            "(--set train.batch_size=2000), or take a machine that has more."
        )
    if isinstance(error, OSError) and error.errno is not None:
        where = f" for {error.filename}" if error.filename is not None else ""
        return (
            f"file: got {error.strerror or error}{where} from the operating system, wanted to read "
            "or write. Check the path, its permissions and the room on the disk."
        )
    return None


def bug_line(error: Exception, folder: Path | None = None) -> str:
    """Say that it is a fault of the program, and write what mends it to a file.

    Parameters
    ----------
    error
        What was raised.
    folder
        Where to write; the folder for temporary files where that is not possible.
    """
    name = f"scrcl-error-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.txt"
    report = _report(error)
    kind = f"{type(error).__name__}: {_one_line(error)}"
    for place in (folder, Path(tempfile.gettempdir())):
        if place is None:
            continue
        try:
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(report, encoding="utf-8", errors="replace")
        except OSError:
            continue
        return (
            f"this is a fault of scrcl, not yours ({kind}). Please report it with {place / name}, "
            "which holds what is needed to mend it and none of your data."
        )
    return f"this is a fault of scrcl, not yours ({kind}); there was nowhere to write a report."


def _report(error: Exception) -> str:
    """Versions, command and traceback."""
    about = describe_environment("-")
    packages = about.pop("packages")
    facts = "\n".join(f"{key}: {value}" for key, value in {**about, "packages": packages}.items())
    return f"{facts}\n\n{''.join(traceback.format_exception(error))}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
