import gzip
import json

import h5py
import numpy as np
import pandas as pd
import pytest

from scrcl._validate import InputError
from scrcl.data.read import read
from tests.data.visium import (
    BARCODES,
    COUNTS,
    LAYERS,
    write_h5,
    write_images,
    write_mtx,
    write_positions,
    write_visium,
)

POSITION_FILES = ["tissue_positions_list.csv", "tissue_positions.csv", "tissue_positions.parquet"]


def write_metadata(folder, table: pd.DataFrame, **options: object) -> None:
    table.to_csv(folder / "metadata.tsv", sep="\t", **options)


@pytest.mark.parametrize("matrix", ["h5", "mtx"])
@pytest.mark.parametrize("positions", POSITION_FILES)
def test_every_layout_of_a_visium_folder_gives_the_same(tmp_path, matrix, positions):
    if positions.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    folder = write_visium(tmp_path / "sample", matrix=matrix, positions=positions)
    adata = read(folder, task="st")
    assert list(adata.obs_names) == BARCODES
    assert np.array_equal(adata.X.toarray(), COUNTS)
    assert adata.obsm["spatial"].tolist() == [[100, 10], [120, 11], [110, 20], [130, 21], [101, 30]]
    assert adata.obs["array_col"].tolist() == [0, 2, 1, 3, 0]


def test_symbols_that_come_twice_are_made_unique_and_it_is_said(tmp_path, caplog):
    adata = read(write_visium(tmp_path / "sample"), task="st")
    assert list(adata.var_names) == ["SNAP25", "MOBP", "PCP4", "MOBP-1"]
    assert "1 duplicate gene name ('MOBP', ...) made unique" in caplog.text


def test_images_and_scale_factors_are_where_scanpy_has_them(tmp_path):
    adata = read(write_visium(tmp_path / "sample"), task="st")
    picture = adata.uns["spatial"]["sample"]
    assert picture["images"]["hires"].shape == (40, 40, 3)
    assert picture["images"]["lowres"].dtype == np.uint8
    assert picture["scalefactors"]["tissue_hires_scalef"] == 0.2


def test_a_folder_without_images_is_read_without(tmp_path):
    adata = read(write_visium(tmp_path / "sample", images=False), task="st")
    assert "spatial" not in adata.uns
    assert adata.obsm["spatial"].shape == (5, 2)


def test_metadata_without_barcodes_are_in_the_order_of_the_matrix(tmp_path):
    folder = write_visium(tmp_path / "sample")
    write_metadata(folder, pd.DataFrame({"ground_truth": LAYERS}), index=False)
    assert read(folder).obs["ground_truth"].fillna("-").tolist() == ["L1", "L1", "-", "WM", "WM"]


@pytest.mark.parametrize("index_label", ["barcode", "", False])
def test_metadata_with_barcodes_are_joined_by_them(tmp_path, index_label):
    folder = write_visium(tmp_path / "sample")
    table = pd.DataFrame({"layer_guess": LAYERS}, index=BARCODES)
    extra = pd.DataFrame({"layer_guess": ["L2"]}, index=["NNNN-1"])  # a spot off the tissue
    write_metadata(folder, pd.concat([extra, table.iloc[::-1]]), index_label=index_label)
    assert read(folder).obs["layer_guess"].fillna("-").tolist() == ["L1", "L1", "-", "WM", "WM"]


def test_spots_that_the_metadata_do_not_name_are_unlabelled(tmp_path):
    folder = write_visium(tmp_path / "sample")
    write_metadata(folder, pd.DataFrame({"layer_guess": ["WM"]}, index=BARCODES[3:4]))
    assert read(folder).obs["layer_guess"].notna().tolist() == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("index", "problem"),
    [(["1", "2", "3"], "3 rows without barcodes"), ([BARCODES[0]] * 3, "repeated barcodes")],
)
def test_metadata_of_another_slice_are_refused(tmp_path, index, problem):
    folder = write_visium(tmp_path / "sample")
    write_metadata(
        folder, pd.DataFrame({"barcode": index, "layer_guess": list("abc")}), index=False
    )
    with pytest.raises(InputError, match=f"got {problem}"):
        read(folder)


