"""The result of a run in the formats of other programs."""

from __future__ import annotations

import gzip
import logging
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

import anndata as ad
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp
from numpy.typing import NDArray

from scrcl._keys import CLUSTERS, CONFIDENCE, EMBEDDING, LEAF, NAME, SCANPY_UMAP, SYMBOL, UMAP
from scrcl._validate import InputError, check_one_of
from scrcl.data.expression import count_matrix, group_labels, log_expression
from scrcl.data.lazy import is_lazy
from scrcl.data.read import read
from scrcl.data.validate import spatial_coords
from scrcl.pl.columns import category_colors, matched_colors
from scrcl.pl.spatial import find_slices
from scrcl.results import atomic_folder, storable, stored_name, write_csv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scrcl.results import RunFolder

log = logging.getLogger(__name__)

_BARCODE = re.compile(r"(?<![A-Za-z])([ACGT]{14,})(-\d+)?(?![A-Za-z])")
_OF_GENES = ("cellxgene", "seurat")
_REGION, _SPOT = "scrcl_region", "scrcl_spot"  # columns that tell which circle a spot has
# Lines of names, not `ReadMtx`, which cuts them at "#" and quotes; and cells that are text, "01" too.
_READ_R = """\
library(Seurat)  # in the folder of this file
counts <- as(Matrix::readMM("matrix.mtx.gz"), "CsparseMatrix")
dimnames(counts) <- list(readLines("features.tsv.gz"), readLines("barcodes.tsv.gz"))
cells <- read.csv("metadata.csv", row.names = 1, colClasses = c(cell = "character"))
object <- CreateSeuratObject({matrix}, meta.data = cells)
"""
_READ_UMAP_R = """\
umap <- as.matrix(read.csv("umap.csv", row.names = 1, colClasses = c(cell = "character")))
object[["umap"]] <- CreateDimReducObject(umap, key = "UMAP_", assay = "RNA")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What is exported."""

    adata: ad.AnnData
    features: str
    tissue: bool
    slice_key: str | None
    label_key: str | None


def export_run(
    run: RunFolder, to: str, folder: Path | None = None, *, replace: bool = False
) -> Path:
    """Write what a run found for another program.

    Parameters
    ----------
    run
        A finished one.
    to
        ``"cellxgene"``: an ``.h5ad``; ``"loupe"``: tables that Loupe Browser imports; ``"seurat"``:
        files, and the lines of R that read them; ``"spatialdata"``: a store with the clusters as a
        table over the spots; ``"csv"``: tables.
    folder
        Where to; ``None``: ``export/<to>`` in that of the run. It appears when it is complete.
    replace
        Whether to replace a folder that is there.

    Returns
    -------
    The folder.

    Raises
    ------
    InputError
        If the run is not finished, what the program needs is missing, or the folder is there
        already or cannot be written.
    """
    check_one_of(to, "to", list(FORMATS))
    folder = run.path / "export" / to if folder is None else folder
    if not (run.path / "result.h5ad").is_file():
        msg = f"export: got {run.path}, where no finished run is, wanted the folder of one."
        raise InputError(msg)
    if folder.exists() and not replace:
        msg = f"export: got {folder}, which is there already. --overwrite replaces it."
        raise InputError(msg)
    if to in _OF_GENES:
        run.check_expression("Export to csv instead.")
    path = run.path / "result.h5ad"
    adata = read(path) if run.has_expression else ad.read_h5ad(path)
    if is_lazy(adata.X):
        msg = (
            f"export: got a matrix in {run.path} that does not fit into memory, wanted one that "
            "does. Run this where there is more."
        )
        raise InputError(msg)
    settings = run.settings
    slice_key, label_key = (
        stored_name(settings[key]) if settings.get(key) else None
        for key in ("slice_key", "label_key")
    )
    result = _Result(
        adata=adata,
        features=run.features,
        tissue=run.path.parent.parent.name == "ST",
        slice_key=slice_key,
        label_key=label_key,
    )
    with atomic_folder(folder, replace=replace) as part:
        FORMATS[to](result, part)
    return folder


def _csv(result: _Result, folder: Path) -> None:
    """Tables of the cells, one row each under the name of the cell."""
    adata = result.adata
    write_csv(_table(adata.obs), folder / "cells.csv", index=True)
    for name, values, columns in _places(result):
        frame = pd.DataFrame(values, index=_index(adata), columns=columns)
        write_csv(frame, folder / f"{name}.csv", index=True, float_format="%.6g")
    embedding = pd.DataFrame(np.asarray(adata.obsm[EMBEDDING]), index=_index(adata))
    embedding.columns = [f"scrcl_{number}" for number in range(embedding.shape[1])]
    write_csv(embedding, folder / "embedding.csv", index=True, float_format="%.6g")


