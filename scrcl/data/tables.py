"""Tables of counts: text as R, Python, featureCounts and HTSeq write it, and workbooks of Excel.

The first lines tell how a table is written (comments, separator, decimal sign, names), names and
known columns tell what it holds (genes in rows or columns, annotation beside the counts).
"""

from __future__ import annotations

import csv
import io
import itertools
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.data.archive import first_bytes, is_workbook, open_bytes, plain_name
from scrcl.data.formats import READERS, Genes
from scrcl.data.orientation import gene_share, genes_are_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from scrcl.data.formats import Options

    Open: TypeAlias = Callable[[], BinaryIO]

log = logging.getLogger(__name__)

_SUFFIXES = (*READERS["tables"].suffixes, ".xls", ".gct", ".dge", ".counts")
_CHUNK = 1000  # rows that are dense in memory at a time
_LINES = 60  # lines that are looked at
_DECIMAL_LINES = 2000  # lines in which decimal commas are looked for
_SEPARATORS = ("\t", ";", ",", " ")

_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"^[+-]?\d+,\d+(e[+-]?\d+)?$", re.IGNORECASE)
_THOUSANDS = re.compile(r"^[+-]?[1-9]\d{0,2}([,.' ]\d{3})+([.,]\d+)?$")

# The first cell of a table, where it says what the rows are.
_ROWS_ARE_GENES = re.compile(
    r"^(gene|feature|hugo|hgnc|ensembl|symbol|entrez)[\w .]*$|^[\w ]*_?symbol$|^transcript\w*$",
    re.I,
)
_ROWS_ARE_CELLS = re.compile(r"^(cell|barcode|sample|spot|well|library)[\w .]*$", re.IGNORECASE)
# Columns that describe genes (featureCounts, Ensembl, R packages) or cells (Seurat, scanpy).
_OF_GENES = re.compile(
    r"^(chr|chrom|chromosome|chromosome_?name|seqnames?|start|end|strand|length|width|start_?position"
    r"|end_?position|(gene|exon|transcript|effective|eff|tx)[_. ]?length|gene_?(id|name|symbol|type|biotype"
    r"|description)|geneid|genesymbol|symbol|biotype|(transcript_)?biotype|description|entrez(_?gene)?(_?id)?"
    r"|ensembl(_?(gene)?_?id)?|hgnc(_?(symbol|id))?|percentage_gene_gc_content|gc_?content|locus)$",
    re.IGNORECASE,
)
_OF_CELLS = re.compile(
    r"^(n_?counts?(_rna)?|n_?features?(_rna)?|n_?genes?(_by_counts)?|(log1p_)?total_counts\w*|pct_counts\w*"
    r"|(percent|pct|prop)[._]?(mt|mito|ribo)\w*|orig\.?ident|seurat_clusters?|clusters?|leiden|louvain"
    r"|rna_snn_res\.[\d.]+|cell_?types?\d?|labels?|batch|donor|sample(_?id)?|n_?umis?|pseudotime"
    r"|umap_?\d|tsne_?\d|pc_\d+)$",
    re.IGNORECASE,
)
# What HTSeq and STAR count beside the genes.
_SUMMARY = re.compile(
    r"^(__(no_feature|ambiguous|too_low_aqual|not_aligned|alignment_not_unique)"
    r"|N_(unmapped|multimapping|noFeature|ambiguous))$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a table is written."""

    open: Open
    encoding: str
    separator: str
    decimal: str
    n_skip: int
    """Lines before the first row."""
    header: list[str]
    """A name for each field of a row, that of the row names first."""
    has_names: bool
    """Whether the first field of a row is its name."""


def matches(path: Path) -> bool:
    """Tell a table by the ending of its name."""
    return path.is_file() and plain_name(path).endswith(_SUFFIXES)


def read(path: Path, options: Options) -> ad.AnnData:
    """Read a table of counts with names in its first row and column.

    Comment lines, columns that describe genes or cells, and the rows in which HTSeq and STAR sum up
    are told from counts, and that is logged. Known separators are tab, comma, semicolon and space;
    decimal commas are read where they are certain.

    Returns
    -------
    Cells x genes, sparse. Columns of text and known annotation are kept beside the matrix: in ``obs``
    if a row is a cell, else in ``var``.

    Raises
    ------
    InputError
        If the names do not tell where the genes are and ``options.genes`` does not either, the table
        has no column of numbers, or numbers are written in a way that can mean two things.
    """
    layout = _look(path)
    names, beside, columns, matrix = _read_rows(path, layout)
    lean = _lean(layout.header[0] if layout.has_names else "", beside.columns)
    genes = options.genes
    if genes == "auto":
        genes = genes_are_in(names, columns, lean=lean) or _ask(path, names, columns)
    if not layout.has_names:
        what = "cells" if genes == "columns" else "genes"
        log.warning("%s: rows have no names, so the %s are numbered", path.name, what)
    if len(beside.columns):
        log.info("%s: beside the counts: %s", path.name, ", ".join(beside.columns[:8]))
    beside.index = pd.Index(names, dtype=object)
    other = pd.DataFrame(index=pd.Index(columns, dtype=object))
    if genes == "rows":
        adata = ad.AnnData(sp.csr_matrix(matrix.T), obs=other, var=beside)
    else:
        adata = ad.AnnData(matrix, obs=beside, var=other)
    return without_summary(path, adata)


def read_obs(path: Path, names: pd.Index) -> pd.DataFrame:
    """Read a table of cells and bring it in the order of ``names``.

    Raises
    ------
    InputError
        If the names in its first column are not those of the cells, each of them once.
    """
    layout = _look(path)
    with layout.open() as file:
        table = _parse(file, layout)
    table[0] = table[0].astype(str)
    table = table.set_index(0).rename_axis(None)
    table.columns = pd.Index([name or f"column_{i}" for i, name in enumerate(layout.header[1:], 1)])
    missing = names.difference(table.index)
    if len(missing) or not table.index.is_unique:
        problem = f"no row for {len(missing):,} of {counted(len(names), 'cells')}"
        msg = (
            f"{path}: got {problem if len(missing) else 'repeated names'}, wanted a row for each "
            f"cell, with its name first ({names[0]!r}, ...). Check that the two files belong "
            "together."
        )
        raise InputError(msg)
    ordered: pd.DataFrame = table.loc[names]
    return ordered


def _read_rows(
    path: Path, layout: _Layout
) -> tuple[list[str], pd.DataFrame, list[str], sp.csr_matrix]:
    """Names of rows, columns that are not counts, names of those that are, and the counts."""
    first = 1 if layout.has_names else 0
    fields = range(first, len(layout.header))
    names: list[str] = []
    text: list[pd.DataFrame] = []
    blocks: list[sp.csr_matrix] = []
    counted: list[int] | None = None
    with layout.open() as file, _parse(file, layout, chunksize=_CHUNK) as chunks:
        for chunk in chunks:
            if counted is None:
                counted = _count_columns(path, layout, chunk, fields)
            names += list(chunk[0]) if layout.has_names else [str(i) for i in chunk.index]
            text.append(chunk.drop(columns=[*counted, *([0] if layout.has_names else [])]))
            blocks.append(sp.csr_matrix(_values(path, chunk[counted])))
    if counted is None:
        msg = f"{path}: got a table of names without rows, wanted counts below them."
        raise InputError(msg)
    beside = pd.concat(text, ignore_index=True)
    for column in beside.columns:
        beside[column] = _tidy(beside[column])
    names, beside = _better_names(layout, names, beside)
    beside.columns = pd.Index([layout.header[int(i)] or f"column_{i}" for i in beside.columns])
    matrix = sp.vstack(blocks, format="csr")
    _refuse_lists(path, names, len(counted))
    _refuse_half_a_row(path, matrix)
    return names, beside, [layout.header[i] for i in counted], matrix


def _parse(file: BinaryIO, layout: _Layout, **options: Any) -> Any:
    """Fields by their place, as a table or a reader of its blocks; names of rows are text."""
    return pd.read_csv(
        file,
        sep=r"\s+" if layout.separator == " " else layout.separator,
        encoding=layout.encoding,
        decimal=layout.decimal,
        skiprows=layout.n_skip,
        header=None,
        names=range(len(layout.header)),
        index_col=False,
        converters={0: str.strip} if layout.has_names else None,
        low_memory=False,
        **options,
    )


def _count_columns(
    path: Path, layout: _Layout, chunk: pd.DataFrame, fields: Sequence[int]
) -> list[int]:
    """Places of the columns of counts: numbers that are not known to describe genes or cells."""
    numbers: list[int] = []
    words: list[int] = []
    for i in fields:
        if _describes(layout.header[i], len(layout.header)):
            continue
        (numbers if pd.api.types.is_numeric_dtype(chunk[i].dtype) else words).append(i)
    for i in words:
        _refuse_mixed(path, layout.header[i], chunk[i])
    # A trailing separator makes an empty column without a name.
    numbers = [i for i in numbers if layout.header[i] or chunk[i].notna().any()]
    if not numbers:
        msg = (
            f"{path}: got a table without a column of numbers (columns: {layout.header[:6]}), "
            "wanted counts with a name at the start of every row and every column."
        )
        raise InputError(msg)
    return numbers


def _describes(name: str, width: int) -> bool:
    """Whether a column describes genes or cells; x and y do in tables too wide for single letters."""
    if width > 30 and name.lower() in {"x", "y"}:
        return True
    return bool(_OF_GENES.match(name) or _OF_CELLS.match(name))


def _refuse_mixed(path: Path, name: str, column: pd.Series) -> None:
    """Refuse a column of numbers with some words in it: it would be lost as annotation."""
    values = column.dropna().astype(str).str.strip()
    thousands = values[values.str.match(_THOUSANDS) & ~values.str.match(_NUMBER)]
    if len(thousands) and values.str.match(_NUMBER).sum() + len(thousands) == len(values):
        msg = (
            f"{path}: got {thousands.iloc[0]!r} in column {name!r}, which can mean two numbers, wanted "
            "numbers without separators of thousands. Save the table without them."
        )
        raise InputError(msg)
    words = values[~values.str.match(_NUMBER)]
    if 0 < len(words) <= len(values) / 2:
        msg = (
            f"{path}: got {words.iloc[0]!r} among the numbers of column {name!r}, wanted numbers "
            "only. Remove or fill in what is not a number."
        )
        raise InputError(msg)


def _values(path: Path, table: pd.DataFrame) -> NDArray[np.float32]:
    try:
        return table.to_numpy(dtype=np.float32)
    except ValueError as error:
        msg = f"{path}: got {error}, wanted numbers only. Remove or fill in what is not a number."
        raise InputError(msg) from error


def _tidy(column: pd.Series) -> pd.Series:
    """Numbers if all are, else text: blocks of a table are read one by one."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column
    return column.where(column.isna(), column.astype(str)).astype(object)


def _better_names(
    layout: _Layout, names: list[str], beside: pd.DataFrame
) -> tuple[list[str], pd.DataFrame]:
    """Take names of genes from the second column where the first only counts the rows."""
    numbered = [str(i) for i in range(len(names))]
    if names not in (numbered, [str(i + 1) for i in range(len(names))]):
        return names, beside
    for i in beside.columns[:2]:
        values = beside[i].astype(str)
        name = layout.header[int(i)]
        known = _ROWS_ARE_GENES.match(name) or _ROWS_ARE_CELLS.match(name)
        is_text = not pd.api.types.is_numeric_dtype(beside[i].dtype)
        if values.is_unique and is_text and (known or gene_share(list(values)) > 0):
            return list(values), beside.drop(columns=i)
    return names, beside


def _refuse_lists(path: Path, names: list[str], n_columns: int) -> None:
    if n_columns <= 3 and len(set(names)) < len(names) / 2:
        msg = (
            f"{path}: got a list with the same names again and again ({names[0]!r}, ...) and "
            f"{counted(n_columns, 'columns')} of numbers, wanted a matrix with one row and one column "
            "for each gene and cell. Make a matrix of it, for instance with pandas.pivot_table."
        )
        raise InputError(msg)


def _refuse_half_a_row(path: Path, matrix: sp.csr_matrix) -> None:
    """Refuse a table that ends within a row: what is missing there would be read as NaN."""
    missing = np.isnan(matrix.data)
    if missing.any() and missing[: matrix.indptr[-2]].sum() == 0 and np.isnan(matrix[-1, -1]):
        msg = (
            f"{path}: got a last row with {int(missing.sum()):,} fields less than the others, wanted a "
            "whole table. It seems to be cut short: copy or download it again."
        )
        raise InputError(msg)


def _lean(corner: str, beside: pd.Index) -> float:
    """Weigh the first cell and known columns: above zero if genes are in rows."""
    lean = float(bool(_ROWS_ARE_GENES.match(corner))) - float(bool(_ROWS_ARE_CELLS.match(corner)))
    lean += 0.5 * any(_OF_GENES.match(name) for name in beside)
    return lean - 0.5 * any(_OF_CELLS.match(name) for name in beside)


def _ask(path: Path, rows: Sequence[str], columns: Sequence[str]) -> Genes:
    msg = (
        f"{path}: got rows called {', '.join(rows[:3])}, ... and columns called "
        f"{', '.join(columns[:3])}, ..., which do not tell where the genes are. Convert it: "
        "scrcl convert IN OUT.h5ad --genes rows (or columns)."
    )
    raise InputError(msg)


def without_summary(path: Path, adata: ad.AnnData) -> ad.AnnData:
    """Leave out what HTSeq and STAR count beside the genes, and say so."""
    summary = adata.var_names.str.match(_SUMMARY)
    if not summary.any():
        return adata
    log.warning(
        "%s: %s are sums of HTSeq or STAR and no genes: left out",
        path.name,
        ", ".join(adata.var_names[summary]),
    )
    return adata[:, ~summary].copy()


# How a table is written.


def _look(path: Path) -> _Layout:
    opened = _opener(path)
    lines, encoding = _first_lines(path, opened)
    n_comments = _n_comments(lines)
    comments, lines = lines[:n_comments], lines[n_comments:]
    if len([line for line in lines if line.strip()]) < 2:
        msg = (
            f"{path}: got {len(lines)} lines that are no comments, wanted names and rows of counts."
        )
        raise InputError(msg)
    separator = _separator(lines)
    rows = _split(lines, separator)
    if comments and (header := _header_in_comment(comments[-1], separator, rows)):
        return _layout(opened, encoding, separator, n_comments, header, rows)
    n_header = next(i for i, line in enumerate(lines) if line.strip()) + 1
    if _is_headless(rows):
        log.warning("%s: columns have no names, so they are numbered", path.name)
        header = ["", *(str(i) for i in range(len(rows[0]) - 1))]
        return _layout(opened, encoding, separator, n_comments, header, rows)
    return _layout(opened, encoding, separator, n_comments + n_header, rows[0], rows[1:])


def _layout(  # noqa: PLR0917  (parts of one thing)
    opened: Open,
    encoding: str,
    separator: str,
    n_skip: int,
    header: list[str],
    rows: list[list[str]],
) -> _Layout:
    width = max(len(row) for row in rows)
    if len(header) == width - 1:  # R leaves out the name of the row names
        header = ["", *header]
    header = [name.strip() for name in header] + [""] * (width - len(header))
    has_names = not _has_no_names(header[0], [row[0] for row in rows if row])
    decimal = "," if separator != "," and _has_decimal_commas(opened, encoding, separator) else "."
    return _Layout(
        open=opened,
        encoding=encoding,
        separator=separator,
        decimal=decimal,
        n_skip=n_skip,
        header=header,
        has_names=has_names,
    )


def _opener(path: Path) -> Open:
    """Open the text of a table; of a workbook, its first sheet as text."""
    start = first_bytes(path)
    if is_workbook(path):
        return _open_workbook(path)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        msg = f"{path}: got a workbook of old Excel (.xls), wanted .xlsx or .csv. Save it as one."
        raise InputError(msg)
    if start.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        msg = f"{path}: got a web page, wanted a table. Download the file itself."
        raise InputError(msg)
    if not start:
        msg = f"{path}: got an empty file, wanted a table. Copy or download it again."
        raise InputError(msg)
    return lambda: open_bytes(path)


def _open_workbook(path: Path) -> Open:
    try:
        with pd.ExcelFile(path, engine="openpyxl") as book:
            sheets = [str(name) for name in book.sheet_names]
            table = book.parse(sheets[0], header=None, dtype=object)
    except ImportError as error:
        msg = (
            f"{path}: got a workbook of Excel, wanted the package that reads it. "
            "Install it: pip install 'scrcl[convert]', or save the sheet as .csv."
        )
        raise InputError(msg) from error
    if len(sheets) > 1:
        log.warning("%s: reading the sheet %r of %s", path.name, sheets[0], ", ".join(sheets))
    content = table.to_csv(index=False, header=False, sep="\t").encode()
    return lambda: io.BytesIO(content)


def _first_lines(path: Path, opened: Open) -> tuple[list[str], str]:
    """First lines as text, and how text is coded."""
    with opened() as file:
        start = file.read(2000)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif start[1:200:2].count(0) > 50 or start[:200:2].count(0) > 50:
        encoding = "utf-16-le" if start[1:200:2].count(0) > 50 else "utf-16-be"
    else:
        encoding = "utf-8-sig"
    lines = _decoded(opened, encoding)
    if lines is None:
        encoding = "latin-1"  # Excel and older R on Windows; reads all
        lines = _decoded(opened, encoding) or []
    if "\0" in "".join(lines[:2]):
        msg = f"{path}: got a file that is not text, wanted a table. Check its ending."
        raise InputError(msg)
    return lines, encoding


def _decoded(opened: Open, encoding: str) -> list[str] | None:
    try:
        with opened() as file, io.TextIOWrapper(file, encoding=encoding) as text:
            return [line.rstrip("\n") for line in itertools.islice(text, _LINES)]
    except UnicodeDecodeError:
        return None


def _n_comments(lines: list[str]) -> int:
    """Lines before the table: comments, what Excel says of separators, the two first ones of GCT."""
    if lines and re.match(r"^#1\.[23]\s*$", lines[0]):
        return 2
    n = 0
    while n < len(lines) and (
        lines[n].startswith(("#", "!", "%")) or lines[n].lower().strip('"').startswith("sep=")
    ):
        n += 1
    return n


def _header_in_comment(comment: str, separator: str, rows: list[list[str]]) -> list[str] | None:
    """Names of columns that stand in the last comment line, where the first row has numbers."""
    header = _split([comment.lstrip("#! ")], separator)[0]
    numbers = [_NUMBER.match(field) is not None for field in rows[0][1:]]
    fits = len(rows[0]) > 2 and len(header) in {len(rows[0]), len(rows[0]) - 1}
    return header if fits and all(numbers) else None


def _split(lines: list[str], separator: str) -> list[list[str]]:
    """Fields of lines that are not empty; a trailing separator of all rows is no field."""
    blank = separator == " "
    reader = csv.reader(
        [line.strip() if blank else line for line in lines if line.strip()],
        delimiter=separator,
        skipinitialspace=blank,
    )
    return [[field.strip() for field in row] for row in reader]


def _separator(lines: list[str]) -> str:
    """Separator that cuts all rows into equally many fields, and into the most of these."""
    widths: dict[str, int] = {}
    for separator in _SEPARATORS:
        try:
            rows = _split(lines[:_LINES], separator)
        except csv.Error:  # a field without end: not this one
            continue
        of_rows = {len(row) for row in rows[1:]}
        width = max(of_rows)
        if len(of_rows) == 1 and width > 1 and abs(len(rows[0]) - width) <= 1:
            widths[separator] = width
    if widths:
        return max(widths, key=lambda separator: widths[separator])
    return max(_SEPARATORS[:3], key=lines[0].count)


def _is_headless(rows: list[list[str]]) -> bool:
    """Whether the first row has counts: numbers that come again, or that follow the name of a gene."""
    fields = [field for field in rows[0][1:] if field]
    if not fields or not all(_NUMBER.match(field) for field in fields):
        return False
    decimals = any("." in field for field in fields)
    return decimals or len(set(fields)) < len(fields) or gene_share(rows[0][:1]) > 0


def _has_no_names(corner: str, first: list[str]) -> bool:
    """Whether the first column has counts, not names: numbers that come again, below a name."""
    if not corner or _ROWS_ARE_CELLS.match(corner) or _ROWS_ARE_GENES.match(corner):
        return False
    if not all(_NUMBER.match(field) for field in first):
        return False
    return len(set(first)) < len(first) or any("." in field for field in first)


def _has_decimal_commas(opened: Open, encoding: str, separator: str) -> bool:
    """Whether numbers have decimal commas; not if all of them could be thousands."""
    with opened() as file, io.TextIOWrapper(file, encoding=encoding) as text:
        for line in itertools.islice(text, _DECIMAL_LINES):
            fields = line.rstrip("\n").split(separator)[1:] if "," in line else []
            for field in fields:
                number = field.strip('" ')
                if _DECIMAL_COMMA.match(number) and not _THOUSANDS.match(number):
                    return True
    return False
