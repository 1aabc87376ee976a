"""One seed: trained without labels; scored with them afterwards, or, by the oracle, on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scrcl.clustering import (
    Clustering,
    consensus_clusters,
    cosine_kmeans,
    domain_clusters,
    majority_vote,
)
from scrcl.metrics import score
from scrcl.train import fit

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    import torch
    from numpy.typing import NDArray

    from scrcl.config import Config
    from scrcl.experiment.settings import NClusters
    from scrcl.nn.inputs import Inputs
    from scrcl.nn.model import Views

LATENT_IF_UNKNOWN = 20
"""Width of the refined views while the number of clusters, the paper's choice, is to be found."""
ORACLE_VOTERS = 50
"""Nearest spots by whose majority the paper replaces the domains that its labels picked."""


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
    """What all seeds of an experiment share. There is no label in it."""

    config: Config
    n_clusters: NClusters
    device: torch.device
    inputs: Inputs | None = None
    """What the network sees; ``None`` if the method of clustering needs none."""
    components: tuple[NDArray[np.float32], ...] = ()
    """Principal components of expression, each (n_obs, width), for the methods that use them."""
    adj: sp.csr_matrix | None = None
    """Cell graph, for the method that smooths over it."""
    spots: Spots | None = None
    """``None``: single cells."""
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


def run_seed(setup: Setup, seed: int, *, oracle: Oracle | None = None) -> LabelFree:
    """Train and cluster. An oracle may watch; it cannot change the outcome by a bit."""
    cfg = setup.config
    if setup.inputs is None:
        return _without_network(setup, seed)
    trained = fit(
        setup.inputs,
        cfg.model,
        cfg.train,
        n_latent=_n_latent(setup.n_clusters),
        seed=seed,
        device=setup.device,
        keep=cfg.train.selection,
        on_epoch=None if oracle is None else oracle.watch,
        progress=setup.progress,
    )
    views, epoch = trained.views, cfg.train.n_epochs
    if trained.best_views is not None and trained.best_epoch is not None:
        views, epoch = trained.best_views, trained.best_epoch
    points = embedding(views, cfg.cluster.embedding)
    return LabelFree(
        clustering=_cluster(views, points, setup, seed),
        embedding=points,
        history=trained.history,
        epoch=epoch,
    )


def _without_network(setup: Setup, seed: int) -> LabelFree:
    """Domains by smoothing and voting alone."""
    assert setup.adj is not None  # without it, a network had to be there
    clustering, points = domain_clusters(
        setup.components[0], setup.adj, setup.n_clusters, seed=seed
    )
    clustering = _refined(clustering, setup)
    return LabelFree(clustering=clustering, embedding=points, history=[], epoch=0)


def embedding(views: Views, name: str) -> NDArray[np.float32]:
    """Return what is clustered, (n_obs, n_features): ``z`` = [z1, z2], ``e1``, ``e2``, ``e`` = [e1, e2]."""
    members = {"z": (views.z1, views.z2), "e": (views.e1, views.e2)}
    chosen = members.get(name) or (getattr(views, name),)
    return np.concatenate([view.numpy() for view in chosen], axis=1)


class Oracle:
    """The paper's protocol: cluster after every epoch, and keep the epoch that scores best.

    It looks at the labels to choose, so what it reaches is an upper bound and no estimate of what
    a user gets, who has none. Official names: Z = [z1, z2], cosine k-means with the true number of
    classes; the best NMI (single cells) or ARI (spots) wins; the domains of spots are then replaced
    by the majority among the 50 nearest spots.

    Parameters
    ----------
    truth
        Class of each cell, (n_obs,), categorical, missing where there is none.
    seed
        Seed of the k-means, whose draws differ from epoch to epoch.
    spots
        Positions; ``None``: single cells.
    """

    def __init__(self, truth: pd.Series, *, seed: int, spots: Spots | None) -> None:
        self.truth = truth
        self.n_classes = truth.nunique()
        self.seed = seed
        self.spots = spots
        self.criterion = "nmi" if spots is None else "ari"
        self.history: list[dict[str, float]] = []
        self.best_labels: NDArray[np.intp] | None = None
        self.best_epoch = 0
        self.best_value = -np.inf

    def watch(self, epoch: int, views: Views) -> None:
        """Score an epoch; to be called after each."""
        draw = np.random.SeedSequence((self.seed, epoch)).generate_state(1)[0]
        labels = cosine_kmeans(embedding(views, "z"), self.n_classes, seed=int(draw))
        scores: dict[str, float] = dict(score(self.truth, labels))  # type: ignore[arg-type]
        row = {f"oracle_{name}": scores[name] for name in ("acc", "nmi", "ari", "f1")}
        self.history.append(row)
        if scores[self.criterion] > self.best_value:
            self.best_value, self.best_epoch = scores[self.criterion], epoch
            self.best_labels = labels

    def clusters(self) -> NDArray[np.integer]:
        """Clusters of the best epoch, (n_obs,)."""
        assert self.best_labels is not None  # training has at least one epoch
        if self.spots is None:
            return self.best_labels
        return self.spots.vote(self.best_labels, ORACLE_VOTERS)


def _cluster(views: Views, points: NDArray[np.float32], setup: Setup, seed: int) -> Clustering:
    """Cluster what a network found, by the consensus of its views or k-means on ``points``."""
    cfg, wanted = setup.config.cluster, setup.n_clusters
    if cfg.method == "consensus":
        learned = [embedding(views, name) for name in ("e1", "e2", "e")]
        return consensus_clusters([*setup.components, *learned], wanted, seed=seed)
    assert isinstance(wanted, int)  # `resolve_n_clusters` has seen to it
    labels: NDArray[np.integer] = cosine_kmeans(points, wanted, seed=seed)
    return _refined(Clustering(labels=labels), setup)


def _refined(found: Clustering, setup: Setup) -> Clustering:
    """Let the nearest spots vote, if that is asked for; a domain may vanish by it."""
    n_voters = setup.config.cluster.n_refine
    if setup.spots is None or not n_voters:
        return found
    _, labels = np.unique(setup.spots.vote(found.labels, n_voters), return_inverse=True)
    stability = None
    if found.confidence is not None:
        stability = np.bincount(labels, found.confidence) / np.bincount(labels)
    return replace(found, labels=labels, stability=stability)


def _n_latent(n_clusters: NClusters) -> int:
    if isinstance(n_clusters, tuple):
        return n_clusters[1]
    return LATENT_IF_UNKNOWN if n_clusters is None else n_clusters
