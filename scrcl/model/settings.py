"""What a user asks for, checked before anything is computed: configuration, clusters, seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from scrcl._validate import InputError, check_integer, check_range
from scrcl.config import METHODS, Config, Task, configs_dir, load_config, paper_defaults
from scrcl.methods import get_method
from scrcl.train import MIN_CELLS

if TYPE_CHECKING:
    from scrcl.methods import NClusters

Preset: TypeAlias = Literal["paper", "default"]

MAX_SEED = 2**32 - 1  # the largest that every generator takes


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
    if not isinstance(config, str | Path) or not Path(config).suffix:
        msg = (
            f"config: got {str(config)!r}, wanted 'default', 'paper', a YAML file or a Config. "
            "Check the name."
        )
        raise InputError(msg)
    return load_config(config, task)


def check_config(config: Config) -> None:
    """Refuse a method that is not for the task, and votes of spots where there are none.

    Raises
    ------
    InputError
        If single cells are to be clustered by their neighbours on a tissue.
    """
    name, task = config.cluster.method, config.task
    method = get_method(name)
    if task not in method.tasks:
        fitting = [other for other in METHODS if task in get_method(other).tasks]
        kinds = {"sc": "single cells", "st": "spots"}
        takes = " or ".join(kinds[other] for other in method.tasks)
        msg = (
            f"cluster.method: got {name!r}, wanted {takes} for it, not {kinds[task]}. Choose one of "
            f"{fitting}, or --preset paper."
        )
        raise InputError(msg)
    if config.data.graph not in method.graphs:
        msg = (
            f"data.graph: got {config.data.graph!r} with cluster.method {name!r}, wanted one of "
            f"{list(method.graphs)}. Leave it out, or set cluster.method."
        )
        raise InputError(msg)
    if config.data.use_rep is not None and not method.takes_rep:
        fitting = [other for other in METHODS if get_method(other).takes_rep]
        msg = (
            f"data.use_rep: got {config.data.use_rep!r} with cluster.method {name!r}, wanted one of "
            f"{fitting}, which take one more view. Leave use_rep out, or set cluster.method."
        )
        raise InputError(msg)
    if config.cluster.granularity != 1.0 and not method.has_tree:
        fitting = [other for other in METHODS if get_method(other).has_tree]
        msg = (
            f"cluster.granularity: got {config.cluster.granularity:g} with cluster.method {name!r}, "
            f"wanted one of {fitting}, which cut a tree. Leave it out, or set cluster.method."
        )
        raise InputError(msg)
    if task == "sc" and config.cluster.n_refine:
        msg = (
            f"cluster.n_refine: got {config.cluster.n_refine} for single cells, wanted 0. "
            "Only spots have neighbours on a tissue."
        )
        raise InputError(msg)


def as_n_clusters(wanted: object) -> NClusters:
    """Return a number, a range ``(low, high)`` or ``None`` (to be found).

    Taken are integers of any kind, whole floats, ``"auto"``, ``None``, and two numbers in a list,
    tuple or array.

    Raises
    ------
    InputError
        If it is anything else.
    """
    if wanted is None or (isinstance(wanted, str) and wanted == "auto"):
        return None
    hint = "Give a number such as 8, a range such as (4, 12), or 'auto'."
    if isinstance(wanted, np.ndarray) and wanted.ndim:
        wanted = wanted.tolist()
    if isinstance(wanted, list | tuple):
        bounds = [check_integer(bound, "n_clusters", hint=hint) for bound in wanted]
        if len(bounds) != 2:
            msg = f"n_clusters: got {wanted!r}, wanted two numbers for a range. {hint}"
            raise InputError(msg)
        low, high = bounds
        if low > high:
            msg = f"n_clusters: got {low}:{high}, wanted the smaller number first."
            raise InputError(msg)
        check_range(low, "n_clusters", 1)
        return low, high
    return check_range(check_integer(wanted, "n_clusters", hint=hint), "n_clusters", 1)


def as_seed(seed: object) -> int:
    """Return a seed as an integer from 0 to 2**32 - 1."""
    return check_range(check_integer(seed, "seed"), "seed", 0, MAX_SEED)


def check_n_clusters(wanted: object, config: Config, n_obs: int) -> NClusters:
    """Return the number, range or ``None`` (to be found) that is wanted.

    Raises
    ------
    InputError
        If it is not from 1 to the number of cells, or has to be found by a method that cannot; or
        if there is only one cell.
    """
    n_clusters = as_n_clusters(wanted)
    if n_obs < MIN_CELLS:
        msg = (
            f"cells: got {n_obs} with counts, wanted at least {MIN_CELLS} to tell apart. Check the "
            "filters that were applied to the data."
        )
        raise InputError(msg)
    bounds = n_clusters if isinstance(n_clusters, tuple) else (n_clusters,)
    for bound in bounds:
        if bound is not None:
            hint = "There are no more cells than that."
            check_range(bound, "n_clusters", 1, n_obs, hint=hint)
    name = config.cluster.method
    if not isinstance(n_clusters, int) and not get_method(name).finds_k:
        msg = (
            f"n_clusters: got {wanted or 'none, and no labels to count'}, wanted a number, because "
            f"cluster.method is {name}, which cannot find one. Give --n-clusters K."
        )
        raise InputError(msg)
    return n_clusters
