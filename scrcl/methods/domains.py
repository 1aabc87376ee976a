"""The domains of a tissue: components smoothed over the graph of the spots, and a vote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from scrcl.clustering import Clustering, domain_tree, domain_voters
from scrcl.clustering.domains import Smoothing, smoothing
from scrcl.clustering.lowpass import graph_laplacian, low_pass
from scrcl.data.components import Axes, aligned, fit_components
from scrcl.methods.base import Mapped, State
from scrcl.methods.consensus import (
    TREE_SHAPES,
    checked_tree,
    expression_of,
    tree_from,
    tree_state,
)
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
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scrcl.clustering import ClusterTree
    from scrcl.config import Task
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
class DomainClusters:
    """Domains of a tissue, cut from a tree.

    Attributes
    ----------
    clustering
        Of the training spots; after `from_state` of those that are kept.
    embedding
        Smoothed components, (n_obs, at most 20); ``None`` after `from_state`.
    axes
        Principal axes of expression.
    tree
        The tree; ``None`` if it was read from a file without one.
    rows
        Which training spots are kept to compare new ones with, (n_ref,).
    points
        These in the embedding, (n_ref, at most 20).
    make_smoothing
        Finds the strength of the filter and the axes after it, as in training. Only whoever maps
        new spots, or saves, pays for it.
    """

    shapes: ClassVar[tuple[ArrayShape, ...]] = (
        *AXES_SHAPES,
        *SPACE_SHAPES,
        *TREE_SHAPES,
        (r"space\.points", "f", ("cells", "width")),
        (r"smoothing\.mean", "f", ("components 0",)),
        (r"smoothing\.axes", "f", ("components 0", "width")),
    )

    clustering: Clustering
    embedding: NDArray[np.float32] | None
    axes: Axes
    tree: ClusterTree | None
    rows: NDArray[np.intp]
    points: NDArray[np.float32]
    make_smoothing: Callable[[], Smoothing]
    stored_space: LabelledSpace | None = None

    @cached_property
    def smoothing(self) -> Smoothing:
        """Strength of the filter and axes after it, as in training."""
        return self.make_smoothing()

    @cached_property
    def space(self) -> LabelledSpace:
        """Training spots in the embedding with their domains."""
        if self.stored_space is not None:
            return self.stored_space
        return label_space(
            self.points,
            self.clustering.labels[self.rows],
            nearest_others(self.points, self.points),
            n_clusters=self.clustering.n_clusters,
        )

    @property
    def threshold(self) -> float:
        """Confidence below which a new spot is unknown."""
        return self.space.threshold

    def cut(self, n_clusters: NClusters, granularity: float = 1.0) -> Self:
        """Cut the tree at another number of domains, or at the one that was found."""
        if self.tree is None and n_clusters == self.clustering.n_clusters:
            return self
        tree = checked_tree(self.tree).at(granularity)
        return replace(self, tree=tree, clustering=tree.clusters(n_clusters), stored_space=None)

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
        if self.tree is None:
            return State(info, arrays)
        tree = tree_state(self.tree, self.rows)
        return State(info | tree.info, arrays | tree.arrays)

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
            tree=tree_from(info, arrays) if "tree.merges" in arrays else None,
            rows=np.arange(len(space.labels)),
            points=space.points,
            make_smoothing=lambda: found,
            stored_space=space,
        )


class Domains:
    """Domains by smoothing and voting alone."""

    about: ClassVar[str] = (
        "Components of expression, smoothed over the graph of the spots in many ways, vote; a tree "
        "over the votes is cut. No network is trained."
    )
    tasks: ClassVar[tuple[Task, ...]] = ("st",)
    needs_network: ClassVar[bool] = False
    finds_k: ClassVar[bool] = True
    has_tree: ClassVar[bool] = True
    takes_rep: ClassVar[bool] = False
    graphs: ClassVar[tuple[str, ...]] = ("spatial",)
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
        """Smooth the components, let them vote, and cut the tree over their votes."""
        components, adj = data.components[0], data.prepared.adj
        cluster, spots = data.config.cluster, data.spots
        voters = domain_voters(components, adj)
        refine = None
        if spots is not None and cluster.n_refine:
            refine = partial(spots.vote, n_neighbors=cluster.n_refine)
        tree = domain_tree(
            voters,
            replace(expression_of(data), components=voters.embedding),
            seed=seed,
            wanted=data.n_clusters if isinstance(data.n_clusters, tuple) else None,
            refine=refine,
        ).at(cluster.granularity)
        embedding = voters.embedding.astype(np.float32)
        rows = sample(len(embedding), seed=seed)
        return DomainClusters(
            clustering=tree.clusters(data.n_clusters),
            embedding=embedding,
            axes=data.axes[0],
            tree=tree,
            rows=rows,
            points=embedding[rows],
            make_smoothing=partial(smoothing, components, adj),
        )
