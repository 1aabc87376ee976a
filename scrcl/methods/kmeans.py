"""The paper's k-means on the learned views."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from scrcl._validate import InputError
from scrcl.clustering import Clustering, cosine_kmeans
from scrcl.methods.base import largest_first, refined_by_vote
from scrcl.methods.network_based import Embedded, embed, embedded_from, joint_points
from scrcl.methods.reference import members

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scrcl.config import Task
    from scrcl.data.components import Axes
    from scrcl.data.prepare import Prepared
    from scrcl.methods.base import (
        Arrays,
        ArrayShape,
        Fitted,
        Mapped,
        NClusters,
        NewData,
        State,
        TrainedViews,
        TrainingData,
    )
    from scrcl.methods.space import LabelledSpace


@dataclass(frozen=True, kw_only=True)
class KMeansClusters:
    """Clusters of the paper's k-means; it has no others.

    Attributes
    ----------
    clustering
        Of the training cells; after `from_state` of those that are kept.
    embedded
        The training cells in the network's views.
    """

    shapes: ClassVar[tuple[ArrayShape, ...]] = Embedded.shapes

    clustering: Clustering
    embedded: Embedded
    stored_space: LabelledSpace | None = None

    @property
    def embedding(self) -> NDArray[np.float32] | None:
        """``X_scrcl`` of the training cells, (n_obs, n_features)."""
        return self.embedded.embedding

    @cached_property
    def space(self) -> LabelledSpace:
        """Training cells with their clusters, for new ones to be compared with."""
        if self.stored_space is not None:
            return self.stored_space
        return self.embedded.space(self.clustering.labels, self.clustering.n_clusters)

    @property
    def tree(self) -> None:
        """There is none."""

    @property
    def threshold(self) -> float:
        """Confidence below which a new cell is unknown."""
        return self.space.threshold

    def cut(self, n_clusters: NClusters, granularity: float = 1.0) -> Self:  # noqa: ARG002
        """Return itself for its own number of clusters, or none; there is no tree to give another."""
        own = self.clustering.n_clusters
        if n_clusters not in (None, own):
            msg = (
                f"n_clusters: got {n_clusters}, wanted {own}: k-means keeps no tree of clusters. "
                f"Train again with n_clusters={n_clusters}."
            )
            raise InputError(msg)
        return self

    def map(self, new: NewData) -> Mapped:
        """Map new cells."""
        return self.embedded.map(new, self.space)

    def state(self) -> State:
        """Return what a model file needs."""
        return self.embedded.state(self.space)

    @classmethod
    def from_state(cls, info: dict[str, Any], arrays: Arrays) -> Self:
        """Undo `state`."""
        embedded, space = embedded_from(info, arrays)
        return cls(
            clustering=Clustering(labels=space.labels), embedded=embedded, stored_space=space
        )


class PaperKMeans:
    """K-means by cosine distance with 20 random starts, as in the paper."""

    about: ClassVar[str] = "The paper's k-means by cosine distance, with 20 random starts."
    tasks: ClassVar[tuple[Task, ...]] = ("sc", "st")
    needs_network: ClassVar[bool] = True
    finds_k: ClassVar[bool] = False
    has_tree: ClassVar[bool] = False
    takes_rep: ClassVar[bool] = False
    graphs: ClassVar[tuple[str, ...]] = ("expression", "spatial")
    fitted: ClassVar[type[Fitted]] = KMeansClusters

    @staticmethod
    def prepare(prepared: Prepared) -> list[tuple[NDArray[np.float32], Axes]]:  # noqa: ARG004
        """Return nothing: the paper clusters the learned views alone."""
        return []

    @staticmethod
    def fit(data: TrainingData, trained: TrainedViews | None, *, seed: int) -> KMeansClusters:
        """Cluster the joint views; on a tissue, let the nearest spots vote."""
        assert trained is not None  # it needs a network
        assert isinstance(data.n_clusters, int)  # it cannot find the number
        points = joint_points(data, trained, seed=seed)
        found = Clustering(labels=cosine_kmeans(points, data.n_clusters, seed=seed))
        found = refined_by_vote(found, data.config.cluster.n_refine, data.spots)
        names = members(data.config.cluster.embedding)
        return KMeansClusters(
            clustering=largest_first(found),
            embedded=embed(data, trained, names=names, points=points, seed=seed),
        )
