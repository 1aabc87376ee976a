"""What every clustering method returns."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustering:
    """Clusters of all cells, and how sure they are where the method can tell.

    Attributes
    ----------
    labels
        Cluster of each cell, shape (n_obs,), 0 to ``n_clusters - 1``.
    confidence
        How sure the cluster of each cell is, shape (n_obs,), 0 to 1.
    stability
        How well each cluster is found again, shape (n_clusters,), 0 to 1.
    curve
        By what the number of clusters was chosen: one row for each number tried, with
        ``n_clusters`` and the criterion, which is high where the number is good.
    """

    labels: NDArray[np.integer]
    confidence: NDArray[np.floating] | None = None
    stability: NDArray[np.floating] | None = None
    curve: pd.DataFrame | None = None

    @property
    def n_clusters(self) -> int:
        """Number of clusters, of which some may have no cell where a file holds some of the cells."""
        if self.stability is not None:
            return len(self.stability)
        return int(self.labels.max()) + 1


def best_n_clusters(curve: pd.DataFrame) -> int:
    """Return the number with the highest criterion; of equals, the smallest."""
    return int(curve["n_clusters"].iloc[int(curve["criterion"].to_numpy().argmax())])
