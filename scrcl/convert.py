"""Data in other formats, written as one ``.h5ad``.

>>> from scrcl.convert import convert
>>> convert("matrix/", "cells.h5ad")  # doctest: +SKIP
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scrcl._validate import InputError
from scrcl.data.read import read
from scrcl.data.tables import read_obs
from scrcl.results import atomic_path, storable

if TYPE_CHECKING:
    import os

    from anndata import AnnData

    from scrcl.data.formats import Genes

log = logging.getLogger(__name__)


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    genes: Genes = "auto",
    obs: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> AnnData:
    """Read data of any kind that `scrcl.data.read.read` knows and write them as ``.h5ad``.

    The file is there whole or not at all.

    Parameters
    ----------
    source
        File or folder.
    target
        The ``.h5ad`` to write.
    genes
        Where a table has its genes: ``rows``, ``columns``, or told from the names (``auto``).
    obs
        Table of the cells (labels, donors), with their names first, joined by name.
    overwrite
        Replace a file that is there.

    Returns
    -------
    What was written.

    Raises
    ------
    InputError
        If the source cannot be read, the two tables do not belong together, or the target is there
        or is not called ``.h5ad``.
    """
    source, target = Path(source).expanduser(), Path(target).expanduser()
    if target.suffix != ".h5ad":
        msg = f"output: got {target}, wanted a name that ends in .h5ad. Add the ending."
        raise InputError(msg)
    if target.exists() and not overwrite:
        msg = f"output: got {target}, which is there, wanted a new file. Pass --overwrite."
        raise InputError(msg)
    adata = read(source, genes=genes)
    if obs is not None:
        table = read_obs(Path(obs), adata.obs_names)
        known = adata.obs.columns.difference(table.columns, sort=False)
        adata.obs = pd.concat([adata.obs[known], table], axis=1)
    with atomic_path(target) as part:
        part.parent.mkdir(parents=True, exist_ok=True)
        written, notes = storable(adata)
        written.write_h5ad(part, compression="gzip")
    for note in notes:
        log.warning("%s", note)
    log.info("%s: %s cells x %s genes", target, f"{adata.n_obs:,}", f"{adata.n_vars:,}")
    return written
