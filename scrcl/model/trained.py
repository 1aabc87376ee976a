"""A trained model: it puts other cells into its space and its clusters, and saves itself."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scrcl._validate import InputError
from scrcl._version import __version__
from scrcl.config import to_yaml
from scrcl.data.basis import GeneMatch, match_genes, new_cells
from scrcl.data.prepare import tissue_graph
from scrcl.data.validate import grouping, spatial_coords
from scrcl.model.cells import CellMap
from scrcl.model.files import write_model
from scrcl.model.learn import Spots
from scrcl.model.packing import pack
from scrcl.model.tissue import DomainMap

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

    from scrcl.config import Config
    from scrcl.data.basis import Basis, NewCells
    from scrcl.model.cells import Mapped
    from scrcl.model.packing import Map

log = logging.getLogger(__name__)

UNKNOWN = "unknown"
"""Cluster of a new cell that is like none of the training cells."""


class Trained:
    """What a model can do once it is fitted; see `scrcl.model.ScRCL`."""

    config: Config
    seed: int
    _basis: Basis | None = None
    _map: Map | None = None
    _history: list[dict[str, float]]

    def embed(self, adata: ad.AnnData, *, slice_key: str | None = None) -> NDArray[np.float32]:
        """Put cells into the space of the training cells' ``X_scrcl``.

        Returns
        -------
        (n_obs, n_features); NaN for cells without a count.

        Raises
        ------
        InputError
            As `predict`.
        """
        cells, mapped = self._mapped(adata, slice_key)
        return spread(mapped.embedding, cells.kept)

    def predict(
        self,
        adata: ad.AnnData,
        *,
        slice_key: str | None = None,
        unknown_below: float | None = None,
    ) -> pd.DataFrame:
        """Put cells that the model has not seen into its clusters.

        Genes are matched by name; what is missing has the training cells' mean (`match_genes` says
        which). Expression is brought to the training's values with the training's choices. The
        nearest 15 training cells vote. The confidence is the winner's share of their votes, lessened
        for cells that lie farther out than the winner's own cells do.

        Parameters
        ----------
        adata
            New cells; not changed. The spots of a tissue are smoothed on a graph of their own.
        slice_key
            Column of ``obs`` that tells slices apart.
        unknown_below
            Confidence below which a cell is "unknown"; ``None``: ``threshold_``, below which 1 % of
            the training cells would fall if they were new.

        Returns
        -------
        Indexed by cell: ``cluster`` (categorical; "unknown" is one), ``nearest`` (the winner even
        so) and ``confidence``, 0 to 1. All are missing for cells without a count.

        Raises
        ------
        InputError
            If the model is not fitted, or the data have too few of its genes or other values.
        """
        cells, mapped = self._mapped(adata, slice_key)
        threshold = self.threshold_ if unknown_below is None else unknown_below
        names = [str(number) for number in range(self.n_clusters_)]
        codes = np.full(len(cells.kept), -1)
        codes[cells.kept] = mapped.shares.argmax(axis=1)
        confidence = np.full(len(cells.kept), np.nan, dtype=np.float32)
        confidence[cells.kept] = mapped.confidence
        doubted = np.where(confidence < threshold, len(names), codes)
        return pd.DataFrame(
            {
                "cluster": categorical(doubted, [*names, UNKNOWN]),
                "nearest": categorical(codes, names),
                "confidence": confidence,
            },
            index=adata.obs_names,
        )

    def match_genes(self, adata: ad.AnnData) -> GeneMatch:
        """Say which of the model's genes new cells have, and which they lack."""
        return match_genes(adata, self._fitted[0])

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the model to a folder: ``model.json`` and ``model.safetensors``.

        It holds what new cells need, of at most 20,000 training cells, and no expression; results
        for the training cells belong in your AnnData.

        Raises
        ------
        InputError
            If the model is not fitted, something is there already, or it cannot be written.
        """
        info, arrays = pack(*self._fitted)
        info |= {
            "scrcl": __version__,
            "task": self.config.task,
            "config": to_yaml(self.config),
            "seed": self.seed,
            "history": self._history,
        }
        write_model(Path(path), info, arrays, overwrite=overwrite)

    @property
    def history(self) -> pd.DataFrame:
        """Losses, one row an epoch."""
        columns = None if self._history else ["epoch", *self.config.train.loss_weights, "total"]
        return pd.DataFrame(self._history, columns=columns).set_index("epoch").astype(float)

    @property
    def n_clusters_(self) -> int:
        """Number of clusters."""
        return len(self._fitted[1].space.radii)

    @property
    def genes_(self) -> pd.Index:
        """Names of the genes that are used."""
        return self._fitted[0].genes

    @property
    def threshold_(self) -> float:
        """Confidence below which a new cell is unknown."""
        return self._fitted[1].space.threshold

    @property
    def _fitted(self) -> tuple[Basis, Map]:
        if self._basis is None or self._map is None:
            msg = "model: got one that is not fitted, wanted a fitted one. Call fit, or ScRCL.load."
            raise InputError(msg)
        return self._basis, self._map

    def _mapped(self, adata: ad.AnnData, slice_key: str | None) -> tuple[NewCells, Mapped]:
        basis, mapping = self._fitted
        cells = new_cells(adata, basis)
        if isinstance(mapping, CellMap):
            return cells, mapping.map(cells)
        notes: list[str] = []
        spots = spots_of(adata, cells.kept, slice_key)
        adj = tissue_graph(adata, cells.kept, self.config.data, slices=spots.slices, notes=notes)
        for note in notes:
            log.warning("%s", note)
        if isinstance(mapping, DomainMap):
            return cells, mapping.map(cells, adj)
        return cells, mapping.map(cells, adj, spots)


def categorical(codes: NDArray[np.integer], names: list[str]) -> pd.Categorical:
    """Name clusters; -1 is missing."""
    return pd.Categorical.from_codes(codes.tolist(), pd.Index(names))


def spots_of(adata: ad.AnnData, kept: NDArray[np.bool_], slice_key: str | None) -> Spots:
    """Positions and slices of the kept spots."""
    slices = None
    if slice_key is not None:
        slices = np.asarray(grouping(adata, slice_key).astype(str))[kept]
    return Spots(coords=spatial_coords(adata)[kept], slices=slices)


def spread(values: NDArray[np.float32], kept: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Values of the kept cells among all cells, NaN for the others; the same array if all are kept."""
    if kept.all():
        return values
    spread = np.full((len(kept), *values.shape[1:]), np.nan, dtype=np.float32)
    spread[kept] = values
    return spread
