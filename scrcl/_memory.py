"""How much memory can still be had: of the machine, and of the container or job one runs in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARE = 0.5
"""Of what is free, what one thing may take: the rest is for what is counted roughly or not at all."""

_SAID = ("out of memory", "can't allocate memory", "cannot allocate memory")
"""What PyTorch says in a `RuntimeError`."""
_ROOT = Path("/")
_FILES = {  # version of control groups: limit, what is used, cache that is given up when needed
    "v2": ("memory.max", "memory.current", "inactive_file"),
    "v1": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def free_memory(root: Path = _ROOT) -> int:
    """Bytes that this process can still have: what is free here, and what its limits leave.

    Under SLURM or in a container the limit is that of the control group (cgroup, v1 or v2) or of one
    around it, while the free memory of the machine is that of all its users.

    Parameters
    ----------
    root
        Where ``proc`` and ``sys`` are.
    """
    free = int(psutil.virtual_memory().available)
    left = [_left(folder, version) for version, folder in _groups(root)]
    return max(min([free, *(bytes_ for bytes_ in left if bytes_ is not None)]), 0)


def is_lack_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory could not be had, on the machine or on a device."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(text in said for text in _SAID)


def fits(size: float) -> bool:
    """Tell whether so many bytes may be taken, see `SHARE`."""
    return size <= free_memory() * SHARE


def _groups(root: Path) -> Iterator[tuple[str, Path]]:
    """Folders of the control groups around this process, innermost first, with their version.

    Within a container the path may be that of the host: then the group is the top of what is seen.
    """
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text("utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            version, top = "v2", root / "sys" / "fs" / "cgroup"
        elif "memory" in controllers.split(","):
            version, top = "v1", root / "sys" / "fs" / "cgroup" / "memory"
        else:
            continue
        folder = top / path.strip("/")
        while folder != top:
            yield version, folder
            folder = folder.parent
        yield version, top


def _left(folder: Path, version: str) -> int | None:
    """Bytes that a control group may still take; ``None`` without a limit or such a group."""
    limit, used, cache = _FILES[version]
    try:
        allowed = (folder / limit).read_text("ascii").strip()
        if allowed == "max":
            return None
        taken = int((folder / used).read_text("ascii"))
        stat = (folder / "memory.stat").read_text("ascii").split()
    except OSError:
        return None
    given_up = dict(zip(stat[::2], stat[1::2], strict=False)).get(cache, "0")
    return int(allowed) - taken + int(given_up)
