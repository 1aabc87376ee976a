"""Files and folders to AnnData; only reading happens here."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scrcl._keys import SPATIAL, SPATIAL_GRAPH
from scrcl._validate import InputError, check_one_of
from scrcl.data.archive import unpacked
from scrcl.data.formats import READERS, Genes, Options, reader
from scrcl.data.lazy import is_lazy
from scrcl.data.orientation import cell_share, date_names, gene_share
from scrcl.data.places import first_places
from scrcl.data.validate import check_adata, check_sparse, unique_names

if TYPE_CHECKING:
    import os

    import anndata as ad

log = logging.getLogger(__name__)

# Shares of names from which on one axis certainly has genes and the other certainly has cells.
_CERTAINLY_GENES, _CERTAINLY_CELLS = 0.05, 0.5


def read(
    path: str | os.PathLike[str],
    *,
    task: Literal["sc", "st"] = "sc",
    backed: bool = False,
    genes: Genes = "auto",
) -> ad.AnnData:
    """Read expression data, told apart by what is there.

    A file: ``.h5ad``; ``.h5mu`` (its RNA); ``.h5`` of 10x, of Cell BLAST or with X and Y; ``.loom``;
    ``.rds`` with a SingleCellExperiment or a matrix; a table (``.csv``, ``.tsv``, ``.txt``,
    ``.xlsx``); ``.mtx`` with its names beside it. A folder: Visium, Visium HD (bins or cells), a
    matrix folder of Cell Ranger, STARsolo, Parse, alevin-fry, kallisto-bustools or BD Rhapsody, also
    as archives such as GEO name them, a folder with a file for each cell (HTSeq, featureCounts), or a
    ``.zarr`` of AnnData or SpatialData. All may be compressed (``.gz``, ``.bz2``, ``.xz``, ``.zip``,
    ``.tar``).

    What was concluded is logged: which of several matrices is read, that genes in rows were turned,
    that names were made unique. Matrices of an AnnData that do not fit into memory stay on disk and
    are read in blocks when they are needed (dask arrays); that is logged, too.

    Parameters
    ----------
    path
        File or folder.
    task
        ``"st"`` asks for positions in ``obsm["spatial"]`` (or a ready spatial graph).
    backed
        Leave the matrix of an ``.h5ad`` on disk whatever its size, as anndata does.
    genes
        Where the genes are on disk: in ``rows`` or ``columns``; ``auto`` tells from the names.

    Raises
    ------
    InputError
        If there is nothing at the path, it cannot be read, is empty, or has no positions and
        ``task`` needs them.
    """
    check_one_of(task, "task", ("sc", "st"))
    check_one_of(genes, "genes", ("rows", "columns", "auto"))
    path = Path(path).expanduser()
    if not path.exists():
        msg = (
            f"input: got {path}, which does not exist (looked for {path.absolute()}), wanted an "
            ".h5ad file or a folder. Check the path, or name a benchmark set with --dataset."
        )
        raise InputError(msg)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*names are not unique", UserWarning)  # not for long
        adata = _read(path, Options(genes=genes, backed=backed))
        _make_names_unique(adata)
    _say_date_names(adata)
    try:
        check_adata(adata)
        check_sparse(adata)
        if task == "st" and SPATIAL_GRAPH not in adata.obsp:
            _find_places(adata)
    except InputError as error:
        msg = f"{path}: {error}"
        raise InputError(msg) from None
    return adata


def _read(path: Path, options: Options) -> ad.AnnData:
    """Ask the readers in turn; whatever one stumbles over is an error of the input."""
    try:
        with unpacked(path) as place:
            name = next((name for name in READERS if reader(name).matches(place)), None)
            if name is None:
                raise InputError(_unknown(place))
            what = READERS[name].what
            try:
                adata = reader(name).read(place, options)
            except InputError:
                raise
            except Exception as error:
                raise InputError(_unreadable(place, what, error)) from error
            if place != path and is_lazy(adata.X):
                msg = (
                    f"{path}: got a compressed file that does not fit into memory, wanted one that "
                    "can be read in blocks. Unpack it first."
                )
                raise InputError(msg)
    except OSError as error:
        msg = (
            f"{path}: got {error.strerror or error}, wanted a file that can be read. Check access."
        )
        raise InputError(msg) from error
    return adata if name in {"tables", "cell_files"} else _upright(path, adata, options.genes)


def _unknown(path: Path) -> str:
    if path.is_dir():
        names = sorted(child.name for child in path.iterdir())
        files = [name for name in names if Path(name.lower()).suffix in _suffixes()]
        advice = (
            f"Give one of its files: {', '.join(files[:4])}."
            if files
            else ("Give the folder that holds these.")
        )
        return (
            f"{path}: got a folder with {names[:8]}, wanted a Visium folder "
            "(filtered_feature_bc_matrix.h5 and spatial/), matrix.mtx with the names of genes "
            "(features.tsv) and cells (barcodes.tsv), a file for each cell with a gene and its count in "
            f"each line, or a .zarr. {advice}"
        )
    return (
        f"{path}: got a {path.suffix or 'file without ending'}, wanted {', '.join(_suffixes())} or a "
        "folder. Convert it to .h5ad, for instance with anndata."
    )


def _suffixes() -> list[str]:
    return [suffix for each in READERS.values() for suffix in each.suffixes]


def _unreadable(path: Path, what: str, error: Exception) -> str:
    """Say what a reader stumbled over, and whether it is damage or another content."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].strip("'\"")
    reason = reason if len(reason) < 300 else f"{reason[:300]} ..."
    damaged = isinstance(error, (EOFError, OSError)) or "truncated" in reason
    advice = (
        "It seems to be cut short or damaged: copy or download it again."
        if damaged
        else f"The file opens, but {type(error).__name__} came up in it: save it anew with the "
        "program that wrote it, or as .h5ad."
    )
    return f"{path}: got something that cannot be read as {what} ({reason}). {advice}"


