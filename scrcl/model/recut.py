"""Other clusters from the tree that `cluster` wrote: `cut`, `subcluster`, `merge`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import ImplicitModificationWarning

from scrcl._validate import InputError
from scrcl.clustering import ClusterTree, level_names, said_of, tree_of
from scrcl.config import LEVELS, as_granularity, config_from_text
from scrcl.data.earlier import forget_clusters
from scrcl.model.estimator import ScRCL, spread
from scrcl.model.settings import as_n_clusters
from scrcl.model.shown import add_colors
from scrcl.pl.columns import category_colors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scrcl.config import Task


def cut(
    adata: AnnData,
    n_clusters: object = "auto",
    *,
    granularity: object = None,
    levels: bool = False,
    key_added: str = "scrcl",
    copy: bool = False,
) -> AnnData | None:
    """Write another number of clusters into data that `cluster` annotated, without training.

    The labels are those that `cluster` gives with that number, because both are cuts of the same
    tree. ``obs[key]`` and ``obs[key + "_confidence"]`` are replaced, and in ``uns[key]`` what is
    said of the clusters, and ``uns[key + "_colors"]``; what belongs to the earlier ones
    (``varm[key + "_association"]``, ``obs[key + "_name"]``) is removed.

    Parameters
    ----------
    adata
        What `cluster` annotated, or ``result.h5ad`` of a run: all of its cells, or some.
    n_clusters
        A number, a range ``(low, high)``, or ``"auto"``: as deep as the evidence goes.
    granularity
        ``"coarse"``, ``"default"``, ``"fine"`` or a number from .25 to 4: how little evidence is
        asked for. ``None``: as when the cells were clustered.
    levels
        Also write ``obs[key + "_coarse"]``, ``"_default"`` and ``"_fine"``: as deep as the evidence
        goes at three levels of granularity, with names that nest ("3" is made of "3.1" and "3.2").
    key_added
        Name under which `cluster` wrote.
    copy
        Return an annotated copy and leave ``adata`` as it is.

    Returns
    -------
    ``None``, or the copy.

    Raises
    ------
    InputError
        If there is no tree in ``adata``, or it cannot be cut so finely. Nothing is changed then.

    Examples
    --------
    >>> import scrcl
    >>> cells = scrcl.datasets.simulated_cells(n_obs=200, n_types=4)
    >>> scrcl.cluster(cells)
    >>> scrcl.cut(cells, 3)
    >>> cells.obs["scrcl"].nunique()
    3
    """
    cells = _Cells.of(adata, key_added)
    tree = cells.tree if granularity is None else cells.tree.at(as_granularity(granularity))
    found = tree.clusters(as_n_clusters(n_clusters))
    assert found.confidence is not None  # a tree tells
    names = [str(number) for number in range(found.n_clusters)]
    target = target_of(adata, copy=copy)
    _write(
        target,
        key_added,
        cells.spread_codes(found.labels),
        names,
        confidence=spread(found.confidence, cells.took_part),
        edits=[],
    )
    target.uns[key_added]["evidence"] = said_of(tree, found.n_clusters)
    if levels:
        write_levels(target, key_added)
    return target if copy else None


def subcluster(
    adata: AnnData,
    name: object,
    n_clusters: object = "auto",
    *,
    retrain: bool = False,
    key_added: str = "scrcl",
    copy: bool = False,
    **fit: Any,
) -> AnnData | None:
    """Divide one cluster: along the tree, or by training again on its cells alone.

    Cluster "3" becomes "3.1", "3.2", ... in ``obs[key]``, the largest first; the others stay as they
    are. Confidences are computed anew (with ``retrain`` those of the divided cells, within the old
    cluster), and what belongs to the earlier clusters is removed as by `cut`, which also undoes this.

    Parameters
    ----------
    adata
        What `cluster` annotated, or ``result.h5ad`` of a run.
    name
        The cluster.
    n_clusters
        Number of parts, a range, or ``"auto"``: as deep as the evidence goes, asked for as at the
        granularity ``fine``.
    retrain
        Train on the cells of the cluster, with the configuration and seed that are in ``adata``:
        genes are chosen, and components learned, for what differs among them.
    key_added
        Name under which `cluster` wrote.
    copy
        Return an annotated copy and leave ``adata`` as it is.
    **fit
        With ``retrain``: ``layer``, ``batch_key`` or ``slice_key``, see `ScRCL.fit`.

    Returns
    -------
    ``None``, or the copy.

    Raises
    ------
    InputError
        If there is no such cluster, nothing speaks for dividing it, or it has no so many parts.
        Nothing is changed then.

    Examples
    --------
    >>> import scrcl
    >>> cells = scrcl.datasets.simulated_cells(n_obs=200, n_types=4)
    >>> scrcl.cluster(cells, 2)
    >>> scrcl.subcluster(cells, "0", 2)
    >>> cells.obs["scrcl"].cat.categories.tolist()
    ['0.1', '0.2', '1']
    """
    if fit and not retrain:
        msg = (
            f"subcluster: got {', '.join(sorted(fit))} without retrain, wanted nothing more to "
            "divide along the tree. Set retrain=True, or leave it out."
        )
        raise InputError(msg)
    cells = _Cells.of(adata, key_added)
    names, codes = cells.clusters(adata)
    number = _number_of(name, names)
    own = codes == number
    if retrain:
        labels, confidence = _trained_again(adata[own], adata.uns[key_added], n_clusters, fit)
        confidence = _replaced(adata.obs.get(f"{key_added}_confidence"), own, confidence)
    else:
        labels, confidence = cells.divided(codes, number, n_clusters, name=names[number]), None
    parts = [f"{names[number]}.{part + 1}" for part in range(labels.max() + 1)]
    if len(parts) == 1:
        raise InputError(_undivided(cells, codes, number, name=names[number], retrain=retrain))
    new_names = [*names[:number], *parts, *names[number + 1 :]]
    new_codes = np.where(codes > number, codes + len(parts) - 1, codes)
    new_codes[own] = labels + number
    target = target_of(adata, copy=copy)
    if confidence is None:
        confidence = cells.confidence(new_codes)
    how = "trained again" if retrain else "along the tree"
    edit = f"subcluster {names[number]}: {len(parts)} parts, {how}"
    edits = [*_edits(adata, key_added), edit]
    _write(target, key_added, new_codes, new_names, confidence=confidence, edits=edits)
    return target if copy else None


def merge(
    adata: AnnData, names: Sequence[object], *, key_added: str = "scrcl", copy: bool = False
) -> AnnData | None:
    """Join clusters into one.

    It is called by the names of its parts, "3+5"; if these are all that "3" was divided into, "3"
    again. What belongs to the earlier clusters is removed as by `cut`, which also undoes this.

    Parameters
    ----------
    adata
        What `cluster` annotated, or ``result.h5ad`` of a run.
    names
        Two clusters or more.
    key_added
        Name under which `cluster` wrote.
    copy
        Return an annotated copy and leave ``adata`` as it is.

    Returns
    -------
    ``None``, or the copy.

    Raises
    ------
    InputError
        If there are no such clusters. Nothing is changed then.

    Examples
    --------
    >>> import scrcl
    >>> cells = scrcl.datasets.simulated_cells(n_obs=200, n_types=4)
    >>> scrcl.cluster(cells, 4)
    >>> scrcl.merge(cells, ["1", "3"])
    >>> cells.obs["scrcl"].cat.categories.tolist()
    ['0', '1+3', '2']
    """
    cells = _Cells.of(adata, key_added)
    known, codes = cells.clusters(adata)
    if isinstance(names, str) or len({str(name) for name in names}) < 2:
        msg = f"merge: got {names!r}, wanted two clusters or more, such as ['3', '5']."
        raise InputError(msg)
    joined = sorted({_number_of(name, known) for name in names})
    name = _joint_name([known[number] for number in joined], known)
    new_names = [other for number, other in enumerate(known) if number not in joined[1:]]
    new_names[joined[0]] = name
    kept = [number for number in range(len(known)) if number not in joined[1:]]
    renumbered = np.full(len(known) + 1, -1)  # the last: cells without a cluster
    renumbered[kept] = np.arange(len(kept))
    renumbered[joined] = renumbered[joined[0]]
    new_codes = renumbered[codes]
    target = target_of(adata, copy=copy)
    confidence = cells.confidence(new_codes)
    edits = [*_edits(adata, key_added), f"merge {', '.join(known[number] for number in joined)}"]
    _write(target, key_added, new_codes, new_names, confidence=confidence, edits=edits)
    return target if copy else None


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """The tree in an AnnData, over the leaves that its cells are in."""

    key: str
    tree: ClusterTree
    took_part: NDArray[np.bool_]

    @classmethod
    def of(cls, adata: AnnData, key: str) -> _Cells:
        leaves = _leaves(adata, key)
        took_part = leaves >= 0
        return cls(key=key, tree=_tree(adata, key, leaves[took_part]), took_part=took_part)

    def spread_codes(self, labels: NDArray[np.integer]) -> NDArray[np.intp]:
        """Labels of the cells that took part among all cells, -1 for the others."""
        codes = np.full(len(self.took_part), -1)
        codes[self.took_part] = labels
        return codes

    def clusters(self, adata: AnnData) -> tuple[list[str], NDArray[np.intp]]:
        """Names of the clusters that ``adata`` has now, and the number of each cell's."""
        if self.key not in adata.obs:
            msg = f"adata: got no obs[{self.key!r}], wanted clusters. Call scrcl.cut first."
            raise InputError(msg)
        column = adata.obs[self.key].astype("category").cat.remove_unused_categories()
        return [str(name) for name in column.cat.categories], column.cat.codes.to_numpy(np.intp)

    def of_leaves(self, codes: NDArray[np.intp]) -> NDArray[np.intp] | None:
        """Cluster of each leaf, -1 where no cell is; ``None`` if a leaf is in several."""
        own = codes[self.took_part]
        found = np.full(self.tree.n_leaves, -1)
        found[self.tree.leaves] = own
        return found if np.array_equal(found[self.tree.leaves], own) else None

    def confidence(self, codes: NDArray[np.intp]) -> NDArray[np.float32] | None:
        """Confidence of each cell; ``None`` if the clusters are not made of leaves."""
        found = self.of_leaves(codes)
        if found is None:
            return None
        present = np.flatnonzero(found >= 0)
        tree = self.tree.subset(present)
        own = np.unique(found[present], return_inverse=True)[1]
        return spread(tree.confidence(own)[tree.leaves], self.took_part)

    def part(self, codes: NDArray[np.intp], number: int) -> ClusterTree | None:
        """Return the tree of one cluster; ``None`` if it is not made of leaves."""
        found = self.of_leaves(codes)
        if found is None:
            return None
        return self.tree.subset(np.flatnonzero(found == number)).at(LEVELS["fine"])

    def divided(
        self, codes: NDArray[np.intp], number: int, n_clusters: object, *, name: str
    ) -> NDArray[np.integer]:
        """Part of each cell of a cluster."""
        tree = self.part(codes, number)
        if tree is None:
            msg = (
                f"subcluster: got {name!r}, which was not cut from the tree, wanted a cluster that "
                "was. Set retrain=True, or call scrcl.cut first."
            )
            raise InputError(msg)
        return tree.clusters(as_n_clusters(n_clusters)).labels


