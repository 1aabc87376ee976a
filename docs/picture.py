"""The figures of the gallery, and the picture of the README, from data that need no download.

``python docs/picture.py`` draws the picture anew. The cells are blood cells that come with scanpy,
the tissue is simulated; every function of `FIGURES` is what a user would type.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).parents[1]))

import scrcl

if TYPE_CHECKING:
    from collections.abc import Callable

    import anndata as ad
    import pandas as pd
    from matplotlib.figure import Figure

PICTURE = Path(__file__).parent / "assets" / "picture.png"
_HEIGHT, _TITLE, _GAP = 520, 70, 30  # pixels: of a panel, of what stands above it, between panels


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What the figures are drawn from.

    Attributes
    ----------
    cells, tissue
        Clustered data.
    markers
        Test of every gene against the other cells, for each cluster of the cells.
    """

    cells: ad.AnnData
    tissue: ad.AnnData
    markers: pd.DataFrame


def cluster() -> Results:
    """Cluster 700 blood cells and 1,200 spots of a simulated tissue; test the genes."""
    cells = scrcl.datasets.pbmc68k_reduced()
    scrcl.cluster(cells)
    tissue = scrcl.datasets.simulated_tissue(n_obs=1200)
    scrcl.cluster(tissue, spatial=True)
    return Results(cells=cells, tissue=tissue, markers=scrcl.markers.rank_genes(cells).table)


def clusters(cells: ad.AnnData) -> Figure:
    """Clusters of cells."""
    return scrcl.pl.umap(cells)


def domains(tissue: ad.AnnData) -> Figure:
    """Domains of a tissue."""
    return scrcl.pl.spatial_domains(tissue)


def marker_genes(cells: ad.AnnData, markers: pd.DataFrame) -> Figure:
    """Marker genes of every cluster."""
    return scrcl.pl.dotplot(cells, scrcl.markers.top_markers(markers, 2))


def cell_confidence(cells: ad.AnnData) -> Figure:
    """How sure each cell is of its cluster."""
    return scrcl.pl.umap(cells, "scrcl_confidence")


def spot_confidence(tissue: ad.AnnData) -> Figure:
    """Where the borders of the domains are uncertain."""
    return scrcl.pl.spatial_confidence(tissue)


def genes(cells: ad.AnnData, markers: pd.DataFrame) -> Figure:
    """Where the best gene of a cluster is expressed."""
    return scrcl.pl.umap(cells, scrcl.markers.top_markers(markers, 1)["0"])


def heatmap(cells: ad.AnnData, markers: pd.DataFrame) -> Figure:
    """Expression of the marker genes, cell by cell."""
    return scrcl.pl.heatmap(cells, scrcl.markers.top_markers(markers, 3))


def ranking(markers: pd.DataFrame) -> Figure:
    """Best genes of every cluster and their scores."""
    return scrcl.pl.ranking(markers)


def related_clusters(cells: ad.AnnData) -> Figure:
    """Which clusters are related."""
    return scrcl.pl.paga(cells)


FIGURES: tuple[Callable[..., Figure], ...] = (
    clusters, domains, marker_genes, cell_confidence, spot_confidence, genes, heatmap, ranking,
    related_clusters,
)  # fmt: skip
_PANELS = {
    clusters: "cell types: 700 blood cells",
    domains: "tissue domains: simulated",
    marker_genes: "marker genes of the cell types",
}


def draw(figure: Callable[..., Figure], found: Results) -> Figure:
    """Draw one of `FIGURES`; it gets those of the results that it asks for by name."""
    return figure(**{name: getattr(found, name) for name in inspect.signature(figure).parameters})


def picture(found: Results, folder: Path) -> Image.Image:
    """Put three figures side by side, each below a line that says what it shows.

    Parameters
    ----------
    found
        From `cluster`.
    folder
        For the single figures.
    """
    panels = []
    for figure in _PANELS:
        path = scrcl.pl.save(draw(figure, found), folder / f"{figure.__name__}.png", dpi=150)
        image = Image.open(path).convert("RGB")
        panels.append(image.resize((round(image.width * _HEIGHT / image.height), _HEIGHT)))
    width = sum(panel.width for panel in panels) + _GAP * (len(panels) - 1)
    canvas = Image.new("RGB", (width, _HEIGHT + _TITLE), "white")
    pen, font, x = ImageDraw.Draw(canvas), ImageFont.load_default(28), 0
    for panel, title in zip(panels, _PANELS.values(), strict=True):
        pen.text((x + 20, 18), title, fill="black", font=font)
        canvas.paste(panel, (x, _TITLE))
        x += panel.width + _GAP
    return canvas.quantize(256)  # a third of the size, and no difference to be seen


def title(figure: Callable[..., Figure]) -> str:
    """Return what one of `FIGURES` shows."""
    return (inspect.getdoc(figure) or "").rstrip(".")


def code(figure: Callable[..., Figure]) -> str:
    """Return what a user types for one of `FIGURES`."""
    body = inspect.getsource(figure).partition('"""\n')[2]
    return inspect.cleandoc(body).removeprefix("return ")


def main() -> None:
    """Draw the picture of the README, or all figures into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gallery", type=Path, metavar="FOLDER", help="for all figures")
    folder = parser.parse_args().gallery
    found = cluster()
    if folder is not None:
        for figure in FIGURES:
            scrcl.pl.save(draw(figure, found), folder / f"{figure.__name__}.png", dpi=110)
        return
    with tempfile.TemporaryDirectory() as singly:
        picture(found, Path(singly)).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
