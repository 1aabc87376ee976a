"""Marker genes: which genes set a group of cells apart. Tables only; figures are in `scrcl.pl`."""

from scrcl.markers.pseudobulk import pseudobulk
from scrcl.markers.ranking import rank_genes
from scrcl.markers.tables import Ranking, filter_markers, layout, leading_markers, top_markers

__all__ = [
    "Ranking",
    "filter_markers",
    "layout",
    "leading_markers",
    "pseudobulk",
    "rank_genes",
    "top_markers",
]
