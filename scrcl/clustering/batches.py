"""Batches out of an embedding, by Harmony (docs/batches.md)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scrcl._validate import InputError
from scrcl.clustering.partitions import N_COMPONENTS, leading_components
from scrcl.data.components import aligned

MIN_BATCH = 2


def correct(view: NDArray[np.floating], batches: ArrayLike, *, seed: int) -> NDArray[np.float32]:
    """Bring the batches of a view together.

    The view is reduced to 30 principal components; Harmony (Korsunsky et al., Nature Methods 2019)
    then shifts the cells of each batch, cluster by soft cluster, to where the others are. Linear in
    the number of cells.

    Parameters
    ----------
    view
        Embedding, (n_obs, any width).
    batches
        Batch of each cell, (n_obs,).
    seed
        Seed of Harmony's k-means.

    Returns
    -------
    Corrected components, (n_obs, at most 30). With one batch only, the components as they are.

    Raises
    ------
    InputError
        If a batch has a single cell.
    """
    names, sizes = np.unique(np.asarray(batches), return_counts=True)
    if sizes.min() < MIN_BATCH:
        alone = str(names[sizes.argmin()])
        msg = (
            f"batch key: got {sizes.min()} cell in batch {alone!r}, wanted at least {MIN_BATCH} in "
            "each. Put small batches together or drop them."
        )
        raise InputError(msg)
    return aligned(leading_components(view, N_COMPONENTS), batches, seed=seed)
