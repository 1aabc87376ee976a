"""A finished run with another number of clusters, cut from its trees without training."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scrcl._keys import PARAMS
from scrcl._validate import InputError
from scrcl.clustering import said_of, tree_of
from scrcl.config import as_granularity, config_from_text, override, to_yaml
from scrcl.data.labels import labels
from scrcl.data.read import read
from scrcl.experiment.after import Attempts
from scrcl.experiment.finish import Outcome, finish, scored, tree_fields
from scrcl.experiment.inputs import Dataset
from scrcl.experiment.rename import carry_names
from scrcl.model import ScRCL
from scrcl.results import atomic_path, check_free, check_not_written, stored_name, writing

if TYPE_CHECKING:
    from pathlib import Path

    from scrcl.clustering import ClusterTree
    from scrcl.config import Config, Task
    from scrcl.model import NClusters
    from scrcl.results import Existing, RunFolder, SeedResult

log = logging.getLogger(__name__)

OF_CELLS = ("qc.csv", "report_genes.txt")
"""Files of a run that do not depend on its clusters."""


def cut_run(
    run: RunFolder,
    n_clusters: NClusters = None,
    *,
    granularity: object = None,
    name: str | None = None,
    existing: Existing = "refuse",
    figures: bool = True,
    report: bool = True,
) -> Outcome:
    """Cut the trees of all seeds of a run at another number of clusters, into a new run beside it.

    The clusters are those that a run with this number gives. Clusters, scores, models, figures,
    marker genes and report are made anew; what the network says of genes belongs to the clusters of
    the first run and is left out, and so is the oracle, which cuts no tree. Clusters that stay as
    they are keep their names, see `carry_names`.

    Parameters
    ----------
    run
        Finished, with ``result.h5ad``.
    n_clusters
        A number, a range, or ``None``: as deep as the evidence goes.
    granularity
        How little evidence is asked for, see `scrcl.cut`; ``None``: as in the run.
    name
        Of the new run; ``None``: that of the run and the number of clusters of its first seed.
    existing
        What to do with an earlier run of that name.
    figures, report
        Make them.

    Raises
    ------
    InputError
        If the run has no trees, a tree cannot be cut so finely, or the folder cannot be written.
    """
    config = _config(run, granularity)
    trees = {seed: _tree(run, seed).at(config.cluster.granularity) for seed in run.seeds}
    cuts = {seed: tree.clusters(n_clusters) for seed, tree in trees.items()}
    first = run.shown_seed
    name = f"{run.name}_{cuts[first].n_clusters}" if name is None else name
    new = run.beside(name)
    check_not_written(run.path)
    check_free(new, existing)
    data = _data(run)
    about = data.adata.uns.get(PARAMS, {})
    wanted = "auto" if n_clusters is None else n_clusters
    settings = run.settings | {"n_clusters": wanted, "cut_of": run.name}
    attempts = Attempts(new.path)
    with writing(
        new, to_yaml(config), settings=settings, device="none", existing=existing
    ) as writer:
        for kept in OF_CELLS:
            if (run.path / kept).is_file():
                with atomic_path(new.path / kept) as part:
                    shutil.copyfile(run.path / kept, part)
        for seed, tree in trees.items():
            if seed in new.seeds:
                log.info("seed %d: already there", seed)
                continue
            found = cuts[seed]
            old = run.load_result(seed)
            truth = _truth(data, old)
            values = scored(truth, found.labels, int(old.metrics["label_free"]["epoch"]))
            for sentence in said_of(tree, found.n_clusters):
                log.info("seed %d: %s", seed, sentence)
            result = replace(
                old,
                clusters=found.labels,
                confidence=found.confidence,
                stability=None if found.stability is None else pd.Series(found.stability),
                metrics={"label_free": values},
                oracle_clusters=None,
                associations=None,
                modules=None,
                activity=None,
                **tree_fields(tree),
            )
            model = run.path / f"seed_{seed}" / "model"
            save = partial(
                _save,
                model=model,
                n_clusters=n_clusters,
                granularity=config.cluster.granularity,
                attempts=attempts,
            )
            writer.write_seed(result, save_model=save if model.is_dir() else None)
        names = None
        with attempts.part("names"):
            names = carry_names(run, new, first)
        notes = [str(note) for note in about.get("notes", ())]
        summary = finish(
            writer,
            data,
            config,
            seed=first,
            found={name: about[name] for name in ("n_genes", "notes") if name in about},
            names=names,
            attempts=attempts,
            figures=figures,
            report=report,
        )
    n_obs = len(trees[first].leaves)
    return Outcome(
        run=new,
        summary=summary,
        seeds=new.seeds,
        n_obs=n_obs,
        n_left_out=data.adata.n_obs - n_obs,
        n_genes=int(about.get("n_genes", data.adata.n_vars)),
        notes=notes,
        failed=attempts.failed,
    )


def _config(run: RunFolder, granularity: object) -> Config:
    """Return the configuration of a run, with another granularity if one is given."""
    task: Task = "st" if run.path.parent.parent.name == "ST" else "sc"
    config = config_from_text(run.config, task)
    if granularity is None:
        return config
    return override(config, {"cluster.granularity": as_granularity(granularity)})


def _tree(run: RunFolder, seed: int) -> ClusterTree:
    arrays = run.load_tree(seed)
    if arrays is None:
        msg = (
            f"run: got {run.path}, whose seed {seed} has no tree of clusters, wanted one that has. "
            "The paper's k-means has none: run again with --n-clusters."
        )
        raise InputError(msg)
    return tree_of(arrays, arrays["leaves"])


def _data(run: RunFolder) -> Dataset:
    """Read what a run clustered."""
    path = run.path / "result.h5ad"
    run.check_expression("Run it again without --no-x, or cut result.h5ad by scrcl.cut(adata).")
    adata = read(path)
    settings = run.settings
    keys = {
        key: None if settings.get(key) is None else stored_name(settings[key])
        for key in ("label_key", "slice_key", "batch_key", "condition_key", "sample_key")
    }
    truth = None if keys["label_key"] is None else labels(adata, keys["label_key"], search=())
    return Dataset(
        adata=adata,
        labels=truth,
        slice_key=keys["slice_key"],
        batch_key=keys["batch_key"],
        condition_key=keys["condition_key"],
        sample_key=keys["sample_key"],
        features=run.features,
    )


def _truth(data: Dataset, result: SeedResult) -> pd.Series | None:
    """Classes of the cells that took part; ``None`` if none of these has one."""
    if data.labels is None:
        return None
    truth = data.labels.loc[np.asarray(result.obs_names, dtype=str)]
    return None if truth.isna().all() else truth


def _save(
    path: Path, *, model: Path, n_clusters: NClusters, granularity: float, attempts: Attempts
) -> None:
    with attempts.part("model"):
        ScRCL.load(model).cut(n_clusters, granularity=granularity).save(path)
