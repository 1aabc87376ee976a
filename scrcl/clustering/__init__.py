"""Clustering of an embedding; nothing here sees labels."""
