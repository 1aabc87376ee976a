"""Majority votes on the default domains: python benchmarks/refine.py --data-dir DIR.

Takes the domains of ``ours_k`` that ``benchmarks/spatial.py`` left in its cache, replaces each spot's
by the majority among its nearest spots, and scores them anew.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import tables
from benchmarks.common import cache_key, file_digest
from benchmarks.machine import ROOT
from benchmarks.methods_st import METHODS
from benchmarks.runner import find_sets
from scrcl.clustering import majority_vote
from scrcl.experiment.inputs import InputSpec, load
from scrcl.metrics import score

if TYPE_CHECKING:
    from collections.abc import Iterator

N_VOTERS = (0, 6, 15, 50)


def refined(path: Path, cache: Path, seeds: list[int]) -> Iterator[dict[str, object]]:
    """Score the domains of a set with each number of voters."""
    data = load(InputSpec(task="st", paths=(path,)))
    assert data.labels is not None  # `find_sets` saw to it
    content, method = file_digest(path), METHODS["ours_k"]
    for seed in seeds:
        file = cache / f"{path.stem}-ours_k-{seed}-{cache_key(method, seed, content)}.json"
        if file.exists():
            labels = np.array(json.loads(file.read_text())["labels"].split()).astype(int)
            for n_voters in N_VOTERS:
                voted = majority_vote(labels, data.adata.obsm["spatial"], n_voters)
                ari = score(data.labels, voted)["ari"]
                yield {"set": path.stem, "seed": seed, "method": n_voters, "ari": ari}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=ROOT / "datasets" / "stdata")
    cache = ROOT / "results" / "benchmarks" / "cache"
    parser.add_argument("--cache", type=Path, default=cache, help="of benchmarks/spatial.py")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4], metavar="N")
    given = parser.parse_args()
    logging.getLogger("scrcl").setLevel(logging.ERROR)
    paths = find_sets(given.data_dir, None, "st")
    rows = pd.DataFrame([row for path in paths for row in refined(path, given.cache, given.seeds)])
    ari = tables.per_set(rows, "ari")
    groups = tables.members(list(ari.index), tables.read_split("st"))
    table = pd.concat([ari.T, tables.per_group(ari, groups)], axis=1).rename_axis("voters")
    print(table.to_string(float_format="{:.3f}".format))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
