"""The estimator: learn from cells, embed and cluster others, save and load.

`cluster` is the one call for a notebook; `ScRCL` is the model behind it and behind the scripts.
Nothing here sees labels.
"""

from scrcl.methods import NClusters, Spots, TrainingData
from scrcl.model.annotate import cluster
from scrcl.model.estimator import UNKNOWN, ScRCL, spots_of
from scrcl.model.pipeline import training_data
from scrcl.model.recut import cut, merge, subcluster
from scrcl.model.settings import Preset, find_config

__all__ = [
    "UNKNOWN",
    "NClusters",
    "Preset",
    "ScRCL",
    "Spots",
    "TrainingData",
    "cluster",
    "cut",
    "find_config",
    "merge",
    "spots_of",
    "subcluster",
    "training_data",
]
