"""The page of 50,000 cells: its size, how soon it is seen, how fast it moves.

python benchmarks/explorer.py. Clusters, tree and places are made up, and nothing is trained: only
the page is measured, in headless Chromium, which draws on the processor.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

import anndata as ad
import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform

from benchmarks.browser import Browser, chromium
from benchmarks.machine import Stopwatch
from benchmarks.scale import simulate
from scrcl._keys import UMAP
from scrcl.clustering import ClusterTree, split_table, tree_arrays
from scrcl.report import write_report
from scrcl.results import RunFolder, SeedResult, annotated, summarize, writing

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUPPORTED = 14  # splits
_DRAWN = """
Math.min(...Array.from({ length: 20 }, () => {
  const start = performance.now();
  explorer.plots[0].drawPoints();
  return performance.now() - start;
}))
"""
_FRAMES = """
new Promise((done) => {
  const times = [];
  const tick = (time) => {
    times.push(time);
    if (times.length > %d) return done(times);
    for (const plot of explorer.plots) plot.move(%s);
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
})
"""


def fabricate(
    out: Path, adata: ad.AnnData, *, task: str = "sc", n_leaves: int = 150, seed: int = 0
) -> RunFolder:
    """Write the folder of a run that never was: clusters are those of a made-up tree.

    Parameters
    ----------
    out
        Folder of all results.
    adata
        Counts; ``obs["cell_type"]``, categorical, decides where cells lie.
    task
        "sc", or "st" for spots with positions.
    """
    rng = np.random.default_rng(seed)
    types = adata.obs["cell_type"].cat.codes.to_numpy()
    centres = rng.normal(size=(types.max() + 1, 2)) * 8
    places = centres[types] + rng.normal(size=(adata.n_obs, 2))
    tree = _tree(places, n_leaves, rng)
    found = tree.clusters(None)
    result = SeedResult(
        seed=seed,
        obs_names=adata.obs_names,
        clusters=found.labels,
        embedding=places.astype(np.float32),
        history=[],
        metrics={"label_free": {"n_clusters": found.n_clusters, "epoch": 0}},
        confidence=found.confidence,
        stability=pd.Series(found.stability),
        splits=split_table(tree),
        tree=tree_arrays(tree),
        leaves=tree.leaves,
    )
    run = RunFolder.at(out, task=task, dataset="made_up", name="default")
    settings = {"input": "made up", "n_clusters": "auto", "label_key": "cell_type"}
    with writing(run, "data: {}\n", settings=settings, device="cpu") as writer:
        writer.write_seed(result)
        whole = annotated(adata, result, {})
        whole.obsm[UMAP] = places.astype(np.float32)
        writer.write_adata(whole)
        writer.finish(summarize({seed: result.metrics}, {}))
    return run


def _tree(places: NDArray[np.float64], n_leaves: int, rng: np.random.Generator) -> ClusterTree:
    """Join cells that are nearest to the same of some random cells, then these."""
    some = places[rng.choice(len(places), n_leaves, replace=False)]
    leaves = np.concatenate(
        [
            np.square(part[:, None] - some).sum(axis=2).argmin(axis=1)
            for part in np.array_split(places, max(len(places) // 2000, 1))
        ]
    )
    steps = linkage(some, "average")
    heights = steps[:, 2] / steps[-1, 2]
    merges = steps[:, :2].astype(np.intp)
    sizes = np.bincount(leaves, minlength=n_leaves)
    n_cells = [*sizes]
    for left, right in merges:
        n_cells.append(n_cells[left] + n_cells[right])
    distance = np.full(n_leaves - 1, 2.0)
    distance[-_SUPPORTED:] = 7.5
    splits = pd.DataFrame(
        {
            "n_left": [n_cells[node] for node in merges[:, 0]],
            "n_right": [n_cells[node] for node in merges[:, 1]],
            "height": heights,
            "mixing": 0.1,
            "distance": distance,
            "null_distance": 2.6,
            "p_value": 0.0,
            "level": 0.01,
            "n_genes": 20,
            "genes": [f"+gene{i:05d} -gene{i + 1:05d}" for i in range(n_leaves - 1)],
        },
        index=pd.RangeIndex(n_leaves, 2 * n_leaves - 1, name="node"),
    )
    together = np.exp(-squareform(pdist(some))).astype(np.float32)
    return ClusterTree(
        leaves=leaves, merges=merges, heights=heights, sizes=sizes, together=together, splits=splits
    )


def measure(page: Path, *, n_frames: int = 60) -> dict[str, float]:
    """Open a page and move its map.

    Returns
    -------
    ``size_mb`` (of 10^6 bytes); ``first_paint_s``, from the start of loading; ``ready_s``, until the map
    is drawn; ``draw_ms``, the least of 20 times to draw all points, which other work on the machine
    delays least; ``frames_per_s`` while the map is moved, and while it is moved zoomed in; ``gene_ms``, to
    colour by a gene; ``cut_ms``, to draw another number of clusters.
    """
    with chromium() as browser:
        browser.size(1440, 900)
        watch = Stopwatch()
        browser.open(page)
        browser.until("explorer.now !== undefined && explorer.plots[0].words !== undefined")
        ready = watch()
        paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
        browser.until(f"{paint} !== undefined")
        browser.js("document.getElementById('explorer').scrollIntoView()")
        drawn = browser.js(_DRAWN)
        rate = _rate(browser, n_frames)
        browser.js("explorer.plots[0].zoom(3)")
        near = _rate(browser, n_frames)
        return {
            "size_mb": page.stat().st_size / 1e6,
            "first_paint_s": browser.js(paint) / 1e3,
            "ready_s": ready,
            "draw_ms": drawn,
            "frames_per_s": rate,
            "frames_per_s_zoomed": near,
            "gene_ms": _spent(browser, "explorer.colorBy('gene:' + explorer.data.genes[0].name)"),
            "cut_ms": _spent(browser, "explorer.cutAt(12)"),
        }


def _rate(browser: Browser, n_frames: int) -> float:
    """Frames a second while the map is moved."""
    times = browser.js(_FRAMES % (n_frames, "3, 2"))
    return 1e3 * (len(times) - 1) / (times[-1] - times[0])


def _spent(browser: Browser, call: str) -> float:
    """Milliseconds until a call has been drawn."""
    drawn = f"(async () => {{ const t = performance.now(); await {call}; "
    drawn += "await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r))); "
    return float(browser.js(drawn + "return performance.now() - t; })()"))


def main() -> None:
    """Make the page and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cells", type=int, default=50_000)
    parser.add_argument("--genes", type=int, default=2_000, help="of the data; the page has 500")
    parser.add_argument("--page", type=Path, help="measure this page instead")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = args.page
        if page is None:
            path = Path(folder) / "cells.h5ad"
            simulate(path, args.cells, args.genes)
            page = write_report(fabricate(Path(folder), ad.read_h5ad(path)))
        for key, value in measure(page).items():
            sys.stdout.write(f"{key} {value:.4g}\n")


if __name__ == "__main__":
    main()
