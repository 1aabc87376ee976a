"""From arguments to an exit code."""

from __future__ import annotations

import logging
import os
import re
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scrcl._keys import CLUSTERS
from scrcl._validate import InputError
from scrcl.cli import printing
from scrcl.cli.arguments import degs_parser, run_parser
from scrcl.config import override
from scrcl.datasets import DEFAULTS, find

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from scrcl.cli.arguments import Parser
    from scrcl.config import Config, Task
    from scrcl.experiment import Experiment, Outcome
    from scrcl.model import Preset
    from scrcl.results import Existing, RunFolder

log = logging.getLogger(__name__)

INCOMPLETE, BAD_INPUT, INTERRUPTED = 1, 2, 130


def main_sc(argv: Sequence[str] | None = None) -> int:
    """Run ``runSC.py``."""
    return guarded(run_parser("sc"), argv, lambda args: run("sc", args))


def main_st(argv: Sequence[str] | None = None) -> int:
    """Run ``runST.py``."""
    return guarded(run_parser("st"), argv, lambda args: run("st", args))


def main_degs(argv: Sequence[str] | None = None) -> int:
    """Run ``draw_DEGs.py``."""
    return guarded(degs_parser(), argv, draw_degs)


def wait_asleep() -> None:
    """Let threads that wait for others sleep; ``OMP_WAIT_POLICY`` in the environment overrules it.

    By default they spin, and on a busy machine keep those that they wait for from running: the small
    products of a training step then take several times as long, on a processor, too. OpenMP reads
    this when it is loaded, so before torch and scikit-learn.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def guarded(
    parser: Parser, argv: Sequence[str] | None, command: Callable[[argparse.Namespace], int | None]
) -> int:
    """Parse arguments and run a command on them; no exception leaves this.

    Parameters
    ----------
    parser
        Of the command.
    argv
        Its arguments; ``None``: those of this process.
    command
        Returns an exit code other than 0, or ``None``.

    Returns
    -------
    The exit code: 2 after one line on what the user can mend; 1 after one line on a fault of scrcl,
    which names a file with the traceback, or if a part of what was asked for could not be made; 130
    after an interruption.
    """
    out = None
    wait_asleep()
    try:
        args = parser.parse_args(argv)
        out = getattr(args, "out", None)
        with warnings_in_log():
            code = command(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted: --resume goes on with the seeds that are missing", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001  (a traceback helps no user)
        from scrcl.results import bug_line, user_line  # noqa: PLC0415  (pandas)

        line = user_line(error)
        print(f"error: {line or bug_line(error, out)}", file=sys.stderr)
        return BAD_INPUT if line else INCOMPLETE
    return code or 0


def run(task: Task, args: argparse.Namespace) -> int:
    """Cluster what the arguments of `arguments.add_run` say; return the exit code."""
    if args.list:
        print(printing.list_of_datasets(args.data_dir))
        return 0
    from scrcl.distributed import processes  # noqa: PLC0415  (as above)
    from scrcl.experiment import (  # noqa: PLC0415  (seconds, and --list needs none)
        run_experiment,
        take_part,
    )
    from scrcl.results import check_free  # noqa: PLC0415  (as above)
    from scrcl.seed import resolve_device  # noqa: PLC0415  (as above)

    with logging_to_stderr(quiet=args.quiet):
        if args.download:
            _download(args)
        experiments = _experiments(task, args)
        device = resolve_device(args.device)
        alone = next(filter(None, (one.one_process_only for one in experiments)), None)
        with processes(device, one_only=alone) as number:
            if number:
                for experiment in experiments:
                    take_part(experiment)
                return 0
            for experiment in experiments:  # before hours of training
                check_free(experiment.run, experiment.existing)
            outcomes = []
            for experiment in experiments:
                outcomes.append(run_experiment(experiment))
                tell(outcomes[-1], args)
    return ended(outcomes, args)


def tell(outcome: Outcome, args: argparse.Namespace) -> None:
    """Print what a run found."""
    if not args.quiet:
        print(printing.closing_table(outcome), flush=True)
    if outcome.failed:
        print(f"error: {printing.what_failed(outcome)}", file=sys.stderr)


def ended(outcomes: Sequence[Outcome], args: argparse.Namespace) -> int:
    """Print the summary of the last run where it is asked for; return the exit code of all."""
    if args.json:
        print(printing.as_json(outcomes[-1]))
    return INCOMPLETE if any(outcome.failed for outcome in outcomes) else 0


def _download(args: argparse.Namespace) -> None:
    from scrcl.fetch import fetch  # noqa: PLC0415  (as above)

    if args.dataset is None:
        msg = "download: got no data set, wanted --dataset NAME. --list shows all."
        raise InputError(msg)
    if find(args.dataset).path is not None:
        fetch(args.dataset, args.data_dir, progress=not args.quiet)


def draw_degs(args: argparse.Namespace) -> None:
    """Find the markers that the arguments of `arguments.add_degs` ask for."""
    from scrcl.data.read import read  # noqa: PLC0415  (seconds, and --help needs none)
    from scrcl.experiment import MarkerQuestion, draw_markers, load_clustered  # noqa: PLC0415
    from scrcl.report import REPORT, write_report  # noqa: PLC0415

    question = MarkerQuestion(
        groupby=args.groupby or CLUSTERS,
        method=args.method,
        reference=args.vs,
        sample_key=args.sample_key,
        n_genes=args.n_genes,
        genes=tuple(args.genes or ()),
    )
    name = re.sub(r"[^\w.+-]+", "_", question.name)
    run = None
    with logging_to_stderr(quiet=args.quiet):
        if args.input is not None and args.dataset is None and args.run is None:
            adata = read(args.input)
            folder = args.out / "DEGs" / args.input.absolute().stem / name
        else:
            run = chosen_run(args)
            seed = run.seeds[0] if args.seed is None else args.seed
            log.info("run: %s, seed %d", run.path, seed)
            adata = load_clustered(run, seed, args.input)
            folder = run.path / "degs" / (f"seed_{seed}_{name}" if args.groupby is None else name)
            slice_key = run.settings.get("slice_key")
            if slice_key is not None and args.input is None:
                from scrcl.results import stored_name  # noqa: PLC0415  (as above)

                slice_key = stored_name(slice_key)
            question = replace(question, slice_key=slice_key, features=run.features)
        found = draw_markers(
            adata, question, folder, file_format=args.format, replace=args.overwrite
        )
        for note in found.notes:
            log.warning("%s", note)
        if run is not None and (run.path / REPORT).is_file():
            log.info("report: %s", write_report(run))
    if not args.quiet:
        print(printing.marker_table(found))


def chosen_run(args: argparse.Namespace) -> RunFolder:
    """Find a run by the path of its folder, or by name; by default the newest of single cells."""
    from scrcl.results import RunFolder, find_run  # noqa: PLC0415  (pandas, and --help needs none)

    if args.run is not None and Path(args.run).is_dir():
        run = RunFolder(Path(args.run))
        if run.seeds:
            return run
        msg = f"run: got {args.run}, a folder without a finished seed, wanted the folder of a run."
        raise InputError(msg)
    task = "sc" if args.dataset is None and args.run is None else None
    return find_run(args.out, task=task, dataset=args.dataset, name=args.run)


def _experiments(task: Task, args: argparse.Namespace) -> list[Experiment]:
    """Settle what is to be run: for a set of the paper first our default, then the paper's."""
    from scrcl.config import configs_dir  # noqa: PLC0415  (as above)

    dataset = args.dataset or (None if args.input else DEFAULTS[task])
    of_paper = (configs_dir() / task / f"{dataset}.yaml").is_file()
    if not of_paper or args.preset is not None or args.config is not None:
        return [_experiment(task, args, dataset, args.preset)]
    default = _experiment(task, args, dataset, "default", seeds_of_paper=True)
    return [
        replace(default, n_clusters="auto"),
        _experiment(task, args, dataset, "paper", default=default.run),
    ]


