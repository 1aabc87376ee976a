"""Folders with a file of counts for each cell, as HTSeq and featureCounts write them."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.data.archive import COMPRESSED, open_bytes, plain_name
from scrcl.data.orientation import cell_share
from scrcl.data.tables import without_summary

if TYPE_CHECKING:
    from scrcl.data.formats import Options

log = logging.getLogger(__name__)

_SUFFIXES = (".txt", ".tsv", ".tab", ".csv", ".counts", ".count", ".htseq", ".out")
_LOOKED_AT = 4000  # bytes
_FEATURE_COUNTS = ["chr", "start", "end", "strand", "length"]
_NUMBER = re.compile(r"^\d+(\.\d+)?$")


class _Layout(NamedTuple):
    """How the file of a cell is written: the gene first, its count last."""

    separator: str
    n_skip: int  # lines before the first gene
    width: int  # fields of a line


def matches(path: Path) -> bool:
    """Tell a folder in which several tables, and most, have one count for each gene."""
    if not path.is_dir():
        return False
    cells, others = _files(path)
    return len(cells) > max(1, len(others))


def read(path: Path, options: Options) -> ad.AnnData:
    """Read a folder with a file for each cell; cells are called by their files.

    Files need not list the genes in the same order, nor all of them if none lists one without a
    count. The rows in which HTSeq sums up are left out, as is what is no file of a cell; both are
    logged.

    Returns
    -------
    Cells x genes, sparse.

    Raises
    ------
    InputError
        If a file cannot be read as the others can, or lacks genes that others have.
    """
    del options
    cells, others = _files(path)
    if others:
        some = ", ".join(other.name for other in others[:4])
        log.warning("%s: no counts of a cell, left out: %s", path.name, some)
    columns = [_counts(file, layout) for file, layout in cells.items()]
    genes = _genes(list(cells), columns)
    matrix = sp.vstack(
        [
            sp.csr_matrix(
                column if column.index.equals(genes) else column.reindex(genes, fill_value=0)
            )
            for column in columns
        ],
        format="csr",
    )
    log.info("%s: a file for each of %s", path.name, counted(len(cells), "cells"))
    adata = ad.AnnData(
        matrix, obs=pd.DataFrame(index=_cell_names(list(cells))), var=pd.DataFrame(index=genes)
    )
    return without_summary(path, adata)


def _files(folder: Path) -> tuple[dict[Path, _Layout], list[Path]]:
    """Files of cells with how they are written, and other tables."""
    paths = sorted(
        child
        for child in folder.iterdir()
        if child.is_file()
        and not child.name.startswith(".")
        and plain_name(child).endswith(_SUFFIXES)
    )
    layouts = {path: _layout(path) for path in paths}
    cells = {path: layout for path, layout in layouts.items() if layout is not None}
    return cells, [path for path in paths if path not in cells]


def _layout(path: Path) -> _Layout | None:
    """Tell how a file is written from its first lines; ``None`` if it is not that of a cell."""
    try:
        with open_bytes(path) as file:
            start = file.read(_LOOKED_AT)
    except (OSError, EOFError):
        return None
    lines = start.decode("utf-8-sig", errors="replace").splitlines()
    if len(start) == _LOOKED_AT:
        lines = lines[:-1]  # it may be cut
    n_comments = next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
    lines = [line for line in lines[n_comments:] if line.strip()]
    separator = next((one for one in "\t,; " if lines and all(one in line for line in lines)), None)
    if separator is None or len(lines) < 2:
        return None
    rows = [[field.strip(' "') for field in line.split(separator)] for line in lines]
    head = rows[0] if any(letter.isalpha() for letter in rows[0][-1]) else []
    genes = rows[1:] if head else rows
    width = len(rows[0])
    is_known = width == 2 or [name.lower() for name in head[1:-1]] == _FEATURE_COUNTS
    is_counted = all(len(row) == width and row[0] and _NUMBER.match(row[-1]) for row in genes)
    if not (is_known and is_counted) or cell_share([row[0] for row in genes]) > 0:
        return None
    return _Layout(separator, n_comments + bool(head), width)


def _counts(path: Path, layout: _Layout) -> pd.Series:
    """Read the counts of a cell by gene."""
    ends = [0, layout.width - 1]
    try:
        with open_bytes(path) as file:
            table = pd.read_csv(
                file,
                sep=layout.separator,
                skiprows=layout.n_skip,
                header=None,
                usecols=ends,
                dtype={0: str, ends[1]: np.float32},
                keep_default_na=False,
                encoding="utf-8-sig",
                skipinitialspace=True,
            )
    except (ValueError, EOFError) as error:  # pandas' own are ValueErrors
        msg = (
            f"{path}: got something that is no line of a gene and its count ({error}), wanted such "
            "lines only, as in the other files. Copy it again, or take it out of the folder."
        )
        raise InputError(msg) from error
    return pd.Series(table[ends[1]].to_numpy(), index=pd.Index(table[0].str.strip()).rename(None))


def _genes(paths: list[Path], columns: list[pd.Series]) -> pd.Index:
    """Genes of all files: those of each, or of all together if none lists genes without a count."""
    first = columns[0].index
    genes, has_zeros = first, False
    odd = None
    for path, column in zip(paths, columns, strict=True):
        has_zeros |= bool((column == 0).any())
        if column.index.equals(first):
            continue
        if not (column.index.is_unique and first.is_unique):
            msg = (
                f"{path}: got a gene twice, and other genes than in {paths[0].name}, wanted each "
                "once. Count all cells with the same annotation."
            )
            raise InputError(msg)
        if len(column) != len(first) or not column.index.isin(first).all():
            odd = odd or path
            genes = genes.union(column.index, sort=False)
    if odd is not None and has_zeros:
        n_own, n_first = (len(columns[paths.index(path)]) for path in (odd, paths[0]))
        msg = (
            f"{odd}: got {n_own:,} genes, in {paths[0].name} {n_first:,}, wanted the same in every "
            "file. One may be cut short, or counted with another annotation: count or copy it again."
        )
        raise InputError(msg)
    if odd is not None:
        log.warning("%s: genes that the file of a cell does not list are 0 in it", odd.parent.name)
    return genes


def _cell_names(paths: list[Path]) -> pd.Index:
    """Names of the files without the endings that all of them have."""
    names = [path.name for path in paths]
    names = [Path(n).stem if n.lower().endswith(COMPRESSED) else n for n in names]
    while len({Path(name).suffix for name in names}) == 1 and Path(names[0]).suffix:
        names = [Path(name).stem for name in names]
    return pd.Index(names, dtype=object)
