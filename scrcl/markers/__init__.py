"""Marker genes: which genes set a group of cells apart. Tables only; figures are in `scrcl.pl`."""

from scrcl.markers.associations import (
    GeneLinks,
    association_table,
    embedding_links,
    network_links,
)
from scrcl.markers.modules import gene_modules, module_activity
from scrcl.markers.names import (
    UNCLEAR,
    clear_names,
    name_clusters,
    present_markers,
    read_marker_lists,
)
from scrcl.markers.pseudobulk import pseudobulk
from scrcl.markers.ranking import rank_genes
from scrcl.markers.shipped import SHIPPED, MarkerLists, shipped_markers
from scrcl.markers.tables import (
    Ranking,
    filter_markers,
    layout,
    leading_markers,
    shown_genes,
    top_markers,
    with_symbols,
)

__all__ = [
    "SHIPPED",
    "UNCLEAR",
    "GeneLinks",
    "MarkerLists",
    "Ranking",
    "association_table",
    "clear_names",
    "embedding_links",
    "filter_markers",
    "gene_modules",
    "layout",
    "leading_markers",
    "module_activity",
    "name_clusters",
    "network_links",
    "present_markers",
    "pseudobulk",
    "rank_genes",
    "read_marker_lists",
    "shipped_markers",
    "shown_genes",
    "top_markers",
    "with_symbols",
]
