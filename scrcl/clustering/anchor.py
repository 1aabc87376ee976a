"""Clusters that were found by a vote of their own, and at which a tree is anchored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scrcl._validate import InputError
from scrcl.clustering.result import best_n_clusters

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

DEFAULT_RANGE = (4, 11)
"""Numbers searched if no range is given: two or three coarse halves of a tissue always agree best."""


def searched(curve: pd.DataFrame, low: int, high: int) -> pd.DataFrame:
    """Rows of a curve from one number to another, which are brought to those that were tried."""
    numbers = curve["n_clusters"]
    if not len(numbers):
        return curve
    low, high = (int(np.clip(bound, numbers.min(), numbers.max())) for bound in (low, high))
    return curve[numbers.between(low, high)].reset_index(drop=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Clusters that are a cut of a tree, though not because of the evidence for its splits.

    The last merges of the tree join them, whatever their heights; all others are within them.

    Attributes
    ----------
    clusters
        Cluster of each leaf, (n_leaves,), 0 to ``n_found - 1``.
    shares
        Mean share of the votes that the cells of each leaf give each of these, (n_leaves, n_found).
    curve
        By what their number was chosen: ``n_clusters`` and ``criterion``, one row a number tried.
    """

    clusters: NDArray[np.intp]
    shares: NDArray[np.float32]
    curve: pd.DataFrame

    @property
    def n_found(self) -> int:
        """How many there are."""
        return int(self.shares.shape[1])

    def upper(self, n_merges: int) -> NDArray[np.bool_]:
        """Which merges join them, (n_merges,)."""
        return np.arange(n_merges) > n_merges - self.n_found

    def subset(self, chosen: NDArray[np.intp]) -> Anchor:
        """Return the same for the tree over some of the leaves."""
        kept, clusters = np.unique(self.clusters[chosen], return_inverse=True)
        return Anchor(
            clusters=clusters, shares=self.shares[np.ix_(chosen, kept)], curve=self.curve[:0]
        )

    def searched(self, wanted: tuple[int, int] | None) -> pd.DataFrame:
        """Rows of the curve for a range, or for the one that is searched if none is given.

        Raises
        ------
        InputError
            If some number in the range was not tried.
        """
        if wanted is None:
            return searched(self.curve, *DEFAULT_RANGE)
        most = self.curve["n_clusters"].max()  # NaN, which nothing is beyond, if none was tried
        # No more are looked for where the leaves, hence the spots, allow no more.
        if min(wanted[1], len(self.clusters) - 1) > most:
            msg = (
                f"n_clusters: got the range {wanted[0]} to {wanted[1]}, wanted one up to {most}: "
                "the voters were asked for no more domains. Give a number, or run again with this "
                "range."
            )
            raise InputError(msg)
        return searched(self.curve, *wanted)

    def best(self, wanted: tuple[int, int]) -> int:
        """Return the number in a range that the voters agree best on.

        Raises
        ------
        InputError
            If some number in the range was not tried.
        """
        rows = self.searched(wanted)
        return best_n_clusters(rows) if len(rows) else max(wanted[0], 1)

    def confidence(
        self, pieces: NDArray[np.intp], votes: NDArray[np.float64], own: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Share of the votes that each leaf gives its cluster in another cut, (n_leaves,).

        The share of a found cluster that is divided is shared out among its parts as the votes put
        the leaf with them.

        Parameters
        ----------
        pieces
            Found cluster and cluster of the cut that each piece is in, (n_pieces, 2).
        votes
            How often each leaf is put with each piece, (n_leaves, n_pieces).
        own
            Cluster of the cut of each leaf, (n_leaves,).
        """
        of_found = np.zeros((self.n_found, len(pieces)))
        of_found[pieces[:, 0], np.arange(len(pieces))] = 1.0
        within = votes / np.maximum(votes @ of_found.T, 1e-12)[:, pieces[:, 0]]
        shares = self.shares[:, pieces[:, 0]] * within
        mine = pieces[:, 1] == own[:, None]
        return np.asarray((shares * mine).sum(axis=1))
