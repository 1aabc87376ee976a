"""Experiments: the only place where labels meet predictions.

`run_experiment` does a whole `Experiment`: data in, run folder out. `draw_markers` finds and draws
the marker genes of a run, or of any grouping.
"""

from scrcl.experiment.degs import MarkerQuestion, Markers, draw_markers, load_clustered
from scrcl.experiment.run import Outcome, run_experiment, take_part
from scrcl.experiment.settings import (
    DEFAULT_SEEDS,
    PAPER_SEEDS,
    Experiment,
    choose_config,
)
from scrcl.experiment.source import Source
from scrcl.experiment.together import processes

__all__ = [
    "DEFAULT_SEEDS",
    "PAPER_SEEDS",
    "Experiment",
    "MarkerQuestion",
    "Markers",
    "Outcome",
    "Source",
    "choose_config",
    "draw_markers",
    "load_clustered",
    "processes",
    "run_experiment",
    "take_part",
]
