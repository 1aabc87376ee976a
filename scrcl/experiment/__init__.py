"""Experiments: the only place where labels meet predictions.

`run_experiment` does a whole `Experiment`: data in, run folder out. `draw_markers` finds and draws
the marker genes of a run, or of any grouping.
"""

from scrcl.experiment.cut import cut_run
from scrcl.experiment.degs import MarkerQuestion, Markers, draw_markers, load_clustered
from scrcl.experiment.export import FORMATS, export_run
from scrcl.experiment.finish import Outcome
from scrcl.experiment.inputs import InputSpec
from scrcl.experiment.paper import PaperTable
from scrcl.experiment.rename import rename_clusters
from scrcl.experiment.run import run_experiment, take_part
from scrcl.experiment.settings import (
    DEFAULT_SEEDS,
    PAPER_SEEDS,
    Experiment,
    choose_config,
)

__all__ = [
    "DEFAULT_SEEDS",
    "FORMATS",
    "PAPER_SEEDS",
    "Experiment",
    "InputSpec",
    "MarkerQuestion",
    "Markers",
    "Outcome",
    "PaperTable",
    "choose_config",
    "cut_run",
    "draw_markers",
    "export_run",
    "load_clustered",
    "rename_clusters",
    "run_experiment",
    "take_part",
]
