"""The algorithms of clustering, on arrays; nothing here sees labels."""

from scrcl.clustering.cells import CellTree, cell_tree, consensus_clusters
from scrcl.clustering.domains import DomainVoters, domain_clusters, domain_voters
from scrcl.clustering.kmeans import cosine_kmeans
from scrcl.clustering.result import Clustering
from scrcl.clustering.spatial import majority_vote

__all__ = [
    "CellTree",
    "Clustering",
    "DomainVoters",
    "cell_tree",
    "consensus_clusters",
    "cosine_kmeans",
    "domain_clusters",
    "domain_voters",
    "majority_vote",
]
