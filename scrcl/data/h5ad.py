"""AnnData in HDF5."""

from __future__ import annotations

from typing import TYPE_CHECKING

import scanpy as sc

from scrcl.data.hdf5 import content_of, require_hdf5
from scrcl.data.lazy import open_large

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

    from scrcl.data.formats import Options


def matches(path: Path) -> bool:
    """Tell an AnnData by its content, or by its name if the content is of no other known kind."""
    if path.is_dir():
        return False
    content = content_of(path)
    return content == "anndata" or (path.suffix.lower() == ".h5ad" and content is None)


def read(path: Path, options: Options) -> AnnData:
    """Read it; matrices that do not fit into memory stay on disk.

    Raises
    ------
    InputError
        If it is no HDF5.
    """
    require_hdf5(path)
    if options.backed:
        return sc.read_h5ad(path, backed="r")
    return open_large(path) or sc.read_h5ad(path)
