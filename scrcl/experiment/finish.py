"""The last part of a run: what sums up its seeds, and what is read first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scrcl import __version__
from scrcl._keys import CLUSTERS, NAME
from scrcl.clustering import said_of, split_table, tree_arrays, tree_of
from scrcl.config import to_yaml
from scrcl.experiment.conditions import compare_conditions
from scrcl.experiment.figures import draw
from scrcl.experiment.writeup import write_up
from scrcl.metrics import pairwise_ari, score
from scrcl.model.shown import add_colors, add_layout
from scrcl.results import SUGGESTED, annotated, summarize, without_expression

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from scrcl.clustering import ClusterTree
    from scrcl.config import Config
    from scrcl.experiment.after import Attempts
    from scrcl.experiment.inputs import Dataset
    from scrcl.experiment.paper import PaperTable
    from scrcl.results import RunFolder, RunWriter, SeedResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a finished run is and found."""

    run: RunFolder
    summary: pd.DataFrame
    """One row a protocol, see `scrcl.results.summarize`."""
    seeds: list[int]
    n_obs: int
    """Cells that were clustered."""
    n_left_out: int
    """Cells that were not."""
    n_genes: int
    """Genes that the network saw."""
    notes: list[str]
    """What was found in the data, dropped, or done otherwise than asked."""
    failed: list[str]
    """Parts that could not be made after training, such as "result.h5ad"; why is in the log."""


def tree_fields(tree: ClusterTree | None) -> dict[str, Any]:
    """Fields of `SeedResult` about the tree."""
    if tree is None:
        return {}
    return {
        "splits": split_table(tree),
        "tree": tree_arrays(tree),
        "leaves": tree.leaves,
        "outliers": tree.outlying[tree.leaves],
    }


def scored(truth: pd.Series | None, clusters: NDArray[np.integer], epoch: int) -> dict[str, float]:
    """Score clusters of an epoch against the classes; without these there is only their number."""
    if truth is None:
        return {"n_clusters": len(np.unique(clusters)), "epoch": epoch}
    return {**score(truth, clusters), "epoch": epoch}  # type: ignore[dict-item]  # numbers all


def finish(  # noqa: PLR0913  (all options go by name)
    writer: RunWriter,
    data: Dataset,
    config: Config,
    *,
    seed: int,
    found: dict[str, object],
    names: pd.DataFrame | None,
    attempts: Attempts,
    figures: bool,
    report: bool,
    expression: bool = True,
    table: PaperTable | None = None,
) -> pd.DataFrame:
    """Write what sums up the run, from what its seeds left on the disk, earlier ones included.

    Parameters
    ----------
    writer
        Of a run whose seeds are all written.
    data
        What was clustered.
    config
        How.
    seed
        The one that ``result.h5ad`` and the figures show.
    found
        Goes into ``uns["scrcl"]``, with the rest of what is known of the run.
    names
        Suggested for the clusters.
    attempts
        Guards every part.
    figures, report
        Whether they are wanted.
    expression
        Whether ``result.h5ad`` is to hold it.
    table
        What the scores are set beside, where there are labels.

    Returns
    -------
    See `scrcl.results.summarize`.
    """
    run = writer.run
    first = run.load_result(seed)
    result = None
    with attempts.part("result.h5ad"):
        result = annotated(data.adata, first, _params(run, config, first) | found)
    if result is not None:
        add_colors(result)
        if figures:
            with attempts.part("umap"):
                add_layout(result)
        if names is not None:
            with attempts.part(SUGGESTED):
                writer.write_table(SUGGESTED, names)
        if shown := run.shown_names:
            result.obs[NAME] = result.obs[CLUSTERS].map(shown).astype("category")
        with attempts.part("result.h5ad"):
            writer.write_adata(result if expression else without_expression(result))
        if figures:
            with attempts.part("figures"):
                draw(
                    run,
                    result,
                    first,
                    labels=data.labels,
                    slice_key=data.slice_key,
                    tissue=config.task == "st",
                    part=attempts.part,
                )
        compare_conditions(
            run,
            result,
            condition_key=data.condition_key,
            sample_key=data.sample_key,
            figures=figures,
            part=attempts.part,
        )
    metrics = {seed: run.load_metrics(seed) for seed in run.seeds}
    summary = summarize(metrics, {name: _agreement(run, name) for name in metrics[first.seed]})
    if table is not None and data.labels is not None:
        with attempts.part("the paper's table"):
            summary = table.around(summary, run, data.labels)
    writer.finish(summary, complete=not attempts.failed)
    if report and result is not None:
        write_up(
            run,
            result,
            slice_key=data.slice_key,
            features=data.features,
            figures=figures,
            part=attempts.part,
        )
    return summary


def _params(run: RunFolder, config: Config, result: SeedResult) -> dict[str, object]:
    """Say in ``uns["scrcl"]`` how the clusters came about."""
    params: dict[str, object] = {
        "version": __version__,
        "task": config.task,
        "dataset": run.dataset,
        "run": run.name,
        "config": to_yaml(config),
        "values": config.data.values,  # noqa: PD011  (a setting)
        "n_clusters": len(np.unique(result.clusters)),
    }
    if result.tree is not None and result.leaves is not None:
        tree = tree_of(result.tree, result.leaves)
        params["evidence"] = said_of(tree, len(np.unique(result.clusters)))
    if result.stability is not None:
        params["stability"] = result.stability.to_numpy()
    return params


def _agreement(run: RunFolder, protocol: str) -> NDArray[np.float64]:
    """ARI of every pair of seeds."""
    tables = (run.load_clusters(seed, protocol=protocol) for seed in run.seeds)
    return pairwise_ari([table["cluster"].dropna() for table in tables])
