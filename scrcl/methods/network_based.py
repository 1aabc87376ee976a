"""What the methods on a trained network share: the embedding, and the mapping of new cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from scrcl.clustering.batches import correct
from scrcl.methods.base import State
from scrcl.methods.reduction import fit_reduction
from scrcl.methods.reference import (
    CellReference,
    TissueReference,
    cell_reference,
    cell_weights,
    members,
    reference_from_state,
    space_arrays,
    space_from,
    space_of,
    tissue_reference,
)
from scrcl.methods.space import sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from scrcl.methods.base import Arrays, ArrayShape, Mapped, NewData, TrainedViews, TrainingData
    from scrcl.methods.reference import Reference
    from scrcl.methods.space import LabelledSpace
    from scrcl.nn.network import Views

SPACE_SHAPES: tuple[ArrayShape, ...] = (
    (r"space\.labels", "i", ("cells",)),
    (r"space\.radii", "f", ("clusters",)),
)


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Training cells as a network embeds them, and the training cells that new ones meet.

    Attributes
    ----------
    embedding
        ``X_scrcl``, (n_obs, n_features); ``None`` after `from_state`.
    rows
        Which training cells are kept to compare new ones with, (n_ref,).
    make_reference
        Puts these together. Only whoever maps new cells, or saves, pays for it.
    """

    shapes: ClassVar[tuple[ArrayShape, ...]] = tuple(
        dict.fromkeys((*CellReference.shapes, *TissueReference.shapes, *SPACE_SHAPES))
    )

    embedding: NDArray[np.float32] | None
    rows: NDArray[np.intp]
    make_reference: Callable[[], Reference]

    @cached_property
    def reference(self) -> Reference:
        """Training cells that are kept."""
        return self.make_reference()

    def space(self, labels: NDArray[np.integer], n_clusters: int) -> LabelledSpace:
        """Give those that are kept their clusters; ``labels`` are of all training cells."""
        return space_of(self.reference, labels[self.rows], n_clusters=n_clusters)

    def map(self, new: NewData, space: LabelledSpace) -> Mapped:
        """Map new cells."""
        return self.reference.map(new, space)

    def state(self, space: LabelledSpace) -> State:
        """Return what a model file needs."""
        info, arrays = self.reference.state()
        info |= {
            "map": self.reference.kind,
            "threshold": space.threshold,
            "n_clusters": len(space.radii),
        }
        return State(info, arrays | space_arrays(space))


def embed(
    data: TrainingData,
    trained: TrainedViews,
    *,
    names: tuple[str, ...],
    points: NDArray[np.float32],
    seed: int,
) -> Embedded:
    """Make the embedding of the training cells, and keep what new cells will need.

    Parameters
    ----------
    data, trained
        The training.
    names
        Views that new cells are compared in, the embedding's among them.
    points
        Joint views that are embedded, with batches brought together if there are some:
        (n_obs, width).
    seed
        Of the sample of the training cells that is kept.
    """
    views = trained.views
    reduction = None if data.batches is not None else fit_reduction(points)
    embedding = points if reduction is None else reduction(points)
    rows = sample(len(points), seed=seed)
    if data.config.data.graph == "spatial":
        kept = tissue_reference(data, trained, points[rows], reduction)
        return Embedded(embedding=embedding, rows=rows, make_reference=lambda: kept)
    make = partial(
        cell_reference,
        data.without_inputs(),
        weights=cell_weights(data, trained, names),
        views={name: getattr(views, name).numpy()[rows].astype(np.float16) for name in names},
        names=members(data.config.cluster.embedding),
        reduction=reduction,
        rows=rows,
        corrected=None if data.batches is None else points[rows],
    )
    return Embedded(embedding=embedding, rows=rows, make_reference=make)


def embedded_from(info: dict[str, Any], arrays: Arrays) -> tuple[Embedded, LabelledSpace]:
    """Undo `Embedded.state`."""
    reference = reference_from_state(info, arrays)
    space = space_from(info, arrays, reference.points)
    rows = np.arange(len(space.labels))
    return Embedded(embedding=None, rows=rows, make_reference=lambda: reference), space


def joint_points(data: TrainingData, trained: TrainedViews, *, seed: int) -> NDArray[np.float32]:
    """Joint views that the configuration asks for, (n_obs, width), batches brought together."""
    points = joint_views(trained.views, data.config.cluster.embedding)
    return points if data.batches is None else correct(points, data.batches, seed=seed)


def joint_views(views: Views, name: str) -> NDArray[np.float32]:
    """Return views side by side: ``z`` = [z1, z2], ``e1``, ``e2`` or ``e`` = [e1, e2].

    Shape (n_obs, width); it may share memory with the views.
    """
    parts = [getattr(views, view) for view in members(name)]
    joined: NDArray[np.float32] = (parts[0] if len(parts) == 1 else _side_by_side(*parts)).numpy()
    return joined


def _side_by_side(left: Tensor, right: Tensor) -> Tensor:
    """Return [left, right]; without a copy if they are halves of one array already."""
    n_left, width = left.shape[1], left.shape[1] + right.shape[1]
    one_array = left.untyped_storage().data_ptr() == right.untyped_storage().data_ptr()
    starts = (left.storage_offset(), right.storage_offset())
    if one_array and left.stride() == right.stride() == (width, 1) and starts == (0, n_left):
        return torch.as_strided(left, (len(left), width), (width, 1))
    return torch.cat([left, right], dim=1)
