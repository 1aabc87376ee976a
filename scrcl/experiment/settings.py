"""What an experiment is: its data, its configuration, its number of clusters, its seeds."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scrcl._validate import InputError, check_one_of
from scrcl.config import Config, configs_dir, load_config
from scrcl.methods import get_method
from scrcl.model.settings import as_seed, check_config, check_n_clusters, find_config

if TYPE_CHECKING:
    import pandas as pd

    from scrcl.config import Task
    from scrcl.experiment.inputs import InputSpec
    from scrcl.experiment.paper import PaperTable
    from scrcl.model import NClusters, Preset
    from scrcl.results import Existing, RunFolder

log = logging.getLogger(__name__)

PAPER_SEEDS = (5, 15, 25, 35, 45)
DEFAULT_SEEDS = (0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Everything that decides a run, and where it goes.

    Attributes
    ----------
    source
        The data.
    config
        How to treat them.
    run
        Where the results go.
    n_clusters
        A number, a range, or ``"auto"``: found in the data. ``None``: the number of classes if the
        paper's k-means is to be run on data with labels, as the paper does, else ``"auto"``.
    seeds
        One training run each.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    oracle
        Also run the paper's protocol, which picks the epoch by the labels. ``None``: where there
        are labels.
    table
        What the scores are set beside, where there are labels.
    existing
        What to do with an earlier run of that name.
    progress
        Show a bar for each seed on stderr.
    report
        Find marker genes of the clusters and write ``report.html``.
    figures
        Draw figures, and lay the cells out for them.
    expression
        Keep the expression in ``result.h5ad``, beside what was found.
    marker_file
        Lists of marker genes that suggest names for the clusters: a file, see
        `scrcl.markers.read_marker_lists`, or one of `scrcl.markers.SHIPPED`. Changes no cluster.
    gene_file
        Genes that ``report.html`` has to hold, see `scrcl.report.read_gene_list`.
    """

    source: InputSpec
    config: Config
    run: RunFolder
    n_clusters: int | tuple[int, int] | Literal["auto"] | None = None
    seeds: tuple[int, ...] = DEFAULT_SEEDS
    device: str = "auto"
    oracle: bool | None = False
    table: PaperTable | None = None
    existing: Existing = "refuse"
    progress: bool = False
    report: bool = True
    figures: bool = True
    expression: bool = True
    marker_file: str | Path | None = None
    gene_file: Path | None = None

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            msg = f"seeds: got {list(self.seeds)}, wanted at least one, and each once."
            raise InputError(msg)
        object.__setattr__(self, "seeds", tuple(map(as_seed, self.seeds)))
        check_config(self.config)
        method = self.config.cluster.method
        if self.oracle and not get_method(method).needs_network:
            msg = (
                f"cluster.method: got {method!r}, wanted no oracle, as it trains no network. Choose "
                "--preset paper."
            )
            raise InputError(msg)

    @property
    def one_process_only(self) -> str | None:
        """Why several processes would have nothing to share; ``None``: they would."""
        if self.oracle:
            return "--oracle watches every epoch"
        method = self.config.cluster.method
        if not get_method(method).needs_network:
            return f"cluster.method {method} trains no network"
        return None


def choose_config(
    task: Task,
    *,
    dataset: str | None = None,
    preset: Preset | None = None,
    path: str | Path | None = None,
) -> tuple[str, Config]:
    """Choose a configuration and the name of its runs.

    Parameters
    ----------
    task
        Single cells (``sc``) or tissue (``st``).
    dataset
        Registered set, if it is one.
    preset
        ``"paper"``: the paper's values for that set, or its defaults for others; ``"default"``: the
        label-free ones. ``None``: the paper's for sets that have their own, else the label-free.
    path
        A file to take instead; its runs have its name.

    Raises
    ------
    InputError
        If the file cannot be used.
    """
    if path is not None:
        return Path(path).stem, load_config(path, task)
    own = configs_dir() / task / f"{dataset}.yaml"
    if preset is None:
        preset = "paper" if own.is_file() else "default"
    if check_one_of(preset, "preset", ("paper", "default")) == "default":
        return "default", find_config("default", task)
    return "paper", load_config(own, task) if own.is_file() else find_config("paper", task)


def resolve_n_clusters(experiment: Experiment, truth: pd.Series | None, n_obs: int) -> NClusters:
    """Settle the number of clusters before anything is trained.

    Parameters
    ----------
    experiment
        Says what was asked for.
    truth
        Labels of the cells that take part, if there are any. Only their number of classes is
        used, and only where the paper uses it, see `Experiment`.
    n_obs
        Number of cells that take part.

    Raises
    ------
    InputError
        If it is not from 1 to the number of cells, or has to be found by a method that cannot.
    """
    wanted = experiment.n_clusters
    finds_k = get_method(experiment.config.cluster.method).finds_k
    if wanted is None and not finds_k and truth is not None:
        wanted = truth.nunique()
        log.info("n_clusters: %d, the number of classes, as in the paper", wanted)
    return check_n_clusters(wanted, experiment.config, n_obs)
