"""`ScRCL`: the model as an object, in the way of scikit-learn."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from scrcl._validate import InputError, check_range
from scrcl._version import __version__
from scrcl.config import config_from_text, to_yaml
from scrcl.data.bare import bare
from scrcl.data.prepare import prepare
from scrcl.data.validate import grouping
from scrcl.model.cells import cell_map
from scrcl.model.checks import check_config, check_n_clusters
from scrcl.model.files import read_model
from scrcl.model.genes import gene_links
from scrcl.model.learn import Setup, make_setup, run_seed
from scrcl.model.packing import unpack
from scrcl.model.presets import find_config
from scrcl.model.pyg import to_data
from scrcl.model.tissue import domain_map, network_map
from scrcl.model.trained import Trained, spots_of, spread
from scrcl.seed import resolve_device

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import anndata as ad

    from scrcl.checkpoint import Checkpoint
    from scrcl.config import Config, Task
    from scrcl.model.learn import LabelFree, NClusters
    from scrcl.nn.network import Views
    from scrcl.train import EpochHook

    Callback = Callable[[int, Views], None]

log = logging.getLogger(__name__)

_MAX_SEED = 2**32 - 1  # the largest that every generator takes


class ScRCL(Trained):
    """Clusters cells without labels, and puts other cells into the same clusters.

    Parameters
    ----------
    config
        ``"default"``, ``"paper"``, a YAML file or a `scrcl.config.Config`.
    n_clusters
        A number, a range ``(low, high)``, or ``None``: found in the data (not with the paper's
        k-means).
    task
        Single cells (``"sc"``) or the spots of a tissue (``"st"``); a configuration has its own.
    seed
        Seed of everything random.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Attributes
    ----------
    labels_
        Cluster of each training cell, (n_obs,), the largest cluster first; -1 for a cell without
        a count, which took no part.
    confidence_
        How sure it is, (n_obs,), or ``None`` if the method cannot tell (the paper's k-means).
    embedding_
        (n_obs, n_features); NaN for cells that took no part.
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
    found_
        Everything that the run found. Like all that is said of the training cells (labels,
        confidence, embedding, notes) it is there after `fit`, not after `load`.

    Examples
    --------
    >>> import scrcl
    >>> cells = scrcl.datasets.simulated_cells(n_obs=200, n_types=4)
    >>> model = scrcl.ScRCL(n_clusters=4).fit(cells[:150])
    >>> new = model.predict(cells[150:])
    >>> list(new.columns)
    ['cluster', 'nearest', 'confidence']
    """

    def __init__(
        self,
        config: Config | str | Path = "default",
        n_clusters: NClusters | Literal["auto"] = None,
        *,
        task: Task = "sc",
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.config = find_config(config, task)
        self.n_clusters: NClusters = None if n_clusters == "auto" else n_clusters
        self.seed = check_range(seed, "seed", 0, _MAX_SEED)
        self.device = device
        self._history = []

    def fit(
        self,
        adata: ad.AnnData,
        *,
        batch_key: str | None = None,
        slice_key: str | None = None,
        layer: str | None = None,
        callbacks: Sequence[Callback] = (),
        progress: bool = False,
    ) -> Self:
        """Train and cluster.

        Parameters
        ----------
        adata
            Counts (preferred) or log values, in ``X``, a layer or ``.raw``; positions in
            ``obsm["spatial"]`` for a tissue. Not changed.
        batch_key
            Column of ``obs`` with donors, technologies or the like, to be brought together.
        slice_key
            Column of ``obs`` that tells the slices of a tissue apart.
        layer
            Layer to take instead of looking for the best matrix.
        callbacks
            Each is called after every epoch with its number and the views of all cells. They
            cannot disturb the training.
        progress
            Show a bar.

        Raises
        ------
        InputError
            If the data or a setting cannot be used; the model is as it was before.
        """
        check_config(self.config)
        if batch_key is not None and self.config.task == "st":
            msg = "batch key: got one for a tissue, wanted none. slice_key tells slices apart."
            raise InputError(msg)
        adata = bare(adata, [key for key in (batch_key, slice_key) if key], layer=layer)
        prepared = prepare(adata, self.config.data, slice_key=slice_key, batch_key=batch_key)
        for note in prepared.notes:
            log.warning("%s", note)
        kept = prepared.kept
        setup = make_setup(
            prepared,
            self.config,
            n_clusters=check_n_clusters(self.n_clusters, self.config, int(kept.sum())),
            device=resolve_device(self.device),
            spots=spots_of(adata, kept, slice_key) if self.config.task == "st" else None,
            batches=None if batch_key is None else np.asarray(grouping(adata, batch_key))[kept],
            progress=progress,
        )
        return self.fit_setup(setup, callbacks=callbacks)

    def fit_setup(
        self,
        setup: Setup,
        *,
        callbacks: Sequence[Callback] = (),
        checkpoint: Checkpoint | None = None,
    ) -> Self:
        """As `fit`, on data that are prepared already, as several seeds share them.

        ``checkpoint`` saves the training now and then, and takes it up again if it is there.
        """
        found = run_seed(setup, self.seed, on_epoch=_one_hook(callbacks), checkpoint=checkpoint)
        self._keep(setup, found)
        return self

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
        adata = bare(adata, [key for key in (batch_key, slice_key) if key], layer=layer)
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
        basis, mapping = unpack(info, arrays)
        try:
            config = config_from_text(info["config"], info["task"])
            model = cls(config, int(info["n_clusters"]), seed=int(info["seed"]))
            model._history = [dict(row) for row in info["history"]]
        except (KeyError, TypeError, ValueError) as error:
            msg = f"{path}: got none or an unusable {error}, wanted a whole model. Save it again."
            raise InputError(msg) from error
        model._basis, model._map = basis, mapping
        return model

    def summary(self) -> dict[str, Any]:
        """Say how the clusters came about, in values that an h5ad file can hold: ``uns["scrcl"]``."""
        summary: dict[str, Any] = {
            "version": __version__,
            "config": to_yaml(self.config),
            "seed": self.seed,
            "n_clusters": self.n_clusters_,
            "n_genes": len(self.genes_),
            "notes": self.notes_,
        }
        stability = self.found_.clustering.stability
        return summary if stability is None else summary | {"stability": stability}

    def __repr__(self) -> str:
        """Say what it is and whether it is fitted."""
        cfg = self.config
        if self._map is None:
            return (
                f"ScRCL({cfg.task}, {cfg.cluster.method}, n_clusters={self.n_clusters}, not fitted)"
            )
        return (
            f"ScRCL({cfg.task}, {cfg.cluster.method}, {self.n_clusters_} clusters, "
            f"{len(self.genes_):,} genes, {len(self._history)} epochs, seed {self.seed})"
        )

    def _keep(self, setup: Setup, found: LabelFree) -> None:
        """Keep what a run found, and what new cells will need."""
        if setup.inputs is None:
            self._map = domain_map(setup, found, seed=self.seed)
        elif self.config.data.graph == "spatial":
            self._map = network_map(setup, found, seed=self.seed)
        else:
            self._map = cell_map(setup, found, seed=self.seed)
        kept = setup.prepared.kept
        self.found_ = found
        self.links_ = gene_links(setup, found)
        self.notes_ = setup.prepared.notes
        self.labels_ = np.full(len(kept), -1)
        self.labels_[kept] = found.clustering.labels
        confidence = found.clustering.confidence
        self.confidence_ = None if confidence is None else spread(confidence, kept)
        self.embedding_ = spread(found.embedding, kept)
        self._basis = setup.prepared.basis
        self._history = found.history


def _one_hook(callbacks: Sequence[Callback]) -> EpochHook | None:
    """Make one of many, or none, which costs no forward pass."""
    if not callbacks:
        return None

    def call(epoch: int, views: Views) -> None:
        for callback in callbacks:
            callback(epoch, views)

    return call
