"""Follow one AnnData from `ScRCL.fit` to its clusters: modules passed, and climbs back up.

A climb is a call from a module to one of a higher layer, as of a function that was handed down, each
pair of modules counted once; layers are those of the contract in ``pyproject.toml``. A return is no
climb: whoever calls one stage after the other goes down and comes back each time. Those turns are
counted, too: how often the way goes from one module to another of a higher layer, by whatever means.
Run it from the root of the repository:
``python -m benchmarks.journey``.
"""

from __future__ import annotations

import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import scrcl
from scrcl import ScRCL
from scrcl.config import override
from scrcl.datasets import simulated_cells
from scrcl.model import find_config

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

ROOT = Path(__file__).parents[1]
PACKAGE = Path(scrcl.__file__).parent


def layers() -> dict[str, int]:
    """Part of the package to its height, the lowest 0."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = {c["id"]: c for c in project["tool"]["importlinter"]["contracts"]}
    rows = reversed(contracts["layers"]["layers"])
    return {part.strip(" ()"): height for height, row in enumerate(rows) for part in row.split("|")}


def traced() -> tuple[list[str], list[tuple[str, str]]]:
    """Modules of scrcl whose functions were called, one after the other; and who called whom."""
    visited: list[str] = []
    calls: list[tuple[str, str]] = []

    def look(frame: FrameType, event: str, _: object) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(str(PACKAGE)):
            return
        if frame.f_code.co_name == "<module>":  # an import, not a step
            return
        module = frame.f_globals["__name__"]
        if not visited or visited[-1] != module:
            visited.append(module)
        caller = frame.f_back.f_globals.get("__name__", "") if frame.f_back else ""
        if caller.startswith("scrcl."):
            calls.append((caller, module))

    adata = simulated_cells(n_obs=120, n_genes=60, n_types=3)
    config = override(find_config("default", "sc"), {"n_epochs": 2, "n_hidden": 8})
    sys.setprofile(look)
    try:
        ScRCL(config, 3).fit(adata)
    finally:
        sys.setprofile(None)
    return visited, calls


def climbs(steps: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Find the different steps from a module to one of a higher layer."""
    heights = layers()

    def height(module: str) -> int:
        return heights[".".join(module.split(".")[:2])]

    return list(dict.fromkeys((low, high) for low, high in steps if height(high) > height(low)))


def main() -> int:
    """Print the journey."""
    visited, calls = traced()
    up, turns = climbs(calls), climbs(pairwise(visited))
    lines = [
        *dict.fromkeys(visited),
        f"{len(set(visited))} modules, {len(up)} climbs, {len(turns)} turns upwards",
    ]
    lines += [f"  {low} -> {high}" for low, high in up]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
