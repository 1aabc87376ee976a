"""What a user waits for, beside scanpy's plain pipeline: python benchmarks/wall.py FILE.h5ad.

Three things in turns on one machine, each in a process of its own: ``scanpy`` (its defaults:
normalise, genes, components, neighbours, Leiden, UMAP, Wilcoxon, two figures, write), ``report``
(``runSC.py`` or ``runST.py``, file to report) and ``cluster`` (``scrcl.cluster`` alone). A file with
``obsm["spatial"]`` is a tissue. ``--cells`` and ``--spots`` simulate.

Cold: neither numba nor Python nor matplotlib has a cache. Warm: the same again, with those caches.

Each measurement is written as soon as it is there; what the table has is not measured again, so that
the same command goes on after a cut. ``--page docs/speed.md`` puts the table into the documentation,
``--only-tables`` without measuring.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import itertools
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import ROOT, Stopwatch, limit_threads, peak_gb, processor_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

log = logging.getLogger(__name__)

WHAT = ("scanpy", "report", "cluster")
CACHES = ("cold", "warm")
_BUSY = "while True: sum(range(10**6))"
_CHILD = "import sys; from benchmarks.wall import child; sys.exit(child(*sys.argv[1:]))"


def child(what: str, file: str, folder: str) -> int:
    """Do one thing in this process; its costs by stage go to ``stages.json`` in the folder."""
    stages: dict[str, float] = {}
    out = Path(folder)
    is_tissue = _is_tissue(Path(file))
    code = 0
    if what == "scanpy":
        _scanpy(Path(file), out, stages)
    elif what == "cluster":
        _cluster(Path(file), is_tissue=is_tissue, stages=stages)
    else:
        code = _report(Path(file), out, is_tissue=is_tissue, stages=stages)
    (out / "stages.json").write_text(json.dumps(stages), encoding="utf-8")
    return code


def _scanpy(file: Path, out: Path, stages: dict[str, float]) -> None:
    with _timed("import", stages):
        import scanpy as sc  # noqa: PLC0415  (its import is measured)
    with _timed("read", stages):
        adata = sc.read_h5ad(file)
    with _timed("genes and components", stages):
        sc.pp.normalize_total(adata)
        sc.pp.log1p(adata)
        sc.pp.highly_variable_genes(adata)
        sc.pp.pca(adata)
    with _timed("neighbours", stages):
        sc.pp.neighbors(adata)
    with _timed("clusters", stages):
        sc.tl.leiden(adata, flavor="igraph", n_iterations=2, directed=False)
    with _timed("layout", stages):
        sc.tl.umap(adata)
    with _timed("marker genes", stages):
        sc.tl.rank_genes_groups(adata, "leiden", method="wilcoxon")
    with _timed("figures", stages):
        maps = sc.pl.embedding(adata, "X_umap", color="leiden", show=False, return_fig=True)
        maps.savefig(out / "umap.png", dpi=300)
        dots = sc.pl.rank_genes_groups_dotplot(adata, show=False, return_fig=True)
        dots.savefig(out / "dotplot.png", dpi=300)
    with _timed("write", stages):
        adata.write_h5ad(out / "result.h5ad")


def _cluster(file: Path, *, is_tissue: bool, stages: dict[str, float]) -> None:
    import anndata as ad  # noqa: PLC0415  (imports are measured)

    with _timed("read", stages):
        adata = ad.read_h5ad(file)
    with _timed("cluster", stages):
        import scrcl  # noqa: PLC0415  (as above)

        scrcl.cluster(adata, spatial=is_tissue)


def _report(file: Path, out: Path, *, is_tissue: bool, stages: dict[str, float]) -> int:
    with _timed("import", stages):
        from scrcl.cli.main import wait_asleep  # noqa: PLC0415  (imports are measured)

        wait_asleep()  # as the command does, before anything with threads is imported
        from benchmarks.scale import STAGES  # noqa: PLC0415  (as above)
        from scrcl.cli import main_sc, main_st  # noqa: PLC0415  (as above)

        for stage, (place, name) in STAGES.items():
            module = importlib.import_module(place)
            setattr(module, name, _measured(stage, getattr(module, name), stages))
    run = main_st if is_tissue else main_sc
    return run(["--input", str(file), "--out", str(out), "--preset", "default", "--quiet"])


@contextlib.contextmanager
def _timed(stage: str, stages: dict[str, float]) -> Iterator[None]:
    """Add the seconds of a stage, and those on a processor; note the peak of memory behind it."""
    watch, busy = Stopwatch(), time.process_time()
    try:
        yield
    finally:
        costs = {"s": watch(), "cpu s": time.process_time() - busy}
        for unit, cost in costs.items():
            stages[f"{stage}, {unit}"] = stages.get(f"{stage}, {unit}", 0.0) + cost
        stages[f"{stage}, peak GB"] = peak_gb()


def _measured(stage: str, function: Any, stages: dict[str, float]) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        with _timed(stage, stages):
            return function(*args, **kwargs)

    return call


def _is_tissue(file: Path) -> bool:
    import h5py  # noqa: PLC0415  (little, and all need it)

    with h5py.File(file) as content:
        return "spatial" in content.get("obsm", {})


def measure(
    what: str, file: Path, caches: Path, *, threads: int, busy: int = 0
) -> dict[str, object]:
    """Run one thing and return its costs: seconds, processor seconds, peak memory, and stages.

    Parameters
    ----------
    what
        One of `WHAT`.
    file
        An ``.h5ad`` with counts.
    caches
        Folder of everything that is kept between processes; empty: cold.
    threads
        Of this process.
    busy
        Other processes that keep a core busy meanwhile.
    """
    limit_threads(threads)
    kept = {"NUMBA_CACHE_DIR": "numba", "PYTHONPYCACHEPREFIX": "python", "MPLCONFIGDIR": "mpl"}
    # Python writes its cache, whatever the shell says: warm is what a user has.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = own | {name: str(caches / folder) for name, folder in kept.items()}
    with tempfile.TemporaryDirectory() as folder, _busy(busy):
        watch = Stopwatch()
        command = [sys.executable, "-c", _CHILD, what, str(file), folder]
        process = subprocess.Popen(
            command, env=environment | {"MPLBACKEND": "agg"}, cwd=ROOT, stdout=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = watch()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        stages = json.loads((Path(folder) / "stages.json").read_text("utf-8"))
    return {
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_gb": used.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20),
        **stages,
    }


@contextlib.contextmanager
def _busy(n_processes: int) -> Iterator[None]:
    others = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(n_processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def measure_all(
    files: Sequence[Path],
    given: argparse.Namespace,
    *,
    before: pd.DataFrame | None = None,
    keep: Callable[[pd.DataFrame], object] | None = None,
) -> pd.DataFrame:
    """Measure everything in turns, so that no method has the quieter hour.

    Parameters
    ----------
    files, given
        What, and how: the files and the options of the command.
    before
        Measurements that are there already: these are not repeated.
    keep
        Gets the table after each new measurement.

    Returns
    -------
    ``before`` with the new rows. One that fails (no memory, say) is said, and has none.
    """
    import pandas as pd  # noqa: PLC0415  (no part of what is measured)

    table = pd.DataFrame() if before is None else before
    runs = itertools.product(files, given.threads, range(given.repeats))
    for file, threads, repeat in runs:
        place = {"set": file.stem, "threads": threads, "busy": given.busy, "repeat": repeat}
        wanted = [
            {**place, "what": what, "caches": cache}
            for cache, what in itertools.product(CACHES, given.what)
            if cache in given.caches
        ]
        missing = [row for row in wanted if not _has(table, row)]
        with contextlib.ExitStack() as stack:
            kept = {
                what: Path(stack.enter_context(tempfile.TemporaryDirectory()))
                for what in dict.fromkeys(row["what"] for row in missing)
            }
            for cache, what in itertools.product(CACHES, kept):
                row = {**place, "what": what, "caches": cache}
                try:
                    costs = measure(what, file, kept[what], threads=threads, busy=given.busy)
                except subprocess.CalledProcessError as error:
                    log.error("%s: not measured: exit code %d", row, error.returncode)  # noqa: TRY400
                    continue
                if row not in missing:
                    continue  # it only filled the caches
                new = pd.DataFrame([{**row, "processor": processor_name(), **costs}])
                table = pd.concat([table, new], ignore_index=True)
                log.info("%s", {**row, **costs})
                if keep is not None:
                    keep(table)
    return table


def _has(table: pd.DataFrame, row: dict[str, Any]) -> bool:
    return len(table) > 0 and bool((table[list(row)] == list(row.values())).all(axis=1).any())


_PLACE = ["set", "caches", "threads", "busy"]
_COSTS = {"seconds": "s", "cpu_seconds": "processor s", "peak_gb": "GB"}


def overview(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each set, with the mean costs of each thing and the ratio to scanpy's seconds."""
    costs = [cost for cost in _COSTS if cost in table]
    means = table.pivot_table(index=_PLACE, columns="what", values=costs, sort=False)[costs]
    wide = means.set_axis([f"{what}, {_COSTS[cost]}" for cost, what in means.columns], axis=1)
    if {"report, s", "scanpy, s"} <= set(wide):
        wide["report / scanpy"] = wide["report, s"] / wide["scanpy, s"]
    return wide.reset_index()


