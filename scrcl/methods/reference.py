"""Training cells that new cells are compared with, after a network has embedded both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from scrcl._validate import InputError, shown
from scrcl.data.components import Axes, fit_components
from scrcl.methods.base import Mapped, State
from scrcl.methods.network import (
    NETWORK_WEIGHTS,
    Network,
    mlp_views,
    mlp_weights,
    network,
    refinement,
)
from scrcl.methods.reduction import Reduction
from scrcl.methods.space import LabelledSpace, label_space, nearest, nearest_others
from scrcl.nn.network import Views

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

    from scrcl.methods.base import Arrays, ArrayShape, NewData, TrainedViews, TrainingData
    from scrcl.methods.space import LeftOut

    Array = NDArray[np.float32]

N_NEIGHBORS = 15
_MLP_VIEWS = ("e1", "z1")
_WEIGHTS_OF = {
    "e1": ("mlp.weight", "mlp.bias"),
    "z1": ("mlp.weight", "mlp.bias", "refine.weight", "refine.bias"),
}
"""What a view of the MLP is computed from."""

AXES_SHAPES: tuple[ArrayShape, ...] = (
    (r"axes\.(\d+)\.(?:mean|deviations)", "f", ("genes",)),
    (r"axes\.(\d+)\.directions", "f", ("components {0}", "genes")),
)
_NETWORK_SHAPES: tuple[ArrayShape, ...] = (
    (r"weights\.mlp\.weight", "f", ("hidden", "genes")),
    (r"weights\.gcn\.conv1\.weight", "f", ("hidden", "genes")),
    (r"weights\.gcn\.(?:conv2|linear)\.weight", "f", ("hidden", "hidden")),
    (r"weights\.(?:mlp|gcn\.conv1|gcn\.conv2|gcn\.linear)\.bias", "f", ("hidden",)),
    (r"weights\.refine\.weight", "f", ("latent", "hidden")),
    (r"weights\.refine\.bias", "f", ("latent",)),
    (r"reduction\.mean", "f", ("joint",)),
    (r"reduction\.axes", "f", ("joint", "reduced")),
)


class Reference(Protocol):
    """Training cells without their clusters; with these it is a `LabelledSpace`."""

    kind: ClassVar[str]

    @property
    def points(self) -> NDArray[np.float32]:
        """Training cells where new ones are compared with them, (n_ref, width)."""
        ...

    @property
    def left_out(self) -> LeftOut:
        """Nearest others of each training cell, as if it were new."""
        ...

    def map(self, new: NewData, space: LabelledSpace) -> Mapped:
        """Embed new cells and let the nearest training cells vote."""
        ...

    def state(self) -> State:
        """Return what a model file needs."""
        ...


def reference_from_state(info: Mapping[str, Any], arrays: Arrays) -> Reference:
    """Undo `Reference.state`."""
    kinds: dict[str, type[CellReference | TissueReference]] = {
        CellReference.kind: CellReference,
        TissueReference.kind: TissueReference,
    }
    return kinds[info["map"]].from_state(info, arrays)


@dataclass(frozen=True, kw_only=True)
class CellReference:
    """Training cells of a network on single cells.

    The MLP view is computed from a cell's own genes. The GCN view of a cell is a weighted mean over
    its neighbours, so a new cell gets the mean view of its nearest training cells.

    Attributes
    ----------
    axes, components
        Principal axes of expression, and the training cells on them, each (n_ref, width). On the
        first, neighbours are looked for.
    weights
        Of the MLP view: ``mlp.weight`` (H, n_genes), ``mlp.bias`` (H,), and for z1
        ``refine.weight`` (K, H), ``refine.bias`` (K,).
    views
        Learned views of the training cells by name, each (n_ref, width), in half precision.
    names
        Of the views that make up the embedding.
    reduction
        From these to the embedding; ``None``: they are the embedding.
    smoothed
        Whether the MLP view was; it then comes from the nearest cells, too.
    sizes
        Of components and views, (n_blocks,): they are divided by it to weigh the same when cells are
        compared, or left out where it is 0.
    corrected
        Embedding of the training cells with their batches brought together, (n_ref, width).
    rep
        Embedding of the training cells that the user gave as one more view, (n_ref, width).
    """

    kind: ClassVar[str] = "cells"
    shapes: ClassVar[tuple[ArrayShape, ...]] = (
        *AXES_SHAPES,
        *_NETWORK_SHAPES,
        (r"components\.(\d+)", "f", ("cells", "components {0}")),
        (r"views\.(\w+)", "f", ("cells", "view {0}")),
        (r"sizes", "f", ("blocks",)),
        (r"corrected", "f", ("cells", "corrected")),
        (r"rep", "f", ("cells", "rep")),
    )

    axes: tuple[Axes, ...]
    components: tuple[Array, ...]
    weights: Mapping[str, Array]
    views: Mapping[str, NDArray[np.float16]]
    names: tuple[str, ...]
    reduction: Reduction | None
    smoothed: bool
    sizes: Array
    corrected: NDArray[np.float32] | None = None
    rep: NDArray[np.float32] | None = None

    @cached_property
    def points(self) -> Array:
        """Components and views side by side, (n_ref, width)."""
        blocks = [*self.components, *(view.astype(np.float32) for view in self.views.values())]
        return _joined([*blocks, *_if_there(self.rep)], self.sizes)

    @cached_property
    def left_out(self) -> LeftOut:
        """Nearest others of each training cell, as if it were new."""
        near = nearest(self.components[0], self.components[0], N_NEIGHBORS, without_self=True)[1]
        as_new = [
            view.astype(np.float32)
            if name in _MLP_VIEWS and not self.smoothed
            else _mean_rows(view, near)
            for name, view in self.views.items()
        ]
        blocks = [*self.components, *as_new, *_if_there(self.rep)]
        return nearest_others(self.points, _joined(blocks, self.sizes))

    def map(self, new: NewData, space: LabelledSpace) -> Mapped:
        """Map cells, some at a time."""
        embeddings, shares, confidence = [], [], []
        for rows, log_values, x in new.cells.blocks():
            rep = self._rep_of(new, rows)
            plain = [axes.project(log_values) for axes in self.axes]
            near = nearest(self.components[0], plain[0], N_NEIGHBORS)[1]
            views = self._views(x, near)
            votes = space.vote(_joined([*plain, *views.values(), *_if_there(rep)], self.sizes))
            shares.append(votes.shares)
            confidence.append(space.confidence(*votes))
            embeddings.append(self._embedding(views, near))
        return Mapped(
            embedding=np.concatenate(embeddings),
            shares=np.concatenate(shares),
            confidence=np.concatenate(confidence),
        )

    def _rep_of(self, new: NewData, rows: slice) -> Array | None:
        """Rows of the embedding that is one more view; as wide as the training cells'."""
        if self.rep is None or new.rep is None:
            return None
        if new.rep.shape[1] != self.rep.shape[1]:
            msg = (
                f"use_rep: got an embedding of {new.rep.shape[1]} columns, wanted "
                f"{self.rep.shape[1]}, as the training cells had. Embed new cells by the same model."
            )
            raise InputError(msg)
        return new.rep[rows]

    def _views(self, x: Array, near: NDArray[np.intp]) -> dict[str, Array]:
        direct = {} if self.smoothed else mlp_views(x, self.weights)
        return {
            name: direct[name] if name in direct else _mean_rows(rows, near)
            for name, rows in self.views.items()
        }

    def _embedding(self, views: dict[str, Array], near: NDArray[np.intp]) -> Array:
        if self.corrected is not None:
            return np.asarray(self.corrected[near].mean(axis=1), dtype=np.float32)
        joint = np.concatenate([views[name] for name in self.names], axis=1)
        return joint if self.reduction is None else self.reduction(joint)

    def state(self) -> State:
        """Return what a model file needs."""
        info = {
            "embedding": list(self.names),
            "views": list(self.views),
            "smoothed": self.smoothed,
            "axes_ratio": self.axes[0].ratio,
            "weights": sorted(self.weights),
        }
        arrays = axes_arrays(self.axes) | _network_arrays(self.weights, self.reduction)
        arrays |= {f"components.{i}": scores for i, scores in enumerate(self.components)}
        arrays |= {f"views.{name}": array for name, array in self.views.items()}
        arrays["sizes"] = self.sizes
        if self.corrected is not None:
            arrays["corrected"] = self.corrected
        if self.rep is not None:
            arrays["rep"] = self.rep
        return State(info, arrays)

    @classmethod
    def from_state(cls, info: Mapping[str, Any], arrays: Arrays) -> CellReference:
        """Undo `state`."""
        axes, smoothed = axes_from(info, arrays), bool(info["smoothed"])
        used = () if smoothed else (part for v in info["views"] for part in _WEIGHTS_OF.get(v, ()))
        _check_there(used, info["weights"], "weights")
        _check_there(["components.0", "axes.0.mean"], arrays, "components")
        _check_there(info["embedding"] or [None], info["views"], "embedding")
        sizes, n_blocks = arrays["sizes"], len(axes) + len(info["views"]) + ("rep" in arrays)
        if len(sizes) != n_blocks or not sizes.any():
            msg = f"sizes {shown(sizes.tolist())}"
            raise ValueError(msg)
        return cls(
            axes=axes,
            components=tuple(arrays[f"components.{i}"] for i in range(len(axes))),
            weights=_weights_from(info, arrays),
            views={str(name): arrays[f"views.{name}"] for name in info["views"]},
            names=tuple(info["embedding"]),
            reduction=Reduction.from_arrays(arrays),
            smoothed=smoothed,
            sizes=sizes,
            corrected=arrays.get("corrected"),
            rep=arrays.get("rep"),
        )


