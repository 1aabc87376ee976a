"""Which figures a run gets."""

import logging
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl._validate import InputError
from scrcl.experiment.figures import draw
from scrcl.results import RunFolder, SeedResult, annotated
from tests.running import Runner


@pytest.fixture
def seed(adata_st: ad.AnnData) -> SeedResult:
    """Two domains, all fields filled; the last spot was dropped."""
    rng = np.random.default_rng(0)
    return SeedResult(
        seed=1,
        obs_names=adata_st.obs_names[:35],
        clusters=np.arange(35) // 18,
        embedding=rng.random((35, 4), dtype=np.float32),
        history=[{"epoch": 1, "total": 2.0}, {"epoch": 2, "total": 1.0}],
        metrics={"label_free": {"n_clusters": 2, "epoch": 1}},
        confidence=rng.random(35),
        stability=pd.Series([0.9, 0.8]),
        curve=pd.DataFrame({"n_clusters": [2, 3], "criterion": [0.9, 0.5]}),
    )


def drawn(run: RunFolder) -> list[str]:
    return sorted(path.name for path in (run.path / "figures").iterdir())


ALWAYS = ["n_clusters.png", "stability.png", "training_curve.png", "umap.png"]
ON_TISSUE = ["confidence.png", "domains.png", "paga.png"]


@pytest.mark.parametrize("tissue", [False, True], ids=["cells", "tissue"])
def test_a_seed_is_drawn_with_everything_that_it_knows(
    adata_st: ad.AnnData, seed: SeedResult, tmp_path: Path, *, tissue: bool
) -> None:
    run = RunFolder(tmp_path)

    draw(run, annotated(adata_st, seed, {}), seed, tissue=tissue)

    assert drawn(run) == sorted([*ALWAYS, *ON_TISSUE] if tissue else ALWAYS)


def test_a_seed_that_knows_little_is_drawn_too(
    adata_st: ad.AnnData, seed: SeedResult, tmp_path: Path
) -> None:
    plain = SeedResult(
        seed=1,
        obs_names=seed.obs_names,
        clusters=seed.clusters,
        embedding=seed.embedding,
        history=[],
        metrics=seed.metrics,
    )
    adata_st.obs["slide"] = ["a"] * 20 + ["b"] * 16
    labels = adata_st.obs["ground_truth"]

    run = RunFolder(tmp_path)
    draw(run, annotated(adata_st, plain, {}), plain, labels=labels, slice_key="slide", tissue=True)

    assert drawn(run) == ["confusion.png", "domains.png", "paga.png", "umap.png"]


def test_a_figure_that_cannot_be_drawn_is_left_out_with_a_note(
    adata_st: ad.AnnData, seed: SeedResult, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    adata = annotated(adata_st, seed, {})
    adata.obs["scrcl"] = pd.Categorical(["0"] * 35 + [None])
    run = RunFolder(tmp_path)

    with caplog.at_level(logging.WARNING, logger="scrcl"):
        draw(run, adata, seed, tissue=True)

    assert "paga.png" not in drawn(run)
    assert "domains.png" in drawn(run)
    assert "paga.png: not drawn, obs['scrcl']: got 1 group" in caplog.text


def test_a_folder_for_figures_that_cannot_be_written_is_said_in_one_line(
    adata_st: ad.AnnData, seed: SeedResult, tmp_path: Path
) -> None:
    (tmp_path / "figures").write_text("a file")

    with pytest.raises(InputError, match="output: cannot write"):
        draw(RunFolder(tmp_path), annotated(adata_st, seed, {}), seed)


def test_without_figures_nothing_is_laid_out_or_drawn(
    adata_sc: ad.AnnData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = Runner(tmp_path, capsys)

    run = runner.fast("sc", adata_sc, "--n-clusters", 3, "--no-figures")

    assert not list(run.rglob("*.png"))
    assert "X_scrcl_umap" not in ad.read_h5ad(run / "result.h5ad").obsm
    assert (run / "markers" / "markers.csv").is_file()
    assert "<img" not in (run / "report.html").read_text("utf-8")
