"""Genes that a user wants on the page, whatever their expression."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from scrcl._validate import InputError
from scrcl.results import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scrcl.results import RunFolder

_GENES: Final = "report_genes.txt"


def read_gene_list(path: str | Path) -> list[str]:
    """Read a list of genes: one a line, the first column of a table; empty lines are ignored.

    Raises
    ------
    InputError
        If the file cannot be read, or has no gene.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"report genes: got {path}, which cannot be read ({error}), wanted a text file."
        raise InputError(msg) from error
    separator = "," if path.suffix.lower() == ".csv" else "\t"
    genes = [line.split(separator)[0].strip().strip('"') for line in lines]
    found = list(dict.fromkeys(gene for gene in genes if gene))
    if not found:
        msg = f"report genes: got no gene in {path}, wanted one a line."
        raise InputError(msg)
    return found


def keep_genes(run: RunFolder, genes: Iterable[str]) -> None:
    """Write into a run which genes its page has to hold, now and whenever it is written anew.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    with atomic_path(run.path / _GENES) as part:
        part.write_text("".join(f"{gene}\n" for gene in genes), encoding="utf-8")


def kept_genes(run: RunFolder) -> list[str]:
    """Return the genes that the page of a run has to hold."""
    path = run.path / _GENES
    return path.read_text("utf-8").splitlines() if path.is_file() else []