def by_stage(table: pd.DataFrame) -> pd.DataFrame:
    """Share of the processor's time that each stage of ``report`` takes, one row for each set."""
    ours = table[(table["what"] == "report") & (table["caches"] == "warm") & (table["busy"] == 0)]
    stages = [name for name in ours if name.endswith(", cpu s") and ours[name].notna().any()]
    shares = ours[stages].div(ours["cpu_seconds"], axis=0).groupby(ours["set"], sort=False).mean()
    shares["the rest"] = 1 - shares.sum(axis=1)
    return shares.rename(columns=lambda name: name.removesuffix(", cpu s")).reset_index()


def page(table: pd.DataFrame) -> str:
    """Both tables as Markdown, and what they were measured on."""
    from benchmarks.readme import markdown  # noqa: PLC0415  (seconds, and --help needs none)

    machine = ", ".join(sorted(set(table["processor"].dropna()))) or "a processor without a name"
    costs, shares = overview(table).set_index("set"), by_stage(table).set_index("set")
    return "\n\n".join(
        [
            f"Measured on {machine}; means over {table['repeat'].nunique()} rounds in turns.",
            markdown(costs.astype({"threads": str, "busy": str}), "set"),
            "Share of each stage in the processor's time of `report`, warm:",
            markdown(shares, "set"),
        ]
    )