def _trained_again(
    cells: AnnData, about: Mapping[str, Any], n_clusters: object, fit: dict[str, Any]
) -> tuple[NDArray[np.integer], NDArray[np.float32] | None]:
    """Cluster some cells alone, as ``uns[key]``, ``about``, says that all were."""
    try:
        task: Task = "st" if about["task"] == "st" else "sc"
        config, seed = config_from_text(str(about["config"]), task), int(about["seed"])
    except KeyError as error:
        msg = f"adata: got no {error} in uns, wanted what scrcl.cluster wrote there. Call it again."
        raise InputError(msg) from error
    model = ScRCL(config, n_clusters, seed=seed).fit(cells, **fit)
    if (model.labels_ < 0).any():
        msg = (
            f"retrain: got {int((model.labels_ < 0).sum())} cells without a count in the genes that "
            "are used, wanted counts in all. Divide along the tree instead."
        )
        raise InputError(msg)
    return model.labels_, model.confidence_


def _undivided(
    cells: _Cells, codes: NDArray[np.intp], number: int, *, name: str, retrain: bool
) -> str:
    """Say why a cluster stays whole, and what would divide it."""
    if retrain:
        return (
            f"subcluster: got one cluster again from training on {name!r}, wanted several. Nothing "
            "speaks for dividing it; n_clusters=2 divides it all the same."
        )
    tree = cells.part(codes, number)
    best = "It is one leaf of the tree"
    if tree is not None and tree.n_leaves > 1:
        row = tree.splits.iloc[-1]
        best = (
            f"The best split parts {int(row['n_left'])} from {int(row['n_right'])} cells: mixing "
            f"{row['mixing']:.2f}, distance {row['distance']:.1f}, {int(row['n_genes'])} genes"
        )
    return (
        f"subcluster: got {name!r}, in which no split has enough evidence, wanted one that has. "
        f"{best}. n_clusters=2 divides it all the same; retrain=True looks at its cells alone."
    )


