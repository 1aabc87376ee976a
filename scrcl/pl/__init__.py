"""Figures. Every function takes an AnnData or a table, changes nothing and returns a Figure.

Nothing is shown and no state of pyplot is touched; :func:`save` writes a figure to a file.
"""

from scrcl.pl.associations import association_scatter, module_heatmap
from scrcl.pl.colors import matched_palette, palette
from scrcl.pl.composition import composition
from scrcl.pl.degs import dotplot, genes_per_group, heatmap, matrixplot, ranking, stacked_violin
from scrcl.pl.embedding import umap, umap_coordinates, umap_layout
from scrcl.pl.evaluation import confusion, n_clusters_curve, stability
from scrcl.pl.maps import spatial_genes, umap_genes
from scrcl.pl.paga import paga
from scrcl.pl.spatial import spatial_confidence, spatial_domains
from scrcl.pl.style import save
from scrcl.pl.training import training_curve
from scrcl.pl.tree import cluster_tree

__all__ = [
    "association_scatter",
    "cluster_tree",
    "composition",
    "confusion",
    "dotplot",
    "genes_per_group",
    "heatmap",
    "matched_palette",
    "matrixplot",
    "module_heatmap",
    "n_clusters_curve",
    "paga",
    "palette",
    "ranking",
    "save",
    "spatial_confidence",
    "spatial_domains",
    "spatial_genes",
    "stability",
    "stacked_violin",
    "training_curve",
    "umap",
    "umap_coordinates",
    "umap_genes",
    "umap_layout",
]