def _as_h5ad(file: Path, folder: Path) -> Path:
    """Return a file as it is, and a folder (Visium) converted, so that all read the same."""
    if not file.is_dir():
        return file
    from scrcl.convert import convert  # noqa: PLC0415  (only where it is asked for)

    converted = folder / f"{file.name}.h5ad"
    if not converted.exists():
        convert(file, converted)
    return converted


def _simulated(given: argparse.Namespace, folder: Path) -> Iterator[Path]:
    for n_obs in given.cells:
        from benchmarks import scale  # noqa: PLC0415  (only where it is asked for)

        file = folder / f"simulated_{n_obs}_cells.h5ad"
        if not file.exists():
            scale.simulate(file, n_obs, given.genes)
        yield file
    for n_obs in given.spots:
        from benchmarks import spatial_scale  # noqa: PLC0415  (as above)

        file = folder / f"simulated_{n_obs}_spots.h5ad"
        if not file.exists():
            spatial_scale.simulate(n_obs, given.genes).write_h5ad(file)
        yield file


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write the table, and print an overview."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="counts, .h5ad or Visium"
    )
    parser.add_argument("--cells", nargs="+", type=int, default=(), metavar="N", help="simulate")
    parser.add_argument("--spots", nargs="+", type=int, default=(), metavar="N", help="simulate")
    parser.add_argument("--genes", type=int, default=5_000, metavar="N", help="of simulated ones")
    parser.add_argument("--what", nargs="+", choices=WHAT, default=WHAT)
    parser.add_argument("--caches", nargs="+", choices=CACHES, default=CACHES)
    parser.add_argument("--threads", nargs="+", type=int, default=(2,), metavar="N")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="other busy processes")
    parser.add_argument("--repeats", type=int, default=1, metavar="N")
    out = ROOT / "results" / "benchmarks" / "wall.csv"
    parser.add_argument("--out", type=Path, default=out, help="the table (default: %(default)s)")
    parser.add_argument("--page", type=Path, help="put the table into this page, too")
    parser.add_argument("--only-tables", action="store_true", help="measure nothing")
    parser.add_argument("--folder", type=Path, help="keep the simulated data here")
    given = parser.parse_args(argv)

    import pandas as pd  # noqa: PLC0415  (seconds, and --help needs none)

    from benchmarks.common import write_table  # noqa: PLC0415  (as above)
    from benchmarks.readme import filled  # noqa: PLC0415  (as above)

    table = pd.read_csv(given.out) if given.out.exists() else pd.DataFrame()
    if not given.only_tables:
        with tempfile.TemporaryDirectory() as temporary:
            folder = given.folder or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            files = [_as_h5ad(file.absolute(), folder) for file in given.files]
            table = measure_all(
                [*files, *_simulated(given, folder)],
                given,
                before=table,
                keep=lambda table: write_table(given.out, table),
            )
    print(overview(table).to_string(index=False, float_format="{:.2f}".format))  # noqa: T201
    if given.page is not None:
        text = filled(given.page.read_text("utf-8"), "wall", page(table))
        given.page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
