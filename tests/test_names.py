"""What genes are called in the files and figures of a run, and what takes part."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from tests.running import Runner


@pytest.fixture
def ensembl(adata_sc) -> ad.AnnData:
    """``adata_sc`` with identifiers for names and symbols beside them, two of which are the same."""
    adata = adata_sc.copy()
    adata.var["feature_name"] = [f"SYM{max(i, 1)}" for i in range(60)]
    adata.var_names = [f"ENSG{i:011d}" for i in range(60)]
    return adata


def test_symbols_stand_beside_identifiers_and_marker_lists_find_them(tmp_path, capsys, ensembl):
    runner = Runner(tmp_path, capsys)  # with markers and report
    path = runner.save(ensembl)
    lists = runner.folder / "lists.csv"
    lists.write_text("t0,SYM3\nt0,SYM6\nt1,ENSG00000000004.7\nt2,sym2\nt2,SYM5\n")
    asked = ("--config", runner.config, "--n-clusters", 3, "--markers", lists, "--no-figures")
    code, _, said = runner("sc", "--input", path, *asked)
    assert code == 0, said
    run = runner.run_of("sc")
    for name in ("markers/markers.csv", "seed_0/gene_associations.csv", "seed_0/gene_modules.csv"):
        table = pd.read_csv(run / name)
        assert (table["gene"].str.startswith("ENSG")).all()
        assert list(table.columns).index("symbol") == list(table.columns).index("gene") + 1
        assert table["symbol"].str.startswith("SYM").all()
    assert "SYM1 (ENSG00000000001)" in set(table["symbol"])
    names = pd.read_csv(run / "cluster_names.csv")
    assert set(names["best"]) <= {"t0", "t1", "t2"}
    assert "SYM" in (run / "report.html").read_text("utf-8")


def test_genes_are_drawn_by_symbol_or_identifier(runner, ensembl):
    path = runner.save(ensembl)
    wanted = "SYM7,ENSG00000000009"
    asked = ("--groupby", "cell_type1", "--genes", wanted)
    code, out, said = runner("degs", "--input", path, *asked)
    assert code == 0, said
    (table,) = (runner.out / "DEGs").rglob("markers.csv")
    assert "symbol" in pd.read_csv(table)
    assert "ENSG" not in out
    assert "not drawn" not in (table.parent / "notes.txt").read_text("utf-8")
    code, _, said = runner("degs", "--input", path, "--overwrite", *asked[:2], "--genes", "NOPE")
    assert code == 2
    assert "SYM" in said


def test_antibodies_are_left_out_unless_asked_for(runner, adata_sc):
    loud = np.full((45, 2), 900, dtype=np.float32)
    var = pd.DataFrame(index=[*adata_sc.var_names, "ADT-CD3", "ADT-CD4"])
    X = sp.hstack([adata_sc.X, sp.csr_matrix(loud)], format="csr")
    mixed = ad.AnnData(X, adata_sc.obs.copy(), var)
    path = runner.save(mixed)
    code, out, said = runner(
        "sc", "--input", path, "--config", runner.config, "--n-clusters", 3, "--no-report"
    )
    assert code == 0, said
    assert "60 genes used, 2 antibodies left out" in said
    assert "60 genes" in out
    path = runner.save(mixed[:, -2:].copy(), "antibodies")
    code, _, said = runner(
        "sc", "--input", path, "--config", runner.config, "--n-clusters", 3, "--no-report"
    )
    assert code == 2
    assert "--features 'antibodies'" in said