def _experiment(
    task: Task,
    args: argparse.Namespace,
    dataset: str | None,
    preset: Preset | None,
    *,
    default: RunFolder | None = None,
    seeds_of_paper: bool = False,
) -> Experiment:
    from scrcl.experiment import (  # noqa: PLC0415  (as above)
        DEFAULT_SEEDS,
        PAPER_SEEDS,
        Experiment,
        InputSpec,
        PaperTable,
        choose_config,
    )
    from scrcl.results import RunFolder  # noqa: PLC0415  (as above)

    source = InputSpec(
        task=task,
        spec=None if dataset is None else find(dataset),
        paths=tuple(args.input or ()),
        data_dir=args.data_dir,
        label_key=args.label_key,
        slice_key=getattr(args, "slice_key", None),
        batch_key=getattr(args, "batch_key", None),
        condition_key=args.condition_key,
        sample_key=args.sample_key,
    )
    name, config = choose_config(task, dataset=dataset, preset=preset, path=args.config)
    is_paper = name == "paper" and args.config is None
    run = RunFolder.at(args.out, task=task, dataset=source.name, name=name)
    published = None if source.spec is None else source.spec.published
    table = None
    if default is not None or published is not None:
        itself = run if name == "default" and args.config is None else None
        table = PaperTable(published=published, default=default or itself)
    oracle = args.oracle if is_paper else bool(args.oracle)
    return Experiment(
        source=source,
        config=_override(config, args),
        run=run,
        n_clusters=args.n_clusters,
        seeds=args.seeds or (PAPER_SEEDS if is_paper or seeds_of_paper else DEFAULT_SEEDS),
        device=args.device,
        oracle=oracle,
        table=table,
        existing=_existing(args),
        progress=not args.quiet,
        report=not args.no_report,
        figures=not args.no_figures,
        expression=not args.no_x,
        marker_file=args.markers,
        gene_file=args.report_genes,
    )


