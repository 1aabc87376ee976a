"""Folders with a matrix in Matrix Market format (``.mtx``), and names of genes and cells beside it.

Cell Ranger, STARsolo, Parse, alevin-fry, kallisto-bustools, BD Rhapsody and archives such as GEO name
the three files differently, compress them or not, put cells in rows or genes. Names tell which file
is which, lengths tell which axis is which.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import anndata as ad
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.data.archive import open_bytes, plain_name
from scrcl.data.tenx import join_genomes, read_10x_h5
from scrcl.data.validate import unique_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrcl.data.formats import Options

log = logging.getLogger(__name__)

Role: TypeAlias = Literal["matrix", "genes", "cells", "symbols"]

_NAMES: tuple[Role, ...] = ("genes", "cells", "symbols")

SAMPLE = "sample"
"""Column of ``obs`` that tells samples of one folder apart."""

# The first that fits tells what a file is; the rest of its name tells the sample.
_TEXT_ROLES: tuple[tuple[Role, re.Pattern[str]], ...] = (
    ("symbols", re.compile(r"(cells_x_genes\.)?genes\.names")),
    ("cells", re.compile(r"(cells_x_genes\.)?barcodes?|cell_metadata|quants_mat_rows")),
    (
        "genes",
        re.compile(
            r"cells_x_genes\.genes|all_genes|quants_mat_cols|row_?names|gene_?(names|ids)"
            r"|(features?|genes?)(?![a-z])"
        ),
    ),
    ("cells", re.compile(r"col_?names|cell_?(names|ids)|cells?(?=[-_.]|$)")),
)
_MATRIX = re.compile(
    r"cells_x_genes|count_matrix([-_.]sparse)?|quants_mat|(gene_sorted-)?matrix|counts?|dge|output"
)
_H5 = re.compile(
    r"((sample_)?(filtered|raw)_)?(feature_bc_matrix|gene_bc_matrices(_h5)?|(cell_)?feature_cell_matrix"
    r"|cell_feature_matrix)"
)
_RAW = re.compile(r"unfiltered|(^|[/_])raw(/|_(feature|gene|cell|probe))")
_WHOLE_RUN = {"all-sample", "all-well", "all_sample", "combined"}  # beside its samples
_TABLES = (".tsv", ".txt", ".csv")
_DEPTH = 5  # folders below the one given that are looked into
_MAX_LISTED = 20_000  # names of files that are looked at
_ADDITIONAL = ("velocyto", "spliced", "ambiguous", "nascent", "mature", "uniqueandmult", "sj")
# Files with cells in rows, where lengths do not tell.
_CELLS_IN_ROWS = re.compile(r"cells_x_genes|quants_mat|dge|count_matrix|output")


@dataclass(frozen=True, slots=True)
class _Place:
    """A matrix somewhere in a folder."""

    path: Path
    rank: tuple[int, int, int]
    """Lower is better: filtered before raw, genes before more than genes, high before deep."""

    @property
    def is_raw(self) -> bool:
        return self.rank[0] == 2


def matches(path: Path) -> bool:
    """Tell a matrix file, or a folder that has one or at least the names that belong to one."""
    if path.is_file():
        return plain_name(path).endswith(".mtx")
    roles = {_role(child) for child in _files_below(path)}
    return "matrix" in roles or roles >= {"genes", "cells"}


def read(path: Path, options: Options) -> ad.AnnData:
    """Read the matrix of a folder or the one given; of several samples all, told apart in ``obs``.

    In folders with several results the filtered one is read, and that is said.

    Returns
    -------
    ``var``: ``gene_ids``, ``feature_types`` and ``genome`` where they are known; ``obs``: what stands
    beside the names of the cells, and ``obs["sample"]`` if there are several samples.

    Raises
    ------
    InputError
        If a file is missing (with its name), or lengths do not belong together.
    """
    del options
    if path.is_file():
        return read_one(path)
    places = find(path)
    if not places:
        raise InputError(_what_is_missing(path))
    if len(places) == 1:
        _say_which(path, places[0])
        return read_one(places[0].path)
    if all(place.path.parent.parent.name.endswith("gene_bc_matrices") for place in places):
        return join_genomes(path, {p.path.parent.name: read_one(p.path) for p in places})
    return _read_samples(path, [place.path for place in places])


def find(folder: Path) -> list[_Place]:
    """Find the matrices of a folder that stand for it: several only if they are several samples."""
    found = [place for child in _files_below(folder) if (place := _place(folder, child))]
    if not found:
        return []
    best = min(place.rank for place in found)
    chosen: dict[tuple[Path, str], _Place] = {}
    for place in sorted(found, key=lambda place: (place.path.suffix.lower() != ".h5", place.path)):
        if place.rank == best:
            chosen.setdefault(_identity(place.path), place)
    whole = [place for place in chosen.values() if _WHOLE_RUN & set(place.path.parts)]
    return whole or list(chosen.values())


def _identity(path: Path) -> tuple[Path, str]:
    """Return what a matrix has in common as ``.h5`` and as a folder, compressed or not."""
    name = plain_name(path)
    if name.endswith(".h5"):
        return path.parent, name.removesuffix(".h5")
    if _MATRIX.fullmatch(name.removesuffix(".mtx")) and _H5.search(path.parent.name.lower()):
        return path.parent.parent, path.parent.name.lower()
    return path.parent, name


def _files_below(folder: Path) -> Iterator[Path]:
    """Files of a folder and of those below it, not endlessly."""
    n_listed = 0
    for root, folders, files in os.walk(folder):
        depth = len(Path(root).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if depth < _DEPTH and name[0] != ".")
        for name in sorted(files):
            n_listed += 1
            if n_listed > _MAX_LISTED:
                return
            if not name.startswith("."):
                yield Path(root) / name


def _place(folder: Path, path: Path) -> _Place | None:
    name = plain_name(path)
    if _role(path) != "matrix":
        return None
    place = path.relative_to(folder)
    if name.endswith(".h5"):  # stands for a folder of its name, which is one deeper
        place = place.with_suffix("") / "matrix"
    words = str(place).lower()
    if any(word in re.split(r"[^a-z]", words) or f"{word}." in words for word in _ADDITIONAL):
        kind = 3
    elif _RAW.search(words):
        kind = 2
    else:
        kind = 0 if "filtered" in words else 1
    variant = int("genefull" in words) + 2 * int("segmented" in words)
    return _Place(path, (kind, variant, len(place.parts)))


def _say_which(folder: Path, place: _Place) -> None:
    part = place.path.relative_to(folder)
    if place.is_raw:
        log.warning(
            "%s: reading the raw matrix %s, as there is no filtered one: most of its barcodes may be "
            "empty droplets",
            folder.name,
            part,
        )
    elif len(part.parts) > 1:
        log.warning("%s: reading %s", folder.name, part)


def _role(path: Path) -> Role | None:
    told = _told(path)
    return None if told is None else told[0]


def _told(path: Path) -> tuple[Role, str] | None:
    """Tell a file and its sample: its name without all that says what it is."""
    name = plain_name(path)
    stem = name.rpartition(".")[0]
    if name.endswith(".mtx") or (name.endswith(".h5") and _H5.search(stem)):
        return "matrix", _bare(stem)
    if name.endswith(_TABLES):
        for role, pattern in _TEXT_ROLES:
            hits = list(pattern.finditer(stem))
            if hits:
                return role, _bare(stem[: hits[-1].start()] + stem[hits[-1].end() :])
    return None


def _bare(stem: str) -> str:
    return "_".join(re.findall(r"[a-z0-9+]+", _MATRIX.sub("", stem)))


def read_one(path: Path) -> ad.AnnData:
    """Read one matrix: a file ``.mtx`` with its names beside it, or a ``.h5`` of 10x."""
    if path.suffix.lower() == ".h5":
        return read_10x_h5(path)
    matrix = _read_matrix(path)
    beside = _beside(path)
    genes, cells = _tables_that_fit(path, matrix.shape, beside)
    shape = (matrix.shape[0], matrix.shape[1])
    turned = shape != (len(cells), len(genes)) or (
        shape[0] == shape[1] and not _CELLS_IN_ROWS.search(plain_name(path))
    )
    adata = ad.AnnData(
        sp.csr_matrix(matrix.T if turned else matrix),
        obs=_cell_table(cells),
        var=_gene_table(genes, beside["symbols"]),
    )
    return _spliced_and_not(path, adata)


def _read_matrix(path: Path) -> sp.coo_matrix | sp.csr_matrix:
    with open_bytes(path) as file:
        start = file.readline()
    if not start.lower().startswith(b"%%matrixmarket"):
        got = f"a file that starts with {start[:20]!r}" if start else "an empty file"
        msg = (
            f"{path}: got {got}, wanted Matrix Market (%%MatrixMarket in its first line). "
            "Copy or download it again."
        )
        raise InputError(msg)
    try:
        with open_bytes(path) as file:
            matrix = scipy.io.mmread(file)
    except (ValueError, EOFError, OSError) as error:
        msg = (
            f"{path}: got a matrix that is not whole ({str(error).strip()}), wanted as many entries "
            "as its second line says. It may be cut short: copy or download it again."
        )
        raise InputError(msg) from error
    if not sp.issparse(matrix):
        return sp.csr_matrix(np.asarray(matrix, dtype=np.float32))
    return matrix.astype(np.float32)


def _beside(path: Path) -> dict[Role, list[Path]]:
    """Files of names that belong to a matrix: those of its sample, or the only ones of the folder."""
    own = _told(path)
    told = {child: _told(child) for child in sorted(path.parent.iterdir())}
    found: dict[Role, list[Path]] = {}
    for role in _NAMES:
        files = {child: each[1] for child, each in told.items() if each and each[0] == role}
        same = [child for child, sample in files.items() if own and sample == own[1]]
        found[role] = same or (list(files) if len(set(files.values())) == 1 else [])
    if not found["genes"] or not found["cells"]:
        raise InputError(_lacks(path, found))
    return found


def _lacks(path: Path, found: dict[Role, list[Path]]) -> str:
    prefix = re.split(r"(?i)matrix|\.mtx", path.name)[0]
    prefix = prefix if prefix.endswith((".", "_", "-")) else ""
    wanted: dict[Role, str] = {
        "genes": f"{prefix}features.tsv.gz or {prefix}genes.tsv.gz",
        "cells": f"{prefix}barcodes.tsv.gz",
    }
    has = [path.name, *(child.name for role in wanted for child in found[role][:1])]
    lacks = [names for role, names in wanted.items() if not found[role]]
    others = sorted(child.name for child in path.parent.iterdir() if child.name not in has)[:8]
    return (
        f"{path.parent}: has {' and '.join(has)}, lacks {' and '.join(lacks)}"
        f"{f' (else there is {others})' if others else ''}. Put the missing names beside the matrix."
    )


def _what_is_missing(folder: Path) -> str:
    """Names of genes or cells without a matrix."""
    names = sorted(child.name for child in _files_below(folder) if _role(child) is not None)[:4]
    return f"{folder}: has {' and '.join(names)}, lacks matrix.mtx.gz. Put the matrix beside them."


def _tables_that_fit(
    path: Path, shape: tuple[int, ...], beside: dict[Role, list[Path]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of genes and cells whose lengths are the two sides of the matrix."""
    tables = {
        role: [_read_names(name, shape) for name in beside[role]] for role in ("genes", "cells")
    }
    for genes in tables["genes"]:
        for cells in tables["cells"]:
            if sorted((len(genes), len(cells))) == sorted(shape):
                return genes, cells
    n_genes, n_cells = len(tables["genes"][0]), len(tables["cells"][0])
    msg = (
        f"{path}: got a matrix of {shape[0]:,} x {shape[1]:,} beside {beside['genes'][0].name} with "
        f"{n_genes:,} and {beside['cells'][0].name} with {n_cells:,} names, wanted files of one "
        "run. Check that they belong together and are whole."
    )
    raise InputError(msg)


