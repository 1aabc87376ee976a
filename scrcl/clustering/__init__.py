"""The algorithms of clustering, on arrays; nothing here sees labels."""

from scrcl.clustering.cells import cell_tree
from scrcl.clustering.domains import DomainVoters, domain_clusters, domain_voters
from scrcl.clustering.evidence import Expression
from scrcl.clustering.kmeans import cosine_kmeans
from scrcl.clustering.result import Clustering
from scrcl.clustering.spatial import majority_vote
from scrcl.clustering.stored import split_table, tree_arrays, tree_of
from scrcl.clustering.tree import BARS, Bar, ClusterTree

__all__ = [
    "BARS",
    "Bar",
    "ClusterTree",
    "Clustering",
    "DomainVoters",
    "Expression",
    "cell_tree",
    "cosine_kmeans",
    "domain_clusters",
    "domain_voters",
    "majority_vote",
    "split_table",
    "tree_arrays",
    "tree_of",
]
