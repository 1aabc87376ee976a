"""The estimator: learn from cells, embed and cluster others, save and load.

`cluster` is the one call for a notebook; `ScRCL` is the model behind it and behind the scripts.
Nothing here sees labels.
"""

from scrcl.model.annotate import cluster
from scrcl.model.estimator import ScRCL
from scrcl.model.learn import NClusters, Setup, Spots, make_setup
from scrcl.model.presets import Preset, find_config
from scrcl.model.trained import UNKNOWN, spots_of

__all__ = [
    "UNKNOWN",
    "NClusters",
    "Preset",
    "ScRCL",
    "Setup",
    "Spots",
    "cluster",
    "find_config",
    "make_setup",
    "spots_of",
]
