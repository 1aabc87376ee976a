"""The console script ``scrcl``: one command for each script, and the small tools around them.

A command is one entry of `COMMANDS`: what it does, its flags, and the function that gets them. Help,
completion and the page of the documentation are made from that table.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scrcl.cli import printing
from scrcl.cli.arguments import (
    ABOUT,
    Parser,
    add_choice_of_run,
    add_cut,
    add_data_dir,
    add_degs,
    add_manners,
    add_out,
    add_report_genes,
    add_run,
    new_parser,
)
from scrcl.cli.complete import SHELLS, script
from scrcl.cli.main import chosen_run, draw_degs, ended, guarded, logging_to_stderr, run, tell
from scrcl.data.formats import known
from scrcl.datasets import DATASETS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence


_PROGRAMS = ("cellxgene", "loupe", "seurat", "spatialdata", "csv")


@dataclass(frozen=True, slots=True)
class Command:
    """What ``scrcl NAME`` does."""

    about: str
    add_flags: Callable[[Parser], None]
    run: Callable[[argparse.Namespace], int | None]
    """Returns an exit code other than 0, or ``None``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``scrcl``; return the exit code."""
    return guarded(program_parser(), argv, lambda args: COMMANDS[args.command].run(args))


def program_parser() -> Parser:
    """Return the parser of ``scrcl`` with all its commands."""
    parser = new_parser("scrcl", "Label-free clustering of single cells and tissue domains.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        about = command.about.partition(". ")[0].rstrip(".")
        own = commands.add_parser(name, help=about, description=command.about, allow_abbrev=False)
        command.add_flags(own)
    return parser


def _add_fetch(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="+", help="a registered set (scrcl list)")
    add_data_dir(parser)
    parser.add_argument(
        "--mirror", metavar="URL", help="folder with a copy of the sources, URL/NAME/FILE, first"
    )
    add_manners(parser, "download again what is there")


def _fetch(args: argparse.Namespace) -> None:
    from scrcl.fetch import fetch  # noqa: PLC0415  (seconds, and --help needs none)

    with logging_to_stderr(quiet=args.quiet):
        for name in args.name:
            fetch(
                name,
                args.data_dir,
                mirror=args.mirror,
                overwrite=args.overwrite,
                progress=not args.quiet,
            )


def _add_convert(parser: Parser) -> None:
    parser.add_argument("input", metavar="IN", type=Path, help="a file or folder")
    parser.add_argument("output", metavar="OUT.h5ad", type=Path, help="what to write")
    parser.add_argument(
        "--genes",
        choices=("rows", "columns", "auto"),
        default="auto",
        help="where the genes are in the file (auto: told from the names)",
    )
    parser.add_argument(
        "--obs", metavar="FILE", type=Path, help="table of the cells, with their names first"
    )
    add_manners(parser)


def _convert(args: argparse.Namespace) -> None:
    from scrcl.convert import convert  # noqa: PLC0415  (as above)

    with logging_to_stderr(quiet=args.quiet):
        convert(args.input, args.output, genes=args.genes, obs=args.obs, overwrite=args.overwrite)


def _add_list(parser: Parser) -> None:
    add_data_dir(parser)
    add_out(parser, "where runs are (./results)")


def _list(args: argparse.Namespace) -> None:
    print(printing.list_of_datasets(args.data_dir))
    print()
    print(printing.list_of_runs(args.out))


def _add_report(parser: Parser) -> None:
    add_choice_of_run(parser)
    add_report_genes(parser)
    add_out(parser, "where runs are (./results)")


def _report(args: argparse.Namespace) -> None:
    from scrcl.report import keep_genes, read_gene_list, write_report  # noqa: PLC0415  (as above)

    run = chosen_run(args)
    if args.report_genes is not None:
        keep_genes(run, read_gene_list(args.report_genes))
    print(write_report(run))


def _add_folder(parser: Parser) -> None:
    """Add the run as the one thing without a flag, for `chosen_run`."""
    parser.add_argument(
        "run", metavar="RUN", nargs="?", help="folder of the run, or its name (the newest)"
    )
    parser.set_defaults(dataset=None)


def _add_rename(parser: Parser) -> None:
    _add_folder(parser)
    parser.add_argument(
        "--names",
        metavar="FILE",
        type=Path,
        required=True,
        help="table with the columns cluster and name, as the report's page hands it over",
    )
    add_out(parser, "where runs are (./results)")


def _rename(args: argparse.Namespace) -> None:
    from scrcl.experiment import rename_clusters  # noqa: PLC0415  (as above)

    run = chosen_run(args)
    for cluster, name in rename_clusters(run, args.names).items():
        print(f"{cluster}\t{name}")


def _add_cut(parser: Parser) -> None:
    _add_folder(parser)
    add_cut(parser)


def _cut(args: argparse.Namespace) -> int | None:
    from scrcl.experiment import cut_run  # noqa: PLC0415  (as above)

    with logging_to_stderr(quiet=args.quiet):
        outcome = cut_run(
            chosen_run(args),
            None if args.n_clusters == "auto" else args.n_clusters,
            granularity=args.granularity,
            name=args.name,
            existing="overwrite" if args.overwrite else "refuse",
            figures=not args.no_figures,
            report=not args.no_report,
        )
    tell(outcome, args)
    return ended([outcome], args)


def _add_export(parser: Parser) -> None:
    _add_folder(parser)
    parser.add_argument("--to", required=True, choices=_PROGRAMS, help="program to write for")
    parser.add_argument(
        "--into", metavar="DIR", type=Path, help="new folder to write (RUN/export/PROGRAM)"
    )
    add_out(parser, "where runs are (./results)")
    add_manners(parser)


def _export(args: argparse.Namespace) -> None:
    from scrcl.experiment import export_run  # noqa: PLC0415  (as above)

    with logging_to_stderr(quiet=args.quiet):
        print(export_run(chosen_run(args), args.to, args.into, replace=args.overwrite))


def _add_completion(parser: Parser) -> None:
    parser.add_argument("shell", choices=SHELLS)


def _completion(args: argparse.Namespace) -> None:
    print(script(program_parser(), args.shell, DATASETS))


COMMANDS: dict[str, Command] = {
    "run": Command(ABOUT["sc"], lambda parser: add_run(parser, "sc"), lambda args: run("sc", args)),
    "spatial": Command(
        ABOUT["st"], lambda parser: add_run(parser, "st"), lambda args: run("st", args)
    ),
    "degs": Command(ABOUT["degs"], add_degs, draw_degs),
    "cut": Command(
        "Cut the tree of a finished run at another number of clusters, without training (by default "
        "of the newest run of single cells). Clusters, scores, figures, marker genes and report "
        "become a new run beside it.",
        _add_cut,
        _cut,
    ),
    "report": Command(
        "Write report.html of a finished run anew (by default of the newest of single cells).",
        _add_report,
        _report,
    ),
    "rename": Command(
        "Name the clusters of a finished run (by default the newest of single cells): in names.csv, "
        "clusters.csv, obs['scrcl_name'] of result.h5ad, and its report.",
        _add_rename,
        _rename,
    ),
    "export": Command(
        "Write what a run found (by default the newest of single cells) for another program: an "
        "h5ad for CELLxGENE, tables for Loupe Browser, files and the lines of R that read them for "
        "Seurat, a SpatialData store, or plain tables.",
        _add_export,
        _export,
    ),
    "fetch": Command(
        "Download registered sets to the data folder. A download that was cut goes on where it "
        "stopped.",
        _add_fetch,
        _fetch,
    ),
    "convert": Command(
        f"Write data of another format as .h5ad. Known: {known()}.",
        _add_convert,
        _convert,
    ),
    "list": Command("Show the registered sets and the runs.", _add_list, _list),
    "completion": Command(
        'Print the completion for a shell. Use it by eval "$(scrcl completion bash)".',
        _add_completion,
        _completion,
    ),
}
"""Command to what it does."""
