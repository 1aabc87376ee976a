"""Names of the AnnData slots that scrcl reads and writes."""

from typing import Final

CLUSTERS: Final = "scrcl"
"""``obs``: cluster of each cell, categorical."""
CONFIDENCE: Final = "scrcl_confidence"
"""``obs``: confidence of that cluster, 0 to 1."""
EMBEDDING: Final = "X_scrcl"
"""``obsm``: the learned embedding."""
PARAMS: Final = "scrcl"
"""``uns``: parameters and summary of the run."""
ASSOCIATION: Final = "scrcl_association"
"""``varm``: association of each gene with each cluster."""
SPATIAL: Final = "spatial"
"""``obsm``: positions of spots."""
SPATIAL_GRAPH: Final = "spatial_connectivities"
"""``obsp``: a ready-made spatial graph."""
