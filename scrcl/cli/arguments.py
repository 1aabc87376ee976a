"""The flags of the scripts, and what they mean."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias, get_args

from scrcl import __version__
from scrcl._validate import InputError
from scrcl.config.sections import Said

if TYPE_CHECKING:
    from scrcl.config import Task

Wanted: TypeAlias = int | tuple[int, int] | Literal["auto"]

ABOUT = {
    "sc": (
        "Find cell types in single-cell RNA-seq, without labels. Without arguments: 700 blood "
        "cells that come with scanpy."
    ),
    "st": (
        "Find domains in spatial transcriptomics, without labels. Without arguments: a small "
        "simulated tissue."
    ),
    "degs": (
        "Find and draw the marker genes of the clusters of a run, by default the newest one of "
        "single cells, or of any grouping of any .h5ad (--input and --groupby)."
    ),
}
"""What each command does, in a sentence or two."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, as all others are."""

    def error(self, message: str) -> NoReturn:
        """Raise `InputError` instead of printing the usage."""
        msg = f"{message}. {self.prog} --help shows what is allowed."
        raise InputError(msg)


def run_parser(task: Task) -> Parser:
    """Return the parser of runSC.py (``sc``) or runST.py (``st``)."""
    parser = new_parser({"sc": "runSC.py", "st": "runST.py"}[task], ABOUT[task])
    add_run(parser, task)
    return parser


def degs_parser() -> Parser:
    """Return the parser of draw_DEGs.py."""
    parser = new_parser("draw_DEGs.py", ABOUT["degs"])
    add_degs(parser)
    return parser


def add_run(parser: argparse.ArgumentParser, task: Task) -> None:
    """Add the flags of a run."""
    _add_data(parser, task)
    _add_settings(parser)
    _add_output(parser)
    _add_parts(parser)
    add_report_genes(parser)
    parser.add_argument(
        "--no-x",
        action="store_true",
        help="leave the expression out of result.h5ad: draw_DEGs then needs --input",
    )
    parser.add_argument("--resume", action="store_true", help="keep the seeds that are done")


def add_cut(parser: argparse.ArgumentParser) -> None:
    """Add the flags of another cut of a run."""
    parser.add_argument(
        "--n-clusters",
        type=_n_clusters,
        default="auto",
        metavar="K|auto|A:B",
        help="a number, as deep as the evidence goes (auto), or so within a range",
    )
    _add_granularity(parser)
    parser.add_argument("--name", metavar="NAME", help="of the new run (RUN_K)")
    _add_parts(parser)
    _add_output(parser)