def test_archives_put_the_name_of_the_sample_before_the_matrix(tmp_path):
    folder = write_visium(tmp_path / "sample")
    (folder / "filtered_feature_bc_matrix.h5").rename(folder / "GSM1_filtered_feature_bc_matrix.h5")
    assert read(folder).shape == (5, 4)


def test_the_folder_above_outs_will_do_and_gives_its_name(tmp_path):
    write_visium(tmp_path / "sample" / "outs")
    assert list(read(tmp_path / "sample", task="st").uns["spatial"]) == ["sample"]


def test_bins_of_visium_hd_are_read_by_their_own_folder(tmp_path):
    pytest.importorskip("pyarrow")
    bins = tmp_path / "tumour" / "outs" / "binned_outputs" / "square_016um"
    write_visium(bins, positions="tissue_positions.parquet")
    adata = read(bins, task="st")
    assert adata.shape == (5, 4)
    assert list(adata.uns["spatial"]) == ["tumour"]


@pytest.mark.parametrize("below", ["", "outs"])
def test_a_visium_hd_run_gives_its_8_um_bins_and_says_so(tmp_path, caplog, below):
    run = tmp_path / "tumour"
    write_visium(run / below / "binned_outputs" / "square_008um")
    (run / below / "spatial").mkdir()  # of the whole run: images only
    assert read(run, task="st").shape == (5, 4)
    assert "square_008um" in caplog.text


def test_spots_without_a_position_are_left_out_and_counted(tmp_path, caplog):
    folder = write_visium(tmp_path / "sample")
    path = folder / "spatial" / "tissue_positions_list.csv"
    path.write_text("\n".join(s for s in path.read_text().splitlines() if BARCODES[2] not in s))
    assert read(folder, task="st").n_obs == 4
    assert "left out: 1 spot without a position" in caplog.text


def test_positions_of_another_run_are_refused(tmp_path):
    folder = write_visium(tmp_path / "sample")
    path = folder / "spatial" / "tissue_positions_list.csv"
    path.write_text(path.read_text().replace("-1,", "-7,"))
    with pytest.raises(InputError, match="without a common barcode"):
        read(folder)


def test_a_folder_without_positions_is_refused(tmp_path):
    write_h5(tmp_path / "filtered_feature_bc_matrix.h5")
    (tmp_path / "spatial").mkdir()
    with pytest.raises(InputError, match="got no positions of the spots"):
        read(tmp_path)


def test_positions_with_other_columns_are_refused(tmp_path):
    folder = write_visium(tmp_path / "sample")
    (folder / "spatial" / "tissue_positions.csv").write_text("barcode,x,y\nAAAC-1,1,2\n")
    with pytest.raises(InputError, match=r"got columns \['barcode', 'x', 'y'\], wanted also"):
        read(folder)


def test_a_visium_folder_without_a_matrix_is_refused(tmp_path):
    write_positions(tmp_path / "spatial", "tissue_positions.csv")
    write_images(tmp_path / "spatial")
    with pytest.raises(InputError, match=r"wanted filtered_feature_bc_matrix\.h5 or a folder"):
        read(tmp_path)


def test_parquet_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    folder = write_visium(tmp_path / "sample", positions="tissue_positions.parquet")

    def missing(*_: object) -> None:
        raise ImportError

    monkeypatch.setattr(pd, "read_parquet", missing)
    with pytest.raises(InputError, match=r"pip install 'scrcl\[spatial\]'"):
        read(folder)


def test_matrices_of_dissociated_cells_are_read_from_file_and_folder(tmp_path):
    write_h5(tmp_path / "cells.h5")
    write_mtx(tmp_path / "cells")
    for path in (tmp_path / "cells.h5", tmp_path / "cells"):
        assert np.array_equal(read(path).X.toarray(), COUNTS)


