"""Clustering of an embedding; nothing here sees labels."""

from scrcl.clustering.cells import consensus_clusters
from scrcl.clustering.domains import domain_clusters
from scrcl.clustering.kmeans import cosine_kmeans
from scrcl.clustering.result import Clustering
from scrcl.clustering.spatial import majority_vote

__all__ = ["Clustering", "consensus_clusters", "cosine_kmeans", "domain_clusters", "majority_vote"]
