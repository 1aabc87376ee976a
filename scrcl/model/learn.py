"""One training run: from prepared data to clusters. There is no label in it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from scrcl.clustering import (
    Clustering,
    consensus_clusters,
    cosine_kmeans,
    domain_clusters,
    majority_vote,
)
from scrcl.clustering.batches import correct
from scrcl.data.components import aligned, expression_components, fit_components
from scrcl.seed import free_memory
from scrcl.train import fit

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from scrcl.checkpoint import Checkpoint
    from scrcl.config import Config
    from scrcl.data.components import Axes
    from scrcl.data.prepare import Prepared
    from scrcl.nn.inputs import Inputs
    from scrcl.nn.minibatch import SparseInputs
    from scrcl.nn.network import Views
    from scrcl.train import EpochHook, Fit

log = logging.getLogger(__name__)

NClusters: TypeAlias = int | tuple[int, int] | None
"""A number of clusters; a range to find it in; ``None``: to be found."""

LATENT_IF_UNKNOWN = 20
"""Width of the refined views while the number of clusters, the paper's choice, is to be found."""
_COPIES_OF_X, _COPIES_OF_H = 3, 8
"""Arrays of cells x genes and of cells x hidden units that a step on all cells holds."""
_SHARE_OF_MEMORY = 0.5
"""Of the free memory that training may take."""
N_SMOOTHED_COMPONENTS = 100
"""Components that are smoothed on a tissue: noise that smoothing removes must not be cut off before."""
VOTING_VIEWS = ("e1", "e2")
"""Learned views in the consensus: as many as views of expression, which keep it sound where the
network has little to learn from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spots:
    """Where spots lie."""

    coords: NDArray[np.float64]
    """Positions, (n_obs, 2) or (n_obs, 3)."""
    slices: NDArray[Any] | None
    """Slice of each spot, (n_obs,); ``None``: one slice."""

    def vote(self, labels: NDArray[np.integer], n_neighbors: int) -> NDArray[np.integer]:
        """Replace each spot's label by the majority among its nearest spots."""
        voted = majority_vote(labels, self.coords, n_neighbors, self.slices)
        return voted.astype(labels.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What all seeds share: see `make_setup`. There is no label in it."""

    config: Config
    n_clusters: NClusters
    device: torch.device
    prepared: Prepared
    inputs: Inputs | SparseInputs | None = None
    """What the network sees; ``None``: nothing is trained."""
    components: tuple[NDArray[np.float32], ...] = ()
    """Principal components of expression, each (n_obs, width), for the methods that use them."""
    axes: tuple[Axes, ...] = ()
    """Their axes."""
    spots: Spots | None = None
    """``None``: single cells."""
    batches: NDArray[Any] | None = None
    """Batch of each cell, (n_obs,); ``None``: not to be corrected for."""
    progress: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFree:
    """What a seed finds without labels."""

    clustering: Clustering
    embedding: NDArray[np.float32]
    """What was clustered, (n_obs, n_features)."""
    history: list[dict[str, float]]
    epoch: int
    """Epoch that the embedding is of."""
    fitted: Fit | None = None
    """The trained network; ``None``: none was needed."""
    views: Views | None = None
    """What it says of the cells at that epoch."""


def make_setup(
    prepared: Prepared,
    config: Config,
    *,
    n_clusters: NClusters,
    device: torch.device,
    spots: Spots | None = None,
    batches: NDArray[Any] | None = None,
    progress: bool = False,
) -> Setup:
    """Compute what all seeds share; the dense parts only if the method of clustering asks for them.

    Parameters
    ----------
    prepared
        The data.
    config
        How to treat them.
    n_clusters
        A number, a range, or ``None``: found.
    device
        Where to train.
    spots
        Positions; ``None``: single cells.
    batches
        Batch of each cell, (n_obs,).
    progress
        Show a bar.
    """
    method = config.cluster.method
    fitted = []
    if method == "domains":
        scores, axes = fit_components(prepared.x, N_SMOOTHED_COMPONENTS)
        if prepared.slices is not None:
            scores = aligned(scores, prepared.slices)
        fitted = [(scores, axes)]
    elif method == "consensus":
        fitted = expression_components(prepared.log_norm.X, prepared.basis.to_median)
    return Setup(
        config=config,
        n_clusters=n_clusters,
        device=device,
        prepared=prepared,
        inputs=None if method == "domains" else network_inputs(prepared, config, device),
        components=tuple(scores for scores, _ in fitted),
        axes=tuple(axes for _, axes in fitted),
        spots=spots,
        batches=batches,
        progress=progress,
    )


def network_inputs(
    prepared: Prepared, config: Config, device: torch.device
) -> Inputs | SparseInputs:
    """Dense inputs where they and what training makes of them fit, else sparse ones for batches.

    A batch size in the configuration decides by itself. What is chosen by the memory at hand is
    told.
    """
    n_obs, n_genes = prepared.x.shape
    size = config.train.batch_size
    if size is not None:
        return prepared.sparse_inputs if size < n_obs else prepared.inputs
    needed = 4 * n_obs * (_COPIES_OF_X * n_genes + _COPIES_OF_H * config.model.n_hidden)
    free = free_memory(device)
    if needed <= free * _SHARE_OF_MEMORY:
        return prepared.inputs
    log.warning(
        "mini-batches: training on all %s cells at once takes some %.1f GB, and %.1f GB are free. "
        "train.batch_size sets their size",
        f"{n_obs:,}",
        needed / 1e9,
        free / 1e9,
    )
    return prepared.sparse_inputs


def run_seed(
    setup: Setup,
    seed: int,
    *,
    on_epoch: EpochHook | None = None,
    checkpoint: Checkpoint | None = None,
) -> LabelFree:
    """Train and cluster. Whoever watches the epochs cannot change the outcome by a bit.

    ``checkpoint`` saves the training now and then, and takes it up again, see `scrcl.train.fit`.
    """
    cfg = setup.config
    if setup.inputs is None:
        return _without_network(setup, seed)
    trained = train(setup, seed, on_epoch=on_epoch, checkpoint=checkpoint)
    views, epoch = trained.views, cfg.train.n_epochs
    if trained.best_views is not None and trained.best_epoch is not None:
        views, epoch = trained.best_views, trained.best_epoch
    points = embedding(views, cfg.cluster.embedding)
    if setup.batches is not None:
        points = correct(points, setup.batches, seed=seed)
    return LabelFree(
        clustering=_cluster(views, points, setup, seed),
        embedding=points,
        history=trained.history,
        epoch=epoch,
        fitted=trained,
        views=views,
    )


def train(
    setup: Setup,
    seed: int,
    *,
    on_epoch: EpochHook | None = None,
    checkpoint: Checkpoint | None = None,
) -> Fit:
    """Train the network of a seed; the arguments are those of `run_seed`."""
    assert setup.inputs is not None  # without them there is nothing to train
    cfg = setup.config
    return fit(
        setup.inputs,
        cfg.model,
        cfg.train,
        n_latent=_width_of_latent(setup.n_clusters),
        seed=seed,
        device=setup.device,
        keep=cfg.train.selection,
        on_epoch=on_epoch,
        progress=setup.progress,
        checkpoint=checkpoint,
    )


def _without_network(setup: Setup, seed: int) -> LabelFree:
    """Domains by smoothing and voting alone."""
    clustering, points = domain_clusters(
        setup.components[0], setup.prepared.adj, setup.n_clusters, seed=seed
    )
    clustering = refined_by_vote(clustering, setup.config.cluster.n_refine, setup.spots)
    return LabelFree(clustering=clustering, embedding=points, history=[], epoch=0)


def embedding(views: Views, name: str) -> NDArray[np.float32]:
    """Return what is clustered: ``z`` = [z1, z2], ``e1``, ``e2`` or ``e`` = [e1, e2].

    Shape (n_obs, n_features); it may share memory with the views.
    """
    parts = [getattr(views, view) for view in members(name)]
    joined: NDArray[np.float32] = (parts[0] if len(parts) == 1 else _side_by_side(*parts)).numpy()
    return joined


def _side_by_side(left: Tensor, right: Tensor) -> Tensor:
    """Return [left, right]; without a copy if they are halves of one array already."""
    n_left, width = left.shape[1], left.shape[1] + right.shape[1]
    one_array = left.untyped_storage().data_ptr() == right.untyped_storage().data_ptr()
    starts = (left.storage_offset(), right.storage_offset())
    if one_array and left.stride() == right.stride() == (width, 1) and starts == (0, n_left):
        return torch.as_strided(left, (len(left), width), (width, 1))
    return torch.cat([left, right], dim=1)


def members(name: str) -> tuple[str, ...]:
    """Return the names of the views that an embedding is made of."""
    return {"z": ("z1", "z2"), "e": ("e1", "e2")}.get(name, (name,))


def _cluster(views: Views, points: NDArray[np.float32], setup: Setup, seed: int) -> Clustering:
    """Cluster what a network found, by the consensus of its views or k-means on ``points``."""
    cfg, wanted = setup.config.cluster, setup.n_clusters
    if cfg.method == "consensus":
        learned = [embedding(views, name) for name in VOTING_VIEWS]
        every = [*setup.components, *learned]
        if setup.batches is not None:
            every = [correct(view, setup.batches, seed=seed) for view in every]
        return consensus_clusters(every, wanted, seed=seed)
    assert isinstance(wanted, int)  # `check_n_clusters` has seen to it
    labels: NDArray[np.integer] = cosine_kmeans(points, wanted, seed=seed)
    return refined_by_vote(Clustering(labels=labels), cfg.n_refine, setup.spots)


def refined_by_vote(found: Clustering, n_voters: int, spots: Spots | None) -> Clustering:
    """Let the nearest ``n_voters`` spots vote, if any are asked for; a domain may vanish by it."""
    if spots is None or not n_voters:
        return found
    _, labels = np.unique(spots.vote(found.labels, n_voters), return_inverse=True)
    stability = None
    if found.confidence is not None:
        stability = np.bincount(labels, found.confidence) / np.bincount(labels)
    return replace(found, labels=labels, stability=stability)


def _width_of_latent(n_clusters: NClusters) -> int:
    """Width of the refined views where the configuration leaves it open: the paper takes k."""
    if isinstance(n_clusters, tuple):
        return n_clusters[1]
    return LATENT_IF_UNKNOWN if n_clusters is None else n_clusters
