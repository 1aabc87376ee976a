"""The paper's table of a registered set: published, oracle, last epoch, our default."""

import json
import logging
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from benchmarks.paper import summary
from scrcl.checkpoint import Checkpoint
from scrcl.clustering import ClusterTree, tree_of
from scrcl.data.labels import labels
from scrcl.datasets import DATASETS, simulated_tissue
from scrcl.experiment.protocols import Oracle
from scrcl.metrics import score
from scrcl.report.scores import scores
from scrcl.results import RunFolder
from scrcl.train import FLUSH_EVERY
from tests.running import Runner, interrupt_training, tree

SHORT = ("--epochs", 3, "--set", "model.n_hidden=16", "--set", "data.n_hvg=0", "--device", "cpu")
ROWS = ["published", "oracle", "label_free", "default_k_given", "default_k_found"]


@pytest.fixture
def data_dir(tmp_path: Path, adata_sc: ad.AnnData) -> Path:
    """A folder in which a set of the paper lies, though it is small."""
    folder = tmp_path / "datasets"
    (folder / "scdata").mkdir(parents=True)
    adata = adata_sc.copy()
    adata.obs = adata.obs.rename(columns={labels_of(adata): "cell_type1"})
    adata.write_h5ad(folder / "scdata" / "li_tumor.h5ad")
    return folder


def labels_of(adata: ad.AnnData) -> str:
    found = labels(adata, None, search=["cell_type1", "celltype"])
    assert found is not None
    return str(found.name)


def folder_of(runner: Runner, name: str) -> RunFolder:
    return RunFolder(runner.out / "SC" / "li_tumor" / name)


def rows_of(run: RunFolder) -> pd.DataFrame:
    return pd.read_csv(run.path / "summary.csv", index_col="protocol")


def test_a_set_of_the_paper_gets_the_whole_table(runner: Runner, data_dir: Path) -> None:
    given = ("--dataset", "li_tumor", "--data-dir", data_dir, "--seeds", "1,2", *SHORT)
    code, out, error = runner("sc", *given, "--json", "--no-figures")
    assert code == 0, error
    paper, default = folder_of(runner, "paper"), folder_of(runner, "default")
    table = rows_of(paper)
    assert table.index.tolist() == ROWS
    assert table.loc["published", "acc_mean"] == DATASETS["li_tumor"].published.acc == 0.7967
    assert table.loc["published", ["nmi_mean", "ari_mean", "n_clusters_mean"]].isna().all()
    assert table.loc[ROWS[3:], "time_ratio"].tolist() == [1, 1]
    # The row of the cut is what the tree of the default run gives, scored.
    truth = ad.read_h5ad(data_dir / "scdata" / "li_tumor.h5ad").obs["cell_type1"]
    aris = []
    for seed in (1, 2):
        arrays = default.load_tree(seed)
        cut = tree_of(arrays, arrays["leaves"]).clusters(truth.nunique()).labels
        aris.append(score(truth[arrays["obs_names"]], cut)["ari"])
    assert table.loc["default_k_given", "ari_mean"] == pytest.approx(np.mean(aris))
    found = rows_of(default).loc["label_free"]
    assert table.loc["default_k_found", "ari_mean"] == pytest.approx(found["ari_mean"])

    told = out.splitlines()
    for row in ROWS:
        explained = next(line for line in told if line.startswith(row.replace("_", "-") + ":"))
        assert ("picked with the labels" in explained) == (row in ROWS[:2]), explained
    assert list(json.loads(told[-1])["protocols"]) == ROWS
    said = json.loads(told[-1])["protocols"]
    assert [name for name in ROWS if said[name]["picked_with_labels"]] == ROWS[:2]
    shown = scores(paper)
    assert shown is not None
    assert [head.partition(" (")[0] for head in shown.columns] == [
        "score",
        "published",
        "oracle",
        "last epoch",
        "default preset, k given",
        "default preset, k found",
    ]
    assert shown.rows[0][1].text == "0.797"


def test_one_half_of_the_table_is_run_on_request(runner: Runner, data_dir: Path) -> None:
    given = ("--dataset", "li_tumor", "--data-dir", data_dir, "--seeds", 1, *SHORT)
    bare = ("--no-report", "--no-figures", "--quiet")
    assert runner("sc", *given, *bare, "--only", "default")[0] == 0
    assert not folder_of(runner, "paper").path.exists()
    assert rows_of(folder_of(runner, "default")).index.tolist() == [
        "published",
        "label_free",
        "default_k_given",
    ]
    assert runner("sc", *given, *bare, "--only", "paper", "--no-oracle")[0] == 0
    alone = folder_of(runner, "paper")
    assert rows_of(alone).index.tolist() == ["published", "label_free"]
    without = (alone.path / "seed_1" / "clusters.csv").read_bytes()
    assert runner("sc", *given, *bare, "--only", "paper", "--overwrite")[0] == 0
    assert rows_of(alone).index.tolist() == ["published", "oracle", "label_free"]
    assert (alone.path / "seed_1" / "clusters.csv").read_bytes() == without