@dataclass(frozen=True, kw_only=True)
class TissueReference:
    """Training spots of a network on a tissue's graph; a new slice has a graph of its own.

    Attributes
    ----------
    network
        Both encoders.
    names
        Of the views that make up the embedding.
    reduction
        From these to the embedding; ``None``: they are the embedding.
    n_refine
        Nearest spots whose majority replaces a spot's cluster.
    points
        These views of the training spots, (n_ref, width).
    """

    kind: ClassVar[str] = "network"
    shapes: ClassVar[tuple[ArrayShape, ...]] = (
        *_NETWORK_SHAPES,
        (r"space\.points", "f", ("cells", "width")),
    )

    network: Network
    names: tuple[str, ...]
    reduction: Reduction | None
    n_refine: int
    points: Array

    @cached_property
    def left_out(self) -> LeftOut:
        """Nearest others of each training spot."""
        return nearest_others(self.points, self.points)

    def map(self, new: NewData, space: LabelledSpace) -> Mapped:
        """Run the encoders on the new slice; let the nearest training spots, then neighbours, vote."""
        assert new.tissue is not None
        x = np.concatenate([x for _, _, x in new.cells.blocks()])
        views = self.network.views(x, new.tissue.adj)
        joint = np.concatenate([views[name] for name in self.names], axis=1)
        votes = space.vote(joint)
        shares, confidence = votes.shares, space.confidence(*votes)
        if self.n_refine:
            won = new.tissue.spots.vote(shares.argmax(axis=1), self.n_refine)
            shares = np.eye(shares.shape[1])[won]
        embedding = joint if self.reduction is None else self.reduction(joint)
        return Mapped(embedding=embedding, shares=shares, confidence=confidence)

    def state(self) -> State:
        """Return what a model file needs."""
        info = {
            "embedding": list(self.names),
            "n_refine": self.n_refine,
            "n_smooth": list(self.network.n_smooth),
            "weights": sorted(self.network.weights),
        }
        arrays = _network_arrays(self.network.weights, self.reduction)
        return State(info, arrays | {"space.points": self.points})

    @classmethod
    def from_state(cls, info: Mapping[str, Any], arrays: Arrays) -> TissueReference:
        """Undo `state`."""
        first, second = map(int, info["n_smooth"])
        _check_there(info["embedding"] or [None], Views._fields, "embedding")
        _check_there(NETWORK_WEIGHTS, info["weights"], "weights")
        return cls(
            network=Network(weights=_weights_from(info, arrays), n_smooth=(first, second)),
            names=tuple(info["embedding"]),
            reduction=Reduction.from_arrays(arrays),
            n_refine=int(info["n_refine"]),
            points=arrays["space.points"],
        )