def _upright(path: Path, adata: ad.AnnData, genes: Genes) -> ad.AnnData:
    """Turn an AnnData that has genes in rows, if names leave no doubt or it was asked for."""
    if genes == "columns" or 0 in adata.shape:
        return adata
    rows, columns = (list(axis.astype(str)) for axis in (adata.obs_names, adata.var_names))
    genes_in_rows = gene_share(rows) >= _CERTAINLY_GENES and gene_share(columns) == 0
    if genes == "auto" and not genes_in_rows:
        return adata
    names = f"rows are {', '.join(rows[:3])}, ... and columns {', '.join(columns[:3])}, ..."
    cells_in_columns = cell_share(columns) >= _CERTAINLY_CELLS and cell_share(rows) == 0
    if genes == "auto" and not cells_in_columns:
        log.warning(
            "%s: %s, as if the genes were in rows: they are taken for cells. If they are genes, turn "
            "them: scrcl convert IN OUT.h5ad --genes rows",
            path.name,
            names,
        )
        return adata
    if adata.isbacked or is_lazy(adata.X):
        msg = (
            f"{path}: {names}: got genes in rows of a matrix that stays on disk, wanted cells in "
            "rows. Turn it where there is more memory: adata.T.write_h5ad(...)."
        )
        raise InputError(msg)
    log.warning("%s: %s: genes are in rows, so the matrix is turned", path.name, names)
    turned: ad.AnnData = adata.T.copy()
    if hasattr(turned.X, "tocsr"):
        turned.X = turned.X.tocsr()
    return turned


def _find_places(adata: ad.AnnData) -> None:
    """Refuse data without positions; put those that have another name where they belong."""
    source, coords, _ = first_places(adata)
    if SPATIAL not in adata.obsm:
        adata.obsm[SPATIAL] = coords
        log.warning("positions: taken from %s", source)


def _make_names_unique(adata: ad.AnnData) -> None:
    notes: list[str] = []
    adata.obs_names = unique_names(adata.obs_names, "cell", notes)
    adata.var_names = unique_names(adata.var_names, "gene", notes)
    for note in notes:
        log.warning("%s", note)


def _say_date_names(adata: ad.AnnData) -> None:
    names = date_names(list(adata.var_names))
    if names:
        log.warning(
            "%s genes are called like dates or numbers (%s): a spreadsheet has changed names such as "
            "MARCHF1 and SEPTIN2; they keep these names here",
            f"{len(names):,}",
            ", ".join(names[:3]),
        )
