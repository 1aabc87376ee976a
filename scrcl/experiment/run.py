"""From data to a run folder. Labels meet predictions here and in the oracle, nowhere else."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scrcl._validate import InputError
from scrcl.checkpoint import Checkpoint
from scrcl.clustering import said_of
from scrcl.config import to_yaml
from scrcl.data.prepare import prepare
from scrcl.data.quality import batch_notes
from scrcl.data.validate import grouping
from scrcl.distributed import announce, announced_seeds, current_processes
from scrcl.experiment.after import Attempts
from scrcl.experiment.finish import Outcome, finish, scored, tree_fields
from scrcl.experiment.genes import gene_tables, marker_lists, suggest_names
from scrcl.experiment.inputs import load
from scrcl.experiment.protocols import Oracle
from scrcl.experiment.settings import resolve_n_clusters
from scrcl.methods import TrainingData, get_method
from scrcl.model import ScRCL, spots_of, training_data
from scrcl.model.pipeline import network_input, train
from scrcl.report import keep_genes, read_gene_list
from scrcl.results import SUGGESTED, SeedResult, check_free, check_not_written, storable, writing
from scrcl.seed import resolve_device

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from scrcl.data.prepare import Prepared
    from scrcl.experiment.inputs import Dataset
    from scrcl.experiment.settings import Experiment
    from scrcl.model import NClusters
    from scrcl.results import RunFolder

log = logging.getLogger(__name__)


class _Cells(NamedTuple):
    """Names and labels of the cells; nothing that training sees."""

    clustered: pd.Index
    left_out: pd.Index
    truth: pd.Series | None
    """Class of each clustered cell."""


def run_experiment(experiment: Experiment) -> Outcome:
    """Read, preprocess, train and cluster every seed, score, draw, and write the run folder.

    Labels are taken off the data before anything is done with them. They are used to score what
    has been found, by the oracle if it is asked for, to count the classes where the paper does
    (see `Experiment`), and, with ``data.drop_unlabelled``, to leave cells without one out.

    Clusters, embedding and scores of a seed are written as soon as it is trained. What fails after
    that is left out, said in the log and named in ``Outcome.failed``; to run it again with
    ``existing="resume"`` makes it without training anew.

    Raises
    ------
    InputError
        If the data, the settings or the output folder cannot be used. An earlier run is as it was.
    """
    device = resolve_device(experiment.device)
    check_not_written(experiment.run.path)
    check_free(experiment.run, experiment.existing)
    data = load(
        experiment.source,
        values=experiment.config.data.values,
        features=experiment.config.data.features,
    )
    lists = marker_lists(experiment.marker_file, data)
    wanted = None if experiment.gene_file is None else read_gene_list(experiment.gene_file)
    unstorable = _unstorable(data)
    prepared = _prepare(data, experiment)
    truth = _truth(data, prepared, experiment)
    with_oracle = wants_oracle(experiment, truth)
    cells = _Cells(prepared.obs_names, data.adata.obs_names[~prepared.kept], truth)
    n_clusters = resolve_n_clusters(experiment, truth, len(cells.clustered))
    shared = training_data(
        prepared,
        experiment.config,
        n_clusters=n_clusters,
        device=device,
        spots=spots_of(data.adata, prepared.kept, data.slice_key)
        if experiment.config.task == "st"
        else None,
        batches=_batches(data, prepared),
        progress=experiment.progress,
    )
    attempts = Attempts(experiment.run.path)
    with writing(
        experiment.run,
        to_yaml(experiment.config),
        settings=_settings(experiment, data, n_clusters) | {"oracle": with_oracle},
        device=str(device),
        existing=experiment.existing,
    ) as writer:
        if wanted is not None:
            keep_genes(experiment.run, wanted)
        if prepared.quality is not None:
            writer.write_table("qc.csv", prepared.quality)
        else:
            log.info("qc.csv is not written: the quality of cells is judged by counts")
        for seed in experiment.seeds:
            if seed in experiment.run.seeds:
                log.info("seed %d: already there", seed)
            else:
                announce(seed)
                result, model = _one_seed(
                    shared, cells, seed, experiment, oracle=with_oracle, attempts=attempts
                )
                writer.write_seed(result, save_model=partial(_save, model, attempts))
                del result, model  # which may be as large as the data
        announce(None)
        notes, n_genes = [*prepared.notes, *unstorable], len(prepared.var_names)
        del shared, prepared  # with what training saw: what follows needs the memory
        names = None
        with attempts.part(SUGGESTED):
            names = suggest_names(experiment.run, experiment.seeds[0], data, lists)
        with attempts.part("batches"):
            notes += _batch_notes(experiment.run, experiment.seeds[0], data)
        found = {"n_genes": n_genes, "notes": notes}
        summary = finish(
            writer,
            data,
            experiment.config,
            seed=experiment.seeds[0],
            found=found,
            names=names,
            attempts=attempts,
            figures=experiment.figures,
            report=experiment.report,
            expression=experiment.expression,
            table=experiment.table,
        )
    return Outcome(
        run=experiment.run,
        summary=summary,
        seeds=experiment.run.seeds,
        n_obs=len(cells.clustered),
        n_left_out=len(cells.left_out),
        n_genes=n_genes,
        notes=notes,
        failed=attempts.failed,
    )


def take_part(experiment: Experiment) -> None:
    """Help the first process of several to train, see `scrcl.distributed`. Writes nothing."""
    data = load(
        experiment.source,
        values=experiment.config.data.values,
        features=experiment.config.data.features,
    )
    prepared = _prepare(data, experiment)
    truth = _truth(data, prepared, experiment)
    device = resolve_device(experiment.device)
    shared = TrainingData(  # without components: it does not cluster
        config=experiment.config,
        n_clusters=resolve_n_clusters(experiment, truth, len(prepared.obs_names)),
        device=device,
        prepared=prepared,
        network_input=network_input(prepared, experiment.config, device),
    )
    for seed in announced_seeds():
        train(shared, seed, checkpoint=Checkpoint(path=experiment.run.checkpoint(seed)))


def _prepare(data: Dataset, experiment: Experiment) -> Prepared:
    keep = None
    if experiment.config.data.drop_unlabelled and data.labels is not None:
        keep = data.labels.notna().to_numpy()
    notes: list[str] = []
    prepared = prepare(
        data.without_labels(experiment.config.data, notes),
        experiment.config.data,
        keep=keep,
        slice_key=data.slice_key,
        batch_key=data.batch_key,
        notes=notes,
    )
    for note in prepared.notes:
        log.warning("%s", note)
    return prepared


def _unstorable(data: Dataset) -> list[str]:
    """Say before training what ``result.h5ad`` will hold in another form."""
    _, notes = storable(data.adata)
    for note in notes:
        log.warning("%s", note)
    return notes


def _batch_notes(run: RunFolder, seed: int, data: Dataset) -> list[str]:
    """Say after clustering which columns that tell where cells come from explain the clusters."""
    clusters = run.load_clusters(seed)["cluster"].dropna()
    notes = batch_notes(
        data.adata.obs.loc[clusters.index],
        clusters.astype(int),
        batch_key=data.batch_key,
        ignore=None if data.labels is None else str(data.labels.name),
    )
    for note in notes:
        log.warning("%s", note)
    return notes


def _save(model: ScRCL, attempts: Attempts, path: Path) -> None:
    with attempts.part("model"):
        model.save(path)


def _truth(data: Dataset, prepared: Prepared, experiment: Experiment) -> pd.Series | None:
    """Labels of the cells that take part; ``None`` if none of these has one."""
    truth = None if data.labels is None else data.labels[prepared.kept]
    if truth is not None and truth.isna().all():
        log.warning("labels: no cell that takes part has one, so there will be no scores")
        truth = None
    if truth is None and experiment.oracle:
        msg = (
            "oracle: got no labels to choose the epoch with, wanted some. Name their column with "
            "--label-key, or leave --oracle out."
        )
        raise InputError(msg)
    return truth


def wants_oracle(experiment: Experiment, truth: pd.Series | None) -> bool:
    """Settle whether the paper's protocol is run, too: without being asked, where it can be."""
    if experiment.oracle is not None or truth is None:
        return bool(experiment.oracle)
    if current_processes(len(truth)).size > 1:
        log.info("oracle: left out, as it watches every epoch and several processes share them")
        return False
    return get_method(experiment.config.cluster.method).needs_network


