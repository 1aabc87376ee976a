"""What is made once the clusters are there: a part that fails takes no other with it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from scrcl.results import bug_line, user_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    Part: TypeAlias = Callable[[str], AbstractContextManager[object]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempts:
    """Parts of a run that were tried, and those that could not be made.

    Attributes
    ----------
    folder
        Where the traceback of a fault is written.
    failed
        Names of the parts that could not be made.
    """

    folder: Path
    failed: list[str] = field(default_factory=list)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Go on after a failure, which is said in one line and kept in `failed`."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  (the clusters must not be lost, whatever it is)
            log.error("%s: not made: %s", name, user_line(error) or bug_line(error, self.folder))  # noqa: TRY400
            self.failed.append(name)
