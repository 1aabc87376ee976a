"""New single cells: into the views of a trained network, and among its training cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scrcl.data.components import Axes, fit_components
from scrcl.model.learn import VOTING_VIEWS, members
from scrcl.model.network import mlp_views, mlp_weights, refinement
from scrcl.model.space import LabelledSpace, labelled_space, nearest, sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scrcl.data.basis import NewCells
    from scrcl.model.learn import LabelFree, Setup

    Array = NDArray[np.float32]

N_NEIGHBORS = 15
_MLP_VIEWS = ("e1", "z1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """Where new cells come to lie."""

    embedding: NDArray[np.float32]
    """As ``X_scrcl`` of the training cells, (n_cells, n_features)."""
    shares: NDArray[np.float64]
    """Share of the votes for each cluster, (n_cells, n_clusters)."""
    confidence: NDArray[np.float32]
    """(n_cells,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellMap:
    """What is kept of the training to map new single cells.

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
    embedding
        Names of the views that make up the embedding.
    smoothed
        Whether the MLP view was; it then comes from the nearest cells, too.
    sizes
        Of components and views, (n_blocks,): they are divided by it to weigh the same in the space,
        or left out of it where it is 0.
    space
        Training cells in all of these.
    corrected
        Embedding of the training cells with their batches brought together, (n_ref, width).
    """

    axes: tuple[Axes, ...]
    components: tuple[Array, ...]
    weights: Mapping[str, Array]
    views: Mapping[str, NDArray[np.float16]]
    embedding: tuple[str, ...]
    smoothed: bool
    sizes: Array
    space: LabelledSpace
    corrected: NDArray[np.float32] | None = None

    def map(self, cells: NewCells) -> Mapped:
        """Map cells, some at a time."""
        embeddings, shares, confidence = [], [], []
        for _, log_values, x in cells.blocks():
            plain = [axes.project(log_values) for axes in self.axes]
            near = nearest(self.components[0], plain[0], N_NEIGHBORS)[1]
            views = self._views(x, near)
            votes = self.space.vote(joined([*plain, *views.values()], self.sizes))
            shares.append(votes.shares)
            confidence.append(self.space.confidence(*votes))
            embeddings.append(self._embedding(views, near))
        return Mapped(
            embedding=np.concatenate(embeddings),
            shares=np.concatenate(shares),
            confidence=np.concatenate(confidence),
        )

    def _views(self, x: Array, near: NDArray[np.intp]) -> dict[str, Array]:
        direct = {} if self.smoothed else mlp_views(x, self.weights)
        return {
            name: direct[name] if name in direct else _mean_rows(rows, near)
            for name, rows in self.views.items()
        }

    def _embedding(self, views: dict[str, Array], near: NDArray[np.intp]) -> Array:
        if self.corrected is not None:
            return np.asarray(self.corrected[near].mean(axis=1), dtype=np.float32)
        return np.concatenate([views[name] for name in self.embedding], axis=1)


def cell_map(setup: Setup, found: LabelFree, *, seed: int) -> CellMap:
    """Keep of a training run what new cells need, of at most 20,000 of its cells."""
    assert found.views is not None  # single cells have a network
    config, prepared = setup.config, setup.prepared
    axes, components = setup.axes, setup.components
    if not axes:
        scores, own = fit_components(prepared.log_norm.X)
        axes, components = (own,), (scores,)
    rows = sample(len(components[0]), seed=seed)
    wanted = members(config.cluster.embedding)
    if config.cluster.method == "consensus":
        wanted_views = tuple(dict.fromkeys((*VOTING_VIEWS, *wanted)))
    else:
        wanted_views = wanted
    views = {
        name: getattr(found.views, name).numpy()[rows].astype(np.float16) for name in wanted_views
    }
    # The paper's k-means sees the embedding alone, the consensus the components, too.
    in_space = components if config.cluster.method == "consensus" else ()
    components = tuple(scores[rows] for scores in components)
    smoothed = config.data.n_smooth[0] > 0
    blocks = [*components, *(view.astype(np.float32) for view in views.values())]
    sizes = np.array([max(np.linalg.norm(block - block.mean(0)), 1e-12) for block in blocks])
    sizes = sizes.astype(np.float32)
    if not in_space:
        sizes[: len(components)] = 0
    near = nearest(components[0], components[0], N_NEIGHBORS, without_self=True)[1]
    as_new = [
        view.astype(np.float32) if name in _MLP_VIEWS and not smoothed else _mean_rows(view, near)
        for name, view in views.items()
    ]
    return CellMap(
        axes=axes,
        components=components,
        weights=_weights(setup, found, wanted_views),
        views=views,
        embedding=wanted,
        smoothed=smoothed,
        sizes=sizes,
        space=labelled_space(
            joined(blocks, sizes),
            found.clustering.labels[rows],
            as_new=joined([*components, *as_new], sizes),
        ),
        corrected=None if setup.batches is None else found.embedding[rows],
    )


def joined(blocks: list[Array], sizes: Array) -> Array:
    """Put views side by side, each of the same weight; those of size 0 are left out."""
    kept = [block / size for block, size in zip(blocks, sizes, strict=True) if size]
    return np.concatenate(kept, axis=1)


def _weights(setup: Setup, found: LabelFree, views: tuple[str, ...]) -> dict[str, Array]:
    """Weights of the MLP view, and of its refinement if that is wanted."""
    assert found.fitted is not None  # single cells have a network
    weights = mlp_weights(found.fitted)
    if any(view.startswith("z") for view in views):
        weights |= refinement(setup, found.fitted)
    return weights


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