def test_a_tree_that_does_not_go_as_deep_as_the_classes_gives_no_row(
    runner: Runner, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClusterTree, "n_max", 2)
    given = ("--dataset", "li_tumor", "--data-dir", data_dir, "--seeds", 1, *SHORT)
    code, _, error = runner(
        "sc", *given, "--only", "default", "--no-report", "--no-figures", "--quiet"
    )
    assert code == 0, error
    assert "default_k_given" not in rows_of(folder_of(runner, "default")).index


def test_neither_run_begins_where_one_of_them_is_there(runner: Runner, data_dir: Path) -> None:
    given = ("--dataset", "li_tumor", "--data-dir", data_dir, "--seeds", 1, *SHORT)
    bare = ("--no-report", "--no-figures", "--quiet")
    assert runner("sc", *given, *bare, "--only", "paper")[0] == 0
    before = tree(runner.out)
    code, _, error = runner("sc", *given, *bare)
    assert code == 2
    assert "--resume" in error
    assert tree(runner.out) == before
    assert runner("sc", *given, *bare, "--resume")[0] == 0
    assert rows_of(folder_of(runner, "paper")).index.tolist() == ROWS


def test_a_set_of_the_paper_without_labels_has_no_table(
    runner: Runner, data_dir: Path, adata_sc: ad.AnnData
) -> None:
    adata = ad.AnnData(adata_sc.X, var=adata_sc.var)
    adata.obs_names = adata_sc.obs_names
    adata.write_h5ad(data_dir / "scdata" / "li_tumor.h5ad")
    given = ("--dataset", "li_tumor", "--data-dir", data_dir, "--seeds", 1, "--no-report", *SHORT)
    code, _, error = runner("sc", *given, "--n-clusters", 3, "--no-figures")
    assert code == 0, error
    assert rows_of(folder_of(runner, "paper")).index.tolist() == ["label_free"]


def test_a_tissue_of_the_paper_gets_it_too(runner: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "datasets" / "stdata" / "Mouse_Embryo_E9.5"
    folder.mkdir(parents=True)
    adata = simulated_tissue(n_obs=150, n_genes=120, n_domains=3)
    adata.obs = adata.obs.rename(columns={"domain": "annotation"})
    adata.write_h5ad(folder / "E9.5_E1S1.MOSTA.h5ad")
    given = ("--dataset", "Mouse_Embryo_E9.5", "--data-dir", tmp_path / "datasets", "--seeds", 1)
    code, _, error = runner("st", *given, *SHORT, "--no-report", "--no-figures")
    assert code == 0, error
    table = rows_of(RunFolder(runner.out / "ST" / "Mouse_Embryo_E9.5" / "paper"))
    assert table.index.tolist() == list(ROWS)
    assert table.loc["published", "ari_mean"] == 0.43


def test_an_interrupted_oracle_is_resumed_to_the_same_bits(
    runner: Runner, adata_sc: ad.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--oracle", "--epochs", 3 * FLUSH_EVERY, "--no-report", "--no-figures")
    whole = tree(runner.fast("sc", adata_sc, *given))
    monkeypatch.setattr(Checkpoint, "due", lambda _: True)
    command = ("--input", runner.folder / "cells.h5ad", "--config", runner.config, *given)
    command += ("--device", "cpu")
    with monkeypatch.context() as patch:
        interrupt_training(patch, after=2 * FLUSH_EVERY)
        assert runner("sc", *command, "--overwrite")[0] == 130
    assert runner("sc", *command, "--resume")[0] == 0
    again = tree(runner.run_of("sc"))
    for name in ("clusters.csv", "clusters_oracle.csv", "history.csv", "metrics.json"):
        assert again[f"seed_0/{name}"] == whole[f"seed_0/{name}"]
    assert RunFolder(runner.run_of("sc")).seconds == {}


def test_what_an_oracle_saw_goes_through_a_file() -> None:
    truth = pd.Series(pd.Categorical(["a", "b", "a", "b"]))
    first, second = (Oracle(truth, seed=0, spots=None) for _ in range(2))
    second.load_state_dict(first.state_dict())
    assert second.best_labels is None
    first.best_labels, first.best_epoch, first.best_value = np.array([0, 1, 0, 1]), 4, 0.5
    first.history.append({"oracle_nmi": 0.5})
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(second.clusters(), [0, 1, 0, 1])
    assert (second.best_epoch, second.best_value, second.history) == (4, 0.5, first.history)


def test_the_benchmark_says_what_was_picked_with_labels() -> None:
    row = {"set": "Zeisel", "variant": "", "acc": 0.5, "nmi": 0.5, "ari": 0.5, "f1": 0.5}
    row |= {"n_clusters": 7, "epoch": 3, "n_obs": 10, "part": ""}
    rows = [
        row | {"protocol": protocol, "seed": seed}
        for protocol in ("label_free", "oracle")
        for seed in (5, 15)
    ]
    rows.append(row | {"protocol": "oracle", "seed": 5, "variant": "without cvc", "ari": 0.25})
    table = summary(pd.DataFrame(rows))
    names = [name for _, name in table.index]
    assert [name.partition(":")[0].partition(",")[0] for name in names] == [
        "published",
        "**oracle** (epoch picked with the labels)",
        "last epoch",
        "**oracle** (epoch picked with the labels)",
    ]
    assert names[-1].endswith("without cvc")
    assert table["ari"].tolist() == ["0.754", "0.500 ± 0.000", "0.500 ± 0.000", "0.250"]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
