"""Registry of what can be read: one line for each reader.

A reader is a module of `scrcl.data` with two functions: ``matches(path)`` tells whether a file or
folder is of its kind, ``read(path, options)`` reads it. `scrcl.data.read.read` asks the readers in
the order of `READERS`; help and documentation list them. Nothing is imported before it is asked.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

Genes: TypeAlias = Literal["rows", "columns", "auto"]
"""Where a table has its genes; ``auto``: told from the names."""


@dataclass(frozen=True, slots=True)
class Format:
    """What one reader reads: endings of its files, in words, and how errors call it."""

    suffixes: tuple[str, ...]
    known: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Wishes of the caller; a reader takes those that concern it."""

    genes: Genes = "auto"
    backed: bool = False


class Reader(Protocol):
    """What the module of a reader has."""

    def matches(self, path: Path) -> bool:
        """Whether the file or folder is of this kind."""

    def read(self, path: Path, options: Options) -> AnnData:
        """Read it."""


READERS: dict[str, Format] = {
    "h5ad": Format((".h5ad",), "AnnData", "an AnnData"),
    "hdf5": Format((".h5", ".loom"), "10x, Cell BLAST, X and Y; loom", "a matrix in HDF5"),
    "rds": Format((".rds",), "SingleCellExperiment, SCESet, matrix", "an R object"),
    "tables": Format((".csv", ".tsv", ".txt", ".tab", ".xlsx"), "tables of counts", "a table"),
    "h5mu": Format((".h5mu",), "RNA of a MuData", "a MuData"),
    "zarrs": Format((".zarr",), "AnnData, SpatialData", "an AnnData zarr"),
    "visium": Format((), "folders of Visium and Visium HD", "a Visium folder"),
    "matrices": Format(
        (".mtx",),
        "folders of Cell Ranger, STARsolo, Parse, alevin-fry, kallisto-bustools, BD Rhapsody, GEO",
        "a matrix folder",
    ),
    "cell_files": Format(
        (), "folders with a file for each cell of HTSeq or featureCounts", "files of cells"
    ),
}


def reader(name: str) -> Reader:
    """Import the module of a reader."""
    return cast("Reader", importlib.import_module(f"scrcl.data.{name}"))


def known() -> str:
    """Say what can be read, in one sentence for help and documentation."""
    parts = []
    for each in READERS.values():
        endings = ", ".join(each.suffixes)
        parts.append(f"{endings} ({each.known})" if endings else each.known)
    return "; ".join(parts) + ". All may be .gz, .bz2, .xz, .zip or .tar"
