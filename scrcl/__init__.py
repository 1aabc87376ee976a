"""Label-free clustering of single cells and spatial spots.

Parts are imported when they are first used, so that ``import scrcl`` takes no time:

>>> import scrcl
>>> scrcl.datasets.find("Baron_human").n_classes
14
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from scrcl._validate import InputError

if TYPE_CHECKING:
    from scrcl import config, datasets, experiment, markers, metrics, pl, results

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "__version__",
    "config",
    "datasets",
    "experiment",
    "markers",
    "metrics",
    "pl",
    "results",
]


def __getattr__(name: str) -> ModuleType:
    """Import a public part of the package on first use."""
    if name in __all__:
        return importlib.import_module(f"scrcl.{name}")
    msg = f"module 'scrcl' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
