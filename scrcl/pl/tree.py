"""The tree of clusters, with what speaks for every split."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

from scrcl.clustering import named_parents
from scrcl.pl.colors import MISSING, palette
from scrcl.pl.style import FONT, axes_or_new, figure_or_axes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from scrcl.clustering import ClusterTree

_TREE, _TEXT = 2.6, 6.0  # inches: the branches, and what is written beside them
_ROW, _DENSE_ROW, _DENSE_FROM = (
    0.42,
    0.3,
    25,
)  # inches a cluster, and clusters from which it is less
_LONGEST = 30  # letters of a name
_SUPPORTED, _OPEN = "0.15", "0.6"


class _Split(NamedTuple):
    """One split as it is drawn."""

    node: int
    y: float
    sides: tuple[int, int]  # the nodes, upper one first


@overload
def cluster_tree(
    tree: ClusterTree,
    n_clusters: int | None = ...,
    *,
    colors: Sequence[str] | None = ...,
    names: Mapping[str, str] | None = ...,
    ax: None = ...,
) -> Figure: ...
@overload
def cluster_tree(
    tree: ClusterTree,
    n_clusters: int | None = ...,
    *,
    colors: Sequence[str] | None = ...,
    names: Mapping[str, str] | None = ...,
    ax: Axes,
) -> Axes: ...
def cluster_tree(
    tree: ClusterTree,
    n_clusters: int | None = None,
    *,
    colors: Sequence[str] | None = None,
    names: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Draw the tree down to the clusters: their sizes, and at each split its evidence and genes.

    A split is drawn at the share of partitions that keep its sides apart. Between the two clusters
    that it parts, in line with it, stand how much the partitions mix its sides, their distance in
    standard deviations, the number of genes that tell them apart, and the best of them: higher above
    and higher below. Splits that do not meet the bar are grey and dashed. A name that all clusters
    below a split have is that of what was split, and stands there once more.

    Parameters
    ----------
    tree
        The tree, such as ``model.tree_``.
    n_clusters
        Clusters to draw; None: as many as are supported.
    colors
        One for each cluster, the largest first; None: those of the other figures.
    names
        Cluster to its name, for those that have one.
    ax
        Axes to draw in, which are returned; None: a new figure, which is returned.

    Raises
    ------
    InputError
        If the tree cannot be cut so finely.
    """
    n_clusters = tree.n_supported if n_clusters is None else n_clusters
    ends = [int(node) for node in tree.cut_nodes(n_clusters)]
    cells = np.bincount(tree.clusters(n_clusters).labels, minlength=n_clusters)
    colors = palette(n_clusters) if colors is None else colors
    row = _ROW if n_clusters <= _DENSE_FROM else _DENSE_ROW
    y, splits = _places(tree, ends)
    called = [(names or {}).get(str(number), "") for number in range(n_clusters)]
    parents = {node: called[own[0]] for node, own in named_parents(tree, called).items()}
    given, ax = ax, axes_or_new(ax, _TREE + _TEXT, 0.9 + row * n_clusters)
    height = _heights(tree, ends)
    _draw_branches(ax, tree, splits, y=y, height=height)
    for number, (node, color) in enumerate(zip(ends, colors, strict=True)):
        ax.scatter(0, y[node], s=42, color=color, zorder=3, clip_on=False)
        name = f"{_shortened(called[number])}  " if called[number] else ""
        _write(ax, y[node], f"{number}  {name}({cells[number]:,})", bold=True)
    for split in splits:
        parent = f"{_shortened(parents[split.node])}:   " if split.node in parents else ""
        _write(ax, split.y, _cut(f"{parent}{_evidence(tree, split)}"))
    top = max([height[split.node] for split in splits], default=1.0)
    ax.set(xlim=(1.06 * top, 0), ylim=(n_clusters - 0.4, -0.6), yticks=[])
    ax.set_xlabel("share of the partitions that keep the sides apart", fontsize=FONT, loc="left")
    ax.set_title("tree of the clusters (cells), with what speaks for each split", loc="left")
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.tick_params(labelsize=FONT)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return figure_or_axes(ax, given)


def _places(tree: ClusterTree, ends: list[int]) -> tuple[dict[int, float], list[_Split]]:
    """Row of each node, and the splits above the ends; the larger side is above.

    A split lies between its last cluster above and its first below: no other one lies there, so
    that nothing but its line is between it and what is written beside the tree.
    """
    y: dict[int, float] = {}
    splits: list[_Split] = []
    last, n_leaves = set(ends), tree.n_leaves
    holds = _holds(tree, last)
    stack, row = [(2 * n_leaves - 2, False)], 0
    while stack:
        node, upper_done = stack.pop()
        if node in last:
            y[node] = float(row)
            row += 1
            continue
        pair = sorted(tree.merges[node - n_leaves], key=lambda side: (-tree.n_cells[side], side))
        sides = [int(side) for side in pair if holds[side]]
        if len(sides) == 1:  # the other is a few cells that were set aside
            stack.append((sides[0], False))
        elif upper_done:
            y[node] = row - 0.5
            splits.append(_Split(node, row - 0.5, (sides[0], sides[1])))
            stack.append((sides[1], False))
        else:
            stack += [(node, True), (sides[0], False)]
    return y, splits