def add_degs(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the search for marker genes."""
    which = parser.add_argument_group("data")
    add_choice_of_run(which)
    which.add_argument(
        "--input", metavar="PATH", type=Path, help="data to use instead of the run's"
    )
    which.add_argument("--seed", type=_seed, metavar="N", help="seed of the run (its first)")
    which.add_argument("--groupby", metavar="KEY", help="column of obs instead of the clusters")
    test = parser.add_argument_group("test and figures")
    test.add_argument(
        "--method",
        default="wilcoxon",
        choices=("wilcoxon", "t-test", "logreg"),
        help="test (wilcoxon)",
    )
    test.add_argument("--vs", default="rest", metavar="GROUP", help="compare with one group (rest)")
    test.add_argument("--sample-key", metavar="KEY", help="test by sample (pseudobulk, DESeq2)")
    test.add_argument("--n-genes", type=_positive, metavar="N", help="genes of a group in figures")
    test.add_argument("--genes", type=_words, metavar="A,B,C", help="draw these genes instead")
    test.add_argument(
        "--format", default="png", choices=("png", "pdf", "svg"), help="of the figures (png)"
    )
    _add_output(parser)


def new_parser(prog: str, about: str) -> Parser:
    """Return a parser that knows ``--help`` and ``--version``."""
    parser = Parser(prog=prog, description=about, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"scrcl {__version__}")
    return parser


def _add_data(parser: argparse.ArgumentParser, task: Task) -> None:
    group = parser.add_argument_group("data")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--dataset", metavar="NAME", help="a registered set")
    if task == "sc":
        which.add_argument("--input", metavar="PATH", type=Path, nargs=1, help="a file or folder")
    else:
        which.add_argument(
            "--input",
            metavar="PATH",
            type=Path,
            nargs="+",
            action="extend",
            help="any .h5ad or Visium folder; several: slices that share their domains",
        )
    which.add_argument("--list", action="store_true", help="show the registered sets")
    add_data_dir(group)
    group.add_argument("--download", action="store_true", help="download the set if it is missing")
    group.add_argument("--label-key", metavar="KEY", help="column of obs to score against")
    group.add_argument(
        "--values",
        choices=get_args(Said),
        help="what the matrix holds, where that cannot be told from it (auto)",
    )
    group.add_argument(
        "--features",
        metavar="TYPE",
        help="override data.features: genes, all, or what the data call others (antibodies)",
    )
    if task == "sc":
        group.add_argument(
            "--batch-key", metavar="KEY", help="column of obs with batches to be brought together"
        )
    group.add_argument(
        "--condition-key",
        metavar="KEY",
        help="column of obs with conditions, to compare the clusters' shares (no part in finding them)",
    )
    group.add_argument(
        "--sample-key",
        metavar="KEY",
        help="column of obs with the biological samples that conditions are compared over",
    )
    if task == "st":
        group.add_argument(
            "--slice-key", metavar="KEY", help="column of obs that tells slices apart"
        )
        group.add_argument(
            "--official-filter",
            action="store_true",
            help="drop spots without annotation first, as the official code does",
        )


def add_data_dir(group: argparse._ActionsContainer) -> None:
    """Add the flag for the folder of the registered sets."""
    group.add_argument(
        "--data-dir",
        type=Path,
        default=Path("datasets"),
        metavar="DIR",
        help="where the sets are (./datasets)",
    )


def add_choice_of_run(group: argparse._ActionsContainer) -> None:
    """Add the flags that name a finished run."""
    group.add_argument("--dataset", metavar="NAME", help="newest run of this data set")
    group.add_argument("--run", metavar="RUN", help="name of a run, or path of its folder")


def add_out(group: argparse._ActionsContainer, about: str) -> None:
    """Add the flag for the folder of all results."""
    group.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help=about)


def add_report_genes(group: argparse._ActionsContainer) -> None:
    """Add the flag for the genes that the report has to hold."""
    group.add_argument(
        "--report-genes",
        type=Path,
        metavar="FILE",
        help="genes that report.html has to hold, one a line (it has markers and variable genes)",
    )


def add_manners(group: argparse._ActionsContainer, replaced: str = "replace what is there") -> None:
    """Add the flags that every command that writes has."""
    group.add_argument("--overwrite", action="store_true", help=replaced)
    group.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings")
    which = group.add_mutually_exclusive_group()
    which.add_argument(
        "--preset",
        "--only",
        choices=("paper", "default"),
        help="the paper's values or our defaults (for sets of the paper both, else the latter)",
    )
    which.add_argument("--config", type=Path, metavar="FILE", help="a YAML file instead")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        type=_assignment,
        metavar="KEY=VALUE",
        help="override one value of the configuration; repeatable",
    )
    group.add_argument("--epochs", metavar="N", help="override train.n_epochs")
    group.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="override train.precision, of the encoders during training",
    )
    group.add_argument(
        "--selection", choices=("last", "min_loss"), help="override train.selection, the epoch used"
    )
    group.add_argument(
        "--n-clusters",
        type=_n_clusters,
        metavar="K|auto|A:B",
        help="a number, found, or found in a range (paper: as many as classes; else auto)",
    )
    _add_granularity(group)
    group.add_argument(
        "--seeds", type=_seeds, metavar="A,B,...", help="(preset paper: 5,15,25,35,45; else: 0)"
    )
    group.add_argument(
        "--markers",
        metavar="LIST|FILE",
        help="suggest cluster names by the genes of blood, pancreas or cortex, or of a file with cell "
        "types and genes (.csv, .tsv: two columns; .gmt)",
    )
    group.add_argument(
        "--oracle",
        action=argparse.BooleanOptionalAction,
        help="also the paper's protocol, which picks the epoch with the labels; needs labels "
        "(preset paper: where there are some; else: no)",
    )
    group.add_argument(
        "--device", default="auto", metavar="auto|cpu|cuda|mps", help="where to train (auto)"
    )


def _add_parts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-report", action="store_true", help="leave marker genes and report.html out"
    )
    parser.add_argument(
        "--no-figures",
        action="store_true",
        help="leave all figures and the layout of the cells out",
    )
    parser.add_argument("--json", action="store_true", help="last line on stdout: summary as JSON")


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    add_out(group, "folder of results (./results)")
    add_manners(group)


def _add_granularity(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--granularity",
        metavar="coarse|default|fine|N",
        help="override cluster.granularity, how deep the tree of clusters is cut (.25 to 4)",
    )


def _n_clusters(text: str) -> Wanted:
    if text == "auto":
        return "auto"
    numbers = [int(part) for part in text.split(":")]
    if len(numbers) == 1:
        return numbers[0]
    low, high = numbers
    return low, high


def _seeds(text: str) -> tuple[int, ...]:
    return tuple(_seed(part) for part in text.split(","))


def _seed(text: str) -> int:
    return int(text)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _assignment(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not (key and separator):
        raise ValueError(text)
    return key, value
