"""``report.html``: a finished run on one page, made from the files of its folder.

>>> from pathlib import Path
>>> from scrcl.report import write_report
>>> from scrcl.results import RunFolder
>>> write_report(RunFolder(Path("results/SC/Baron_human/default")))  # doctest: +SKIP
"""

from scrcl.report.explorer import keep_genes, read_gene_list
from scrcl.report.page import REPORT, write_report

__all__ = ["REPORT", "keep_genes", "read_gene_list", "write_report"]
