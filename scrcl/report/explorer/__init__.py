"""The explorer within ``report.html``: cells in the plane and on the tissue, to colour, cut and select.

All that the page needs is worked out here and handed over as JSON; its script draws, and computes
nothing about clusters.
"""

from scrcl.report.explorer.content import Explorer, read_explorer, read_tree
from scrcl.report.explorer.wanted import keep_genes, read_gene_list

__all__ = ["Explorer", "keep_genes", "read_explorer", "read_gene_list", "read_tree"]