def cell_reference(
    data: TrainingData,
    *,
    weights: Mapping[str, Array],
    views: Mapping[str, NDArray[np.float16]],
    names: tuple[str, ...],
    reduction: Reduction | None,
    rows: NDArray[np.intp],
    corrected: NDArray[np.float32] | None,
) -> CellReference:
    """Put together what new single cells need; see `CellReference`.

    ``rows`` are the training cells that are kept. Components of expression are compared if the
    method has seen them; neighbours are looked for on them in any case.
    """
    axes, components = data.axes, data.components
    compared = bool(axes)
    if not compared:
        scores, own = fit_components(data.prepared.log_norm.X)
        axes, components = (own,), (scores,)
    components = tuple(scores[rows] for scores in components)
    rep = None if data.prepared.rep is None else data.prepared.rep[rows]
    blocks = [*components, *(view.astype(np.float32) for view in views.values()), *_if_there(rep)]
    sizes = np.array([max(np.linalg.norm(block - block.mean(0)), 1e-12) for block in blocks])
    sizes = sizes.astype(np.float32)
    if not compared:
        sizes[: len(components)] = 0
    return CellReference(
        axes=axes,
        components=components,
        weights=weights,
        views=views,
        names=names,
        reduction=reduction,
        smoothed=data.config.data.n_smooth[0] > 0,
        sizes=sizes,
        corrected=corrected,
        rep=rep,
    )


