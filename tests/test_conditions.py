"""`--condition-key` and `--sample-key`: from the command line to the page."""

import json
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl.cli.program import main
from scrcl.report import write_report
from scrcl.results import RunFolder
from tests.report.test_page import Page
from tests.running import Runner, tree

TREE = ("--set", "cluster.method=consensus", "--set", "cluster.embedding=e", "--set", "n_latent=20")
KEYS = ("--condition-key", "stim_dose", "--sample-key", "donor")


@pytest.fixture
def adata(adata_sc: ad.AnnData) -> ad.AnnData:
    """Four donors, two of each condition, of more than ten cells each."""
    adata = adata_sc.copy()
    adata.obs["donor"] = np.arange(45) % 4
    adata.obs["stim_dose"] = np.where(np.arange(45) % 4 < 2, "none", "NA")
    return adata


def test_conditions_are_compared_and_change_no_cluster(
    runner: Runner, adata: ad.AnnData, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = runner.fast("sc", adata, *TREE, "--n-clusters", 3)
    seed = tree(plain / "seed_0")
    assert not (plain / "composition").exists()

    run = runner.fast("sc", adata, *TREE, "--n-clusters", 3, *KEYS, "--resume")

    after = tree(run / "seed_0")
    assert after == seed
    table = pd.read_csv(run / "composition" / "composition.csv", keep_default_na=False)
    assert table[["condition", "against"]].drop_duplicates().to_numpy().tolist() == [["none", "NA"]]
    assert table["p_value"].between(0, 1).all()
    samples = pd.read_csv(run / "composition" / "samples.csv")
    assert samples["n_cells"].sum() == 45
    assert (run / "figures" / "composition.png").is_file()
    page = Page(write_report(RunFolder(Path(run))))
    assert "Tested over samples of obs['donor'] (NA 2, none 2)" in page.text
    assert "log odds ratio" in [head for row in page.rows for head in row]
    assert "obs['stim_dose'] over samples of obs['donor']" in page.text
    (start,) = (text for text in page.texts if text.lstrip().startswith('{"title"'))
    names = [column["name"] for column in json.loads(start)["columns"]]
    assert names[:3] == ["cell_type1", "stim_dose", "donor"]

    assert main(["cut", str(run), "--n-clusters", "2", "--quiet"]) == 0

    cut = pd.read_csv(run.with_name("fast_2") / "composition" / "composition.csv")
    assert cut["cluster"].tolist() == [0, 1]
    assert RunFolder(run.with_name("fast_2")).settings["sample_key"] == "donor"

    runner.fast("sc", adata, *TREE, "--n-clusters", 3, "--resume")
    assert not (run / "composition").exists()
    assert not (run / "figures" / "composition.png").exists()
    assert 'id="conditions"' not in write_report(RunFolder(run)).read_text()


def test_a_column_that_is_not_there_is_refused_before_anything_is_trained(
    runner: Runner, adata: ad.AnnData
) -> None:
    path = runner.save(adata)
    for flags, said in (
        (("--condition-key", "stimdose"), "Did you mean stim_dose?"),
        (("--condition-key", "stim_dose", "--sample-key", "doner"), "Did you mean donor?"),
        (("--sample-key", "donor"), "without a condition key"),
    ):
        code, _, error = runner("sc", "--input", path, "--config", runner.config, *flags)
        assert code == 2
        assert said in error
    assert not runner.run_of("sc").exists()


def test_conditions_without_a_cluster_are_said_and_the_run_goes_on(
    runner: Runner, adata: ad.AnnData
) -> None:
    """Cells of one condition have no count, so that no cluster can hold them."""
    X = adata.X.copy()
    X.data = np.where(np.repeat(np.arange(45) % 4 < 2, np.diff(X.indptr)), X.data, 0)
    X.eliminate_zeros()
    adata = ad.AnnData(X, adata.obs, adata.var)

    run = runner.fast("sc", adata, *TREE, "--n-clusters", 2, "--no-figures", *KEYS)

    assert not (run / "composition").exists()
    assert RunFolder(run).finished


def test_a_tissue_has_shares_of_its_domains(runner: Runner, adata_st: ad.AnnData) -> None:
    adata = adata_st.copy()
    adata.obs["side"] = np.where(np.arange(36) % 6 < 3, "left", "right")
    run = runner.fast("st", adata, "--n-clusters", 2, "--condition-key", "side")
    table = pd.read_csv(Path(run) / "composition" / "composition.csv")
    assert table["p_value"].isna().all()
    text = Page(write_report(RunFolder(Path(run)))).text
    assert "cells of one sample are no replicates" in text
    assert "conditions (adjusted p" not in text


@pytest.mark.parametrize(("shift", "said"), [(0, "No cluster's share"), (40, "2 of 2 clusters")])
def test_the_page_says_what_differs(tmp_path: Path, shift: int, said: str) -> None:
    from scrcl import composition  # noqa: PLC0415
    from scrcl.report.conditions import read_conditions  # noqa: PLC0415
    from tests.clustering.test_composition import cells  # noqa: PLC0415

    counts = {(c, f"{c}{i}"): [50 + i + shift * (c == "b"), 100] for c in "ab" for i in range(4)}
    counts |= {("c", f"c{i}"): [50 + i, 100] for i in range(4)}
    found = composition(cells(counts), condition_key="stim", sample_key="donor")
    folder = tmp_path / "composition"
    folder.mkdir()
    found.table.to_csv(folder / "composition.csv", index=False)
    (folder / "notes.txt").write_text("note\n")

    read = read_conditions(RunFolder(tmp_path), {"0": "#000000", "1": "#ffffff"}, {"0": "B"})

    assert read is not None
    assert read.said.startswith(said)
    assert read.notes == ["note"]
    assert ("cluster 0 (B) 47.8% of b, 34.0% of the others" in read.said) == (shift > 0)
    assert len(read.table.rows) == 6
    assert all(len(row) == len(read.table.columns) for row in read.table.rows)
