"""What the tree says of names: a name on both sides of a split is that of what was split."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scrcl.clustering.tree import ClusterTree


def named_alike(tree: ClusterTree, names: Sequence[str]) -> list[list[int]]:
    """Find for each cluster the largest part of the tree whose clusters all have its name.

    Parameters
    ----------
    tree
        Cut into as many clusters as there are names.
    names
        Of each cluster, in order.

    Returns
    -------
    Clusters of that part, ascending; the cluster alone where its sister has another name.
    """
    below = {int(node): [at] for at, node in enumerate(tree.cut_nodes(len(names)))}
    groups = [[at] for at in range(len(names))]
    for step, sides in enumerate(tree.merges):
        left, right = (below.get(int(side)) for side in sides)
        if left is None or right is None:
            continue
        both = sorted([*left, *right])
        below[tree.n_leaves + step] = both
        if len({names[at] for at in both}) == 1:
            for at in both:
                groups[at] = both
    return groups
