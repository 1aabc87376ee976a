"""Configuration: frozen, typed and strict.

A `Config` has four sections (data, model, train, cluster). `load_config` reads a YAML file that
holds only what differs from the paper's defaults of its task; `override` applies ``key=value``
pairs of the command line; `to_yaml` writes the resolved configuration, which `load_config` reads
back. Every fault is an `InputError` that names the file, the key and what is allowed.
"""

from scrcl.config.files import config_from_text, configs_dir, load_config, override, to_yaml
from scrcl.config.methods import METHODS
from scrcl.config.sections import (
    LEVELS,
    SECTIONS,
    TASKS,
    ClusterConfig,
    Config,
    DataConfig,
    ModelConfig,
    Task,
    TrainConfig,
    as_granularity,
    paper_defaults,
)

__all__ = [
    "LEVELS",
    "METHODS",
    "SECTIONS",
    "TASKS",
    "ClusterConfig",
    "Config",
    "DataConfig",
    "ModelConfig",
    "Task",
    "TrainConfig",
    "as_granularity",
    "config_from_text",
    "configs_dir",
    "load_config",
    "override",
    "paper_defaults",
    "to_yaml",
]
