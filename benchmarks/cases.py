"""Odd but ordinary inputs: what is concluded of each, and what comes out.

    python -m benchmarks.cases ../shared/cases --out docs/benchmarks/cases.csv --page docs/inputs.md

Every file or folder below the given one that is an input goes through runSC.py (or runST.py if it has
positions) with a few epochs, as a user would start it. The table has the exit code, the clusters found, the
ARI with what was planted (``obs["truth"]``, where the file has it) and what was said.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anndata as ad
import pandas as pd

from scrcl.cli.main import main_sc, main_st
from scrcl.metrics import adjusted_rand_index

if TYPE_CHECKING:
    from collections.abc import Sequence

N_EPOCHS = 10
FILES = {".h5ad", ".h5", ".csv", ".txt", ".gz"}
FOLDERS = {"filtered", "DGE_filtered", "outs"}
"""Folders that are an input as a whole."""
SPATIAL = {"cosmx", "libraries", "coords", "visium_hd4"}
"""Kinds of inputs with positions; so are files that begin with ``st`` or have slide in the name."""
ROUTINE = re.compile(
    r"train:|report: |^seed \d+[,:] |^$|^\S+, default: |^protocol|^label-free|^-> "
)


PAGE = """# Odd but ordinary inputs

Small simulated files in the shapes in which people's data come, each started as a user would
(`python -m benchmarks.cases FOLDER --out docs/benchmarks/cases.csv --page docs/inputs.md`): the exit code (2:
refused in one line), the clusters found, the ARI with what was planted where the file says it, and what
was said. Nothing is ever asked of labels.

| input | exit | clusters | ARI | said |
|---|---|---|---|---|
"""


class Case(NamedTuple):
    """An input and how it is started."""

    path: Path
    task: str


def find_cases(folder: Path) -> list[Case]:
    """List the inputs below a folder."""
    found = []
    for path in sorted(folder.rglob("*")):
        inside = FOLDERS & {parent.name for parent in path.relative_to(folder).parents}
        is_input = path.name in FOLDERS if path.is_dir() else path.suffix in FILES
        if is_input and not inside:
            kind = path.relative_to(folder).parts[0]
            spatial = kind in SPATIAL or path.name.startswith("st") or "slide" in path.name
            found.append(Case(path, "st" if spatial else "sc"))
    return found


def run_case(case: Case, out: Path) -> dict[str, object]:
    """Start a script on an input, and say what came of it."""
    told = io.StringIO()
    start = main_sc if case.task == "sc" else main_st
    arguments = ["--input", str(case.path), "--out", str(out), "--epochs", str(N_EPOCHS)]
    if case.task == "st":
        arguments = arguments[:4]  # domains need no network
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
        code = start([*arguments, "--no-report", "--no-figures"])
    lines = [line for line in told.getvalue().splitlines() if not ROUTINE.search(line)]
    results = list(out.rglob("result.h5ad"))
    row: dict[str, object] = {"exit": code, "clusters": "", "ari": ""}
    if results:
        adata = ad.read_h5ad(results[0])
        clusters = adata.obs["scrcl"]
        row["clusters"] = clusters.nunique()
        if "truth" in adata.obs:
            known = clusters.notna() & adata.obs["truth"].notna()
            ari = adjusted_rand_index(adata.obs["truth"][known], clusters[known].cat.codes)
            row["ari"] = f"{ari:.3f}"
    return row | {"said": " | ".join(lines)}


def page_of(table: pd.DataFrame) -> str:
    """Return the page of the documentation that shows the table."""
    text = table.fillna("").astype(str).replace(r"\|", ";", regex=True)
    lines = [
        f"| `{row.input}` | {row.exit} | {row.clusters.removesuffix('.0')} | {row.ari} | {row.said} |"
        for row in text.itertuples()
    ]
    return PAGE + "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run all and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--page", type=Path, help="page of the documentation to write")
    args = parser.parse_args(argv)
    rows = []
    for case in find_cases(args.folder):
        with tempfile.TemporaryDirectory() as out:
            row = run_case(case, Path(out))
        name = str(case.path.relative_to(args.folder))
        said = (
            str(row["said"]).replace(str(args.folder.absolute()), "").replace(str(args.folder), "")
        )
        rows.append({"input": name, "task": case.task} | row | {"said": said})
        sys.stdout.write(
            f"{name}: exit {row['exit']}, {row['clusters']} clusters, ARI {row['ari']}: {said[:300]}\n"
        )
        sys.stdout.flush()
        pd.DataFrame(rows).to_csv(args.out, index=False)
    if args.page is not None:
        args.page.write_text(page_of(pd.read_csv(args.out)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
