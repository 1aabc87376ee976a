"""`scrcl cut`: a finished run with another number of clusters."""

import json
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scrcl
from scrcl import ScRCL
from scrcl.cli.program import main
from scrcl.experiment.cut import cut_run
from scrcl.results import RunFolder
from tests.running import Runner, tree

# As in the default, the network does not depend on the number of clusters.
TREE = ("--set", "cluster.method=consensus", "--set", "cluster.embedding=e", "--set", "n_latent=20")


@pytest.fixture
def run(runner: Runner, adata_sc: ad.AnnData, kept: Path) -> RunFolder:
    given = (*TREE, "--seeds", "0,1", "--n-clusters", 2)
    return RunFolder(runner.shared(kept, "sc", adata_sc, *given))


def test_a_cut_is_what_a_run_with_that_number_gives(
    run: RunFolder, runner: Runner, adata_sc: ad.AnnData, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.path / "report_genes.txt").write_text("gene1\n")
    before = tree(run.path)

    assert main(["cut", str(run.path), "--n-clusters", "4", "--json"]) == 0

    assert tree(run.path) == before
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    new = RunFolder(Path(told["path"]))
    assert (new.name, new.path.parent.name) == ("fast_4", run.path.parent.name)
    assert new.finished
    assert new.seeds == [0, 1]
    assert new.settings["cut_of"] == "fast"
    runner.fast("sc", adata_sc, *TREE, "--seeds", "0,1", "--n-clusters", 4, "--overwrite")
    for seed in (0, 1):
        pd.testing.assert_frame_equal(new.load_clusters(seed), run.load_clusters(seed))
        scores = new.load_metrics(seed)["label_free"]
        assert scores == pytest.approx(run.load_metrics(seed)["label_free"])
        assert scores["n_clusters"] == 4
    result = ad.read_h5ad(new.path / "result.h5ad")
    assert result.obs["scrcl"].nunique() == result.uns["scrcl"]["n_clusters"] == 4
    assert "scrcl_association" not in result.varm
    assert not (new.path / "seed_0" / "gene_associations.csv").exists()
    for kept in ("qc.csv", "report_genes.txt"):
        assert (new.path / kept).read_bytes() == before[kept]
    models = [ScRCL.load(folder / "seed_0" / "model") for folder in (new.path, run.path)]
    cut, trained = (model.predict(adata_sc) for model in models)
    pd.testing.assert_frame_equal(cut, trained)


def test_domains_are_cut_as_clusters_are(runner: Runner, adata_st: ad.AnnData) -> None:
    method = ("--set", "cluster.method=domains")
    run = RunFolder(runner.fast("st", adata_st, *method))
    seed = run.path / "seed_0"
    splits = pd.read_csv(seed / "splits.csv")
    assert {"mixing", "null_distance", "n_genes", "supported"} <= set(splits)
    found = run.load_clusters(0)
    assert main(["cut", str(run.path), "--n-clusters", "3", "--quiet"]) == 0
    cut = run.beside("fast_3")
    runner.fast("st", adata_st, *method, "--n-clusters", 3, "--overwrite")
    pd.testing.assert_frame_equal(cut.load_clusters(0), run.load_clusters(0))
    assert cut.load_clusters(0)["cluster"].nunique() == 3
    models = [ScRCL.load(folder / "seed_0" / "model") for folder in (cut.path, run.path)]
    pd.testing.assert_frame_equal(*(model.predict(adata_st) for model in models))
    assert main(["cut", str(cut.path), "--name", "again", "--quiet"]) == 0
    pd.testing.assert_frame_equal(run.beside("again").load_clusters(0), found)
    result = ad.read_h5ad(run.beside("again").path / "result.h5ad")
    scrcl.cut(result, 3, levels=True)
    assert {"scrcl_coarse", "scrcl_default", "scrcl_fine"} <= set(result.obs)
    assert result.obs["scrcl"].astype(int).tolist() == cut.load_clusters(0)["cluster"].tolist()


def test_the_newest_run_is_cut_by_name_or_by_default(run: RunFolder, runner: Runner) -> None:
    out = ("--out", str(runner.out), "--quiet")
    assert main(["cut", "--n-clusters", "3", *out]) == 0
    assert main(["cut", "fast", "--granularity", "fine", "--name", "finer", *out]) == 0
    found = RunFolder(run.path.with_name("finer"))
    assert "granularity: 2.0" in found.config
    assert run.path.with_name("fast_3").is_dir()