def _read_names(path: Path, lengths: tuple[int, ...]) -> pd.DataFrame:
    """Table of names as text; its columns have names if the file has a line of them."""
    with open_bytes(path) as file:
        lines = [line for line in file.read().decode("utf-8-sig", "replace").splitlines() if line]
    separator = next((sep for sep in "\t,; " if lines and sep in lines[0]), "\t")
    rows = [[field.strip().strip('"') for field in line.split(separator)] for line in lines]
    has_header = len(rows) - 1 in lengths and len(rows) not in lengths
    header = rows.pop(0) if has_header else []
    width = max((len(row) for row in rows), default=0)
    if header and len(header) == width - 1:  # R leaves out the name of the row names
        header = ["", *header]
    table = pd.DataFrame([row + [""] * (width - len(row)) for row in rows], dtype=object)
    table.columns = pd.Index(header[:width] if len(header) >= width else range(width))
    return table


def _gene_table(table: pd.DataFrame, symbols: list[Path]) -> pd.DataFrame:
    """Genes as scanpy has them: symbols as index, else identifiers; types and genomes where given."""
    columns = _gene_columns(table)
    ids = columns.get("gene_ids", columns.get("name"))
    assert ids is not None  # one of the two is the first column
    names = columns.get("name", ids)
    if symbols:
        known = _read_names(symbols[0], (len(table),)).iloc[:, 0]
        names = known if len(known) == len(table) else names
    names = names.where(~names.isin(["", "NA"]), ids)
    var = pd.DataFrame(
        {key: column.to_numpy() for key, column in columns.items() if key != "name"},
        index=pd.Index(names.to_numpy(), dtype=object),
    )
    if symbols and "gene_ids" not in var:
        var.insert(0, "gene_ids", ids.to_numpy())
    return var


