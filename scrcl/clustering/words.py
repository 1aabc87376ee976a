"""What the tree of clusters says, in sentences."""

from scrcl._text import counted
from scrcl.clustering.tree import AREA, DEPTH, SMALLEST, ClusterTree


def said_of(tree: ClusterTree, n_clusters: int) -> list[str]:
    """Say how well a cut is supported, what would be divided next, and what looks like a type only.

    Parameters
    ----------
    tree
        The tree.
    n_clusters
        Number of clusters of the cut.

    Returns
    -------
    A sentence or two each.
    """
    nodes = [int(node) for node in tree.cut_nodes(n_clusters)]
    inner = [(number, node) for number, node in enumerate(nodes) if node >= tree.n_leaves]
    return [
        _how_deep(tree, n_clusters),
        *_next_split(tree, inner),
        *(_depth_only(tree, number, node) for number, node in inner if _is_depth(tree, node)),
        *_outlying(tree),
    ]


def _how_deep(tree: ClusterTree, n_clusters: int) -> str:
    supported = tree.n_supported
    if tree.anchor is not None:
        return _how_voted(tree, n_clusters, tree.anchor.n_found)
    if n_clusters == 1 and supported == 1:
        return (
            "One cluster: no split has the evidence that is asked for. The cells may be of one type, "
            "or too few or too shallow to tell types apart."
        )
    if n_clusters == supported:
        return f"{n_clusters} clusters: as deep as the evidence goes."
    clusters = counted(n_clusters, "clusters")
    if n_clusters < supported:
        return f"{clusters}, as asked: the evidence goes deeper, to {supported}."
    beyond = counted(n_clusters - supported, "splits")
    return (
        f"{clusters}, as asked: the evidence goes to {supported}. Made with less than is asked for: "
        f"{beyond} (splits.csv)."
    )


def _how_voted(tree: ClusterTree, n_clusters: int, found: int) -> str:
    """Say how a cut of a tree with an anchor came about, and how many of its splits have support."""
    clusters = "One cluster" if n_clusters == 1 else f"{n_clusters} clusters"
    if n_clusters == found:
        how = f"{clusters}: the number that the voters agree best on."
    elif n_clusters == tree.n_supported:
        verb = "divided" if n_clusters > found else "joined"
        how = f"{clusters}: the {found} that the voters agree best on, {verb} by the evidence."
    else:
        how = f"{clusters}, as asked: the voters agree best on {found}."
    if n_clusters == 1:
        return how
    made = tree.made(n_clusters)
    n_supported = int((made & tree.supported).sum())
    return (
        f"{how} Splits with the evidence that is asked for: {n_supported} of {int(made.sum())} "
        "(splits.csv)."
    )


def _next_split(tree: ClusterTree, inner: list[tuple[int, int]]) -> list[str]:
    """Describe what an additional cluster would be."""
    large = [(number, node) for number, node in inner if _row(tree, node)["smaller"] >= SMALLEST]
    if not large:
        return []
    number, node = max(large, key=lambda pair: (tree.priority[pair[1]], -pair[1]))
    row, bar = _row(tree, node), tree.bar
    asked = [
        f"the partitions mix its sides by {row['mixing']:.2f} (asked for: at most {bar.mixing:.2f})",
        f"their distance is {row['distance']:.1f} (at least {bar.distance:.1f})",
        f"genes that tell them apart: {row['n_genes']:.0f} (at least {bar.n_genes:.0f})",
    ]
    sizes = f"{row['n_left']:,.0f} and {row['n_right']:,.0f} cells"
    return [f"Next, cluster {number} would be divided into {sizes}: {', '.join(asked)}."]


def _is_depth(tree: ClusterTree, node: int) -> bool:
    """Whether a split would be made if it were not for the cells' depth."""
    return bool(tree.by_depth[node]) and tree.meets_bar(node)


def _depth_only(tree: ClusterTree, number: int, node: int) -> str:
    row = _row(tree, node)
    return (
        f"Cluster {number} holds {row['n_left']:,.0f} and {row['n_right']:,.0f} cells that differ in "
        f"depth, not in type: their total counts alone tell them apart (AUC {row[AREA + DEPTH]:.3f}). "
        "They were left together."
    )


def _outlying(tree: ClusterTree) -> list[str]:
    n_cells = int(tree.cells_of_leaves[tree.outlying].sum())
    if not n_cells:
        return []
    lie = f"{counted(n_cells, 'cells')} {'lies' if n_cells == 1 else 'lie'}"
    text = (
        f"{lie} apart from all others with fewer than {SMALLEST} like it: outliers, which stay with "
        "the cluster that they are put with most (column outlier)."
    )
    return [text]


def _row(tree: ClusterTree, node: int) -> dict[str, float]:
    """Numbers that speak for the split of a node."""
    numbers = tree.splits.drop(columns="genes").iloc[node - tree.n_leaves]
    row = {str(name): float(value) for name, value in numbers.items()}
    return row | {"smaller": min(row["n_left"], row["n_right"])}
