"""Which axis of a matrix has the genes: told from names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_SAMPLE = 2000  # names that are looked at, spread over all
# What only genes are called: identifiers of Ensembl and model organisms, families of human and mouse
# symbols, and single genes that nearly every set has.
_GENE = re.compile(
    r"""^(
    ENS[A-Z]*G\d{6,} | FBgn\d{5,} | WBGene\d{5,} | AT[1-5CM]G\d{5} | Y[A-P][LR]\d{3}[WC](-[A-Z])?$
    | MT-[A-Z] | mt: | MRP[LS]\d | RP[LS](\d|[AP]\d) | HLA-[A-Z] | H2-[A-Z]
    | ZNF\d | ZFP\d | SLC\d+A\d | TMEM\d | FAM\d+[A-Z] | C\d+orf\d | KRT\d+$ | COL\d+A\d
    | LINC\d{4,} | RP\d+-\d+ | A[CLP]\d{6}\.\d | LOC\d{5,} | \d{6,7}[A-Z]\d\dRIK$ | GM\d{3,}$ | OLFR\d
    | IG[HKL][VDJCMGAE]\w* | TR[ABDG][VDJC]\w* | CXC[LR]\d+$ | CC[LR]\d+$ | IL\d+[A-Z]*$ | NDUF[ABSV]\d
    | CD\d+[A-Z]*$ | PSM[ABCD]\d | EIF\d | ATP\d | COX\d | HSP[A-Z]?\d | KIF\d | RAB\d | CDK\d
    | (ACTB|GAPDH|MALAT1|B2M|EEF1A1|NKG7|LYZ|GNLY|FCGR3A|MS4A1|PPBP|PTPRC|EPCAM|VIM|GFAP|SNAP25|MBP|INS
    | GCG|ALB|TTR|APOE|UBC|FTL|FTH1|TMSB4X|NEAT1|XIST|TP53|MYC|EGFR|MKI67|TOP2A|S100A\d+|SOX\d+)$
    | gene[-_. ]?\d+$
    )""",
    re.IGNORECASE | re.VERBOSE,
)
# What only cells are called: barcodes, wells, runs of archives, files of reads, numbers.
_CELL = re.compile(
    r"""(^|[^A-Z])[ACGT]{10,}([^A-Z]|$) | ^(cell|barcode|well|spot)(id)?[-_. ]?\d+ | \.(bam|sam|cram)$
    | ^(GSM|SRR|ERR|DRR|SRS|ERS|SAMN)\d{4,} | ^\d\d_\d\d_\d\d($|_) | (^|[-_. ])[A-P]\d{1,2}$ | ^\d+$""",
    re.IGNORECASE | re.VERBOSE,
)
_DATE = re.compile(
    r"^(\d{1,2}-(jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)"
    r"|(jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)-\d{1,2}"
    r"|\d{4}-\d\d-\d\d( 00:00:00)?|\d\.\d+E\+\d\d)$",
    re.IGNORECASE,
)


def gene_share(names: Sequence[str]) -> float:
    """Share of names that only genes have; a tenth and more of the genes of a human or mouse."""
    return _share(_GENE, names)


def cell_share(names: Sequence[str]) -> float:
    """Share of names that only cells have."""
    return _share(_CELL, names)


def genes_are_in(
    rows: Sequence[str], columns: Sequence[str], *, lean: float = 0.0
) -> Literal["rows", "columns"] | None:
    """Tell the axis of the genes; ``None``: the names do not tell.

    Parameters
    ----------
    rows, columns
        Names of the two axes.
    lean
        Other evidence, above zero for genes in rows; a tenth is as much as a tenth of the names.
    """
    for_rows = gene_share(rows) + cell_share(columns)
    for_columns = gene_share(columns) + cell_share(rows)
    difference = for_rows - for_columns + lean
    if abs(difference) < 1e-9:
        return None
    return "rows" if difference > 0 else "columns"


def date_names(names: Sequence[str]) -> list[str]:
    """Names of genes that a spreadsheet has made dates or numbers of (``1-Mar``, ``Sep-02``)."""
    return [name for name in names if "-" in name or "+" in name if _DATE.match(name)]


def _share(pattern: re.Pattern[str], names: Sequence[str]) -> float:
    if not len(names):
        return 0.0
    step = np.unique(np.linspace(0, len(names) - 1, _SAMPLE).astype(int))
    return sum(pattern.search(str(names[i])) is not None for i in step) / len(step)
