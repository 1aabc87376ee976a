"""Data with nothing, or little, to find."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import power, readme, structure
from benchmarks.planted import DESIGNS, Design, shuffled, simulate

SMALL = Design(120, 60, 3_000, 0.5, 0.2)


def test_a_share_of_the_cells_has_genes_that_differ() -> None:
    adata, planted = simulate(SMALL, 0, share=0.25, n_markers=10, log2_fold=4.0)
    assert planted.sum() == 30
    X = adata.X.toarray()
    log = np.log2(X[planted].mean(axis=0) + 1) - np.log2(X[~planted].mean(axis=0) + 1)
    assert (np.abs(log) > 1.5).sum() >= 8
    nothing, _ = simulate(SMALL, 0)
    assert (nothing.X != simulate(SMALL, 0)[0].X).nnz == 0
    assert {*DESIGNS} == {"few_cells", "typical", "many_cells", "uneven_depth", "shallow"}


def test_shuffling_keeps_each_gene_and_the_depth_classes() -> None:
    adata, planted = simulate(
        Design(400, 300, 3_000, 0.3, 0.05), 1, share=0.5, n_markers=60, log2_fold=1.5
    )
    mixed = shuffled(adata, 0)
    before, after = adata.X.toarray(), mixed.X.toarray()
    np.testing.assert_array_equal(np.sort(before, axis=0), np.sort(after, axis=0))
    # The groups are what most genes follow together; afterwards nothing is.
    shares = []
    for X in (before, after):
        log = np.log1p(X / X.sum(axis=1, keepdims=True) * 1_000)
        values = np.linalg.svd(log - log.mean(axis=0), compute_uv=False) ** 2
        shares.append(values[0] / values.sum())
    assert shares[1] < shares[0] / 3
    assert planted.sum() == 200


def test_the_overlap_is_that_of_the_cluster_that_fits_best() -> None:
    planted = np.array([True, True, True, False, False])
    assert power.overlap(np.array([0, 0, 1, 1, 1]), planted) == pytest.approx(2 / 3)
    assert power.overlap(np.array([-1, -1, -1, 0, 0]), planted) == 0


def test_what_is_there_is_not_run_again(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def two(adata: object, seed: int) -> np.ndarray:
        asked.append(seed)
        return np.array([0, 1, 1, -1])

    monkeypatch.setattr(structure, "METHODS", {"two": two})
    jobs = [("simulated", "a", seed, lambda: None) for seed in (0, 1)]
    path = tmp_path / "structure.csv"
    structure.fill(path, iter(jobs[:1]), ["two"])
    structure.fill(path, iter(jobs), ["two"])
    assert asked == [0, 1]
    table = pd.read_csv(path)
    assert table["n_clusters"].tolist() == [2, 2]
    assert structure.summary(table)["share with one cluster"].tolist() == [0.0]
    assert "simulated, two | 2 | 0.000 | 2.000" in readme.content_of(path, "structure")


def test_the_share_of_runs_that_find_a_group_is_shown_by_its_size(tmp_path) -> None:
    path = tmp_path / "power.csv"
    pd.DataFrame(
        {
            "share": [0.01, 0.01, 0.5],
            "log2_fold": 1.0,
            "seed": [0, 1, 0],
            "method": "ours",
            "n_clusters": 2,
            "overlap": [0.5, 0.1, 1.0],
        }
    ).to_csv(path, index=False)
    text = readme.content_of(path, "power")
    assert "|  | 1% of the cells | 50% of the cells |" in text
    assert "| ours, 1.0 | 0.500 | 1.000 |" in text
