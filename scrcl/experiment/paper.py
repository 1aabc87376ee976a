"""The paper's table of a set: published, the paper's protocol, the same without labels, our default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scrcl.clustering import tree_of
from scrcl.experiment.finish import scored
from scrcl.metrics import pairwise_ari
from scrcl.results import FOUND, GIVEN, PICKED, PUBLISHED, summarize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scrcl.datasets import Published
    from scrcl.results import RunFolder

ORDER = (PUBLISHED, "oracle", "label_free", GIVEN, FOUND)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTable:
    """What the scores of a run are set beside.

    Attributes
    ----------
    published
        Of the paper, for this set; ``None``: it has none.
    default
        Run of the default preset on the same data, finished but for its summary; may be the run
        itself. ``None``: there is none.
    """

    published: Published | None = None
    default: RunFolder | None = None

    def around(self, summary: pd.DataFrame, run: RunFolder, truth: pd.Series) -> pd.DataFrame:
        """Add the rows to the summary of a run.

        Parameters
        ----------
        summary
            From `scrcl.results.summarize`.
        run
            That it is of.
        truth
            Class of each cell by its name, missing where there is none.

        Returns
        -------
        Its rows in the order of the table, with ``picked_with_labels`` and ``time_ratio``: how
        many times as long a seed took as one of the default preset did, where both were measured.
        """
        tables = [summary]
        if self.published is not None:
            scores = {name: getattr(self.published, name) for name in ("acc", "nmi", "ari", "f1")}
            row = {f"{name}_mean": value for name, value in scores.items()}
            tables.append(pd.DataFrame([{"protocol": PUBLISHED, **row}]))
        if self.default is not None:
            rows = default_rows(self.default, truth)
            if self.default.path == run.path:  # what it found is in the summary already
                rows = rows[rows["protocol"] != FOUND]
            tables.append(rows)
        filled = [table.dropna(axis="columns", how="all") for table in tables]
        table = pd.concat(filled, ignore_index=True).reindex(columns=summary.columns)
        table["picked_with_labels"] = table["protocol"].isin(PICKED)
        table["time_ratio"] = [self._ratio(run, protocol) for protocol in table["protocol"]]
        return table.sort_values(
            "protocol", key=lambda names: names.map(ORDER.index), ignore_index=True
        )

    def _ratio(self, run: RunFolder, protocol: str) -> float:
        if self.default is None:
            return float("nan")
        of_default = _seconds(self.default, "label_free")
        measured = of_default if protocol in (GIVEN, FOUND) else _seconds(run, protocol)
        return measured / of_default


def default_rows(run: RunFolder, truth: pd.Series) -> pd.DataFrame:
    """Score a run of the default preset as it found its clusters, and cut at the number of classes.

    The cut is the one of ``scrcl cut`` and of a run with that number: the tree is the same.

    Parameters
    ----------
    run
        A finished run.
    truth
        Class of each cell by its name, missing where there is none.
    """
    found = {seed: run.load_clusters(seed)["cluster"].dropna() for seed in run.seeds}
    given = {seed: _cut(run, seed, truth) for seed in run.seeds}
    of = {FOUND: found, GIVEN: {seed: cut for seed, cut in given.items() if cut is not None}}
    metrics = {
        seed: {
            protocol: scored(truth[clusters[seed].index], clusters[seed].to_numpy(int), 0)
            for protocol, clusters in of.items()
            if seed in clusters
        }
        for seed in run.seeds
    }
    agreement: dict[str, NDArray[np.float64]] = {
        protocol: pairwise_ari(list(clusters.values())) for protocol, clusters in of.items()
    }
    return summarize(metrics, agreement)


def _cut(run: RunFolder, seed: int, truth: pd.Series) -> pd.Series | None:
    """Clusters of the cut at the number of classes; ``None`` where no tree goes so deep."""
    tree = run.load_tree(seed)
    if tree is None:
        return None
    names = pd.Index(tree["obs_names"].astype(str))
    n_classes = truth[names].nunique()
    clusters = tree_of(tree, tree["leaves"])
    if n_classes > clusters.n_max:
        return None
    return pd.Series(clusters.clusters(n_classes).labels, index=names)


def _seconds(run: RunFolder, protocol: str) -> float:
    """Mean over the seeds that were measured; NaN if none was."""
    measured = [of[protocol] for of in run.seconds.values() if protocol in of]
    return float(np.mean(measured)) if measured else float("nan")