def _batches(data: Dataset, prepared: Prepared) -> NDArray[np.str_] | None:
    if data.batch_key is None:
        return None
    return np.asarray(grouping(data.adata, data.batch_key), dtype=np.str_)[prepared.kept]


def _settings(experiment: Experiment, data: Dataset, n_clusters: NClusters) -> dict[str, object]:
    """Name what decides the results beside configuration and seed; ``--resume`` compares it."""
    return {
        "input": experiment.source.address,
        "n_clusters": "auto" if n_clusters is None else n_clusters,
        "label_key": None if data.labels is None else data.labels.name,
        "slice_key": data.slice_key,
        "batch_key": data.batch_key,
        "condition_key": data.condition_key,
        "sample_key": data.sample_key,
    }


def _one_seed(
    shared: TrainingData,
    cells: _Cells,
    seed: int,
    experiment: Experiment,
    *,
    oracle: bool,
    attempts: Attempts,
) -> tuple[SeedResult, ScRCL]:
    """Run a seed without labels, then score what it found."""
    truth = cells.truth
    model = ScRCL(shared.config, shared.n_clusters, seed=seed)
    checkpoint = Checkpoint(path=experiment.run.checkpoint(seed))
    taken_up = checkpoint.path.exists()
    watcher = None
    if oracle and truth is not None:
        embedding = shared.config.cluster.embedding
        watcher = Oracle(truth, seed=seed, spots=shared.spots, embedding=embedding)
    start = time.perf_counter()
    model.fit_prepared(
        shared, callbacks=() if watcher is None else (watcher,), checkpoint=checkpoint
    )
    seconds = {"label_free": time.perf_counter() - start}
    if watcher is not None:
        seconds |= {"oracle": seconds["label_free"]}
        seconds["label_free"] -= watcher.seconds
    found, clustering = model.found_, model.found_.clustering
    metrics = {"label_free": scored(None, clustering.labels, found.epoch)}
    with attempts.part("scores"):
        metrics["label_free"] = scored(truth, clustering.labels, found.epoch)
    history, oracle_clusters = found.history, None
    if watcher is not None:
        oracle_clusters = watcher.clusters()
        metrics["oracle"] = scored(truth, oracle_clusters, watcher.best_epoch)
        history = [ours | its for ours, its in zip(history, watcher.history, strict=True)]
    for protocol, values in metrics.items():
        ari = f", ARI {values['ari']:.3f}" if "ari" in values else ""
        log.info("seed %d, %s: %d clusters%s", seed, protocol, values["n_clusters"], ari)
    if found.fitted.tree is not None:
        for sentence in said_of(found.fitted.tree, clustering.n_clusters):
            log.info("seed %d: %s", seed, sentence)
    genes: dict[str, Any] = {}
    with attempts.part("gene associations"):
        genes = dict(gene_tables(model, shared.prepared.log_norm))
    result = SeedResult(
        seed=seed,
        obs_names=cells.clustered,
        clusters=clustering.labels,
        embedding=found.embedding,
        history=history,
        metrics=metrics,
        confidence=clustering.confidence,
        oracle_clusters=oracle_clusters,
        left_out=cells.left_out,
        stability=None if clustering.stability is None else pd.Series(clustering.stability),
        curve=clustering.curve,
        seconds=None if taken_up else seconds,
        **tree_fields(found.fitted.tree),
        **genes,
    )
    return result, model
