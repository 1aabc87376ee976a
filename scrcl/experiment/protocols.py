"""The paper's protocol, which looks at labels. What trains without them is `scrcl.model`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scrcl.clustering import cosine_kmeans
from scrcl.methods.network_based import joint_views
from scrcl.metrics import score

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from scrcl.model import Spots
    from scrcl.nn.network import Views

ORACLE_VOTERS = 50
"""Nearest spots by whose majority the paper replaces the domains that its labels picked."""


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
    embedding
        Which views are clustered, see `scrcl.config.ClusterConfig`; the paper has "z".
    """

    def __init__(
        self, truth: pd.Series, *, seed: int, spots: Spots | None, embedding: str = "z"
    ) -> None:
        self.embedding = embedding
        self.truth = truth
        self.n_classes = truth.nunique()
        self.seed = seed
        self.spots = spots
        self.criterion = "nmi" if spots is None else "ari"
        self.history: list[dict[str, float]] = []
        self.best_labels: NDArray[np.intp] | None = None
        self.best_epoch = 0
        self.best_value = -np.inf
        self.seconds = 0.0
        """Spent on clustering and scoring, without the forward pass that it costs."""

    def __call__(self, epoch: int, views: Views) -> None:
        """Score an epoch; to be called after each."""
        start = time.perf_counter()
        draw = np.random.SeedSequence((self.seed, epoch)).generate_state(1)[0]
        labels = cosine_kmeans(joint_views(views, self.embedding), self.n_classes, seed=int(draw))
        found = score(self.truth, labels)
        scores = {"acc": found["acc"], "nmi": found["nmi"], "ari": found["ari"], "f1": found["f1"]}
        self.history.append({f"oracle_{name}": value for name, value in scores.items()})
        if scores[self.criterion] > self.best_value:
            self.best_value, self.best_epoch = scores[self.criterion], epoch
            self.best_labels = labels
        self.seconds += time.perf_counter() - start

    def state_dict(self) -> dict[str, Any]:
        """All that it has seen, for a checkpoint."""
        labels = self.best_labels
        return {
            "history": list(self.history),
            "best_labels": None if labels is None else torch.from_numpy(labels.astype(np.int64)),
            "best_epoch": self.best_epoch,
            "best_value": float(self.best_value),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        labels = state["best_labels"]
        self.history = list(state["history"])
        self.best_labels = None if labels is None else labels.numpy().astype(np.intp)
        self.best_epoch, self.best_value = state["best_epoch"], state["best_value"]

    def clusters(self) -> NDArray[np.integer]:
        """Clusters of the best epoch, (n_obs,)."""
        assert self.best_labels is not None  # training has at least one epoch
        if self.spots is None:
            return self.best_labels
        return self.spots.vote(self.best_labels, ORACLE_VOTERS)
