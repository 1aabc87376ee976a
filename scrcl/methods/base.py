"""What a clustering method is: the protocol, and the types that its parts take and return."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, Self, TypeAlias

import numpy as np

from scrcl._validate import check_one_of
from scrcl.clustering import Clustering, majority_vote
from scrcl.clustering.consensus import by_size
from scrcl.config import METHODS

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from scrcl.clustering import ClusterTree
    from scrcl.config import Config, Task
    from scrcl.data.basis import NewCells
    from scrcl.data.components import Axes
    from scrcl.data.graph import CSR
    from scrcl.data.prepare import Prepared
    from scrcl.nn.inputs import Inputs
    from scrcl.nn.minibatch import SparseInputs
    from scrcl.nn.network import Views
    from scrcl.train import Fit

Arrays: TypeAlias = "dict[str, NDArray[Any]]"
ArrayShape: TypeAlias = tuple[str, str, tuple[str, ...]]
"""An array of a model file: pattern of its name, kind of number, and its shape in named sizes."""

NClusters: TypeAlias = int | tuple[int, int] | None
"""A number of clusters; a range to find it in; ``None``: to be found."""


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
class TrainingData:
    """The training cells, ready for a method: all that the seeds of a run share. No labels."""

    config: Config
    n_clusters: NClusters
    device: torch.device
    prepared: Prepared
    network_input: Literal["dense", "sparse"] | None = None
    """What the network sees: dense arrays, or sparse ones in mini-batches; ``None``: no network."""
    components: tuple[NDArray[np.float32], ...] = ()
    """What `Method.prepare` returned: components of expression, each (n_obs, width)."""
    axes: tuple[Axes, ...] = ()
    """Their axes."""
    spots: Spots | None = None
    """``None``: single cells."""
    batches: NDArray[Any] | None = None
    """Batch of each cell, (n_obs,); ``None``: not to be corrected for."""
    progress: bool = False

    @property
    def inputs(self) -> Inputs | SparseInputs:
        """What the network sees, made when first asked for."""
        if self.network_input == "sparse":
            return self.prepared.sparse_inputs
        return self.prepared.inputs

    def without_inputs(self) -> TrainingData:
        """Return the same without the dense arrays, which are made again if they are asked for."""
        return replace(self, prepared=replace(self.prepared))


class TrainedViews(NamedTuple):
    """What a trained network says of the training cells."""

    fit: Fit
    views: Views
    """Of the epoch that the configuration asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTissue:
    """Graph and positions of the spots of a new slice."""

    adj: CSR  # (n_kept, n_kept)
    spots: Spots


@dataclass(frozen=True, slots=True, kw_only=True)
class NewData:
    """Cells that the model has not seen."""

    cells: NewCells
    tissue: NewTissue | None = None
    """``None``: single cells."""
    rep: NDArray[np.float32] | None = None
    """Embedding that is one more view, (n_kept, width), if the model was trained with one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """Where new cells lie among the training cells."""

    embedding: NDArray[np.float32]
    """As ``X_scrcl`` of the training cells, (n_cells, n_features)."""
    shares: NDArray[np.float64]
    """Share of the votes for each cluster, (n_cells, n_clusters)."""
    confidence: NDArray[np.float32]
    """(n_cells,)."""


class State(NamedTuple):
    """What a model file holds of a fitted method: plain values, and named arrays."""

    info: dict[str, Any]
    arrays: Arrays


class Fitted(Protocol):
    """Clusters that a method found, and what it takes to use them."""

    shapes: ClassVar[tuple[ArrayShape, ...]]
    """The arrays of its `state`, to be checked when a file is read."""

    @property
    def clustering(self) -> Clustering:
        """Clusters of the training cells; after `from_state` of those that the file holds."""
        ...

    @property
    def embedding(self) -> NDArray[np.float32] | None:
        """``X_scrcl`` of the training cells, (n_obs, n_features); ``None`` after `from_state`."""
        ...

    @property
    def tree(self) -> ClusterTree | None:
        """Tree of which the clusters are a cut; ``None``: the method has none."""
        ...

    @property
    def threshold(self) -> float:
        """Confidence below which a new cell is unknown."""
        ...

    def cut(self, n_clusters: NClusters, granularity: float = 1.0) -> Self:
        """Return the same with another number of clusters, or that found, without training.

        ``granularity`` says how little evidence a split of its tree needs, if it has one.

        Raises
        ------
        InputError
            If the method keeps nothing that could be cut, or has no such number.
        """
        ...

    def map(self, new: NewData) -> Mapped:
        """Map new cells."""
        ...

    def state(self) -> State:
        """Return what a model file needs, of at most 20,000 training cells."""
        ...

    @classmethod
    def from_state(cls, info: dict[str, Any], arrays: Arrays) -> Self:
        """Undo `state`; a missing entry is a `KeyError`."""
        ...


class Method(Protocol):
    """A way to cluster cells."""

    about: ClassVar[str]
    """One sentence for the documentation."""
    tasks: ClassVar[tuple[Task, ...]]
    """What it can cluster: single cells (``sc``), spots (``st``)."""
    needs_network: ClassVar[bool]
    """Whether a network is trained for it."""
    finds_k: ClassVar[bool]
    """Whether it can find the number of clusters."""
    has_tree: ClassVar[bool]
    """Whether it cuts a tree, as deep as ``cluster.granularity`` says."""
    takes_rep: ClassVar[bool]
    """Whether it clusters an embedding that the user has (``data.use_rep``), too."""
    graphs: ClassVar[tuple[str, ...]]
    """What its cell graph can be of (``data.graph``)."""
    fitted: ClassVar[type[Fitted]]
    """What `fit` returns; a model file is read with it."""

    @staticmethod
    def prepare(prepared: Prepared) -> list[tuple[NDArray[np.float32], Axes]]:
        """Compute what all seeds share: components of expression, (n_obs, width), and their axes."""
        ...

    @staticmethod
    def fit(data: TrainingData, trained: TrainedViews | None, *, seed: int) -> Fitted:
        """Cluster; ``trained`` is there if the method needs a network."""
        ...


def get_method(name: str) -> Method:
    """Return a clustering method by its name in `scrcl.config.METHODS`.

    Examples
    --------
    >>> get_method("kmeans").finds_k
    False
    """
    check_one_of(name, "cluster.method", list(METHODS))
    module, _, attribute = METHODS[name].partition(":")
    method: Method = getattr(importlib.import_module(module), attribute)()
    return method


def refined_by_vote(found: Clustering, n_voters: int, spots: Spots | None) -> Clustering:
    """Let the nearest ``n_voters`` spots vote, if any are asked for; a domain may vanish by it."""
    if spots is None or not n_voters:
        return found
    _, labels = np.unique(spots.vote(found.labels, n_voters), return_inverse=True)
    stability = None
    if found.confidence is not None:
        stability = np.bincount(labels, found.confidence) / np.bincount(labels)
    return replace(found, labels=labels, stability=stability)


def largest_first(found: Clustering) -> Clustering:
    """Renumber the clusters from the largest to the smallest."""
    labels = by_size(found.labels)
    if found.stability is None:
        return replace(found, labels=labels)
    order = np.empty(found.n_clusters, dtype=np.intp)
    order[labels] = found.labels
    return replace(found, labels=labels, stability=found.stability[order])
