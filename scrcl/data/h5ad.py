"""AnnData in HDF5."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anndata as ad
import h5py
import scanpy as sc

from scrcl.data.hdf5 import content_of, require_hdf5
from scrcl.data.lazy import open_large

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

    from scrcl.data.formats import Options

log = logging.getLogger(__name__)

_BESIDE = ("layers", "obsm", "varm", "obsp", "varp", "uns")


def matches(path: Path) -> bool:
    """Tell an AnnData by its content, or by its name if the content is of no other known kind."""
    if path.is_dir():
        return False
    content = content_of(path)
    return content == "anndata" or (path.suffix.lower() == ".h5ad" and content is None)


def read(path: Path, options: Options) -> AnnData:
    """Read it; matrices that do not fit into memory stay on disk.

    What stands beside the matrix and cannot be read is left out, and that is logged.

    Raises
    ------
    InputError
        If it is no HDF5.
    """
    require_hdf5(path)
    if options.backed:
        return sc.read_h5ad(path, backed="r")
    try:
        return open_large(path) or sc.read_h5ad(path)
    except Exception:
        adata, lost = _piece_by_piece(path)
        if not lost:
            raise
    log.warning("%s: left out, as anndata cannot read it: %s", path.name, ", ".join(lost))
    return adata


def _piece_by_piece(path: Path) -> tuple[AnnData, list[str]]:
    """Read what can be read: with names of cells and genes at least, and what was lost."""
    lost: list[str] = []
    with h5py.File(path, "r") as file:
        adata = ad.AnnData(obs=_element(file["obs"]), var=_element(file["var"]))
        for part in (part for part in ("X", "raw", *_BESIDE) if part in file):
            keys = list(file[part]) if part in _BESIDE else [None]
            lost += [_called(part, key) for key in keys if not _take(adata, part, key, file)]
    return adata, lost


def _take(adata: AnnData, part: str, key: str | None, file: h5py.File) -> bool:
    """Read one part, and say whether that went well."""
    try:
        element = _element(file[part] if key is None else file[part][key])
        if part == "raw":
            element = ad.AnnData(element.X, var=element.var, obs=adata.obs[[]])
        if key is None:
            setattr(adata, part, element)
        else:
            getattr(adata, part)[key] = element
    except Exception:  # noqa: BLE001  (whatever it stumbles over cannot be read)
        return False
    return True


def _called(part: str, key: str | None) -> str:
    return part if key is None else f"{part}[{key!r}]"


def _element(stored: Any) -> Any:
    element: Any = ad.io.read_elem(stored)
    return element
