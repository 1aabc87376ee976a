"""Completion for shells: commands, flags, files, and the names of the registered sets."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import shtab

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scrcl.cli.arguments import Parser

SHELLS = ("bash", "zsh", "tcsh")

_NAMES = "_scrcl_names"
_PATHS = {"DIR": shtab.DIRECTORY, "PATH": shtab.FILE, "FILE": shtab.FILE, "IN": shtab.FILE}


def script(parser: Parser, shell: str, names: Iterable[str]) -> str:
    """Return the completion of ``parser`` and its commands for a shell.

    Parameters
    ----------
    parser
        Of the program. What completes its arguments is noted in them.
    shell
        One of `SHELLS`.
    names
        What an argument called ``NAME`` may be.
    """
    words = " ".join(names)
    choices = {"bash": _NAMES, "zsh": f"({words})", "tcsh": f"({words})"}
    for action in _actions(parser):
        metavar = action.metavar if isinstance(action.metavar, str) else ""
        complete = choices if metavar == "NAME" else _PATHS.get(metavar.partition(".")[0])
        if complete is not None:
            action.complete = complete
    preamble = f'{_NAMES}() {{ compgen -W "{words}" -- "$1"; }}' if shell == "bash" else ""
    text: str = shtab.complete(parser, shell=shell, preamble=preamble)
    return text


def _actions(parser: argparse.ArgumentParser) -> Iterable[Any]:
    for action in parser._actions:  # noqa: SLF001  (argparse has no other way to list them)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for own in action.choices.values():
                yield from _actions(own)
        yield action
