"""From the files that a source has to the layout that the readers know."""

from __future__ import annotations

import shutil
import tarfile
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scrcl._validate import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SPATIAL = (
    "tissue_positions_list.csv",
    "scalefactors_json.json",
    "tissue_hires_image.png",
    "tissue_lowres_image.png",
)
_MATRIX = "filtered_feature_bc_matrix.h5"

# The groups of the paper by their number in the file.
_ZEISEL_TYPES = (
    "interneurons",
    "s1pyramidal",
    "ca1pyramidal",
    "oligodendrocytes",
    "microglia",
    "endothelial",
    "astrocytes",
    "ependymal",
    "mural",
)


def single(files: Mapping[str, Path], target: Path) -> None:
    """Take one file as it is."""
    (source,) = files.values()
    shutil.copyfile(source, target)


def zeisel(files: Mapping[str, Path], target: Path) -> None:
    """Make an ``.h5ad`` of the authors' table: ten lines about the cells, then one for each gene.

    Raises
    ------
    InputError
        If the table is not that one.
    """
    (source,) = files.values()
    about = pd.read_csv(source, sep="\t", header=None, index_col=1, nrows=10, dtype=str)
    about = about.drop(columns=0)
    if not {"group #", "cell_id"} <= set(about.index):
        msg = (
            f"{source}: got lines {list(about.index)}, wanted 'group #' and 'cell_id' among the "
            "first ten. Remove the file and download it again."
        )
        raise InputError(msg)
    blocks, genes = [], []
    with pd.read_csv(
        source, sep="\t", header=None, skiprows=11, index_col=0, chunksize=1000
    ) as chunks:
        for chunk in chunks:
            genes.extend(chunk.index.astype(str))
            blocks.append(sp.csr_matrix(chunk.iloc[:, 1:].to_numpy(dtype=np.float32)))
    groups = about.loc["group #"].astype(int).to_numpy()
    obs = pd.DataFrame(
        {"cell_type1": pd.Categorical([_ZEISEL_TYPES[group - 1] for group in groups])},
        index=about.loc["cell_id"].to_numpy(dtype=object),
    )
    for key in ("level1class", "level2class", "tissue", "sex", "age"):
        if key in about.index:
            obs[key] = about.loc[key].to_numpy(dtype=object)
    matrix = sp.csr_matrix(sp.vstack(blocks, format="csr").T)
    names = pd.Index(genes, dtype=object)
    once = ~names.duplicated()  # the first of a name, as the Hemberg lab does
    adata = ad.AnnData(matrix[:, once], obs=obs, var=pd.DataFrame(index=names[once]))
    adata.write_h5ad(target, compression="gzip")


def dlpfc(files: Mapping[str, Path], target: Path, *, sample: str) -> None:
    """Lay a slice out as Space Ranger does, with its manual layers in ``metadata.tsv``."""
    _visium(files, target)
    layers = pd.read_csv(files["layers.tsv"], sep="\t", names=["barcode", "sample", "layer_guess"])
    own = layers[layers["sample"].astype(str) == sample]
    names = own["layer_guess"].str.replace(r"^L(\d)$", r"Layer\1", regex=True)
    own.assign(layer_guess=names).to_csv(
        target / "metadata.tsv", sep="\t", index=False, columns=["barcode", "layer_guess"]
    )


def breast_cancer(files: Mapping[str, Path], target: Path) -> None:
    """Unpack what 10x has, with the 20 regions of SEDR's annotation in ``metadata.tsv``."""
    shutil.copyfile(files[_MATRIX], target / _MATRIX)
    with tarfile.open(files["spatial.tar.gz"]) as archive:
        archive.extractall(target, filter="data")
    regions = pd.read_csv(files["regions.tsv"], sep="\t")
    regions.rename(columns={"ID": "barcode", "fine_annot_type": "ground_truth"}).to_csv(
        target / "metadata.tsv", sep="\t", index=False
    )


def _visium(files: Mapping[str, Path], target: Path) -> None:
    (target / "spatial").mkdir()
    shutil.copyfile(files[_MATRIX], target / _MATRIX)
    for name in _SPATIAL:
        shutil.copyfile(files[name], target / "spatial" / name)
