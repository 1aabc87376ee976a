"""Many small maps: one for each gene, on the embedding or on the tissue."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from textwrap import fill
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scrcl._keys import UMAP
from scrcl._validate import InputError
from scrcl.data.expression import log_expression
from scrcl.pl.columns import Column
from scrcl.pl.embedding import dots, umap_layout
from scrcl.pl.panels import Points, draw_points
from scrcl.pl.spatial import find_slices, round_spots
from scrcl.pl.style import FONT, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.collections import Collection
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from scrcl.pl.grid import Genes

_WIDTH = 2.0  # inches, one map
_MAX_ABREAST = 6
_TITLE = 0.2  # inches, one line
_CHARACTERS = 30  # of a title, in a line
_MAX_POINTS = 50_000  # of a map; it has no room for more
_GAP = 0.05  # between slices, in widths of the widest


class _Part(NamedTuple):
    """Cells that are drawn with points of one size: all of them, or a slice."""

    cells: NDArray[np.bool_]  # (n_obs,)
    xy: NDArray[np.floating]  # (n_cells, 2)
    points: Points


def umap_genes(adata: AnnData, genes: Genes, *, seed: int = 0) -> Figure:
    """Draw each gene on the cells in the plane of the embedding.

    Parameters
    ----------
    adata
        Counts or log-normalised expression, with the coordinates in ``obsm["X_scrcl_umap"]`` or the
        embedding in ``obsm["X_scrcl"]``; not changed. Cells without a place are left out.
    genes
        Genes of each group, or a plain list: a map each, named after the group and the gene.
        Expression is shown relative to the 99th percentile of the cells that express the gene.
    seed
        Of the layout, if it has to be computed, and of the choice of cells if there are more than
        a map can show.

    Raises
    ------
    InputError
        If a gene does not exist, there is none, or the embedding is missing.
    """
    xy = np.asarray(adata.obsm[UMAP]) if UMAP in adata.obsm else umap_layout(adata, seed=seed)
    drawn = _sample(np.isfinite(xy.sum(axis=1)), seed)
    part = _Part(drawn, xy[drawn], partial(dots, width=_WIDTH))
    return _draw(adata, genes, [part], "UMAP of the embedding")


def spatial_genes(
    adata: AnnData, genes: Genes, *, slice_key: str | None = None, seed: int = 0
) -> Figure:
    """Draw each gene on the tissue, spots as wide as the distance between them: without gaps.

    Parameters
    ----------
    adata
        As for :func:`umap_genes`, with ``obsm["spatial"]``.
    genes
        As there.
    slice_key
        Column of ``obs`` that tells sections apart; they lie side by side in each map.
    seed
        Of the choice of spots if there are more than a map can show.

    Raises
    ------
    InputError
        If positions, the slice column or a gene are missing, or there is no gene.
    """
    shown = _sample(np.ones(adata.n_obs, dtype=bool), seed)
    slices = find_slices(adata, slice_key, with_image=False)
    spans = np.array([np.ptp(piece.xy, axis=0) + 2 * piece.diameter for piece in slices])
    n_abreast = int(np.ceil(np.sqrt(len(slices))))
    step = spans.max(axis=0) * (1 + _GAP)
    parts = []
    for number, piece in enumerate(slices):
        row, column = divmod(number, n_abreast)
        xy = piece.xy - piece.xy.min(axis=0) + piece.diameter + step * (column, row)
        # Downwards, as in images.
        upright = (xy * (1, -1))[shown[piece.shown]]
        parts.append(_Part(piece.shown & shown, upright, round_spots(piece.diameter)))
    return _draw(adata, genes, parts, "tissue")


def _draw(adata: AnnData, genes: Genes, parts: list[_Part], where: str) -> Figure:
    """One panel a gene; what they share is said once."""
    titles = _titles(genes)
    values = _relative(adata, [gene for gene, _ in titles])
    low, high = _limits(parts)
    aspect = float(np.clip((high[1] - low[1]) / (high[0] - low[0]), 0.4, 2.5))
    n_abreast = min(int(np.ceil(np.sqrt(1.5 * len(titles)))), _MAX_ABREAST)
    n_rows = -(-len(titles) // n_abreast)
    lines = max(title.count("\n") + 1 for _, title in titles)
    size = (_WIDTH, _WIDTH * aspect)
    fig = new_figure(n_abreast * _WIDTH + 0.9, n_rows * (size[1] + lines * _TITLE) + 0.3)
    axes = fig.subplots(n_rows, n_abreast, squeeze=False).ravel()
    for ax, (_, title), column in zip(axes, titles, values, strict=False):
        for part in parts:
            drawn = _paint(ax, part, column, size)
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[])
        ax.set_aspect("equal")
        ax.spines[:].set_color("0.8")
        ax.set_title(title, fontsize=FONT)
    for ax in axes[len(titles) :]:
        ax.remove()
    panels = list(axes[: len(titles)])
    bar = fig.colorbar(drawn, ax=panels, shrink=min(1.0, 1.5 / n_rows), aspect=14, pad=0.01)
    bar.set_label("log expression\n(of the gene's 99th percentile)", fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT - 1)
    n_drawn = sum(len(part.xy) for part in parts)
    some = f": {n_drawn:,} of {adata.n_obs:,} drawn, at random" * (n_drawn >= _MAX_POINTS)
    fig.supxlabel(f"{where}{some}", fontsize=FONT)
    return fig


def _paint(ax: Axes, part: _Part, column: Column, size: tuple[float, float]) -> Collection:
    return draw_points(
        ax, part.xy, column, part.points, size=size, shown=part.cells, limits=(0.0, 1.0)
    )


def _titles(genes: Genes) -> list[tuple[str, str]]:
    """Gene and title of each map."""
    if isinstance(genes, Mapping):
        pairs = [(gene, f"{group}: {gene}") for group, own in genes.items() for gene in own]
    else:
        pairs = [(gene, gene) for gene in dict.fromkeys(genes)]
    if not pairs:
        msg = "genes: got none, wanted at least one to draw. Check --genes."
        raise InputError(msg)
    return [(gene, fill(title, _CHARACTERS)) for gene, title in pairs]


def _relative(adata: AnnData, genes: Sequence[str]) -> list[Column]:
    """Return log expression over its 99th percentile where it is not 0, at most 1."""
    expression = log_expression(adata)
    unknown = [gene for gene in genes if gene not in expression.var_names]
    if unknown:
        msg = f"genes: got unknown genes {unknown[:10]}, wanted names of genes as in the data."
        raise InputError(msg)
    chosen = expression.X[:, expression.var_names.get_indexer(list(genes))].tocsc()
    columns = []
    for number, gene in enumerate(genes):
        values = chosen[:, [number]].toarray().ravel().astype(np.float64)
        top = np.percentile(values[values > 0], 99) if values.any() else 1.0
        columns.append(Column(gene, np.minimum(values / top, 1.0), None))
    return columns


def _sample(usable: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """Leave cells out, at random, if there are more than a map can show."""
    cells = np.flatnonzero(usable)
    if len(cells) > _MAX_POINTS:
        cells = np.random.default_rng(seed).choice(cells, _MAX_POINTS, replace=False)
    chosen = np.zeros(len(usable), dtype=bool)
    chosen[cells] = True
    return chosen


def _limits(parts: list[_Part]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    xy = np.concatenate([part.xy for part in parts]).astype(np.float64)
    low, high = xy.min(axis=0), xy.max(axis=0)
    margin = 0.03 * max(float((high - low).max()), 1e-9)
    return low - margin, high + margin
