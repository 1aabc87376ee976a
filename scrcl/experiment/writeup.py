"""What a finished run is read by: marker genes of its clusters, and one page about it."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING

from scrcl._validate import InputError
from scrcl.experiment.degs import MarkerQuestion, draw_markers
from scrcl.report import write_report

if TYPE_CHECKING:
    from anndata import AnnData

    from scrcl.experiment.after import Part
    from scrcl.results import RunFolder

log = logging.getLogger(__name__)

FIGURES = ("dotplot", "umap_markers", "tissue_markers")
"""Figures of marker genes that every run gets; draw_DEGs has more."""


def write_up(
    run: RunFolder,
    adata: AnnData,
    *,
    slice_key: str | None = None,
    features: str = "genes",
    figures: bool = True,
    part: Part = nullcontext,
) -> None:
    """Find the marker genes of the clusters, into ``markers/``, and write ``report.html``.

    Parameters
    ----------
    run
        A run that is complete but for these.
    adata
        What :func:`scrcl.results.annotated` returned.
    slice_key
        Column of ``obs`` that tells slices apart.
    features
        Which features take part.
    figures
        Draw the marker genes, too.
    part
        Takes the name of a part and guards its making, see `scrcl.experiment.after.Attempts.part`.

    Raises
    ------
    InputError
        If the folder cannot be written and ``part`` does not guard it.
    """
    question = MarkerQuestion(slice_key=slice_key, features=features)
    drawn = FIGURES if figures else ()
    with part("markers"):
        try:
            draw_markers(adata, question, run.path / "markers", only=drawn, replace=True)
        except InputError as error:
            if isinstance(error.__cause__, OSError):  # else the data have none
                raise
            log.warning("markers: none, %s", error)
    with part("report.html"):
        log.info("report: %s", write_report(run))
