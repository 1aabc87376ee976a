"""Genes as rows, groups of cells as columns: what the figures of marker genes are drawn on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from matplotlib.patches import Rectangle
from scipy.ndimage import gaussian_filter1d

from scrcl._validate import InputError
from scrcl.data.expression import group_counts, group_labels, group_sums, log_expression
from scrcl.pl.columns import category_colors
from scrcl.pl.style import FONT, new_figure

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

Genes: TypeAlias = Mapping[str, Sequence[str]] | Sequence[str]

_ROW = 0.19  # inches, one gene
_ALL_COLUMNS = 3.0  # inches, aimed at with few groups
_COLUMN = (0.28, 0.8)  # inches, narrowest and widest group
_LEAST_HEIGHT = 2.2  # inches
SLOTS = 60  # cells of a group in the heatmap
_BINS = 48  # of a violin
_BANDWIDTH = 6.0  # bins, for one cell; shrinks with the fifth root of their number


class Grid(NamedTuple):
    """Genes to show and the expression to show of them."""

    genes: list[str]  # rows
    owner: NDArray[np.intp]  # (n_genes,) group that each gene marks, -1 if none
    groups: list[str]  # columns
    colors: list[str]  # of the groups
    codes: NDArray[np.intp]  # (n_obs,) group of each cell, -1 for none
    X: csr_matrix  # (n_obs, n_genes) log-normalised

    def means(self) -> NDArray[np.float64]:
        """Mean log expression, (n_genes, n_groups)."""
        return (group_sums(self.X, self.codes, len(self.groups)) / self._sizes()).T

    def relative_means(self) -> NDArray[np.float64]:
        """Mean log expression over the gene's highest, 0 to 1, (n_genes, n_groups)."""
        means = self.means()
        relative: NDArray[np.float64] = means / np.maximum(means.max(axis=1, keepdims=True), 1e-12)
        return relative

    def fractions(self) -> NDArray[np.float64]:
        """Share of cells that express the gene, (n_genes, n_groups)."""
        return (group_counts(self.X, self.codes, len(self.groups)) / self._sizes()).T

    def _sizes(self) -> NDArray[np.float64]:
        return np.bincount(self.codes[self.codes >= 0]).astype(np.float64)[:, None]

    def cells(self) -> NDArray[np.float64]:
        """Log expression of as many cells of each group, (n_genes, n_groups * 60).

        Drawn evenly from a larger group; repeated side by side in a smaller one.
        """
        chosen = []
        for group in range(len(self.groups)):
            members = np.flatnonzero(self.codes == group)
            chosen.append(members[np.arange(SLOTS) * len(members) // SLOTS])
        table: NDArray[np.float64] = self.X[np.concatenate(chosen)].toarray().T.astype(np.float64)
        return table

    def violins(self) -> NDArray[np.float64]:
        """Outlines of the distributions, (n_genes * n_groups, 2 * 48, 2), in units of fields.

        A field is one wide and high. From left to right a violin covers the values from 0 to the
        gene's largest; its height is the smoothed count there, relative to its own highest.
        """
        n_groups = len(self.groups)
        known = self.codes >= 0
        left = np.arange(n_groups)[:, None] + 0.06 + 0.88 * np.linspace(0, 1, _BINS)
        outlines = []
        X = self.X[known].tocsc()
        for gene in range(X.shape[1]):
            column = X[:, [gene]].toarray().ravel()  # one gene at a time, all cells
            bins = (column / max(column.max(), 1e-12) * (_BINS - 1)).astype(np.intp)
            counts = np.bincount(self.codes[known] * _BINS + bins, minlength=n_groups * _BINS)
            smooth = np.stack(
                [
                    gaussian_filter1d(row.astype(float), _BANDWIDTH * row.sum() ** -0.2)
                    for row in counts.reshape(n_groups, _BINS)
                ]
            )
            half = 0.44 * smooth / smooth.max(axis=1, keepdims=True)
            upper = np.stack([left, gene + 0.5 - half], axis=2)
            lower = np.stack([left, gene + 0.5 + half], axis=2)[:, ::-1]
            outlines.append(np.concatenate([upper, lower], axis=1))
        return np.concatenate(outlines)


def read_grid(adata: AnnData, genes: Genes, groupby: str) -> Grid:
    """Look up genes and groups; see :func:`scrcl.pl.dotplot` for the parameters and errors."""
    labels = group_labels(adata, groupby)
    groups = list(labels.categories)
    expression = log_expression(adata)
    owners = _owners(genes)
    unknown = [gene for gene in owners if gene not in expression.var_names]
    if unknown or not owners:
        got = f"unknown genes {unknown[:10]}" if unknown else "none"
        msg = f"genes: got {got}, wanted names of genes as in the data. Check --genes."
        raise InputError(msg)
    # Blocks follow the columns; genes without a group of their own come last, in their order.
    place = {group: number for number, group in enumerate(groups)}
    names = sorted(owners, key=lambda gene: place.get(owners[gene] or "", len(groups)))
    return Grid(
        names,
        np.array([place.get(owners[gene] or "", -1) for gene in names]),
        groups,
        list(category_colors(adata, groupby, groups).values()),
        labels.codes.astype(np.intp),
        expression[:, names].X,
    )


def _owners(genes: Genes) -> dict[str, str | None]:
    """Give each gene to the group in which it ranks highest."""
    if not isinstance(genes, Mapping):
        return dict.fromkeys(genes)
    ranked = [
        (rank, str(group), gene)
        for group, members in genes.items()
        for rank, gene in enumerate(members)
    ]
    owners: dict[str, str | None] = {}
    for _, group, gene in sorted(ranked, key=lambda entry: entry[0]):
        owners.setdefault(gene, group)
    return owners


def new_canvas(grid: Grid) -> tuple[Figure, Axes]:
    """Make axes in which field (gene, group) spans ``[group, group + 1] x [gene, gene + 1]``.

    Strips in the groups' colours stand over the columns and left of the genes that mark them.
    """
    n_genes, n_groups = len(grid.genes), len(grid.groups)
    width, height = _size(grid)
    longest_gene, longest_group = max(map(len, grid.genes)), max(map(len, grid.groups))
    fig = new_figure(width + 0.07 * longest_gene + 1.5, height + 0.07 * longest_group + 0.5)
    ax = fig.subplots()
    edge, top = 0.1 * n_groups / width, 0.16 * n_genes / height
    ax.set(xlim=(-edge, n_groups), ylim=(n_genes, -top))
    ax.xaxis.tick_top()
    turned = longest_group * 0.075 > width / n_groups
    ax.set_xticks(np.arange(n_groups) + 0.5, grid.groups, fontsize=FONT, rotation=90 * turned)
    ax.set_yticks(np.arange(n_genes) + 0.5, grid.genes, fontsize=FONT)
    ax.tick_params(length=0, pad=2)
    ax.spines[:].set_visible(False)
    for group, color in enumerate(grid.colors):
        ax.add_patch(Rectangle((group + 0.04, -top), 0.92, 0.7 * top, color=color, linewidth=0))
    for gene, owner in enumerate(grid.owner):
        if owner >= 0:
            color = grid.colors[owner]
            ax.add_patch(Rectangle((-edge, gene), 0.6 * edge, 1, color=color, linewidth=0))
    borders = np.flatnonzero(np.diff(grid.owner)) + 1
    ax.hlines(borders, 0, n_groups, color="0.6", linewidth=0.5, zorder=3)
    return fig, ax


def add_colorbar(grid: Grid, ax: Axes, shown: ScalarMappable, label: str) -> None:
    """Add a colour bar of one size in every figure, right of the canvas, at the bottom."""
    width, height = _size(grid)
    place = ax.inset_axes((1 + 0.2 / width, 0, 0.12 / width, 1.1 / height))
    bar = place.figure.colorbar(shown, cax=place)
    bar.set_label(label, fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT - 1)


def _size(grid: Grid) -> tuple[float, float]:
    """Return width and height of all fields, in inches; tall enough for what stands beside them."""
    column = float(np.clip(_ALL_COLUMNS / len(grid.groups), *_COLUMN))
    return column * len(grid.groups), max(_ROW * len(grid.genes), _LEAST_HEIGHT)
