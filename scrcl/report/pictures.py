"""Figures as the page holds them: within the page itself."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_DPI = 300.0
_CSS_DPI = 96
_LARGE = 1_000_000
"""Bytes from which a figure is made smaller: a page of very many cells is not to exceed 15 MB."""

CAPTIONS = {
    "umap": "Cells in the plane (UMAP of the embedding). Points that lie close are alike; "
    "distances between groups mean little.",
    "domains": "Where the domains lie.",
    "confidence": "How sure the domain of each spot is.",
    "tree": "The tree down to the clusters, with what speaks for each split (grey, dashed: less than is "
    "asked for).",
    "stability": "How stable each cluster is, and how sure its cells are (box: quartiles; line: "
    "5 to 95 %).",
    "paga": "Which domains are connected in the embedding.",
    "n_clusters": "The criterion for every number of clusters that was tried; high is good.",
    "composition": "Share of the cells that each cluster has, a dot a sample; the line is the mean of "
    "a condition. Right, where it was tested: log odds ratios with 95 % intervals.",
    "gene_associations": "How much the model ties each gene to a cluster, beside the gene's Wilcoxon score "
    "there. Named: the strongest.",
    "gene_modules": "Mean activity of each module of genes in each cluster.",
    "training_curve": "The loss and its parts over the epochs.",
    "confusion": "How the labels are spread over the clusters that were found without them.",
    "confusion_oracle": "Oracle: how the labels are spread over the clusters of the epoch that the "
    "labels picked. An upper bound, not what a user gets.",
    "ranking": "The best genes of each group by score.",
    "dotplot": "How many cells of each group express a marker, and how strongly.",
    "heatmap": "Single cells: expression of the markers.",
    "stacked_violin": "Distribution of each marker in each group.",
    "matrixplot": "Mean expression of the markers in each group.",
    "umap_markers": "The best gene of each group in the plane of the embedding.",
    "tissue_markers": "The best gene of each group on the tissue.",
}
"""Name of a figure to what it shows."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure within the page."""

    name: str
    caption: str
    source: str
    """Address that holds the figure itself."""
    width: int | None
    """CSS pixels at the size it was drawn for; ``None``: not known."""


def embed(path: Path) -> Picture | None:
    """Read a figure, png or svg; ``None`` if it is not one that a page can show.

    The page holds the file as it is, unless it is a large one (a tissue, very many cells): to make it
    smaller takes longer than to draw it.
    """
    caption = CAPTIONS.get(path.stem, path.stem.replace("_", " "))
    if path.suffix == ".svg":
        # As an image, in which a browser runs no script.
        return Picture(path.stem, caption, _address("svg+xml", path.read_bytes()), None)
    try:
        with Image.open(path, formats=["PNG"]) as image:
            dpi = float(image.info.get("dpi", (_DPI, _DPI))[0])
            width = round(image.width / dpi * _CSS_DPI)
            image.verify()  # half a file is found here, without decoding the rest
    except (OSError, SyntaxError):  # not a png, or half of one
        return None
    content = path.read_bytes()
    if len(content) > _LARGE:
        content = _with_fewer_colors(content)
    return Picture(path.stem, caption, _address("png", content), width)


def embed_all(paths: Sequence[Path]) -> tuple[list[Picture], list[str]]:
    """Read figures; the others are named."""
    found = {path: embed(path) for path in paths}
    unread = [path.name for path, picture in found.items() if picture is None]
    return [picture for picture in found.values() if picture is not None], unread


def _with_fewer_colors(content: bytes) -> bytes:
    """Take the 256 colours of a figure that matter: a quarter of the size, flat ones off by 1 in 255."""
    buffer = BytesIO()
    with Image.open(BytesIO(content)) as image:
        few = image.convert("RGB").quantize(
            256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
        )
    few.save(buffer, format="png", dpi=(_DPI, _DPI))
    return buffer.getvalue()


def _address(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
