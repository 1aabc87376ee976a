"""Tables of counts as text: CSV and TSV, with the genes in rows or in columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeAlias

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scrcl._validate import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Genes: TypeAlias = Literal["rows", "columns", "auto"]
"""Where a table has its genes; ``auto``: told from the names."""

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")
_CHUNK = 1000  # rows that are dense in memory at a time
_SAMPLE = 2000  # names that are looked at
# What only genes are called (human, mouse; symbols and Ensembl), and what only cells are.
_GENE = re.compile(
    r"^(ENS[A-Z]*G\d{6,}|MT-|RP[LS]\d|ACTB$|GAPDH$|MALAT1$|B2M$|EEF1A1$)", re.IGNORECASE
)
_CELL = re.compile(r"(^|[^A-Z])[ACGT]{10,}([^A-Z]|$)|^(cell|barcode)[-_ ]?\d+", re.IGNORECASE)


def is_table(path: Path) -> bool:
    """Whether a file is a table by its name; ``.gz`` behind it is allowed."""
    return path.name.removesuffix(".gz").endswith(TABLE_SUFFIXES)


def read_table(path: Path, *, genes: Genes = "auto") -> ad.AnnData:
    """Read a table of counts; the first column and the first row are names.

    Parameters
    ----------
    path
        ``.csv``, ``.tsv``, ``.txt`` or ``.tab``, plain or ``.gz``. Columns are separated by commas
        or tabs, whichever the first line has more of.
    genes
        Whether a row is a gene or a cell.

    Returns
    -------
    Cells x genes, sparse. Columns of text are kept beside the matrix: in ``obs`` if a row is a
    cell, else in ``var``.

    Raises
    ------
    InputError
        If the names do not tell where the genes are and ``genes`` does not either, or the table
        has no column of numbers.
    """
    separator = _separator(path)
    header = pd.read_csv(path, sep=separator, index_col=0, nrows=_SAMPLE, low_memory=False)
    if genes == "auto":
        genes = _find_genes(path, header)
    numbers = header.columns[[pd.api.types.is_numeric_dtype(kind) for kind in header.dtypes]]
    if numbers.empty:
        msg = (
            f"{path}: got a table without a column of numbers (columns: {list(header)[:5]}), "
            "wanted counts with a name at the start of every row and every column."
        )
        raise InputError(msg)
    names, text, blocks = [], [], []
    with pd.read_csv(
        path, sep=separator, index_col=0, chunksize=_CHUNK, low_memory=False
    ) as chunks:
        for chunk in chunks:
            names.append(chunk.index.astype(str))
            text.append(chunk.drop(columns=numbers))
            blocks.append(sp.csr_matrix(_values(path, chunk[numbers])))
    rows = pd.DataFrame(pd.concat(text))
    rows.index = pd.Index(np.concatenate(names), dtype=object)
    columns = pd.DataFrame(index=pd.Index(numbers.astype(str), dtype=object))
    matrix = sp.vstack(blocks, format="csr")
    if genes == "rows":
        return ad.AnnData(sp.csr_matrix(matrix.T), obs=columns, var=rows)
    return ad.AnnData(matrix, obs=rows, var=columns)


def read_obs(path: Path, names: pd.Index) -> pd.DataFrame:
    """Read a table of cells and bring it in the order of ``names``.

    Raises
    ------
    InputError
        If the names in its first column are not those of the cells, each of them once.
    """
    table = pd.read_csv(path, sep=_separator(path), index_col=0)
    table.index = table.index.astype(str)
    missing = names.difference(table.index)
    if len(missing) or not table.index.is_unique:
        problem = f"no row for {len(missing):,} of {len(names):,} cells"
        msg = (
            f"{path}: got {problem if len(missing) else 'repeated names'}, wanted a row for each "
            f"cell, with its name first ({names[0]!r}, ...). Check that the two files belong "
            "together."
        )
        raise InputError(msg)
    return table.loc[names]


def _separator(path: Path) -> str:
    header = pd.read_csv(path, sep="\x1f", header=None, nrows=1, dtype=str).iloc[0, 0]
    return "\t" if str(header).count("\t") > str(header).count(",") else ","


def _find_genes(path: Path, header: pd.DataFrame) -> Genes:
    """Tell rows from columns by what looks like a gene or like a cell."""
    rows, columns = header.index.astype(str), header.columns[:_SAMPLE].astype(str)
    for_rows = _share(_GENE, rows) + _share(_CELL, columns)
    for_columns = _share(_GENE, columns) + _share(_CELL, rows)
    if for_rows == for_columns:
        msg = (
            f"{path}: got rows called {', '.join(rows[:3])}, ... and columns called "
            f"{', '.join(columns[:3])}, ..., which do not tell where the genes are. Convert it: "
            "scrcl convert IN OUT.h5ad --genes rows (or columns)."
        )
        raise InputError(msg)
    return "rows" if for_rows > for_columns else "columns"


def _share(pattern: re.Pattern[str], names: Iterable[str]) -> float:
    found = [pattern.search(name) is not None for name in names]
    return sum(found) / max(len(found), 1)


def _values(path: Path, table: pd.DataFrame) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    try:
        return table.to_numpy(dtype=np.float32)
    except ValueError as error:
        msg = f"{path}: got {error}, wanted numbers only. Remove or fill in what is not a number."
        raise InputError(msg) from error