_GENE_COLUMNS = {
    "gene_ids": ("gene_id", "gene_ids", "ensembl_id", "ensembl", "id", "geneid", "accession"),
    "name": (
        "gene_name",
        "gene_symbol",
        "gene_symbols",
        "symbol",
        "name",
        "gene",
        "gene_short_name",
    ),
    "feature_types": ("feature_type", "feature_types", "type"),
    "genome": ("genome",),
}
_ENSEMBL = re.compile(r"^ENS[A-Z]*G\d{6,}")


def _has_header(table: pd.DataFrame) -> bool:
    return not isinstance(table.columns, pd.RangeIndex)


def _gene_columns(table: pd.DataFrame) -> dict[str, pd.Series]:
    if _has_header(table):
        lower = {str(column).strip().lower(): column for column in reversed(table.columns)}
        found = {
            key: table[lower[name]]
            for key, names in _GENE_COLUMNS.items()
            for name in [next((name for name in names if name in lower), None)]
            if name is not None
        }
        return found if {"gene_ids", "name"} & set(found) else {"name": table.iloc[:, 0]}
    if table.shape[1] == 1:
        return {"name": table[0]}
    ids, names = table[0], table[1]
    if _are_ids(names) and not _are_ids(ids):
        ids, names = names, ids
    found = {"gene_ids": ids, "name": names}
    if table.shape[1] > 2 and table[2].str.contains("[A-Za-z] ?[A-Za-z]").any():
        found["feature_types"] = table[2]
    return found


