"""The stages between prepared data and clusters, each on what the one before returns.

`training_data` (views: components and network inputs), `train` (the network of a seed), then the
clustering method (partition and tree); `run_seed` goes through the last two. There are no labels.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from scrcl._memory import SHARE, is_lack_of_memory
from scrcl.config import override
from scrcl.distributed import current_processes
from scrcl.methods import TrainedViews, TrainingData, get_method
from scrcl.seed import free_memory
from scrcl.train import DEFAULT_BATCH_SIZE, MIN_CELLS, StatefulHook, fit

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from scrcl.checkpoint import Checkpoint
    from scrcl.clustering import Clustering
    from scrcl.config import Config
    from scrcl.data.prepare import Prepared
    from scrcl.methods import Fitted, NClusters, Spots
    from scrcl.nn.network import ScRCLNet, Views
    from scrcl.train import EpochHook, Fit

log = logging.getLogger(__name__)

LATENT_IF_UNKNOWN = 20
"""Width of the refined views while the number of clusters, the paper's choice, is to be found."""
_COPIES_OF_X, _COPIES_OF_H = 3, 8
"""Arrays of cells x genes and of cells x hidden units that a step on all cells holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRun:
    """What one seed finds. There is no label in it."""

    fitted: Fitted
    """Clusters, embedding, and the mapping of new cells."""
    history: list[dict[str, float]]
    """Losses of each epoch."""
    epoch: int
    """Epoch that the embedding is of."""
    network: ScRCLNet | None = None
    """The trained network; ``None``: none was needed."""
    views: Views | None = None
    """What it says of the cells at that epoch."""

    @property
    def clustering(self) -> Clustering:
        """Clusters of the training cells."""
        return self.fitted.clustering

    @property
    def embedding(self) -> NDArray[np.float32]:
        """``X_scrcl`` of the training cells, (n_obs, n_features)."""
        assert self.fitted.embedding is not None  # it comes from a fit, not from a file
        return self.fitted.embedding


def training_data(
    prepared: Prepared,
    config: Config,
    *,
    n_clusters: NClusters,
    device: torch.device,
    spots: Spots | None = None,
    batches: NDArray[Any] | None = None,
    progress: bool = False,
) -> TrainingData:
    """Compute what all seeds share; only what the method of clustering asks for.

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
    method = get_method(config.cluster.method)
    fitted = method.prepare(prepared)
    return TrainingData(
        config=config,
        n_clusters=n_clusters,
        device=device,
        prepared=prepared,
        network_input=network_input(prepared, config, device) if method.needs_network else None,
        components=tuple(scores for scores, _ in fitted),
        axes=tuple(axes for _, axes in fitted),
        spots=spots,
        batches=batches,
        progress=progress,
    )


def network_input(
    prepared: Prepared, config: Config, device: torch.device
) -> Literal["dense", "sparse"]:
    """Dense inputs where they and what training makes of them fit, else sparse ones for batches.

    A batch size in the configuration decides by itself. What is chosen by the memory at hand is
    logged.
    """
    n_obs, n_genes = prepared.x.shape
    size = config.train.batch_size
    if size is not None:
        return "sparse" if size < n_obs else "dense"
    needed = 4 * n_obs * (_COPIES_OF_X * n_genes + _COPIES_OF_H * config.model.n_hidden)
    free = free_memory(device)
    if needed <= free * SHARE:
        return "dense"
    log.warning(
        "mini-batches: training on all %s cells at once takes some %.1f GB, and %.1f GB are free. "
        "train.batch_size sets their size",
        f"{n_obs:,}",
        needed / 1e9,
        free / 1e9,
    )
    return "sparse"


def run_seed(
    data: TrainingData,
    seed: int,
    *,
    on_epoch: EpochHook | None = None,
    checkpoint: Checkpoint | None = None,
) -> SeedRun:
    """Train and cluster. Whoever watches the epochs cannot change the outcome by a bit.

    ``checkpoint`` saves the training now and then, and takes it up again, see `scrcl.train.fit`.
    """
    cfg = data.config
    method = get_method(cfg.cluster.method)
    if not method.needs_network:
        return SeedRun(fitted=partition(data, None, seed=seed), history=[], epoch=0)
    trained = train(data, seed, on_epoch=on_epoch, checkpoint=checkpoint)
    views, epoch = trained.views, cfg.train.n_epochs
    if trained.best_views is not None and trained.best_epoch is not None:
        views, epoch = trained.best_views, trained.best_epoch
    return SeedRun(
        fitted=partition(data, TrainedViews(trained, views), seed=seed),
        history=trained.history,
        epoch=epoch,
        network=trained.model,
        views=views,
    )


def partition(data: TrainingData, trained: TrainedViews | None, *, seed: int) -> Fitted:
    """Cluster by the method that the configuration names."""
    return get_method(data.config.cluster.method).fit(data, trained, seed=seed)


def train(
    data: TrainingData,
    seed: int,
    *,
    on_epoch: EpochHook | None = None,
    checkpoint: Checkpoint | None = None,
) -> Fit:
    """Train the network of a seed; the arguments are those of `run_seed`.

    Where all cells at once do not fit into memory after all, as when somebody else takes it
    meanwhile, training starts again on mini-batches, and the log says so. What watches the epochs
    must be able to start again, too: see `scrcl.train.StatefulHook`.
    """
    n_obs = len(data.prepared.obs_names)
    watcher = on_epoch if isinstance(on_epoch, StatefulHook) else None
    can_start_again = (
        data.network_input == "dense"
        and (on_epoch is None or watcher is not None)
        and current_processes(n_obs).size == 1
    )
    before = None if watcher is None else watcher.state_dict()
    try:
        return _train(data, seed, on_epoch, checkpoint)
    except (MemoryError, RuntimeError) as error:
        if not (can_start_again and is_lack_of_memory(error)):
            raise
    # After the block, which has let go of the tensors that the error's frames held.
    size = max(MIN_CELLS, min(DEFAULT_BATCH_SIZE, n_obs // 4))
    log.warning(
        "mini-batches: device %s ran out of memory with all %s cells at once, so that training "
        "starts again on %s of them at a time. train.batch_size sets how many",
        data.device,
        f"{n_obs:,}",
        f"{size:,}",
    )
    if watcher is not None and before is not None:
        watcher.load_state_dict(before)
    config = override(data.config, {"train.batch_size": size})
    smaller = replace(data, network_input="sparse", config=config).without_inputs()
    return _train(smaller, seed, on_epoch, None)


def _train(
    data: TrainingData, seed: int, on_epoch: EpochHook | None, checkpoint: Checkpoint | None
) -> Fit:
    cfg = data.config
    return fit(
        data.inputs,
        cfg.model,
        cfg.train,
        n_latent=_width_of_latent(data.n_clusters),
        seed=seed,
        device=data.device,
        keep=cfg.train.selection,
        on_epoch=on_epoch,
        progress=data.progress,
        checkpoint=checkpoint,
    )


def _width_of_latent(n_clusters: NClusters) -> int:
    """Width of the refined views where the configuration leaves it open: the paper takes k."""
    if isinstance(n_clusters, tuple):
        return n_clusters[1]
    return LATENT_IF_UNKNOWN if n_clusters is None else n_clusters
