"""`ScRCL`: the model as an object, in the way of scikit-learn."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from scrcl._validate import InputError
from scrcl._version import __version__
from scrcl.clustering import said_of, tree_arrays
from scrcl.config import as_granularity, config_from_text, override, to_yaml
from scrcl.data.bare import bare
from scrcl.data.basis import match_genes, new_cells
from scrcl.data.prepare import prepare, tissue_graph, usable_spots
from scrcl.data.prepared import embedding
from scrcl.data.validate import grouping, spatial_coords
from scrcl.markers import embedding_links, network_links
from scrcl.methods import NewData, NewTissue, Spots, get_method
from scrcl.methods.network_based import joint_views
from scrcl.model.files import basis_from, basis_state, read_model, write_model
from scrcl.model.pipeline import run_seed, training_data
from scrcl.model.pyg import to_data
from scrcl.model.settings import (
    as_n_clusters,
    as_seed,
    check_config,
    check_n_clusters,
    find_config,
)
from scrcl.seed import resolve_device

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import anndata as ad
    from numpy.typing import NDArray

    from scrcl.checkpoint import Checkpoint
    from scrcl.clustering import ClusterTree
    from scrcl.config import Config, Task
    from scrcl.config.sections import Said
    from scrcl.data.basis import Basis, GeneMatch
    from scrcl.markers import GeneLinks
    from scrcl.methods import Fitted, Mapped, NClusters, TrainingData
    from scrcl.model.pipeline import SeedRun
    from scrcl.nn.network import Views
    from scrcl.train import EpochHook

    Callback = Callable[[int, Views], None]

log = logging.getLogger(__name__)

UNKNOWN = "unknown"
"""Cluster of a new cell that is like none of the training cells."""


@dataclass(frozen=True, kw_only=True)
class _Training:
    """The training cells and what was found for them; a loaded model has none."""

    data: TrainingData
    run: SeedRun
    joint: NDArray[np.float32] | None

    @cached_property
    def labels(self) -> NDArray[np.integer]:
        """Cluster of every cell, (n_obs,); -1 for those that took no part."""
        kept = self.data.prepared.kept
        labels = np.full(len(kept), -1)
        labels[kept] = self.run.clustering.labels
        return labels

    @cached_property
    def links(self) -> GeneLinks | None:
        """What the network says about genes, or the embedding where none was trained."""
        labels = self.run.clustering.labels
        if self.run.clustering.n_clusters == 1:
            return None
        if self.run.network is None:
            return embedding_links(self.data.prepared.x, self.run.embedding, labels)
        return network_links(self.run.network, self.data.inputs, labels)


@dataclass(frozen=True, kw_only=True)
class _Model:
    """A fitted model: what new cells need, and what is known of the training."""

    config: Config
    seed: int
    basis: Basis
    fitted: Fitted
    history: list[dict[str, float]]
    n_clusters: int
    training: _Training | None = None


class ScRCL:
    """Clusters cells without labels, and puts other cells into the same clusters.

    Parameters
    ----------
    config
        ``"default"``, ``"paper"``, a YAML file or a `scrcl.config.Config`.
    n_clusters
        A number, a range ``(low, high)``, or ``None`` or ``"auto"``: found in the data (not with the
        paper's k-means).
    task
        Single cells (``"sc"``) or the spots of a tissue (``"st"``); a configuration has its own.
    seed
        Seed of everything random.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    **settings
        Any value of the configuration by its name: ``n_hvg=500``, ``n_epochs=60``. A name that two
        sections share is written with its section: ``**{"train.lr": 1e-3}``.

    Attributes
    ----------
    labels_
        Cluster of each training cell, (n_obs,), the largest cluster first; -1 for a cell without
        a count, which took no part.
    confidence_
        How sure it is, (n_obs,), or ``None`` if the method cannot tell (the paper's k-means).
    embedding_
        (n_obs, at most 50): leading components of the learned views; NaN for cells that took no
        part.
    views_
        The learned views side by side, (n_obs, width), if `fit` was told to keep them.
    n_clusters_
        Number of clusters.
    genes_
        Names of the genes that are used.
    threshold_
        Confidence below which a new cell is unknown.
    history
        Losses, one row an epoch; empty if no network was needed.
    notes_
        What was found in the data, dropped or done otherwise than asked.
    links_
        What the model says about genes (`scrcl.markers.GeneLinks`); ``None`` for a single cluster.
        Computed when it is first asked for.
    found_
        Everything that the run found. Like all that is said of the training cells (labels,
        confidence, embedding, notes, links) it is there after `fit`, not after `load`.

    Examples
    --------
    >>> import scrcl
    >>> cells = scrcl.datasets.simulated_cells(n_obs=200, n_types=4)
    >>> model = scrcl.ScRCL(n_clusters=4, n_epochs=10).fit(cells[:150])
    >>> new = model.predict(cells[150:])
    >>> list(new.columns)
    ['cluster', 'nearest', 'confidence']
    """

    def __init__(
        self,
        config: Config | str | Path = "default",
        n_clusters: object = None,
        *,
        task: Task = "sc",
        seed: int = 0,
        device: str = "auto",
        **settings: object,
    ) -> None:
        self._params: dict[str, Any] = {
            "config": config,
            "n_clusters": n_clusters,
            "task": task,
            "seed": seed,
            "device": device,
            **settings,
        }
        self.config = override(find_config(config, task), settings)
        self.n_clusters: NClusters = as_n_clusters(n_clusters)
        self.seed = as_seed(seed)
        self.device = device
        self._model: _Model | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002
        """Return the parameters as they were given, as scikit-learn wants it."""
        return dict(self._params)

    def set_params(self, **params: object) -> Self:
        """Change parameters; what was fitted stays until the next `fit`.

        Raises
        ------
        InputError
            If a name or value is not allowed; the model is then unchanged.
        """
        model = self._model
        self.__dict__.update(type(self)(**(self._params | params)).__dict__)
        self._model = model
        return self

    def fit(  # noqa: PLR0913  (scikit-learn's y, and all options go by name)
        self,
        adata: ad.AnnData,
        y: None = None,  # noqa: ARG002  (as scikit-learn calls it; labels are never taken)
        *,
        batch_key: str | None = None,
        slice_key: str | None = None,
        layer: str | None = None,
        keep_views: bool = False,
        callbacks: Sequence[Callback] = (),
        progress: bool = False,
    ) -> Self:
        """Train and cluster.

        Parameters
        ----------
        adata
            Counts (preferred) or log values, in ``X``, a layer or ``.raw``; positions in
            ``obsm["spatial"]`` for a tissue. Not changed.
        y
            Ignored: there are no labels.
        batch_key
            Column of ``obs`` with donors, technologies or the like, to be brought together.
        slice_key
            Column of ``obs`` that tells the slices of a tissue apart.
        layer
            Layer to take instead of looking for the best matrix.
        keep_views
            Keep the learned views of all cells in ``views_``: 4 kB a cell with the defaults.
        callbacks
            Each is called after every epoch with its number and the views of all cells. They
            cannot disturb the training.
        progress
            Show a bar.

        Raises
        ------
        InputError
            If the data or a setting cannot be used; the model is then unchanged.
        """
        check_config(self.config)
        if batch_key is not None and self.config.task == "st":
            msg = "batch key: got one for a tissue, wanted none. slice_key tells slices apart."
            raise InputError(msg)
        device = resolve_device(self.device)
        columns = [key for key in (batch_key, slice_key) if key]
        cfg, notes = self.config.data, list[str]()
        adata = bare(adata, columns, layer=layer, cfg=cfg, features=cfg.features, notes=notes)
        prepared = prepare(adata, cfg, slice_key=slice_key, batch_key=batch_key, notes=notes)
        for note in prepared.notes:
            log.warning("%s", note)
        kept = prepared.kept
        data = training_data(
            prepared,
            self.config,
            n_clusters=check_n_clusters(self.n_clusters, self.config, int(kept.sum())),
            device=device,
            spots=spots_of(adata, kept, slice_key) if self.config.task == "st" else None,
            batches=None if batch_key is None else np.asarray(grouping(adata, batch_key))[kept],
            progress=progress,
        )
        self.fit_prepared(data, callbacks=callbacks, keep_views=keep_views)
        return self

    def fit_prepared(
        self,
        data: TrainingData,
        *,
        callbacks: Sequence[Callback] = (),
        checkpoint: Checkpoint | None = None,
        keep_views: bool = False,
    ) -> Self:
        """As `fit`, on data that are prepared already, as several seeds share them.

        ``checkpoint`` saves the training now and then, and takes it up again if it is there;
        together with a callback only if that can be saved, see `scrcl.train.StatefulHook`.
        """
        run = run_seed(data, self.seed, on_epoch=_one_hook(callbacks), checkpoint=checkpoint)
        joint = None
        if keep_views and run.views is not None:
            joint = joint_views(run.views, data.config.cluster.embedding)
        self._model = _Model(
            config=data.config,
            seed=self.seed,
            basis=data.prepared.basis,
            fitted=run.fitted,
            history=run.history,
            n_clusters=run.clustering.n_clusters,
            training=_Training(
                data=data.without_inputs(), run=replace(run, views=None), joint=joint
            ),
        )
        return self

    def cut(self, n_clusters: object = "auto", *, granularity: object = None) -> Self:
        """Return a model with another number of clusters from the same tree, without training.

        It predicts, embeds and saves as one that was trained with that number.

        Parameters
        ----------
        n_clusters
            A number, a range ``(low, high)``, or ``"auto"``: as deep as the evidence goes.
        granularity
            How little evidence is asked for, see `scrcl.cut`; ``None``: as when it was fitted.

        Raises
        ------
        InputError
            If the model is not fitted, has no tree, or the tree cannot be cut so finely.
        """
        model, wanted = self._fitted, as_n_clusters(n_clusters)
        settings = {} if granularity is None else {"granularity": as_granularity(granularity)}
        config = override(model.config, settings)
        fitted = model.fitted.cut(wanted, config.cluster.granularity)
        training = model.training
        if training is not None:
            training = replace(training, run=replace(training.run, fitted=fitted))
        other = type(self)(**(self._params | {"n_clusters": wanted} | settings))
        other._model = replace(  # noqa: SLF001  (of its own class)
            model,
            config=config,
            fitted=fitted,
            n_clusters=fitted.clustering.n_clusters,
            training=training,
        )
        return other

    def fit_predict(self, adata: ad.AnnData, y: None = None, **options: Any) -> NDArray[np.integer]:
        """`fit`, with its options, and return ``labels_``."""
        return self.fit(adata, y, **options).labels_

    def embed(
        self, adata: ad.AnnData, *, slice_key: str | None = None, values: Said = "auto"
    ) -> NDArray[np.float32]:
        """Put cells into the space of the training cells' ``X_scrcl``.

        Returns
        -------
        (n_obs, n_features); NaN for cells without a count.

        Raises
        ------
        InputError
            As `predict`.
        """
        kept, mapped = self._map(adata, slice_key, values)
        return spread(mapped.embedding, kept)

    def predict(
        self,
        adata: ad.AnnData,
        *,
        slice_key: str | None = None,
        unknown_below: float | None = None,
        values: Said = "auto",
    ) -> pd.DataFrame:
        """Put cells that the model has not seen into its clusters.

        Genes are matched by name; what is missing has the training cells' mean (`match_genes` says
        which). Expression is brought to the training's values with the training's choices. The
        nearest 15 training cells vote. The confidence is the winner's share of their votes, lessened
        for cells that lie farther out than the winner's own cells do.

        Parameters
        ----------
        adata
            New cells; not changed. The spots of a tissue are smoothed on a graph of their own.
        slice_key
            Column of ``obs`` that tells slices apart.
        unknown_below
            Confidence below which a cell is "unknown"; ``None``: ``threshold_``, below which 1 % of
            the training cells would fall if they were new.
        values
            What the matrix holds, as in ``data.values`` of the configuration, if it cannot be told.

        Returns
        -------
        Indexed by cell: ``cluster`` (categorical; "unknown" is one), ``nearest`` (the winner even
        so) and ``confidence``, 0 to 1. All are missing for cells without a count.

        Raises
        ------
        InputError
            If the model is not fitted, or the data have too few of its genes or other values.
        """
        kept, mapped = self._map(adata, slice_key, values)
        threshold = self.threshold_ if unknown_below is None else unknown_below
        names = [str(number) for number in range(self.n_clusters_)]
        codes = np.full(len(kept), -1)
        codes[kept] = mapped.shares.argmax(axis=1)
        confidence = np.full(len(kept), np.nan, dtype=np.float32)
        confidence[kept] = mapped.confidence
        doubted = np.where(confidence < threshold, len(names), codes)
        return pd.DataFrame(
            {
                "cluster": categorical(doubted, [*names, UNKNOWN]),
                "nearest": categorical(codes, names),
                "confidence": confidence,
            },
            index=adata.obs_names,
        )

    def match_genes(self, adata: ad.AnnData, *, values: Said = "auto") -> GeneMatch:
        """Say which of the model's genes new cells have, and which they lack."""
        model = self._fitted
        return match_genes(adata, model.basis, values=values, features=model.config.data.features)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the model to a folder: ``model.json`` and ``model.safetensors``.

        It holds what new cells need, of at most 20,000 training cells, and no expression; results
        for the training cells belong in your AnnData.

        Raises
        ------
        InputError
            If the model is not fitted, something is there already, or it cannot be written.
        """
        model = self._fitted
        info, arrays = model.fitted.state()
        own, own_arrays = basis_state(model.basis)
        about = {
            "scrcl": __version__,
            "task": model.config.task,
            "config": to_yaml(model.config),
            "seed": model.seed,
            "history": model.history,
        }
        write_model(Path(path), info | own | about, arrays | own_arrays, overwrite=overwrite)

    def to_pyg(
        self,
        adata: ad.AnnData,
        *,
        batch_key: str | None = None,
        slice_key: str | None = None,
        layer: str | None = None,
    ) -> Any:
        """Give cells and their graph to PyTorch Geometric, as `fit` prepares them for training.

        Parameters
        ----------
        adata, batch_key, slice_key, layer
            As of `fit`. The model need not be fitted, and is not changed.

        Returns
        -------
        A ``torch_geometric.data.Data``: ``x`` (n_cells, n_genes), the model's input before smoothing;
        ``edge_index`` (2, n_edges), each link of the cell graph in both directions, no self loops;
        ``obs_names`` and ``var_names``, lists. Cells without a count are left out.

        Raises
        ------
        InputError
            If the data cannot be used.
        """
        adata = bare(
            adata,
            [key for key in (batch_key, slice_key) if key],
            layer=layer,
            cfg=self.config.data,
        )
        return to_data(prepare(adata, self.config.data, slice_key=slice_key, batch_key=batch_key))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model that `save` wrote: it predicts as before. Nothing in a file is ever run.

        Raises
        ------
        InputError
            If it is no model, is of another format version, or is damaged.
        """
        info, arrays = read_model(Path(path))
        try:
            config = config_from_text(info["config"], info["task"])
            if (info["map"] == "cells") == (config.data.graph == "spatial"):
                msg = f"map {info['map']!r} for data.graph: {config.data.graph}"
                raise ValueError(msg)  # noqa: TRY301  (said as what else is unusable)
            fitted = get_method(config.cluster.method).fitted.from_state(info, arrays)
            basis = basis_from(info, arrays)
            model = cls(config, int(info["n_clusters"]), seed=int(info["seed"]))
            history = [dict(row) for row in info["history"]]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            msg = f"{path}: got none or an unusable {error}, wanted a whole model. Save it again."
            raise InputError(msg) from error
        model._model = _Model(
            config=config,
            seed=model.seed,
            basis=basis,
            fitted=fitted,
            history=history,
            n_clusters=int(info["n_clusters"]),
        )
        return model

    def summary(self) -> dict[str, Any]:
        """Say how the clusters came about, in values that an h5ad file can hold: ``uns["scrcl"]``."""
        summary: dict[str, Any] = {
            "version": __version__,
            "task": self._fitted.config.task,
            "config": to_yaml(self._fitted.config),
            "values": self._fitted.config.data.values,  # noqa: PD011  (a setting)
            "seed": self._fitted.seed,
            "n_clusters": self.n_clusters_,
            "n_genes": len(self.genes_),
            "notes": self.notes_,
        }
        stability = self.found_.clustering.stability
        if stability is not None:
            summary["stability"] = stability
        if self.tree_ is not None:
            summary["tree"] = tree_arrays(self.tree_)
            summary["evidence"] = said_of(self.tree_, self.n_clusters_)
        return summary

    def __repr__(self) -> str:
        """Say what it is and whether it is fitted."""
        cfg = self.config
        if self._model is None:
            return (
                f"ScRCL({cfg.task}, {cfg.cluster.method}, n_clusters={self.n_clusters}, not fitted)"
            )
        cfg = self._model.config
        return (
            f"ScRCL({cfg.task}, {cfg.cluster.method}, {self.n_clusters_} clusters, "
            f"{len(self.genes_):,} genes, {len(self._model.history)} epochs, "
            f"seed {self._model.seed})"
        )

    @property
    def history(self) -> pd.DataFrame:
        """Losses, one row an epoch."""
        rows = [] if self._model is None else self._model.history
        columns = None if rows else ["epoch", *self.config.train.loss_weights, "total"]
        return pd.DataFrame(rows, columns=columns).set_index("epoch").astype(float)

    @property
    def n_clusters_(self) -> int:
        """Number of clusters."""
        return self._fitted.n_clusters

    @property
    def genes_(self) -> pd.Index:
        """Names of the genes that are used."""
        return self._fitted.basis.genes

    @property
    def threshold_(self) -> float:
        """Confidence below which a new cell is unknown."""
        return self._fitted.fitted.threshold

    @property
    def labels_(self) -> NDArray[np.integer]:
        """Cluster of each training cell, (n_obs,); -1 for a cell that took no part."""
        return self._trained_on("labels_").labels

    @property
    def confidence_(self) -> NDArray[np.float32] | None:
        """How sure the cluster of each training cell is, (n_obs,)."""
        training = self._trained_on("confidence_")
        confidence = training.run.clustering.confidence
        return None if confidence is None else spread(confidence, training.data.prepared.kept)

    @property
    def embedding_(self) -> NDArray[np.float32]:
        """Embedding of each training cell, (n_obs, n_features)."""
        training = self._trained_on("embedding_")
        return spread(training.run.embedding, training.data.prepared.kept)

    @property
    def views_(self) -> NDArray[np.float32]:
        """Learned views of each training cell side by side, (n_obs, width)."""
        training = self._trained_on("views_")
        if training.joint is None:
            msg = "views_: got none, wanted views that were kept. Call fit with keep_views=True."
            raise InputError(msg)
        return spread(training.joint, training.data.prepared.kept)

    @property
    def notes_(self) -> list[str]:
        """What was found in the data, dropped or done otherwise than asked."""
        return self._trained_on("notes_").data.prepared.notes

    @property
    def links_(self) -> GeneLinks | None:
        """What the model says about genes; ``None`` for a single cluster."""
        return self._trained_on("links_").links

    @property
    def tree_(self) -> ClusterTree | None:
        """Tree of which the clusters are a cut, with the evidence for every split.

        ``None`` if the method has none (the paper's k-means), or if the model is from a file that was
        written without. The leaves are those of the cells that took part;
        after `load` of a sample of them.
        """
        return self._fitted.fitted.tree

    @property
    def leaves_(self) -> NDArray[np.integer] | None:
        """Leaf of the tree of each training cell, (n_obs,); -1 for a cell that took no part."""
        training = self._trained_on("leaves_")
        if self.tree_ is None:
            return None
        kept = training.data.prepared.kept
        leaves = np.full(len(kept), -1, dtype=np.int32)
        leaves[kept] = self.tree_.leaves
        return leaves

    @property
    def outliers_(self) -> NDArray[np.bool_] | None:
        """Which training cells lie apart from all others, too few for a cluster, (n_obs,)."""
        leaves = self.leaves_
        if leaves is None or self.tree_ is None:
            return None
        return np.asarray((leaves >= 0) & self.tree_.outlying[leaves])

    @property
    def found_(self) -> SeedRun:
        """Everything that the run found."""
        return self._trained_on("found_").run

    @property
    def _fitted(self) -> _Model:
        if self._model is None:
            msg = "model: got one that is not fitted, wanted a fitted one. Call fit, or ScRCL.load."
            raise InputError(msg)
        return self._model

    def _trained_on(self, name: str) -> _Training:
        """Return the training cells, which a file does not hold."""
        training = self._fitted.training
        if training is None:
            msg = (
                f"{name}: got a model from a file, which holds nothing about its training cells, "
                "wanted one after fit. Their results are in the AnnData or run they were written to; "
                "predict and embed take any cells."
            )
            raise InputError(msg)
        return training

    def _map(
        self, adata: ad.AnnData, slice_key: str | None, values: Said
    ) -> tuple[NDArray[np.bool_], Mapped]:
        """Map new cells; returns which of them have a count, and these mapped."""
        model = self._fitted
        cfg = model.config.data
        usable, coords, notes = usable_spots(adata, cfg, slice_key)
        for note in notes:
            log.warning("%s", note)
        cells = new_cells(adata, model.basis, usable, values=values, features=cfg.features)
        if model.config.data.graph != "spatial":
            key = model.config.data.use_rep
            rep = None if key is None else embedding(adata, key)[cells.kept]
            return cells.kept, model.fitted.map(NewData(cells=cells, rep=rep))
        spots, found = spots_of(adata, cells.kept, slice_key), list[str]()
        own = None if coords is None else coords[cells.kept]
        adj = tissue_graph(adata, cells.kept, cfg, coords=own, slices=spots.slices, notes=found)
        for note in found:
            log.warning("%s", note)
        tissue = NewTissue(adj=adj, spots=spots)
        return cells.kept, model.fitted.map(NewData(cells=cells, tissue=tissue))


def categorical(codes: NDArray[np.integer], names: list[str]) -> pd.Categorical:
    """Name clusters; -1 is missing."""
    return pd.Categorical.from_codes(codes.tolist(), pd.Index(names))


def spots_of(adata: ad.AnnData, kept: NDArray[np.bool_], slice_key: str | None) -> Spots:
    """Positions and slices of the kept spots."""
    slices = None
    if slice_key is not None:
        slices = np.asarray(grouping(adata, slice_key).astype(str))[kept]
    return Spots(coords=spatial_coords(adata, slice_key)[kept], slices=slices)


def spread(values: NDArray[np.float32], kept: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Values of the kept cells among all cells, NaN for the others; the same array if all are kept."""
    if kept.all():
        return values
    spread = np.full((len(kept), *values.shape[1:]), np.nan, dtype=np.float32)
    spread[kept] = values
    return spread


def _one_hook(callbacks: Sequence[Callback]) -> EpochHook | None:
    """Make one of many, or none, which costs no forward pass."""
    if not callbacks:
        return None
    if len(callbacks) == 1:  # as it is, so that it can be saved if it has a state
        return callbacks[0]

    def call(epoch: int, views: Views) -> None:
        for callback in callbacks:
            callback(epoch, views)

    return call
