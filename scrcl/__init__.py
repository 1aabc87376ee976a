"""Label-free clustering of single cells and spatial spots.

Parts are imported when they are first used, so that ``import scrcl`` takes no time:

>>> import scrcl
>>> scrcl.datasets.find("Baron_human").n_classes
14
"""

import importlib
from typing import TYPE_CHECKING, Any

from scrcl._validate import InputError
from scrcl._version import __version__

if TYPE_CHECKING:
    from scrcl import config, datasets, experiment, markers, metrics, model, pl, results
    from scrcl.clustering.composition import composition
    from scrcl.data.read import read
    from scrcl.model import ScRCL, cluster, cut, merge, subcluster

__all__ = [
    "InputError",
    "ScRCL",
    "__version__",
    "cluster",
    "composition",
    "config",
    "cut",
    "datasets",
    "experiment",
    "markers",
    "merge",
    "metrics",
    "model",
    "pl",
    "read",
    "results",
    "subcluster",
]


_ELSEWHERE = dict.fromkeys(("ScRCL", "cluster", "cut", "merge", "subcluster"), "scrcl.model") | {
    "composition": "scrcl.clustering.composition",
    "read": "scrcl.data.read",
}
"""Function or class to the module that has it."""


def __getattr__(name: str) -> Any:
    """Import a public part of the package on first use."""
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(_ELSEWHERE[name]), name)
    if name in __all__:
        return importlib.import_module(f"scrcl.{name}")
    msg = f"module 'scrcl' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
