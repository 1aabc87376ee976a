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


def script(parser: Parser, shell: str) -> str:
    """Return the completion script of ``parser`` for a shell."""
    text: str = shtab.complete(parser, shell=shell, preamble=getattr(parser, _NAMES, ""))
    return text


def with_names(parser: Parser, names: Iterable[str]) -> Parser:
    """Mark in ``parser``, and in its commands, what is completed with files and with names."""
    words = " ".join(names)
    setattr(parser, _NAMES, {"bash": f'{_NAMES}() {{ compgen -W "{words}" -- "$1"; }}'})
    choices = {"bash": _NAMES, "zsh": f"({words})", "tcsh": f"({words})"}
    for action in _actions(parser):
        metavar = action.metavar if isinstance(action.metavar, str) else ""
        complete = choices if metavar == "NAME" else _PATHS.get(metavar.partition(".")[0])
        if complete is not None:
            action.complete = complete
    return parser


def _actions(parser: argparse.ArgumentParser) -> Iterable[Any]:
    for action in parser._actions:  # noqa: SLF001  (argparse has no other way to list them)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for own in action.choices.values():
                yield from _actions(own)
        yield action