def _are_ids(names: pd.Series) -> bool:
    return bool(names.head(50).str.match(_ENSEMBL).mean() > 0.5)


def _cell_table(table: pd.DataFrame) -> pd.DataFrame:
    """Cells with their names first; what stands beside them is kept if it has a name."""
    obs = pd.DataFrame(index=pd.Index(table.iloc[:, 0].to_numpy(), dtype=object))
    if _has_header(table):
        for place, column in enumerate(table.columns[1:], start=1):
            values = table.iloc[:, place]
            numbers = pd.to_numeric(values, errors="coerce")
            complete = numbers.notna().to_numpy() | (values == "").to_numpy()
            obs[str(column)] = (numbers if complete.all() else values).to_numpy()
    return obs


def _spliced_and_not(path: Path, adata: ad.AnnData) -> ad.AnnData:
    """Add up what alevin-fry counts apart: spliced (A), unspliced (A-U) and ambiguous (A-A) reads.

    Spliced and ambiguous are the counts of a gene, as in scanpy's and pyroe's readers.
    """
    n_genes, remainder = divmod(adata.n_vars, 3)
    names = adata.var_names.to_numpy(dtype=str)
    kinds = [names[i * n_genes : (i + 1) * n_genes] for i in range(3)]
    if remainder or not n_genes or not (np.char.add(kinds[0], "-U") == kinds[1]).all():
        return adata
    if not (np.char.add(kinds[0], "-A") == kinds[2]).all():
        return adata
    log.warning(
        "%s: spliced and ambiguous counts of alevin-fry are added up; unspliced ones are in "
        "layers['unspliced']",
        path.name,
    )
    X = sp.csr_matrix(adata.X)
    counted = adata[:, :n_genes].copy()
    counted.X = sp.csr_matrix(X[:, :n_genes] + X[:, 2 * n_genes :])
    counted.layers["unspliced"] = sp.csr_matrix(X[:, n_genes : 2 * n_genes])
    return counted