def cell_weights(
    data: TrainingData, trained: TrainedViews, views: tuple[str, ...]
) -> dict[str, Array]:
    """Weights of the MLP view, and of its refinement if that is wanted."""
    weights = mlp_weights(trained.fit)
    if any(view.startswith("z") for view in views):
        weights |= refinement(data, trained.fit)
    return weights


def tissue_reference(
    data: TrainingData, trained: TrainedViews, points: Array, reduction: Reduction | None
) -> TissueReference:
    """Put together what a new slice needs; ``points`` are the views of the spots that are kept."""
    cluster = data.config.cluster
    return TissueReference(
        network=network(data, trained.fit),
        names=members(cluster.embedding),
        reduction=reduction,
        n_refine=cluster.n_refine,
        points=points,
    )


def members(name: str) -> tuple[str, ...]:
    """Return the names of the views that an embedding is made of."""
    return {"z": ("z1", "z2"), "e": ("e1", "e2")}.get(name, (name,))


def space_of(
    reference: Reference, labels: NDArray[np.integer], *, n_clusters: int
) -> LabelledSpace:
    """Give the training cells their clusters."""
    return label_space(reference.points, labels, reference.left_out, n_clusters=n_clusters)


def space_arrays(space: LabelledSpace) -> Arrays:
    """Clusters and radii, for a model file."""
    return {"space.labels": space.labels, "space.radii": space.radii}


def space_from(
    info: Mapping[str, Any], arrays: Arrays, points: NDArray[np.float32]
) -> LabelledSpace:
    """Undo `space_arrays`."""
    return LabelledSpace(
        points=points,
        labels=arrays["space.labels"],
        radii=arrays["space.radii"],
        threshold=float(info["threshold"]),
    )


def axes_arrays(every: tuple[Axes, ...]) -> Arrays:
    """Principal axes as arrays of a model file."""
    arrays: Arrays = {}
    for i, axes in enumerate(every):
        arrays |= {f"axes.{i}.mean": axes.mean, f"axes.{i}.directions": axes.directions}
        if axes.deviations is not None:
            arrays[f"axes.{i}.deviations"] = axes.deviations
    return arrays


def axes_from(info: Mapping[str, Any], arrays: Arrays) -> tuple[Axes, ...]:
    """Undo `axes_arrays`."""
    ratio = float(info.get("axes_ratio", 1.0))  # files without it had components at 1
    numbers = sorted(int(name.split(".")[1]) for name in arrays if name.endswith(".directions"))
    return tuple(
        Axes(
            mean=arrays[f"axes.{i}.mean"],
            directions=arrays[f"axes.{i}.directions"],
            deviations=arrays.get(f"axes.{i}.deviations"),
            ratio=ratio,
        )
        for i in numbers
    )


def _network_arrays(weights: Mapping[str, Array], reduction: Reduction | None) -> Arrays:
    arrays: Arrays = {f"weights.{name}": array for name, array in weights.items()}
    return arrays if reduction is None else arrays | reduction.arrays()


def _weights_from(info: Mapping[str, Any], arrays: Arrays) -> dict[str, Array]:
    return {name: arrays[f"weights.{name}"] for name in info["weights"]}


def _if_there(block: Array | None) -> list[Array]:
    return [] if block is None else [block]


def _check_there(wanted: Iterable[object], there: Collection[object], what: str) -> None:
    """Refuse a file that names what it does not hold: else new cells would be the first to find out."""
    missing = [name for name in wanted if name not in there]
    if missing:
        msg = f"{what} {shown(missing[0])}"
        raise ValueError(msg)


def _joined(blocks: list[Array], sizes: Array) -> Array:
    """Put views side by side, each of the same weight; those of size 0 are left out."""
    kept = [block / size for block, size in zip(blocks, sizes, strict=True) if size]
    return np.concatenate(kept, axis=1)


def _mean_rows(rows: NDArray[np.floating], near: NDArray[np.intp]) -> Array:
    """Mean of the rows of each cell's nearest, of unit length as every view is."""
    total = np.zeros((len(near), rows.shape[1]), dtype=np.float32)
    for place in range(near.shape[1]):
        total += rows[near[:, place]]
    return _unit(total)


def _unit(rows: Array) -> Array:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Array = rows / np.maximum(lengths, 1e-12)
    return unit
