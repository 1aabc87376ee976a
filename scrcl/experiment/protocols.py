"""The paper's protocol, which looks at labels. What trains without them is `scrcl.model`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
        labels = cosine_kmeans(joint_views(views, "z"), self.n_classes, seed=int(draw))
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
