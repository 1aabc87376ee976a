"""Results in the formats of other programs, opened by what reads these."""

import gzip
import shutil
import sys
from pathlib import Path

import anndata as ad
import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.io

from benchmarks.explorer import fabricate
from scrcl._validate import InputError
from scrcl.cli.program import _PROGRAMS, main
from scrcl.experiment import FORMATS, export_run, rename_clusters
from scrcl.results import RunFolder
from tests.report.made_up import made_up_cells, made_up_tissue


def barcoded(n_obs=80):
    adata = made_up_cells(n_obs)
    letters = np.random.default_rng(0).choice(list("ACGT"), (n_obs, 16))
    adata.obs_names = ["".join(row) for row in letters]
    return adata


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return fabricate(tmp_path_factory.mktemp("made"), barcoded(), n_leaves=12).path


@pytest.fixture
def run(made, tmp_path):
    return RunFolder(Path(shutil.copytree(made, tmp_path / "SC" / "made_up" / "default")))


@pytest.fixture
def tissue_run(tmp_path):
    return made_up_tissue(tmp_path)


@pytest.fixture
def result(run):
    return ad.read_h5ad(run.path / "result.h5ad")


def test_the_command_offers_every_format():
    assert tuple(FORMATS) == _PROGRAMS


def test_tables(run, result):
    folder = export_run(run, "csv")
    assert folder == run.path / "export" / "csv"
    assert sorted(path.name for path in folder.iterdir()) == [
        "cells.csv",
        "embedding.csv",
        "umap.csv",
    ]
    cells = pd.read_csv(folder / "cells.csv", index_col="cell")
    assert list(cells.index) == list(result.obs_names)
    assert list(cells)[:3] == ["scrcl", "scrcl_confidence", "cell_type"]
    assert (cells["scrcl"] == result.obs["scrcl"].astype(int)).all()
    umap = pd.read_csv(folder / "umap.csv", index_col="cell")
    assert np.allclose(umap, result.obsm["X_scrcl_umap"], rtol=1e-4)


def test_loupe_gets_barcodes_categories_and_a_projection(run, result, tmp_path):
    names = tmp_path / "names.csv"
    names.write_text("cluster,name\n0,T cells\n")
    rename_clusters(run, names)
    folder = export_run(run, "loupe")
    table = pd.read_csv(folder / "categories.csv")
    assert list(table) == ["Barcode", "scRCL", "scRCL name"]
    assert (table["Barcode"] == result.obs_names + "-1").all()
    assert (table["scRCL"] == "Cluster " + result.obs["scrcl"].astype(str).to_numpy()).all()
    assert set(table.loc[table["scRCL"] == "Cluster 0", "scRCL name"]) == {"T cells"}
    places = pd.read_csv(folder / "umap.csv")
    assert list(places) == ["Barcode", "X Coordinate", "Y Coordinate"]
    assert np.isfinite(places[["X Coordinate", "Y Coordinate"]]).all(axis=None)


@pytest.mark.parametrize(
    ("name", "barcode"),
    [
        ("AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCAT-1"),
        ("s1_AAACCTGAGAAACCAT-3", "AAACCTGAGAAACCAT-3"),
        ("AAACCTGAGAAACCAT", "AAACCTGAGAAACCAT-1"),
        ("AAACCTGAGAAACCAT-1-donor2", "AAACCTGAGAAACCAT-1"),
    ],
)
def test_barcodes_are_found_in_names(name, barcode):
    from scrcl.experiment.export import _barcodes  # noqa: PLC0415

    assert list(_barcodes(pd.Index([name]))) == [barcode]


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["cell1"], "1 cells without a 10x barcode"),
        (["a_AAACCTGAGAAACCAT-1", "b_AAACCTGAGAAACCAT-1"], "more than once"),
    ],
)
def test_cells_that_loupe_would_not_find_are_refused(names, complaint):
    from scrcl.experiment.export import _barcodes  # noqa: PLC0415

    with pytest.raises(InputError, match=complaint):
        _barcodes(pd.Index(names))