def write_cells(folder, *, geojson=True):
    """Space Ranger 4: cells by number, their outlines, no positions."""
    folder.mkdir(parents=True)
    write_h5(folder / "filtered_feature_cell_matrix.h5")
    with h5py.File(folder / "filtered_feature_cell_matrix.h5", "a") as file:
        del file["matrix/barcodes"]
        file["matrix/barcodes"] = np.array([f"cellid_{i:09d}-1" for i in (3, 1, 2, 7, 5)], "S")
    corners = np.array([[0, 0], [4, 0], [4, 2], [0, 2], [0, 0]])
    features = [
        {
            "properties": {"cell_id": i},
            "geometry": {"type": "Polygon", "coordinates": [(corners + 1000 * i).tolist()]},
        }
        for i in (1, 2, 3, 5, 8)
    ]
    features[0]["geometry"] = {
        "type": "MultiPolygon",
        "coordinates": [[[[0, 0], [1, 0], [0, 1], [0, 0]]], [(corners + 1000).tolist()]],
    }
    if geojson:
        path = folder / "cell_segmentations.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (folder / "spatial").mkdir()
    write_images(folder / "spatial")


@pytest.mark.parametrize("given", [".", "outs", "outs/segmented_outputs"])
def test_cells_of_space_ranger_4_are_at_the_centres_of_their_outlines(tmp_path, given, caplog):
    run = tmp_path / "tumour"
    write_cells(run / "outs" / "segmented_outputs")
    (run / "outs" / "spatial").mkdir()
    adata = read(run / given, task="st")
    assert list(adata.obs_names) == [f"cellid_{i:09d}-1" for i in (3, 1, 2, 5)]
    assert adata.obsm["spatial"].tolist() == [[i + 2, i + 1] for i in (3000, 1000, 2000, 5000)]
    assert list(adata.uns["spatial"]) == ["tumour"]
    assert "left out: 1 cell without a position" in caplog.text


def test_cells_without_outlines_are_refused_by_the_name_of_the_file(tmp_path):
    write_cells(tmp_path / "segmented_outputs", geojson=False)
    with pytest.raises(InputError, match=r"lacks cell_segmentations\.geojson.*binned_outputs"):
        read(tmp_path, task="st")


def test_bins_come_before_cells(tmp_path):
    write_visium(tmp_path / "binned_outputs" / "square_008um")
    write_cells(tmp_path / "segmented_outputs")
    assert read(tmp_path, task="st").obs_names[0] == BARCODES[0]


def test_other_bins_are_read_where_8_um_are_not(tmp_path, caplog):
    write_visium(tmp_path / "binned_outputs" / "square_016um")
    assert read(tmp_path, task="st").shape == (5, 4)
    assert "square_016um" in caplog.text


def test_an_archive_has_all_files_of_a_slice_in_one_folder(tmp_path):
    folder = write_visium(tmp_path / "sample", positions="tissue_positions.csv")
    for path in [*(folder / "spatial").iterdir(), folder / "filtered_feature_bc_matrix.h5"]:
        packed = folder / f"GSM1_A_{path.name}"
        if path.suffix == ".h5":
            path.rename(packed)
        else:
            packed.with_name(f"{packed.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    (folder / "spatial").rmdir()
    adata = read(folder, task="st")
    assert adata.obsm["spatial"][0].tolist() == [100, 10]
    assert set(adata.uns["spatial"]["sample"]["images"]) == {"hires", "lowres"}


def test_a_raw_matrix_is_read_where_there_is_no_filtered_one_and_said(tmp_path, caplog):
    folder = write_visium(tmp_path / "sample")
    (folder / "filtered_feature_bc_matrix.h5").rename(folder / "raw_feature_bc_matrix.h5")
    assert read(folder, task="st").shape == (5, 4)
    assert "raw matrix raw_feature_bc_matrix.h5" in caplog.text


@pytest.mark.realdata
def test_a_slice_of_a_brain_is_the_same_as_folder_and_as_file(real_data):
    folder = real_data / "data" / "stdata" / "DLPFC" / "151673"
    adata, stored = read(folder, task="st"), read(folder / "151673.h5ad", task="st")
    assert adata.shape == (3611, 8513)
    assert (adata.X != stored.X).nnz == 0
    assert np.array_equal(adata.obsm["spatial"], stored.obsm["spatial"])
    assert list(adata.obs["layer_guess"]) == list(stored.obs["ground_truth"])
    assert set(adata.uns["spatial"]["151673"]["images"]) == {"hires", "lowres"}
