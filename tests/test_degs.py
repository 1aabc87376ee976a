"""Marker genes of a run: joined by name, filtered, drawn, and written once."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from tests.running import Runner, tree

FIGURES = [
    *("dotplot.png", "heatmap.png", "matrixplot.png", "ranking.png", "stacked_violin.png"),
    "umap_markers.png",
]
WRITTEN = sorted(["markers.csv", "notes.txt", *FIGURES])


@pytest.fixture
def run(runner: Runner, adata_sc: ad.AnnData, kept: Path) -> Path:
    """A run whose clusters are the true types."""
    run = runner.shared(kept, "sc", adata_sc)
    clusters = pd.DataFrame({"obs_name": adata_sc.obs_names, "cluster": np.arange(45) % 3})
    clusters.to_csv(run / "seed_0" / "clusters.csv", index=False)
    return run


def degs(runner: Runner, *arguments: object) -> tuple[Path, str]:
    """Folder that was written, and what was said on stderr."""
    code, out, error = runner("degs", *arguments)
    assert code == 0, error
    return Path(out.splitlines()[-1].removeprefix("-> ")), error


def refused(runner: Runner, *arguments: object) -> str:
    code, out, error = runner("degs", "--quiet", *arguments)
    assert (code, out) == (2, "")
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


def test_without_arguments_it_takes_the_newest_run_of_single_cells(
    runner: Runner, adata_st: ad.AnnData, run: Path
) -> None:
    runner.fast("st", adata_st)

    folder, _ = degs(runner)

    assert folder == run / "degs" / "seed_0_scrcl_wilcoxon"
    assert sorted(tree(folder)) == WRITTEN


def test_the_markers_are_the_genes_that_were_made_high(runner: Runner, run: Path) -> None:
    folder, _ = degs(runner)

    table = pd.read_csv(folder / "markers.csv")

    assert list(table) == [
        *("group", "rank", "gene", "score", "log2_fold_change", "p_value", "p_adjusted"),
        *("fraction_in", "fraction_out", "kept"),
    ]
    for group, rows in table[table["rank"] <= 10].groupby("group"):
        numbers = rows["gene"].str.removeprefix("gene").astype(int)
        assert (numbers % 3 == group).mean() > 0.8


def test_the_counts_are_normalised_first(
    runner: Runner, adata_sc: ad.AnnData, run: Path, tmp_path: Path
) -> None:
    """Sequencing one cell ten times as deep must not make its cluster's genes markers."""
    folder, _ = degs(runner)
    expected = pd.read_csv(folder / "markers.csv")
    deeper = adata_sc.copy()
    deeper.X = (deeper.X.T.multiply(np.where(np.arange(45) == 0, 10, 1))).T.tocsr()

    folder, _ = degs(runner, "--input", runner.save(deeper, "deeper"), "--run", run, "--overwrite")

    pd.testing.assert_frame_equal(pd.read_csv(folder / "markers.csv"), expected)


def test_clusters_are_joined_by_name_whatever_the_order(
    runner: Runner, adata_sc: ad.AnnData, run: Path
) -> None:
    folder, _ = degs(runner)
    expected = pd.read_csv(folder / "markers.csv").set_index(["group", "gene"])["score"]
    backwards = runner.save(adata_sc[::-1].copy(), "backwards")

    folder, _ = degs(runner, "--dataset", "cells", "--input", backwards, "--overwrite")

    found = pd.read_csv(folder / "markers.csv").set_index(["group", "gene"])["score"]
    pd.testing.assert_series_equal(found.sort_index(), expected.sort_index())


def test_data_with_other_cells_are_refused(runner: Runner, adata_sc: ad.AnnData, run: Path) -> None:
    other = adata_sc[:40].copy()
    other.obs_names = ["stranger", *other.obs_names[1:]]

    error = refused(runner, "--run", run, "--input", runner.save(other, "other"))

    assert "got 1 in" in error
    assert "and 6 of the run that are not in the data" in error


def test_cells_without_a_cluster_are_left_out_with_a_note(runner: Runner, run: Path) -> None:
    path = run / "seed_0" / "clusters.csv"
    table = pd.read_csv(path)
    table["cluster"] = table["cluster"].astype("Int64").where(table.index != 4)
    table.to_csv(path, index=False)

    assert "1 cell without a group" in degs(runner)[1]


def test_small_clusters_and_clusters_without_markers_are_reported(
    runner: Runner, adata_sc: ad.AnnData, run: Path
) -> None:
    path = run / "seed_0" / "clusters.csv"
    table = pd.read_csv(path)
    table["cluster"] = [9, 9, *(np.arange(43) % 2)]  # across the types
    table.to_csv(path, index=False)

    _, error = degs(runner)

    assert "group 9: not tested, it has 2 of at least 3 cells" in error
    assert "group 1: no gene is in more than 50% of its cells" in error


