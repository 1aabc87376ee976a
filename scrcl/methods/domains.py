"""The domains of a tissue: components smoothed over the graph of the spots, and a vote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from scrcl._validate import InputError
from scrcl.clustering import Clustering, DomainVoters, domain_voters
from scrcl.clustering.domains import Smoothing, smoothing
from scrcl.clustering.lowpass import graph_laplacian, low_pass
from scrcl.data.components import Axes, aligned, fit_components
from scrcl.methods.base import Mapped, Spots, State, largest_first, refined_by_vote
from scrcl.methods.network_based import SPACE_SHAPES
from scrcl.methods.reference import (
    AXES_SHAPES,
    axes_arrays,
    axes_from,
    space_arrays,
    space_from,
)
from scrcl.methods.space import label_space, nearest_others, sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scrcl.config import Task
    from scrcl.data.graph import CSR
    from scrcl.data.prepare import Prepared
    from scrcl.methods.base import (
        Arrays,
        ArrayShape,
        Fitted,
        NClusters,
        NewData,
        TrainedViews,
        TrainingData,
    )
    from scrcl.methods.space import LabelledSpace

N_SMOOTHED_COMPONENTS = 100
"""Components that are smoothed on a tissue: noise that smoothing removes must not be cut off before."""


@dataclass(frozen=True, kw_only=True)
class _Training:
    """What the training spots have that a model file does not."""

    voters: DomainVoters
    components: NDArray[np.float32]
    adj: CSR
    spots: Spots | None
    n_refine: int
    seed: int

    def domains(self, n_clusters: int | tuple[int, int] | None) -> Clustering:
        found = self.voters.clusters(n_clusters, seed=self.seed)
        return largest_first(refined_by_vote(found, self.n_refine, self.spots))


@dataclass(frozen=True, kw_only=True)
class DomainClusters:
    """Domains of a tissue.

    Attributes
    ----------
    clustering
        Of the training spots; after `from_state` of those that are kept.
    embedding
        Smoothed components, (n_obs, at most 20); ``None`` after `from_state`.
    axes
        Principal axes of expression.
    training
        The training spots; ``None`` after `from_state`.
    """

    shapes: ClassVar[tuple[ArrayShape, ...]] = (
        *AXES_SHAPES,
        *SPACE_SHAPES,
        (r"space\.points", "f", ("cells", "width")),
        (r"smoothing\.mean", "f", ("components 0",)),
        (r"smoothing\.axes", "f", ("components 0", "width")),
    )

    clustering: Clustering
    embedding: NDArray[np.float32] | None
    axes: Axes
    training: _Training | None = None
    stored: tuple[Smoothing, LabelledSpace] | None = None

    @cached_property
    def smoothing(self) -> Smoothing:
        """Strength of the filter and axes after it, as in training."""
        if self.training is None:
            assert self.stored is not None
            return self.stored[0]
        return smoothing(self.training.components, self.training.adj)

    @cached_property
    def space(self) -> LabelledSpace:
        """Training spots in the embedding with their domains."""
        if self.embedding is None or self.training is None:
            assert self.stored is not None
            return self.stored[1]
        rows = sample(len(self.embedding), seed=self.training.seed)
        points = self.embedding[rows]
        return label_space(
            points,
            self.clustering.labels[rows],
            nearest_others(points, points),
            n_clusters=self.clustering.n_clusters,
        )

    @property
    def tree(self) -> None:
        """There is none."""

    @property
    def threshold(self) -> float:
        """Confidence below which a new spot is unknown."""
        return self.space.threshold

    def cut(self, n_clusters: NClusters, granularity: float = 1.0) -> Self:  # noqa: ARG002
        """Let the voters find another number of domains."""
        if n_clusters == self.clustering.n_clusters:
            return self
        if self.training is None:
            n_wanted = "auto" if n_clusters is None else n_clusters
            msg = (
                f"n_clusters: got {n_wanted}, wanted {self.clustering.n_clusters}: a model file "
                f"holds one number of domains. Train again with n_clusters={n_wanted}."
            )
            raise InputError(msg)
        return replace(self, clustering=self.training.domains(n_clusters))

    def map(self, new: NewData) -> Mapped:
        """Embed the spots, let the nearest training spots vote, smooth the votes as in training."""
        assert new.tissue is not None
        scores = [self.axes.project(x) for _, _, x in new.cells.blocks()]
        laplacian = graph_laplacian(new.tissue.adj)
        points = self.smoothing(np.concatenate(scores), laplacian)
        votes = self.space.vote(points)
        shares = low_pass(votes.shares, laplacian, self.smoothing.strength).clip(0, 1)
        confidence = self.space.confidence(shares, votes.distances)
        return Mapped(embedding=points, shares=shares, confidence=confidence)

    def state(self) -> State:
        """Return what a model file needs."""
        info = {
            "map": "domains",
            "threshold": self.threshold,
            "n_clusters": len(self.space.radii),
            "strength": self.smoothing.strength,
        }
        arrays = axes_arrays((self.axes,)) | space_arrays(self.space)
        arrays |= {
            "space.points": self.space.points,
            "smoothing.mean": self.smoothing.mean,
            "smoothing.axes": self.smoothing.axes,
        }
        return State(info, arrays)

    @classmethod
    def from_state(cls, info: dict[str, Any], arrays: Arrays) -> Self:
        """Undo `state`."""
        found = Smoothing(
            strength=float(info["strength"]),
            mean=arrays["smoothing.mean"],
            axes=arrays["smoothing.axes"],
        )
        space = space_from(info, arrays, arrays["space.points"])
        return cls(
            clustering=Clustering(labels=space.labels),
            embedding=None,
            axes=axes_from(info, arrays)[0],
            stored=(found, space),
        )


class Domains:
    """Domains by smoothing and voting alone."""

    about: ClassVar[str] = (
        "Components of expression, smoothed over the graph of the spots in many ways, vote; no "
        "network is trained."
    )
    tasks: ClassVar[tuple[Task, ...]] = ("st",)
    needs_network: ClassVar[bool] = False
    finds_k: ClassVar[bool] = True
    has_tree: ClassVar[bool] = False
    takes_rep: ClassVar[bool] = False
    fitted: ClassVar[type[Fitted]] = DomainClusters

    @staticmethod
    def prepare(prepared: Prepared) -> list[tuple[NDArray[np.float32], Axes]]:
        """100 components of expression, slices brought together."""
        scores, axes = fit_components(prepared.x, N_SMOOTHED_COMPONENTS)
        if prepared.slices is not None:
            scores = aligned(scores, prepared.slices)
        return [(scores, axes)]

    @staticmethod
    def fit(data: TrainingData, trained: TrainedViews | None, *, seed: int) -> DomainClusters:  # noqa: ARG004
        """Smooth the components, and let them vote."""
        components, adj = data.components[0], data.prepared.adj
        voters = domain_voters(components, adj)
        training = _Training(
            voters=voters,
            components=components,
            adj=adj,
            spots=data.spots,
            n_refine=data.config.cluster.n_refine,
            seed=seed,
        )
        return DomainClusters(
            clustering=training.domains(data.n_clusters),
            embedding=voters.embedding.astype(np.float32),
            axes=data.axes[0],
            training=training,
        )