def _holds(tree: ClusterTree, ends: set[int]) -> NDArray[np.bool_]:
    """Whether a node is one of the ends or above one, (2 n_leaves - 1,)."""
    holds = np.isin(np.arange(2 * tree.n_leaves - 1), list(ends))
    for step, (left, right) in enumerate(tree.merges):
        holds[tree.n_leaves + step] |= holds[left] or holds[right]
    return holds


def _heights(tree: ClusterTree, ends: list[int]) -> NDArray[np.float64]:
    """Height of each node, of clusters 0, (2 n_leaves - 1,); at least that of those below it."""
    height = np.concatenate([np.zeros(tree.n_leaves), tree.heights])
    height[ends] = 0.0
    last = set(ends)
    for step, pair in enumerate(tree.merges):
        if tree.n_leaves + step not in last:
            height[tree.n_leaves + step] = height[[tree.n_leaves + step, *pair]].max()
    return height


def _draw_branches(
    ax: Axes,
    tree: ClusterTree,
    splits: list[_Split],
    *,
    y: dict[int, float],
    height: NDArray[np.float64],
) -> None:
    for split in splits:
        supported = tree.supported[split.node - tree.n_leaves]
        style = "-" if supported else (0, (3, 2))
        color = _SUPPORTED if supported else _OPEN
        x = height[split.node]
        ends = [_drawn(tree, side, y) for side in split.sides]
        for end in ends:
            ax.plot([x, height[end]], [y[end]] * 2, color=color, linestyle=style, linewidth=1.2)
        ax.plot([x, x], [y[end] for end in ends], color=color, linestyle=style, linewidth=1.2)
        ax.plot([x, 0], [split.y] * 2, color=MISSING, linestyle=":", linewidth=0.7, zorder=0)
        ax.scatter(x, split.y, s=9, color=color, zorder=2)


def _drawn(tree: ClusterTree, node: int, y: dict[int, float]) -> int:
    """Return the first node that is drawn from a node down: those left over by a split are not."""
    while node not in y:
        sides = tree.merges[node - tree.n_leaves]
        node = int(max(sides, key=lambda side: tree.n_cells[side]))
    return node


def _evidence(tree: ClusterTree, split: _Split) -> str:
    """Say what speaks for a split: numbers, and genes of the upper and the lower side that fit."""
    row = tree.splits.loc[split.node]
    above, below = "+-" if split.sides[0] == tree.merges[split.node - tree.n_leaves][0] else "-+"
    names = str(row["genes"]).split()
    numbers = (
        f"mixing {row['mixing']:.2f}, distance {row['distance']:.1f}, "
        f"{int(row['n_genes'])} gene{'' if int(row['n_genes']) == 1 else 's'}"
    )
    if tree.by_depth[split.node]:
        numbers += ", differ in depth"
    sides = [
        (mark, [name[1:] for name in names if name[0] == sign])
        for mark, sign in (("↑", above), ("↓", below))
    ]
    genes = "   ".join(f"{mark} {' '.join(some)}" for mark, some in sides if some)
    return f"{numbers}   {genes}"


def _shortened(name: str) -> str:
    """Cut a name that would leave no room for what else is written."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1].rstrip()}…"


def _cut(text: str) -> str:
    """Leave out the last words of what does not fit beside the tree."""
    room = (_TEXT - 0.4) * 72
    words = text.split(" ")
    while len(words) > 1 and _width(" ".join(words)) > room:
        words.pop()
    kept = " ".join(words).rstrip(" ↑↓")
    return kept if len(words) == len(text.split(" ")) else f"{kept} …"


def _width(text: str) -> float:
    """Width in points; a dollar is no formula."""
    width, *_ = text_to_path.get_text_width_height_descent(
        text, FontProperties(size=FONT), ismath=False
    )
    return width


def _write(ax: Axes, y: float, text: str, *, bold: bool = False) -> None:
    ax.annotate(
        text,
        (0, y),
        xytext=(8 if bold else 14, 0),
        textcoords="offset points",
        va="center",
        fontsize=FONT,
        fontweight="bold" if bold else "normal",
        color="black" if bold else "0.3",
        linespacing=1.1,
        annotation_clip=False,
    )