def test_seurat_gets_a_matrix_that_reads_back_and_the_lines_that_read_it(run, result):
    folder = export_run(run, "seurat")
    with gzip.open(folder / "matrix.mtx.gz") as file:
        assert file.readline().split()[3] == b"integer"
    assert np.array_equal(scipy.io.mmread(folder / "matrix.mtx.gz").toarray(), result.X.toarray().T)
    genes, cells = (
        gzip.decompress((folder / f"{name}.tsv.gz").read_bytes()).decode().splitlines()
        for name in ("features", "barcodes")
    )
    assert (genes, cells) == (list(result.var_names), list(result.obs_names))
    metadata = pd.read_csv(folder / "metadata.csv", index_col=0)
    assert list(metadata.index) == cells
    lines = (folder / "read.R").read_text()
    for name in ("matrix.mtx.gz", "barcodes.tsv.gz", "features.tsv.gz", "metadata.csv", "umap.csv"):
        assert f'"{name}"' in lines
    assert 'Idents(object) <- "scrcl"' in lines


def test_names_that_r_would_cut_or_take_for_numbers_reach_seurat_whole(run, result):
    result.obs_names = ["lib#1", "it's", '"q"', "007", *result.obs_names[4:]]
    result.write_h5ad(run.path / "result.h5ad")
    folder = export_run(run, "seurat")
    cells = gzip.decompress((folder / "barcodes.tsv.gz").read_bytes()).decode().splitlines()
    assert cells == list(result.obs_names)
    lines = (folder / "read.R").read_text()
    assert 'readLines("barcodes.tsv.gz")' in lines  # as they are; ReadMtx knows comments and quotes
    assert lines.count("read.csv(") == lines.count('colClasses = c(cell = "character")') == 2
    for name in ("metadata.csv", "umap.csv"):
        table = pd.read_csv(folder / name, dtype={"cell": str}, index_col="cell")
        assert list(table.index) == cells


def test_log_values_are_handed_to_seurat_as_such(run, result):
    sc.pp.normalize_total(result, target_sum=1e4)
    sc.pp.log1p(result)
    result.write_h5ad(run.path / "result.h5ad")
    folder = export_run(run, "seurat")
    assert "CreateAssay5Object(data = counts)" in (folder / "read.R").read_text()
    values = scipy.io.mmread(folder / "matrix.mtx.gz").toarray().T
    assert np.allclose(values, result.X.toarray(), atol=1e-4)


def test_cellxgene_gets_what_its_explorer_checks(run):
    adata = ad.read_h5ad(export_run(run, "cellxgene") / "cells.h5ad")
    assert adata.obs_names.is_unique
    assert adata.var_names.is_unique
    assert adata.X.dtype == np.float32
    assert adata.X.max() < 12  # log values
    layout = adata.obsm["X_umap"]
    assert layout.dtype.kind == "f"
    assert layout.shape == (adata.n_obs, 2)
    assert not np.isinf(layout).any()
    categorical = [key for key in adata.obs if adata.obs[key].dtype.name == "category"]
    assert {"scrcl", "cell_type", "donor"} <= set(categorical)
    assert all(adata.obs[key].dtype.kind in "iuf" for key in set(adata.obs) - set(categorical))
    for key in categorical:
        colors = adata.uns[f"{key}_colors"]
        assert len(colors) == len(adata.obs[key].cat.categories)
        assert all(map(matplotlib.colors.is_color_like, colors))


def test_names_and_labels_have_the_colours_of_their_clusters_in_cellxgene(run, tmp_path):
    names = tmp_path / "names.csv"
    names.write_text("cluster,name\n1,A\n0,Z\n")
    rename_clusters(run, names)
    adata = ad.read_h5ad(export_run(run, "cellxgene") / "cells.h5ad")

    def colors(key):
        return dict(zip(adata.obs[key].cat.categories, adata.uns[f"{key}_colors"], strict=True))

    of_clusters = colors("scrcl")
    assert colors("scrcl_name")["Z"] == of_clusters["0"]
    assert colors("scrcl_name")["A"] == of_clusters["1"]
    shared = pd.crosstab(adata.obs["cell_type"], adata.obs["scrcl"])
    label = shared.max(axis=1).idxmax()
    cluster = shared.loc[label].idxmax()
    assert colors("cell_type")[label] == of_clusters[cluster]


def test_a_layout_is_needed_for_cellxgene(run, result):
    del result.obsm["X_scrcl_umap"]
    result.write_h5ad(run.path / "result.h5ad")
    with pytest.raises(InputError, match="without a layout"):
        export_run(run, "cellxgene")
    assert not (run.path / "export" / "cellxgene").exists()


