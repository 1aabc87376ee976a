"""The algorithms of clustering, on arrays; nothing here sees labels."""

from scrcl.clustering.anchor import Anchor
from scrcl.clustering.cells import cell_tree
from scrcl.clustering.composition import Composition, check_design
from scrcl.clustering.domains import DomainVoters, domain_clusters, domain_voters
from scrcl.clustering.evidence import Expression
from scrcl.clustering.granularity import Bar, bar_of
from scrcl.clustering.kmeans import cosine_kmeans
from scrcl.clustering.levels import level_names
from scrcl.clustering.named import named_alike, named_parents
from scrcl.clustering.result import Clustering
from scrcl.clustering.spatial import majority_vote
from scrcl.clustering.stored import split_table, tree_arrays, tree_of
from scrcl.clustering.tissue_tree import domain_tree
from scrcl.clustering.tree import ClusterTree
from scrcl.clustering.words import said_of

__all__ = [
    "Anchor",
    "Bar",
    "ClusterTree",
    "Clustering",
    "Composition",
    "DomainVoters",
    "Expression",
    "bar_of",
    "cell_tree",
    "check_design",
    "cosine_kmeans",
    "domain_clusters",
    "domain_tree",
    "domain_voters",
    "level_names",
    "majority_vote",
    "named_alike",
    "named_parents",
    "said_of",
    "split_table",
    "tree_arrays",
    "tree_of",
]