def test_an_earlier_cut_stays_unless_it_is_to_be_replaced(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = ["cut", str(run.path), "--n-clusters", "3", "--quiet"]
    assert main(cut) == 0
    assert main(cut) == 2
    assert "where a finished earlier run is" in capsys.readouterr().err
    assert main([*cut, "--overwrite"]) == 0


def test_clusters_that_stay_keep_their_names(
    run: RunFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = tmp_path / "names.csv"
    names.write_text("cluster,name\n0,alpha\n1,beta\n")
    assert main(["rename", str(run.path), "--names", str(names)]) == 0
    finer = cut_run(run, 3, report=False, figures=False).run

    before, after = (folder.load_clusters(0)["cluster"] for folder in (run, finer))
    table = pd.crosstab(before, after) > 0
    (whole,) = table.index[table.sum(axis=1) == 1]
    (same,) = after[before == whole].unique()
    name, other = ("alpha", "beta") if whole == 0 else ("beta", "alpha")
    assert finer.names == finer.shown_names == {str(same): name}
    assert f"names: dropped '{other}' ({1 - whole})" in caplog.text
    result = ad.read_h5ad(finer.path / "result.h5ad")
    assert result.obs["scrcl_name"].notna().equals(result.obs["scrcl"] == str(same))
    assert set(result.obs["scrcl_name"].dropna()) == {name}
    written = pd.read_csv(finer.path / "seed_0" / "clusters.csv", keep_default_na=False)
    assert set(written.loc[written["cluster"] == same, "name"]) == {name}


def test_parts_of_one_name_that_are_joined_have_it(run: RunFolder) -> None:
    finer = cut_run(run, 3, report=False, figures=False).run
    table = pd.crosstab(*(folder.load_clusters(0)["cluster"] for folder in (finer, run))) > 0
    (joined,) = table.columns[table.sum() == 2]
    parts = [str(part) for part in table.index[table[joined]]]
    (single,) = {"0", "1", "2"} - set(parts)
    suggested = pd.DataFrame(
        {"cluster": ["0", "1", "2"], "name": "T", "with": "", "best": "T", "score": 0.25}
    )
    suggested.loc[suggested["cluster"] == single, "name"] = "B"
    suggested.to_csv(finer.path / "cluster_names.csv", index=False)

    coarser = cut_run(finer, 2, name="coarser", report=False, figures=False).run

    found = pd.read_csv(coarser.path / "cluster_names.csv", dtype=str).set_index("cluster")
    assert coarser.names == {}
    assert found.loc[str(joined), "name"] == "T"
    assert pd.isna(found.loc[str(joined), "score"])  # what was measured is of the parts
    assert found.loc[str(1 - joined), ["name", "best", "score"]].tolist() == ["B", "T", "0.25"]
    result = ad.read_h5ad(coarser.path / "result.h5ad")
    assert set(result.obs["scrcl_name"]) == {"T", "B"}


def test_the_seed_that_is_shown_stays(runner: Runner, adata_sc: ad.AnnData) -> None:
    run = RunFolder(runner.fast("sc", adata_sc, *TREE, "--seeds", "1,0", "--n-clusters", 2))
    assert cut_run(run, 3, report=False, figures=False).run.shown_seed == run.shown_seed == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--n-clusters", "1000"], "n_clusters: got 1000"),
        (["--granularity", "9"], "cluster.granularity"),
        (["--n-clusters", "3", "--name", "a/b"], "got the name 'a/b'"),
    ],
)
def test_what_cannot_be_cut_is_one_line_and_leaves_nothing(
    run: RunFolder, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    there = sorted(run.path.parent.iterdir())
    assert main(["cut", str(run.path), *flags]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1
    assert sorted(run.path.parent.iterdir()) == there


def test_a_run_without_a_tree_or_result_is_refused(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.path / "result.h5ad").unlink()
    assert main(["cut", str(run.path), "--n-clusters", "3"]) == 2
    assert "without result.h5ad" in capsys.readouterr().err
    (run.path / "seed_1" / "tree.npz").unlink()
    assert main(["cut", str(run.path), "--n-clusters", "3"]) == 2
    assert "seed 1 has no tree" in capsys.readouterr().err


def test_data_without_labels_have_no_scores(runner: Runner, adata_sc: ad.AnnData) -> None:
    bare = adata_sc.copy()
    bare.obs = bare.obs[[]]
    run = RunFolder(runner.fast("sc", bare, *TREE, "--n-clusters", 2))
    outcome = cut_run(run, 3, report=False, figures=False)
    assert set(outcome.run.load_metrics(0)["label_free"]) == {"n_clusters", "epoch"}
    assert outcome.n_obs + outcome.n_left_out == bare.n_obs
    outliers = outcome.run.load_result(0).outliers
    assert outliers is not None
    assert outliers.dtype == np.bool_