def _loupe(result: _Result, folder: Path) -> None:
    """Clusters as categories, and the layout as a projection."""
    obs = result.adata.obs
    barcodes = _barcodes(result.adata.obs_names)
    taken = obs[CLUSTERS].notna().to_numpy()
    groups = {"scRCL": "Cluster " + obs[CLUSTERS].astype(str)}
    if NAME in obs:
        groups["scRCL name"] = obs[NAME].astype(object).fillna("unnamed")
    table = pd.DataFrame(groups).set_axis(barcodes)[taken].rename_axis("Barcode")
    write_csv(table, folder / "categories.csv", index=True)
    for name, values, _ in _places(result):
        there = np.isfinite(values).all(axis=1)
        places = pd.DataFrame(
            values[there, :2], index=barcodes[there], columns=["X Coordinate", "Y Coordinate"]
        )
        places = places.rename_axis("Barcode")
        write_csv(places, folder / f"{name}.csv", index=True, float_format="%.6g")


def _seurat(result: _Result, folder: Path) -> None:
    """Matrix, table of the cells and layout, and the lines of R that read them."""
    adata = result.adata
    try:
        matrix, names = count_matrix(adata)
        kind = "counts"
    except InputError:  # log values: Seurat takes them as data
        expression = log_expression(adata, features=result.features)
        matrix, names = expression.X, expression.var_names
        kind = "CreateAssay5Object(data = counts)"
    _write_gz(folder / "features.tsv.gz", names)
    _write_gz(folder / "barcodes.tsv.gz", adata.obs_names)
    is_whole = kind == "counts" and np.array_equal(matrix.data, np.rint(matrix.data))
    with gzip.open(folder / "matrix.mtx.gz", "wb", compresslevel=6) as file:
        values = sp.coo_matrix(matrix.T)
        scipy.io.mmwrite(cast("IO[bytes]", file), values.astype(np.int64) if is_whole else values)
    write_csv(_table(adata.obs), folder / "metadata.csv", index=True)
    lines = _READ_R.format(matrix=kind)
    for name, xy, columns in _places(result):
        frame = pd.DataFrame(xy, index=_index(adata), columns=columns)
        write_csv(frame, folder / f"{name}.csv", index=True, float_format="%.6g")
        lines += _READ_UMAP_R if name == "umap" else ""
    (folder / "read.R").write_text(lines + f'Idents(object) <- "{CLUSTERS}"\n', encoding="utf-8")


def _cellxgene(result: _Result, folder: Path) -> None:
    """Log-normalised expression with categories, colours and layouts, as its explorer wants them."""
    adata = result.adata
    expression = log_expression(adata, features=result.features)
    obs = _table(adata.obs)
    uns: dict[str, Any] = {"title": "scRCL clusters"}
    for key in map(str, obs):
        is_number = pd.api.types.is_numeric_dtype(obs[key].dtype)
        if (not is_number or obs[key].dtype.kind == "b") and obs[key].notna().any():
            groups = group_labels(adata, key)
            obs[key] = groups
            if key in (
                NAME,
                result.label_key,
            ):  # in the colours of their clusters, as in the figures
                colors = matched_colors(adata, key)
            else:
                colors = list(category_colors(adata, key, list(groups.categories)).values())
            uns[f"{key}_colors"] = np.array(colors, dtype=np.str_)
    var = expression.var.set_axis(pd.Index(expression.var[SYMBOL].astype(str)), axis=0)
    layouts = {f"X_{name}": values[:, :2] for name, values, _ in _places(result)}
    if not layouts:
        msg = "cellxgene: got a result without a layout of the cells, wanted one. Run with figures."
        raise InputError(msg)
    written = ad.AnnData(
        sp.csr_matrix(expression.X), obs=obs, var=var.drop(columns=SYMBOL), uns=uns, obsm=layouts
    )
    storable(written)[0].write_h5ad(folder / "cells.h5ad", compression="gzip")