def _read_samples(folder: Path, paths: list[Path]) -> ad.AnnData:
    names = _sample_names(folder, paths)
    log.warning(
        "%s: reading %d samples (%s), told apart in obs[%r]: --batch-key %s brings them together. "
        "To read one alone, give its matrix: %s",
        folder.name,
        len(paths),
        ", ".join(names),
        SAMPLE,
        SAMPLE,
        paths[0],
    )
    samples = {name: read_one(path) for name, path in zip(names, paths, strict=True)}
    notes: list[str] = []
    for sample in samples.values():
        sample.var_names = unique_names(sample.var_names, "gene", notes)
    for note in dict.fromkeys(notes):
        log.warning("%s", note)
    joined = ad.concat(samples, label=SAMPLE, index_unique="-", join="inner", merge="same")
    n_genes = len(set().union(*(sample.var_names for sample in samples.values())))
    if joined.n_vars < n_genes:
        log.warning(
            "%s of %s genes are not in every sample and are left out",
            f"{n_genes - joined.n_vars:,}",
            f"{n_genes:,}",
        )
    return joined


def _sample_names(folder: Path, paths: list[Path]) -> list[str]:
    """Names of samples: the first part of their paths in which they differ."""
    parts = [path.relative_to(folder).parts for path in paths]
    level = next(i for i, names in enumerate(zip(*parts, strict=False)) if len(set(names)) > 1)
    names = []
    for path, part in zip(paths, parts, strict=True):
        name = part[level]
        if level == len(part) - 1:  # a file: without what it is
            stem = re.sub(r"(?i)(\.(h5|mtx|gz|bz2|xz))+$", "", name)
            pattern = _H5 if path.suffix.lower() == ".h5" else _MATRIX
            hits = list(pattern.finditer(stem.lower()))
            if hits:
                stem = stem[: hits[-1].start()] + stem[hits[-1].end() :]
            name = stem.strip("-_. ") or name
        names.append(name)
    return names
