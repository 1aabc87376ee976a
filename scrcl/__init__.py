"""Label-free clustering of single cells and spatial spots."""

__version__ = "0.1.0"
