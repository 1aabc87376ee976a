"""The tree of clusters: every number of clusters is a cut of it, and every split has its evidence.

Leaves are groups of cells that the partitions of a consensus hardly tell apart (at most 300). What
is said of a split is computed from sums over leaves, so that the cost in cells is linear.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scrcl._validate import InputError
from scrcl.clustering.anchor import Anchor
from scrcl.clustering.consensus import sums_below
from scrcl.clustering.granularity import Bar, bar_of
from scrcl.clustering.result import Clustering

SMALLEST = 5
"""Cells that a group needs to be a cluster of its own as long as better splits are left."""
EXPLAINED = 0.99
"""Area under the ROC curve from which a covariate alone explains a split."""
AREA = "auc_"
"""How columns with such areas begin."""
DEPTH = "n_counts"
"""The covariate that says how deep a cell was read."""
_SAID = {
    "n_counts": "depth",
    "n_genes": "number of genes",
    "mitochondrial": "mitochondrial share",
    "doublet_score": "doublets",
}
_CLEAR_DISTANCE = 6.0
"""Distance from which two sides count as told apart completely when no split is supported any more."""


@dataclass(frozen=True, kw_only=True)
class ClusterTree:
    """Tree over groups of cells, with the evidence for every split.

    Attributes
    ----------
    leaves
        Leaf of each cell, (n_obs,).
    merges
        The two nodes merged at each step, (n_leaves - 1, 2); step ``i`` makes node
        ``n_leaves + i``, as in scipy. Seen from the root, each is a split.
    heights
        Share of the partitions that keep the two apart, (n_leaves - 1,).
    sizes
        Cells of each leaf that voted, (n_leaves,); of a sample, where there is one.
    together
        Share of the partitions that put a cell of one leaf with a cell of another,
        (n_leaves, n_leaves).
    splits
        The evidence, see `scrcl.clustering.evidence.split_evidence`; one row for each merge.
    granularity
        How little a split needs to be opened by default, .25 to 4, see `Bar`.
    curve
        What the partitions say about every number of clusters, see
        `scrcl.clustering.n_clusters.n_clusters_curve`.
    totals
        Cells of each leaf, (n_leaves,), where ``leaves`` are of some of the cells only, as in a
        file; ``None``: as ``leaves`` say. Clusters are numbered by them.
    anchor
        Clusters that were found by a vote of their own, as the domains of a tissue are: the cut at
        their number is these, and the default; ``None``: the evidence alone says how deep to cut.
    """

    leaves: NDArray[np.intp]
    merges: NDArray[np.intp]
    heights: NDArray[np.float64]
    sizes: NDArray[np.intp]
    together: NDArray[np.float32]
    splits: pd.DataFrame
    granularity: float = 1.0
    curve: pd.DataFrame | None = None
    totals: NDArray[np.intp] | None = None
    anchor: Anchor | None = None

    @property
    def n_leaves(self) -> int:
        """Number of leaves."""
        return len(self.sizes)

    @cached_property
    def n_cells(self) -> NDArray[np.intp]:
        """Cells below each node, (2 n_leaves - 1,)."""
        return sums_below(self.merges, self.sizes)

    @cached_property
    def supported(self) -> NDArray[np.bool_]:
        """Whether each split meets the bar, (n_leaves - 1,); a difference in depth does not."""
        return self._clear & ~self.by_depth.to_numpy()

    def meets_bar(self, node: int) -> bool:
        """Whether the split of a node meets the bar, be it a difference in depth or not."""
        return bool(self._clear[node - self.n_leaves])

    @cached_property
    def _clear(self) -> NDArray[np.bool_]:
        found = self.splits
        meets = (
            self._apart
            & (found["n_genes"] >= self.bar.n_genes)
            & (found["p_value"] <= found["level"])
            & (found[["n_left", "n_right"]].min(axis=1) >= SMALLEST)
        )
        return np.asarray(meets)

    @cached_property
    def _apart(self) -> NDArray[np.bool_]:
        """Whether votes and distance set the sides of each split apart, (n_leaves - 1,)."""
        found, bar = self.splits, self.bar
        apart = (found["mixing"] <= bar.mixing) & (found["distance"] >= bar.distance)
        return apart.to_numpy()

    @property
    def by_depth(self) -> "pd.Series[bool]":
        """Splits whose sides the cells' total counts alone tell apart: a difference in depth."""
        if AREA + DEPTH not in self.splits:
            return pd.Series(data=False, index=self.splits.index)
        return self.splits[AREA + DEPTH] >= EXPLAINED

    @property
    def explained_by(self) -> "pd.Series[str]":
        """What alone tells the sides of each split apart, such as "depth", joined by commas."""
        areas = self.splits.filter(regex=f"^{AREA}")
        columns = [str(name).removeprefix(AREA) for name in areas.columns]
        names = [_SAID.get(name, name) for name in columns]
        told = (areas >= EXPLAINED).to_numpy()
        text = [
            ", ".join(name for name, tells in zip(names, row, strict=True) if tells) for row in told
        ]
        return pd.Series(text, index=self.splits.index, dtype=object)

    @cached_property
    def n_supported(self) -> int:
        """As many clusters as the evidence gives: 1 if no split meets the bar.

        With an anchor: as many as were found, at granularity 1; below it those that are left once
        clusters are joined whose split does not meet the bar, above it those that come to them
        where another split meets it.
        """
        opened = self._wanted_below[self.n_leaves :]
        return int(opened.sum() - (opened & self._leave_over).sum()) + 1

    @cached_property
    def n_max(self) -> int:
        """The most clusters that the tree can be cut into."""
        left_over = self._small_of(self._leave_over)
        return self.n_leaves - sum(len(self._below(node)) for node in left_over)

    @property
    def cells_of_leaves(self) -> NDArray[np.intp]:
        """Cells of each leaf, whether they voted or not, (n_leaves,)."""
        if self.totals is not None:
            return self.totals
        return np.bincount(self.leaves, minlength=self.n_leaves)

    @property
    def bar(self) -> Bar:
        """What a split needs to be opened by default."""
        return bar_of(self.granularity)

    def at(self, granularity: float) -> "ClusterTree":
        """Return the same tree with another granularity."""
        return replace(self, granularity=granularity)

    def with_curve(self, curve: pd.DataFrame) -> "ClusterTree":
        """Return the same tree with what the partitions say about every number of clusters."""
        return replace(self, curve=curve)

    def clusters(self, n_clusters: int | tuple[int, int] | None) -> Clustering:
        """Cut the tree: at a number, or as deep as the evidence goes, within a range if one is given.

        With an anchor, at granularity 1, the number is the one that the voters agree best on.

        Raises
        ------
        InputError
            If the tree cannot be cut so finely, or it is not known what the voters say of a range.
        """
        curve = None
        if not isinstance(n_clusters, int):
            curve = self.curve if self.anchor is None else self.anchor.searched(n_clusters)
            n_clusters = self._number_within(n_clusters)
        return replace(self.clustering(self.frontier(n_clusters)), curve=curve)

    def _number_within(self, wanted: tuple[int, int] | None) -> int:
        if wanted is None:
            return min(self.n_supported, self.n_max)
        if self.anchor is not None and self.granularity == 1.0:
            return min(self.anchor.best(wanted), self.n_max)
        low, high = wanted
        return max(min(self.n_supported, high, self.n_max), min(low, self.n_max))

    def clustering(self, clusters: NDArray[np.intp]) -> Clustering:
        """Return any clusters of leaves, (n_leaves,), as clusters of cells, the largest first."""
        clusters = by_weight(clusters, self.cells_of_leaves)
        confidence = self.confidence(clusters)
        cells = np.bincount(clusters, self.cells_of_leaves)
        return Clustering(
            labels=clusters[self.leaves],
            confidence=confidence[self.leaves],
            stability=np.bincount(clusters, confidence * self.cells_of_leaves) / cells.clip(1),
        )

    def frontier(self, n_clusters: int) -> NDArray[np.intp]:
        """Return the cluster of each leaf in a cut, (n_leaves,): numbers without an order.

        Splits are opened from the root on, those that join the clusters of an anchor before all
        others: first those that meet the bar or lie above one that
        does, the highest first; then the others, where a split counts less the more its sides
        overlap. While supported splits are opened, a group of fewer than 5 cells that another
        split leaves over is no cluster of its own: it goes down the other side, at every split to
        the half that it is more often put with.

        Raises
        ------
        InputError
            If the tree cannot be cut so finely.
        """
        return self._clusters_of_leaves(*self._opened(n_clusters))

    def cut_nodes(self, n_clusters: int) -> NDArray[np.intp]:
        """Return the node that each cluster of a cut comes from, (n_clusters,), the largest first.

        Below it are all of its cells but those few that were set aside by other splits.

        Raises
        ------
        InputError
            If the tree cannot be cut so finely.
        """
        nodes, aside = self._opened(n_clusters)
        clusters = by_weight(self._clusters_of_leaves(nodes, aside), self.cells_of_leaves)
        order = np.argsort([clusters[self._below(node)[0]] for node in nodes])
        return np.array(nodes, dtype=np.intp)[order]

    def made(self, n_clusters: int) -> NDArray[np.bool_]:
        """Whether a cut makes each split, (n_leaves - 1,).

        Raises
        ------
        InputError
            If the tree cannot be cut so finely.
        """
        ends = np.zeros(2 * self.n_leaves - 1, dtype=bool)
        ends[self.cut_nodes(n_clusters)] = True
        above = np.zeros_like(ends)
        for step, (left, right) in enumerate(self.merges):
            above[self.n_leaves + step] = above[[left, right]].any() or ends[[left, right]].any()
        return above[self.n_leaves :]

    @cached_property
    def outlying(self) -> NDArray[np.bool_]:
        """Leaves of fewer than 5 cells that the votes and the distance set apart, (n_leaves,).

        Too few for a type of their own; they stay with the cluster that they are put with most.
        """
        apart = self._apart & (self._smaller_side < SMALLEST)
        found = np.zeros(self.n_leaves, dtype=bool)
        for node in self._small_of(apart):
            found[self._below(node)] = True
        return found

    def subset(self, chosen: NDArray[np.intp]) -> "ClusterTree":
        """Return the tree over some of the leaves and their cells.

        A split of which both sides are among them keeps its evidence, which is that of the whole
        node.

        Parameters
        ----------
        chosen
            Numbers of the leaves, ascending.
        """
        n_chosen = len(chosen)
        number_of = {int(leaf): number for number, leaf in enumerate(chosen)}
        steps: list[int] = []
        merges: list[tuple[int, int]] = []
        for step, pair in enumerate(self.merges):
            sides = [number_of[int(side)] for side in pair if int(side) in number_of]
            if len(sides) == 2:
                number_of[self.n_leaves + step] = n_chosen + len(steps)
                steps.append(step)
                merges.append((sides[0], sides[1]))
            elif sides:
                number_of[self.n_leaves + step] = sides[0]
        index = pd.RangeIndex(n_chosen, 2 * n_chosen - 1, name="node")
        renumbered = np.full(self.n_leaves, -1)
        renumbered[chosen] = np.arange(n_chosen)
        leaves = renumbered[self.leaves]
        return replace(
            self,
            leaves=leaves[leaves >= 0],
            merges=np.array(merges, dtype=np.intp).reshape(-1, 2),
            heights=self.heights[steps],
            sizes=self.sizes[chosen],
            together=self.together[np.ix_(chosen, chosen)],
            splits=self.splits.iloc[steps].set_index(index),
            curve=None,
            totals=None if self.totals is None else self.totals[chosen],
            anchor=None if self.anchor is None else self.anchor.subset(chosen),
        )

    def affinity(self, clusters: NDArray[np.intp]) -> NDArray[np.float64]:
        """Share of the partitions that put a cell of each leaf with a cell of each cluster.

        Parameters
        ----------
        clusters
            Cluster of each leaf, (n_leaves,), 0, 1, ...

        Returns
        -------
        (n_leaves, n_clusters).
        """
        members = np.zeros((self.n_leaves, clusters.max() + 1))
        members[np.arange(self.n_leaves), clusters] = self.sizes
        return np.asarray(self.together @ members / members.sum(axis=0))

    def confidence(self, clusters: NDArray[np.intp]) -> NDArray[np.float32]:
        """How much more often a leaf is put with its own cluster than with the next, (n_leaves,).

        With an anchor: the share of the votes for its own cluster.
        """
        if self.anchor is None:
            return separation(self.affinity(clusters), clusters).clip(0, 1).astype(np.float32)
        pairs = np.column_stack([self.anchor.clusters, clusters])
        pieces, of_leaves = np.unique(pairs, axis=0, return_inverse=True)
        votes = self.affinity(of_leaves.ravel())
        shares = self.anchor.confidence(pieces, votes, clusters)
        return shares.clip(0, 1).astype(np.float32)

    @cached_property
    def _smaller_side(self) -> NDArray[np.intp]:
        return np.asarray(self.n_cells[self.merges].min(axis=1))

    @cached_property
    def _upper(self) -> NDArray[np.bool_]:
        """Whether each split joins clusters of the anchor, (n_leaves - 1,)."""
        if self.anchor is None:
            return np.zeros(len(self.merges), dtype=bool)
        return self.anchor.upper(len(self.merges))

    @cached_property
    def _believed(self) -> NDArray[np.bool_]:
        """Whether each split is supported, or the vote's and no less is asked for, (n_leaves - 1,)."""
        return self.supported | self._upper if self.granularity >= 1.0 else self.supported

    @cached_property
    def _leave_over(self) -> NDArray[np.bool_]:
        """Whether opening each split for what is below it leaves a few cells over, (n_leaves - 1,)."""
        opened = self._believed_below[self.n_leaves :]
        return np.asarray(opened & ~self._believed & (self._smaller_side < SMALLEST))

    @cached_property
    def _believed_below(self) -> NDArray[np.bool_]:
        """Whether a node or one below it has a split that is believed, (2 n_leaves - 1,)."""
        return self._holding(self._believed)

    @cached_property
    def _wanted_below(self) -> NDArray[np.bool_]:
        """As `_believed_below`, of the splits that are made if no number is given."""
        if self.anchor is None or self.granularity > 1.0:
            return self._believed_below
        return self._holding(self._believed & self._upper)

    def _holding(self, steps: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether each node is one of some splits or above one, (2 n_leaves - 1,)."""
        holds = np.zeros(2 * self.n_leaves - 1, dtype=bool)
        for step, (left, right) in enumerate(self.merges):
            holds[self.n_leaves + step] = steps[step] or holds[left] or holds[right]
        return holds

    @cached_property
    def priority(self) -> NDArray[np.float64]:
        """Order in which nodes are opened, the highest first, (2 n_leaves - 1,).

        Those with support are 1 ahead; with an anchor its own 4, and those of the default 2.
        """
        clear = np.minimum(1.0, self.splits["distance"].to_numpy() / _CLEAR_DISTANCE)
        believed = self._believed_below[self.n_leaves :]
        own = np.where(believed, 1.0 + self.heights, self.heights * clear)
        if self.anchor is not None:
            own += 2.0 * self._wanted_below[self.n_leaves :] + 4.0 * self._upper
        return np.concatenate([np.full(self.n_leaves, -np.inf), own])

    def _opened(self, n_clusters: int) -> tuple[list[int], list[tuple[int, int]]]:
        """Nodes of a cut; and the few cells set aside, each with the node beside it."""
        root = 2 * self.n_leaves - 2
        nodes, aside = [root], []
        while len(nodes) < n_clusters:
            open_ones = [node for node in nodes if node >= self.n_leaves]
            if not open_ones:
                msg = (
                    f"n_clusters: got {n_clusters}, wanted 1 to {len(nodes)}: the partitions tell "
                    "no more groups of cells apart. Ask for fewer clusters."
                )
                raise InputError(msg)
            node = max(open_ones, key=lambda node: (self.priority[node], -node))
            nodes.remove(node)
            small, large = sorted(self.merges[node - self.n_leaves], key=self._by_cells)
            if self._leave_over[node - self.n_leaves]:
                aside.append((small, large))
                nodes.append(large)
            else:
                nodes += [large, small]
        return nodes, aside

    def _small_of(self, steps: NDArray[np.bool_]) -> list[int]:
        """Return the smaller sides of some splits."""
        pairs = self.merges[steps]
        return [min((int(node) for node in pair), key=self._by_cells) for pair in pairs]

    def _by_cells(self, node: int) -> tuple[int, int]:
        return int(self.n_cells[node]), int(node)

    def _below(self, node: int) -> NDArray[np.intp]:
        """Leaves below a node."""
        found, stack = [], [node]
        while stack:
            last = stack.pop()
            if last < self.n_leaves:
                found.append(last)
            else:
                stack += [int(child) for child in self.merges[last - self.n_leaves]]
        return np.array(sorted(found), dtype=np.intp)

    def _clusters_of_leaves(
        self, nodes: list[int], aside: list[tuple[int, int]]
    ) -> NDArray[np.intp]:
        clusters = np.full(self.n_leaves, -1)
        number_of = {node: number for number, node in enumerate(nodes)}
        for node, number in number_of.items():
            clusters[self._below(node)] = number
        for small, large in aside:
            clusters[self._below(small)] = number_of[self._joined(small, large, set(nodes))]
        return clusters

    def _joined(self, small: int, node: int, nodes: set[int]) -> int:
        """Go down from a node to one of a cut, always to the side that a group is put with most.

        The way does not depend on the cut but for its end: cuts nest.
        """
        own = self._below(small)
        votes = self.sizes[own] @ self.together[own] * self.sizes
        while node not in nodes:
            sides = sorted(self.merges[node - self.n_leaves], key=self._by_cells)
            if self._leave_over[node - self.n_leaves]:
                node = sides[1]
            else:
                node = max(
                    sides, key=lambda side: votes[self._below(side)].sum() / self.n_cells[side]
                )
        return node


def by_weight(clusters: NDArray[np.intp], cells: NDArray[np.intp]) -> NDArray[np.intp]:
    """Renumber clusters of leaves 0, 1, ... from the largest to the smallest, (n_leaves,).

    ``cells`` are those of each leaf; of equal clusters the one with the first leaf comes first.
    """
    _, first, codes = np.unique(clusters, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.lexsort((first, -np.bincount(codes, cells)))] = np.arange(len(first))
    return rank[codes]


def separation(affinity: NDArray[np.floating], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """How much more often each row is put with its own cluster than with the next: (n_rows,).

    1: always with its own, never with another; 0: as often with another (negative: more often). A
    single cluster has no other: 1.

    Parameters
    ----------
    affinity
        Share of the partitions that put each row with each cluster, (n_rows, n_clusters).
    labels
        Cluster of each row, (n_rows,).
    """
    if affinity.shape[1] == 1:
        return np.ones(len(labels))
    rows = np.arange(len(labels))
    others = affinity.copy()
    others[rows, labels] = -np.inf
    margin: NDArray[np.float64] = affinity[rows, labels] - others.max(axis=1)
    return margin