def test_no_marker_at_all_leaves_the_ranking_and_the_table(
    runner: Runner, adata_sc: ad.AnnData
) -> None:
    adata_sc.obs["random"] = list("ab" * 22 + "a")

    folder, error = degs(runner, "--input", runner.save(adata_sc), "--groupby", "random")

    assert "dotplot: not drawn" in error
    assert sorted(tree(folder)) == ["markers.csv", "notes.txt", "ranking.png"]
    assert not pd.read_csv(folder / "markers.csv")["kept"].any()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        pytest.param(["--method", "t-test"], "scrcl_t-test", id="t-test"),
        pytest.param(["--method", "logreg"], "scrcl_logreg", id="logreg"),
        pytest.param(["--vs", "2"], "scrcl_wilcoxon_vs_2", id="pair"),
    ],
)
def test_each_test_has_a_folder_of_its_own(
    runner: Runner, run: Path, arguments: list[str], name: str
) -> None:
    folder, _ = degs(runner, *arguments)

    assert folder.name == f"seed_0_{name}"
    groups = pd.read_csv(folder / "markers.csv")["group"].unique().tolist()
    assert groups == ([0, 1] if "--vs" in arguments else [0, 1, 2])


def test_any_column_of_any_file_can_be_the_grouping(runner: Runner, adata_sc: ad.AnnData) -> None:
    path = runner.save(adata_sc, "mine")

    folder, _ = degs(runner, "--input", path, "--groupby", "cell_type1", "--format", "svg")

    assert folder == runner.out / "DEGs" / "mine" / "cell_type1_wilcoxon"
    assert (folder / "heatmap.svg").is_file()


def test_asked_for_genes_are_drawn_and_unknown_ones_refused(runner: Runner, run: Path) -> None:
    folder, _ = degs(runner, "--genes", "gene3, gene5", "--format", "svg")

    assert "gene5" in (folder / "dotplot.svg").read_text()
    assert "got ['TTN']" in refused(runner, "--genes", "gene3,TTN", "--method", "t-test")


def test_the_best_gene_of_each_domain_is_mapped_on_the_tissue(
    runner: Runner, adata_st: ad.AnnData
) -> None:
    run = runner.fast("st", adata_st)

    folder, _ = degs(runner, "--run", run, "--groupby", "ground_truth")

    assert (folder / "tissue_markers.png").is_file()


def test_what_the_reader_has_to_know_is_written_beside_the_table(runner: Runner, run: Path) -> None:
    folder, error = degs(runner)

    notes = (folder / "notes.txt").read_text()
    assert "double dipping" in notes
    assert all(note in error for note in notes.splitlines())


def test_the_report_of_a_run_is_brought_up_to_date_and_none_is_made(
    runner: Runner, run: Path
) -> None:
    degs(runner)
    assert not (run / "report.html").exists()
    (run / "report.html").write_text("the earlier one")

    degs(runner, "--vs", "2")

    report = (run / "report.html").read_text()
    assert "seed_0_scrcl_wilcoxon_vs_2" in report
    assert report.count("<details>") == 3  # both questions, and the parameters


def test_an_earlier_answer_is_kept_unless_it_may_be_replaced(runner: Runner, run: Path) -> None:
    folder, _ = degs(runner)
    before = tree(folder)

    assert "--overwrite replaces it" in refused(runner, "--n-genes", 2)
    assert tree(folder) == before
    degs(runner, "--n-genes", 2, "--overwrite")
    assert tree(folder)["dotplot.png"] != before["dotplot.png"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["--dataset", "other"], "got no run with a finished seed", id="data set"),
        pytest.param(["--run", "other"], "got no run with a finished seed", id="run"),
        pytest.param(["--run", "."], "a folder without a finished seed", id="folder"),
        pytest.param(["--seed", 7], r"seed: got 7", id="seed"),
        pytest.param(["--groupby", "donor"], "obs column: got 'donor'", id="column"),
        pytest.param(["--vs", "9"], "reference: got '9'", id="group"),
        pytest.param(["--sample-key", "donor"], "obs column: got 'donor'", id="sample"),
        pytest.param(["--n-genes", 0], "--n-genes: invalid", id="no genes"),
        pytest.param(["--method", "anova"], "--method: invalid choice", id="method"),
        pytest.param(["--input", "nothing.h5ad"], "does not exist", id="file"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(
    runner: Runner, run: Path, arguments: list[object], expected: str
) -> None:
    before = tree(runner.folder)

    assert expected in refused(runner, *arguments)
    assert tree(runner.folder) == before


def test_no_run_at_all_is_answered_with_what_to_do(runner: Runner) -> None:
    assert "Run runSC.py or runST.py first" in refused(runner)