def test_spatialdata_needs_a_tissue_and_its_package(run, tissue_run, monkeypatch):
    with pytest.raises(InputError, match="wanted one of a tissue"):
        export_run(run, "spatialdata")
    monkeypatch.setitem(sys.modules, "spatialdata", None)
    with pytest.raises(InputError, match=r"pip install scrcl\[spatial\]"):
        export_run(tissue_run, "spatialdata")


def test_a_tissue_is_exported_with_its_positions(tissue_run):
    spatial = pd.read_csv(export_run(tissue_run, "csv") / "spatial.csv", index_col="cell")
    adata = ad.read_h5ad(tissue_run.path / "result.h5ad")
    assert np.allclose(spatial, adata.obsm["spatial"], equal_nan=True)
    assert set(ad.read_h5ad(export_run(tissue_run, "cellxgene") / "cells.h5ad").obsm) == {
        "X_umap",
        "X_spatial",
    }


def test_a_column_that_is_stored_under_another_name_is_found(tissue_run, monkeypatch):
    path = tissue_run.path / "result.h5ad"
    adata = ad.read_h5ad(path)
    adata.obs = adata.obs.rename(columns={"slice": "a_b"})
    adata.write_h5ad(path)
    settings = tissue_run.settings | {"slice_key": "a/b", "label_key": None}
    monkeypatch.setattr(RunFolder, "settings", settings)
    assert (export_run(tissue_run, "csv") / "spatial.csv").is_file()


def test_names_in_a_store_are_unique_and_of_what_is_allowed():
    from scrcl.experiment.export import _element_names  # noqa: PLC0415

    assert _element_names([""]) == ["spots"]
    assert _element_names(["day 1", "A", "a", "é/2"]) == [
        "spots_day_1",
        "spots_A",
        "spots_a_2",
        "spots_é_2",
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of what spatialdata imports
def test_spatialdata_reads_its_store(tissue_run, caplog):
    spatialdata = pytest.importorskip("spatialdata")
    path = tissue_run.path / "result.h5ad"
    adata = ad.read_h5ad(path)
    adata.obs["region"] = "cortex"  # the name that SpatialData itself likes
    adata.obs["cell type (broad)"] = "neuron"
    adata.write_h5ad(path)
    store = spatialdata.read_zarr(export_run(tissue_run, "spatialdata") / "spots.zarr")
    table = store.tables["table"]
    assert table.n_obs == 119  # one spot has no position
    assert {"scrcl", "cell_type__broad_"} <= set(table.obs)
    assert set(table.obs["region"]) == {"cortex"}
    assert "'cell type (broad)' to 'cell_type__broad_'" in caplog.text
    # Two slices at the same positions are in two spaces, each spot at its place in its own.
    assert set(store.coordinate_systems) == {"spots_first", "spots_second"}
    for name, slice_name in (("spots_first", "first"), ("spots_second", "second")):
        own = table[table.obs["scrcl_region"] == name]
        assert set(own.obs["slice"]) == {slice_name}
        circles = store.shapes[name].loc[own.obs["scrcl_spot"]]
        places = np.column_stack([circles.geometry.x, circles.geometry.y])
        assert np.array_equal(places, own.obsm["spatial"])


def test_the_command_writes_once_and_again_if_asked(run, tmp_path, capsys):
    assert main(["export", str(run.path), "--to", "csv", "--into", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "new")
    assert main(["export", str(run.path), "--to", "csv", "--into", str(tmp_path / "new")]) == 2
    assert "--overwrite" in capsys.readouterr().err
    again = ["export", str(run.path), "--to", "csv", "--into", str(tmp_path / "new"), "--overwrite"]
    assert main(again) == 0


def test_runs_that_cannot_be_exported_are_refused(run, monkeypatch):
    monkeypatch.setattr("scrcl.experiment.export.is_lazy", lambda _: True)
    with pytest.raises(InputError, match="does not fit into memory"):
        export_run(run, "csv")
    (run.path / "result.h5ad").unlink()
    with pytest.raises(InputError, match="no finished run"):
        export_run(run, "csv")


def test_a_run_without_expression_has_tables_only(run, result):
    result.X = None
    result.write_h5ad(run.path / "result.h5ad")
    with pytest.raises(InputError, match="Export to csv instead"):
        export_run(run, "seurat")
    assert (export_run(run, "csv") / "cells.csv").is_file()
