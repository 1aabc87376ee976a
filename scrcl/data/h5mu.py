"""MuData: several modalities of the same cells in one HDF5 file, of which the RNA is read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anndata as ad
import h5py

from scrcl._validate import InputError
from scrcl.data.hdf5 import content_of, require_hdf5

if TYPE_CHECKING:
    from pathlib import Path

    from scrcl.data.formats import Options

log = logging.getLogger(__name__)

# What the modality with the expression is called, the usual name first; capitals do not matter.
_RNA = ("rna", "gex", "gene expression", "gene_expression", "transcriptome", "scrna", "expression")


def matches(path: Path) -> bool:
    """Tell a MuData by its content, or by its name if the content is of no other known kind."""
    if path.is_dir():
        return False
    content = content_of(path)
    return content == "mudata" or (path.suffix.lower() == ".h5mu" and content is None)


def read(path: Path, options: Options) -> ad.AnnData:
    """Read the RNA, and the columns that all modalities share as columns of ``obs``.

    Raises
    ------
    InputError
        If it has no modalities, or several and none that is called RNA.
    """
    del options
    require_hdf5(path)
    with h5py.File(path, "r") as file:
        modalities = list(file.get("mod", {}))
        if not modalities:
            msg = (
                f"{path}: got HDF5 with {sorted(file)}, wanted a MuData (mod with one AnnData for "
                "each modality). Give it the ending of what it is: .h5ad or .h5."
            )
            raise InputError(msg)
        name = _rna(path, modalities)
        log.warning("%s: reading the modality %r of %s", path.name, name, ", ".join(modalities))
        adata: ad.AnnData = ad.io.read_elem(file["mod"][name])
        _add_shared_columns(adata, ad.io.read_elem(file["obs"]) if "obs" in file else None)
    return adata


def _rna(path: Path, modalities: list[str]) -> str:
    by_name = {name.lower(): name for name in modalities}
    known = next((by_name[name] for name in _RNA if name in by_name), None)
    if known is not None:
        return known
    if len(modalities) == 1:
        return modalities[0]
    msg = (
        f"{path}: got a MuData with modalities {modalities}, wanted one of them called 'rna'. "
        "Save the one with the expression: mdata.mod[name].write_h5ad(...)."
    )
    raise InputError(msg)


def _add_shared_columns(adata: ad.AnnData, obs: Any) -> None:
    """Columns of the whole MuData; those of single modalities have its name in front."""
    if obs is None or not adata.obs_names.isin(obs.index).all() or not obs.index.is_unique:
        return
    for column in obs.columns:
        if ":" not in column and column not in adata.obs:
            adata.obs[column] = obs[column].loc[adata.obs_names]