def _joint_name(parts: list[str], known: list[str]) -> str:
    """Return the parent's name if all of its parts are joined, else their names with a plus."""
    parents = {name.rpartition(".")[0] for name in parts}
    parent = parents.pop()
    siblings = [name for name in known if parent and name.startswith(f"{parent}.")]
    whole = not parents and parent and set(siblings) == set(parts)
    return parent if whole and parent not in known else "+".join(parts)


def _number_of(name: object, names: list[str]) -> int:
    if str(name) not in names:
        msg = f"cluster: got {str(name)!r}, wanted one of {names}."
        raise InputError(msg)
    return names.index(str(name))


def _replaced(
    before: pd.Series | None, own: NDArray[np.bool_], values: NDArray[np.float32] | None
) -> NDArray[np.float32] | None:
    """Confidences with those of some cells replaced."""
    if before is None or values is None:
        return None
    confidence = before.to_numpy(np.float32, copy=True)
    confidence[own] = values
    return confidence


def _edits(adata: AnnData, key: str) -> list[str]:
    return [str(edit) for edit in adata.uns[key].get("edits", ())]


def target_of(adata: AnnData, *, copy: bool) -> AnnData:
    """Return what is written to: the data, or a copy of them in memory."""
    if not copy:
        return adata
    return adata.to_memory() if adata.isbacked else adata.copy()


