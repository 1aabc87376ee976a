"""The consensus of many partitions of learned views and plain components, as a tree."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from scrcl._validate import InputError
from scrcl.clustering import (
    Clustering,
    ClusterTree,
    Expression,
    cell_tree,
    tree_arrays,
    tree_of,
)
from scrcl.clustering.batches import correct
from scrcl.data.components import expression_components
from scrcl.methods.base import State
from scrcl.methods.network_based import (
    Embedded,
    embed,
    embedded_from,
    joint_points,
    joint_views,
)
from scrcl.methods.reference import members

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        TrainedViews,
        TrainingData,
    )
    from scrcl.methods.space import LabelledSpace

VOTING_VIEWS = ("e1", "e2")
"""Learned views in the consensus: as many as views of expression, which keep it sound where the
network has little to learn from."""

_TREE = "tree."
TREE_SHAPES: tuple[ArrayShape, ...] = (
    (r"tree\.leaves", "i", ("cells",)),
    (r"tree\.merges", "i", ("merges", "two")),
    (r"tree\.heights", "f", ("merges",)),
    (r"tree\.sizes", "i", ("leaves",)),
    (r"tree\.together", "f", ("leaves", "leaves")),
    (r"tree\.totals", "i", ("leaves",)),
    (r"tree\.granularity", "f", ("one",)),
    (r"tree\.splits\.\w+", "f", ("merges",)),
    (r"tree\.anchor\.clusters", "i", ("leaves",)),
    (r"tree\.anchor\.shares", "f", ("leaves", "found")),
    (r"tree\.anchor\.tried", "i", ("tried",)),
    (r"tree\.anchor\.criterion", "f", ("tried",)),
)
COVARIATES = ("n_counts", "n_genes", "mitochondrial", "doublet_score")
"""Columns of the quality table that may explain a split instead of a type."""


@dataclass(frozen=True, kw_only=True)
class ConsensusClusters:
    """Clusters that were cut from the tree of a consensus.

    Attributes
    ----------
    clustering
        Of the training cells; after `from_state` of those in the tree.
    embedded
        The training cells in the network's views.
    tree
        The tree; ``None`` if it was read from a file without one.
    """

    shapes: ClassVar[tuple[ArrayShape, ...]] = (
        *Embedded.shapes,
        *TREE_SHAPES,
    )

    clustering: Clustering
    embedded: Embedded
    tree: ClusterTree | None
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
    def threshold(self) -> float:
        """Confidence below which a new cell is unknown."""
        return self.space.threshold

    def cut(self, n_clusters: NClusters, granularity: float = 1.0) -> Self:
        """Cut the tree at another number of clusters, or as deep as the evidence goes."""
        tree = checked_tree(self.tree).at(granularity)
        return replace(self, tree=tree, clustering=tree.clusters(n_clusters), stored_space=None)

    def map(self, new: NewData) -> Mapped:
        """Map new cells."""
        return self.embedded.map(new, self.space)

    def state(self) -> State:
        """Return what a model file needs: the tree, and the training cells in it."""
        info, arrays = self.embedded.state(self.space)
        if self.tree is None:
            return State(info, arrays)
        tree = tree_state(self.tree, self.embedded.rows)
        return State(info | tree.info, arrays | tree.arrays)

    @classmethod
    def from_state(cls, info: dict[str, Any], arrays: Arrays) -> Self:
        """Undo `state`."""
        embedded, space = embedded_from(info, arrays)
        tree = tree_from(info, arrays) if "tree.merges" in arrays else None
        clustering = Clustering(labels=space.labels)
        return cls(clustering=clustering, embedded=embedded, tree=tree, stored_space=space)


class Consensus:
    """The consensus of many partitions of learned and plain components."""

    about: ClassVar[str] = (
        "Many quick partitions of learned and plain components vote; a tree over the votes is cut."
    )
    tasks: ClassVar[tuple[Task, ...]] = ("sc", "st")
    needs_network: ClassVar[bool] = True
    finds_k: ClassVar[bool] = True
    has_tree: ClassVar[bool] = True
    takes_rep: ClassVar[bool] = True
    graphs: ClassVar[tuple[str, ...]] = ("expression", "spatial")
    fitted: ClassVar[type[Fitted]] = ConsensusClusters

    @staticmethod
    def prepare(prepared: Prepared) -> list[tuple[NDArray[np.float32], Axes]]:
        """Components of expression, as it is and with genes of equal variance."""
        return expression_components(prepared.log_norm.X, prepared.basis.to_median)

    @staticmethod
    def fit(data: TrainingData, trained: TrainedViews | None, *, seed: int) -> ConsensusClusters:
        """Build the tree over the partitions of all views, and cut it."""
        assert trained is not None  # it needs a network
        points = joint_points(data, trained, seed=seed)
        learned = [joint_views(trained.views, name) for name in VOTING_VIEWS]
        rep = data.prepared.rep
        views = [*data.components, *learned, *([] if rep is None else [rep])]
        if data.batches is not None:
            views = [correct(view, data.batches, seed=seed) for view in views]
        tree = cell_tree(views, expression_of(data), seed=seed)
        tree = tree.at(data.config.cluster.granularity)
        names = tuple(dict.fromkeys((*VOTING_VIEWS, *members(data.config.cluster.embedding))))
        return ConsensusClusters(
            clustering=tree.clusters(data.n_clusters),
            embedded=embed(data, trained, names=names, points=points, seed=seed),
            tree=tree,
        )


def expression_of(data: TrainingData) -> Expression:
    """Gather what the evidence for the splits comes from."""
    log_norm, quality = data.prepared.log_norm, data.prepared.quality
    covariates = pd.DataFrame(index=log_norm.obs_names)
    if quality is not None:
        measured = quality.loc[data.prepared.kept]
        covariates = measured[[name for name in COVARIATES if name in measured]]
    if data.batches is not None:
        covariates = covariates.assign(batch=pd.Categorical(data.batches))
    if data.spots is not None and data.spots.slices is not None:
        covariates = covariates.assign(slice=pd.Categorical(data.spots.slices))
    return Expression(
        components=data.components[0],
        log_norm=log_norm.X,
        genes=log_norm.var_names.to_numpy(dtype=object),
        covariates=covariates,
    )


def checked_tree(tree: ClusterTree | None) -> ClusterTree:
    """Return the tree of a model.

    Raises
    ------
    InputError
        If there is none.
    """
    if tree is None:
        msg = (
            "model: got one of an older format, without its tree, wanted one to cut. Train it "
            "again, or save it with this version."
        )
        raise InputError(msg)
    return tree


def tree_state(tree: ClusterTree, rows: NDArray[np.intp]) -> State:
    """Return what a model file needs of a tree over some of its cells; `tree_from` undoes it."""
    tree = replace(tree, leaves=tree.leaves[rows], totals=tree.cells_of_leaves)
    arrays = {f"{_TREE}{name}": array for name, array in tree_arrays(tree).items()}
    genes = arrays.pop(f"{_TREE}genes")  # no numbers, which is all that its arrays can be
    arrays[f"{_TREE}leaves"] = tree.leaves.astype(np.int32)
    return State({"tree_genes": genes.tolist()}, arrays)


def tree_from(info: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> ClusterTree:
    """Undo `tree_state`; a missing entry is a `KeyError`."""
    own = {name.removeprefix(_TREE): a for name, a in arrays.items() if name.startswith(_TREE)}
    genes = np.array(info["tree_genes"], dtype=np.str_)
    return tree_of(own | {"genes": genes}, own["leaves"])
