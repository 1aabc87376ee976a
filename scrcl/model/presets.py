"""From the name of a preset, a file or a configuration to a configuration."""

from pathlib import Path
from typing import Literal, TypeAlias

from scrcl._validate import InputError
from scrcl.config import Config, Task, configs_dir, load_config, paper_defaults

Preset: TypeAlias = Literal["paper", "default"]


def find_config(config: Config | str | Path, task: Task) -> Config:
    """Return the configuration that is meant.

    Parameters
    ----------
    config
        A configuration, the name of a preset (``"default"``, ``"paper"``) or a YAML file.
    task
        Single cells (``sc``) or tissue (``st``); a configuration has a task of its own.

    Raises
    ------
    InputError
        If the file cannot be used or the name is that of no preset.

    Examples
    --------
    >>> find_config("default", "sc").cluster.method
    'consensus'
    """
    if isinstance(config, Config):
        return config
    if config == "default":
        return load_config(configs_dir() / f"default_{task}.yaml", task)
    if config == "paper":
        return paper_defaults(task)
    if not Path(config).suffix:
        msg = (
            f"config: got {str(config)!r}, wanted 'default', 'paper', a YAML file or a Config. "
            "Check the name."
        )
        raise InputError(msg)
    return load_config(config, task)