def _write(
    adata: AnnData,
    key: str,
    codes: NDArray[np.intp],
    names: list[str],
    *,
    confidence: NDArray[np.float32] | None,
    edits: list[str],
) -> None:
    """Replace the clusters, and remove what belongs to the earlier ones.

    Colours go with the names of clusters that an edit leaves as they were.
    """
    before = list(adata.obs[key].astype("category").cat.categories) if edits else []
    colors = category_colors(adata, key, [str(name) for name in before])
    kept = {name: color for name, color in colors.items() if name in names}
    with warnings.catch_warnings():
        # A view becomes a copy, which is what whoever writes to a view wants.
        warnings.filterwarnings("ignore", category=ImplicitModificationWarning)
        adata.obs[key] = pd.Categorical.from_codes(codes.tolist(), pd.Index(names))
    dropped = ("association_clusters", "edits", "evidence", "stability")
    about = {name: value for name, value in adata.uns[key].items() if name not in dropped}
    about["n_clusters"] = len(names)
    if confidence is not None:
        adata.obs[f"{key}_confidence"] = confidence
        has_one = codes >= 0
        counts = np.bincount(codes[has_one], minlength=len(names))
        sums = np.bincount(codes[has_one], confidence[has_one], minlength=len(names))
        about["stability"] = sums / counts.clip(1)
    if edits:
        about["edits"] = np.array(edits, dtype=np.str_)
    adata.uns[key] = about
    forget_clusters(adata, key)
    add_colors(adata, key, kept=kept)


def write_levels(adata: AnnData, key: str) -> None:
    """Write the clusters at each level of granularity, see `cut`."""
    cells = _Cells.of(adata, key)
    for level, name_of in level_names(cells.tree).items():
        _write_level(adata, f"{key}_{level}", cells, name_of)


def _write_level(adata: AnnData, key: str, cells: _Cells, name_of: NDArray[np.str_]) -> None:
    names = sorted(set(name_of.tolist()), key=_by_numbers)
    number_of = {name: number for number, name in enumerate(names)}
    codes = np.array([number_of[name] for name in name_of.tolist()])[cells.tree.leaves]
    adata.obs[key] = pd.Categorical.from_codes(
        cells.spread_codes(codes).tolist(), pd.Index(names)
    ).remove_unused_categories()
    add_colors(adata, key)


def _by_numbers(name: str) -> list[int]:
    return [int(part) for part in name.split(".")]


def _leaves(adata: AnnData, key: str) -> NDArray[np.integer]:
    """Leaf of each cell, (n_obs,)."""
    name = f"{key}_leaf"
    if name not in adata.obs or "tree" not in adata.uns.get(key, {}):
        msg = (
            f"adata: got no obs[{name!r}] with uns[{key!r}]['tree'], wanted data with a tree of "
            "clusters. Call scrcl.cluster first (not with the paper's k-means, which has no tree), or "
            "name its key_added."
        )
        raise InputError(msg)
    leaves: NDArray[np.integer] = adata.obs[name].fillna(-1).to_numpy().astype(np.intp)
    if not (leaves >= 0).any() or leaves.max() >= len(adata.uns[key]["tree"]["sizes"]):
        msg = (
            f"adata: got an obs[{name!r}] that does not fit the tree in uns[{key!r}], wanted that of "
            "one run. Call scrcl.cluster again."
        )
        raise InputError(msg)
    return leaves


def _tree(adata: AnnData, key: str, leaves: NDArray[np.integer]) -> ClusterTree:
    """Read the tree that `cluster` wrote; ``leaves`` are of the cells that took part."""
    try:
        return tree_of(adata.uns[key]["tree"], leaves)
    except (KeyError, TypeError, ValueError) as error:
        msg = (
            f"adata: got a tree in uns[{key!r}] that cannot be read ({error}), wanted what "
            "scrcl.cluster wrote. Call it again."
        )
        raise InputError(msg) from error
