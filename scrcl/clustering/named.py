"""What the tree says of names: a name on both sides of a split is that of what was split."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scrcl.clustering.tree import ClusterTree


def named_parents(tree: ClusterTree, names: Sequence[str]) -> dict[int, list[int]]:
    """Find the largest parts of the tree that hold several clusters, all of one name.

    Parameters
    ----------
    tree
        Cut into as many clusters as there are names.
    names
        Of each cluster, in order; "" for one without.

    Returns
    -------
    Node of the tree to its clusters, ascending. A few cells that a split sets aside have no name
    and stand in no one's way.
    """
    below = {int(node): [at] for at, node in enumerate(tree.cut_nodes(len(names)))}
    found: dict[int, list[int]] = {}
    split_at: dict[int, int] = {}  # node to the split in it that parts its clusters
    for step, sides in enumerate(tree.merges):
        node, (left, right) = tree.n_leaves + step, map(int, sides)
        if left in below and right in below:
            below[node], split_at[node] = sorted([*below[left], *below[right]]), node
            if len({names[at] for at in below[node]}) == 1 and names[below[node][0]]:
                for side in (left, right):
                    found.pop(split_at.get(side, side), None)
                found[node] = below[node]
        elif (left in below) != (right in below):
            side = left if left in below else right
            below[node], split_at[node] = below[side], split_at.get(side, side)
    return found


def named_alike(tree: ClusterTree, names: Sequence[str]) -> list[list[int]]:
    """Return for each cluster those of its part of the tree, see `named_parents`, or it alone."""
    groups = [[at] for at in range(len(names))]
    for clusters in named_parents(tree, names).values():
        for at in clusters:
            groups[at] = clusters
    return groups
