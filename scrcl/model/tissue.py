"""New slices: embedded on a graph of their own, and their spots among the training spots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scrcl.clustering.domains import Smoothing, smoothing
from scrcl.clustering.lowpass import graph_laplacian, low_pass
from scrcl.model.cells import Mapped
from scrcl.model.learn import members
from scrcl.model.network import Network, network
from scrcl.model.space import LabelledSpace, labelled_space, sample

if TYPE_CHECKING:
    from scrcl.data.basis import NewCells
    from scrcl.data.components import Axes
    from scrcl.data.graph import CSR
    from scrcl.model.learn import LabelFree, Setup, Spots


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainMap:
    """What is kept to map the spots of a new slice into domains, where no network was trained.

    Attributes
    ----------
    axes
        Principal axes of expression.
    smoothing
        Strength of the filter and axes after it; both are the training's.
    space
        Training spots in the embedding.
    """

    axes: Axes
    smoothing: Smoothing
    space: LabelledSpace

    def map(self, cells: NewCells, adj: CSR) -> Mapped:
        """Embed the spots, let the nearest training spots vote, smooth the votes as in training."""
        scores = [self.axes.project(x) for _, _, x in cells.blocks()]
        laplacian = graph_laplacian(adj)
        points = self.smoothing(np.concatenate(scores), laplacian)
        votes = self.space.vote(points)
        shares = low_pass(votes.shares, laplacian, self.smoothing.strength).clip(0, 1)
        confidence = self.space.confidence(shares, votes.distances)
        return Mapped(embedding=points, shares=shares, confidence=confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkMap:
    """What is kept to map the spots of a new slice where a network was trained on a tissue's graph.

    Attributes
    ----------
    network
        Both encoders.
    embedding
        Names of the views that make up the embedding.
    n_refine
        Nearest spots whose majority replaces a spot's cluster.
    space
        Training spots in the embedding.
    """

    network: Network
    embedding: tuple[str, ...]
    n_refine: int
    space: LabelledSpace

    def map(self, cells: NewCells, adj: CSR, spots: Spots) -> Mapped:
        """Run the encoders on the new slice; let the nearest training spots, then neighbours, vote."""
        x = np.concatenate([x for _, _, x in cells.blocks()])
        views = self.network.views(x, adj)
        points = np.concatenate([views[name] for name in self.embedding], axis=1)
        votes = self.space.vote(points)
        shares, confidence = votes.shares, self.space.confidence(*votes)
        if self.n_refine:
            won = spots.vote(shares.argmax(axis=1), self.n_refine)
            shares = np.eye(shares.shape[1])[won]
        return Mapped(embedding=points, shares=shares, confidence=confidence)


def domain_map(setup: Setup, found: LabelFree, *, seed: int) -> DomainMap:
    """Keep of a run of the method ``domains`` what a new slice needs."""
    return DomainMap(
        axes=setup.axes[0],
        smoothing=smoothing(setup.components[0], setup.prepared.adj),
        space=_space(found, seed),
    )


def network_map(setup: Setup, found: LabelFree, *, seed: int) -> NetworkMap:
    """Keep of a network that was trained on a tissue's graph what a new slice needs."""
    assert found.fitted is not None  # without a network there is a `DomainMap`
    cfg = setup.config.cluster
    return NetworkMap(
        network=network(setup, found.fitted),
        embedding=members(cfg.embedding),
        n_refine=cfg.n_refine,
        space=_space(found, seed),
    )


def _space(found: LabelFree, seed: int) -> LabelledSpace:
    rows = sample(len(found.embedding), seed=seed)
    return labelled_space(found.embedding[rows], found.clustering.labels[rows])