def _spatialdata(result: _Result, folder: Path) -> None:
    """Spots as circles, those of each slice in a space of their own, with one table over all."""
    if not result.tissue:
        msg = (
            "spatialdata: got a run of single cells, wanted one of a tissue. Export to csv instead."
        )
        raise InputError(msg)
    try:
        from spatialdata import SpatialData, sanitize_table  # noqa: PLC0415  (an extra)
        from spatialdata.models import ShapesModel, TableModel  # noqa: PLC0415
        from spatialdata.transformations import Identity  # noqa: PLC0415
    except ModuleNotFoundError as error:
        msg = f"spatialdata: got no package {error.name}. Install it: pip install scrcl[spatial]."
        raise InputError(msg) from error
    adata = storable(result.adata)[0]
    slices = find_slices(adata, result.slice_key, with_image=True)
    names = _element_names([part.name for part in slices])
    region = np.full(adata.n_obs, "", dtype=object)
    shapes = {}
    for name, part in zip(names, slices, strict=True):
        region[part.shown] = name
        shapes[name] = ShapesModel.parse(
            part.xy,
            geometry=0,
            radius=part.diameter / 2,
            index=np.flatnonzero(part.shown),
            transformations={name if len(slices) > 1 else "global": Identity()},
        )
    before = list(adata.obs)
    sanitize_table(adata)
    renamed = [
        f"{old!r} to {new!r}" for old, new in zip(before, adata.obs, strict=True) if old != new
    ]
    if renamed:
        log.warning("spatialdata: columns whose names it refuses: %s", ", ".join(renamed))
    adata.obs[_SPOT] = np.arange(adata.n_obs)
    adata.obs[_REGION] = pd.Categorical(region)
    table = TableModel.parse(
        adata[region != ""].copy(), region=names, region_key=_REGION, instance_key=_SPOT
    )
    SpatialData(shapes=shapes, tables={"table": table}).write(folder / "spots.zarr")


def _element_names(slices: list[str]) -> list[str]:
    """Names of what a store holds: of letters, digits, "_", "-" and ".", unique in any case."""
    names: list[str] = []
    for number, slice_name in enumerate(slices):
        name = re.sub(r"[^\w.-]", "_", f"spots_{slice_name}" if slice_name else "spots")
        taken = {other.lower() for other in names}
        names.append(f"{name}_{number}" if name.lower() in taken else name)
    return names


FORMATS: dict[str, Callable[[_Result, Path], None]] = {
    "cellxgene": _cellxgene,
    "loupe": _loupe,
    "seurat": _seurat,
    "spatialdata": _spatialdata,
    "csv": _csv,
}
"""Name of a program to what writes for it."""


def _places(result: _Result) -> list[tuple[str, NDArray[np.floating], list[str]]]:
    """Layouts: what each is called, (n_obs, 2), and its columns."""
    adata, found = result.adata, list[tuple[str, NDArray[np.floating], list[str]]]()
    for key in (UMAP, SCANPY_UMAP):
        if key in adata.obsm and not found:
            found.append(("umap", np.asarray(adata.obsm[key])[:, :2], ["UMAP_1", "UMAP_2"]))
    if result.tissue:
        places = spatial_coords(adata, result.slice_key)[:, :2]
        found.append(("spatial", places, ["x", "y"]))
    return found


def _table(obs: pd.DataFrame) -> pd.DataFrame:
    """Return the table of the cells, with what scrcl found first."""
    own = [key for key in (CLUSTERS, NAME, CONFIDENCE) if key in obs]
    others = [key for key in obs if key not in (*own, LEAF)]
    return obs[[*own, *others]].rename_axis("cell")


def _index(adata: ad.AnnData) -> pd.Index[str]:
    names: pd.Index[str] = adata.obs_names.rename("cell")
    return names


def _barcodes(names: pd.Index) -> pd.Index:
    """Barcodes as 10x writes them: letters, a dash and the number of the sample.

    Raises
    ------
    InputError
        If names hold none, or the same one twice.
    """
    found = [_BARCODE.search(str(name)) for name in names]
    missing = [str(name) for name, match in zip(names, found, strict=True) if match is None]
    if missing:
        msg = (
            f"loupe: got {len(missing):,} cells without a 10x barcode in their names, such as "
            f"{missing[0]!r}, wanted AAACCTGAGAAACCAT-1 or the like. Export to csv instead."
        )
        raise InputError(msg)
    barcodes = pd.Index([match[1] + (match[2] or "-1") for match in found if match is not None])
    if barcodes.has_duplicates:
        again = barcodes[barcodes.duplicated()][0]
        msg = (
            f"loupe: got the barcode {again} more than once, from several samples, wanted one with "
            "the number of its sample behind it, as cellranger aggr writes them."
        )
        raise InputError(msg)
    return barcodes


def _write_gz(path: Path, lines: pd.Index) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