def _override(config: Config, args: argparse.Namespace) -> Config:
    """Apply the flags that stand for a key of the configuration, then ``--set``."""
    values: dict[str, object] = {}
    if args.epochs is not None:
        values["train.n_epochs"] = args.epochs
    if args.precision is not None:
        values["train.precision"] = args.precision
    if args.features is not None:
        values["data.features"] = args.features
    if args.selection is not None:
        values["train.selection"] = args.selection
    if args.values is not None:
        values["data.values"] = args.values
    if args.granularity is not None:
        values["cluster.granularity"] = args.granularity
    if getattr(args, "official_filter", False):
        values["data.drop_unlabelled"] = True
    return override(override(config, values), dict(args.set))


def _existing(args: argparse.Namespace) -> Existing:
    if args.resume and args.overwrite:
        msg = "got both --resume and --overwrite, wanted one: keep the finished seeds, or do not."
        raise InputError(msg)
    return "resume" if args.resume else "overwrite" if args.overwrite else "refuse"


@contextmanager
def warnings_in_log() -> Iterator[None]:
    """Keep warnings of libraries off the screen, unless ``-W`` or PYTHONWARNINGS asks for them."""
    if sys.warnoptions:
        yield
        return
    log = logging.getLogger("py.warnings")
    handler = logging.NullHandler()
    log.addHandler(handler)
    logging.captureWarnings(True)  # noqa: FBT003  (its only argument)
    try:
        yield
    finally:
        logging.captureWarnings(False)  # noqa: FBT003
        log.removeHandler(handler)


@contextmanager
def logging_to_stderr(*, quiet: bool) -> Iterator[None]:
    """Send the package's log to stderr while a command runs."""
    log = logging.getLogger("scrcl")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.ERROR if quiet else logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
