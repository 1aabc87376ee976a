"""Writes small Visium folders as the versions of Space Ranger leave them."""

import gzip
import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp
from PIL import Image

BARCODES = [f"{''.join(letters)}-1" for letters in ("AAAC", "CCGT", "GGTA", "TTAC", "ACGT")]
GENES = ["SNAP25", "MOBP", "PCP4", "MOBP"]  # one symbol twice, as in the human annotation
COUNTS = np.random.default_rng(0).poisson(3.0, (5, 4))
POSITIONS = pd.DataFrame(
    {
        "barcode": [*BARCODES, "NNNN-1"],  # the last spot is not on the tissue
        "in_tissue": [1, 1, 1, 1, 1, 0],
        "array_row": [0, 0, 1, 1, 2, 2],
        "array_col": [0, 2, 1, 3, 0, 2],
        "pxl_row_in_fullres": [10, 11, 20, 21, 30, 31],
        "pxl_col_in_fullres": [100, 120, 110, 130, 101, 121],
    }
).sample(frac=1, random_state=0)  # in no particular order
LAYERS = ["L1", "L1", None, "WM", "WM"]


def write_h5(path: Path) -> None:
    """The matrix as Cell Ranger 3 and later write it."""
    matrix = sp.csc_matrix(COUNTS.T)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["barcodes"] = np.array(BARCODES, dtype="S")
        group["data"], group["indices"] = matrix.data.astype(np.int32), matrix.indices
        group["indptr"], group["shape"] = matrix.indptr, np.array(matrix.shape)
        features = group.create_group("features")
        features["name"] = np.array(GENES, dtype="S")
        features["id"] = np.array([f"ENSG{i}" for i in range(4)], dtype="S")
        features["feature_type"] = np.array(["Gene Expression"] * 4, dtype="S")
        features["genome"] = np.array(["GRCh38"] * 4, dtype="S")


def write_mtx(folder: Path) -> None:
    """The same as a folder of gzipped text files."""
    folder.mkdir()
    with gzip.open(folder / "matrix.mtx.gz", "wb") as file:
        scipy.io.mmwrite(file, sp.coo_matrix(COUNTS.T))
    lines = [f"ENSG{i}\t{gene}\tGene Expression" for i, gene in enumerate(GENES)]
    (folder / "features.tsv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (folder / "barcodes.tsv.gz").write_bytes(gzip.compress("\n".join(BARCODES).encode()))


def write_positions(spatial: Path, name: str) -> None:
    """Positions under one of the three names they have had."""
    spatial.mkdir(parents=True, exist_ok=True)
    if name.endswith(".parquet"):
        POSITIONS.to_parquet(spatial / name)
    else:  # the oldest has no header
        POSITIONS.to_csv(spatial / name, index=False, header=name == "tissue_positions.csv")


def write_images(spatial: Path) -> None:
    """Both images and the scale factors."""
    for size, width in (("hires", 40), ("lowres", 20)):
        pixels = np.full((width, width, 3), 200, dtype=np.uint8)
        Image.fromarray(pixels).save(spatial / f"tissue_{size}_image.png")
    factors = {
        "spot_diameter_fullres": 9.0,
        "tissue_hires_scalef": 0.2,
        "tissue_lowres_scalef": 0.1,
    }
    (spatial / "scalefactors_json.json").write_text(json.dumps(factors))


def write_visium(
    folder: Path,
    *,
    matrix: str = "h5",
    positions: str = "tissue_positions_list.csv",
    images: bool = True,
) -> Path:
    """A whole folder; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    if matrix == "h5":
        write_h5(folder / "filtered_feature_bc_matrix.h5")
    else:
        write_mtx(folder / "filtered_feature_bc_matrix")
    write_positions(folder / "spatial", positions)
    if images:
        write_images(folder / "spatial")
    return folder
