"""Folders of .mtx as the tools that count reads, and archives, leave them."""

import bz2
import gzip
import json
import logging

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.data.read import read
from tests.data.visium import COUNTS, write_h5

COUNTS = COUNTS[:, :3]  # 5 cells, 3 genes
CELLS = ["AAAC", "CCGT", "GGTA", "TTAC", "ACGT"]
IDS = ["ENSG00000000001", "ENSG00000000002", "ENSG00000000003"]
GENES = ["SNAP25", "MOBP", "PCP4"]
TYPED = [f"{i}\t{gene}\tGene Expression" for i, gene in zip(IDS, GENES, strict=True)]
PAIRS = [f"{i}\t{gene}" for i, gene in zip(IDS, GENES, strict=True)]


def put(path, lines):
    """Write lines, compressed as the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "\n".join(lines).encode() + b"\n"
    pack = {".gz": gzip.compress, ".bz2": bz2.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(content))


def put_matrix(path, matrix):
    path.parent.mkdir(parents=True, exist_ok=True)
    with (gzip.open if path.suffix == ".gz" else open)(path, "wb") as file:
        scipy.io.mmwrite(file, sp.coo_matrix(matrix))


def put_10x(folder, prefix="", *, counts=COUNTS, features="features.tsv", end="", lines=TYPED):
    put_matrix(folder / f"{prefix}matrix.mtx{end}", counts.T)
    put(folder / f"{prefix}{features}{end}", lines)
    put(folder / f"{prefix}barcodes.tsv{end}", CELLS)
    return folder


def assert_is_whole(adata, names=GENES):
    assert list(adata.obs_names) == CELLS
    assert list(adata.var_names) == names
    assert adata.X.toarray().tolist() == COUNTS.tolist()
    assert (adata.X.format, adata.X.dtype) == ("csr", np.float32)


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize(
    "prefix", ["", "GSM123_brain_", "GSM123-brain.", "Sample1_RSEC_MolsPerCell_"]
)
@pytest.mark.parametrize(
    ("features", "lines", "names"),
    [
        ("features.tsv", TYPED, GENES),
        ("genes.tsv", PAIRS, GENES),
        ("genes.tsv", GENES, GENES),
        ("features.tsv", [f"{g}\t{i}" for i, g in zip(IDS, GENES, strict=True)], GENES),
        ("genes.tsv", [f"{i}\t" for i in IDS], IDS),
    ],
)
def test_every_naming_of_10x_is_read(tmp_path, end, prefix, features, lines, names):
    folder = put_10x(tmp_path / "m", prefix, features=features, end=end, lines=lines)
    assert_is_whole(read(folder), names)


def test_identifiers_and_types_stand_beside_the_symbols(tmp_path):
    lines = [*TYPED[:2], f"{IDS[2]}\tPCP4\tAntibody Capture"]
    adata = read(put_10x(tmp_path / "m", lines=lines))
    assert adata.var["gene_ids"].tolist() == IDS
    assert adata.var["feature_types"].tolist() == [*["Gene Expression"] * 2, "Antibody Capture"]


def test_the_word_of_the_role_may_stand_in_the_middle(tmp_path):
    put_matrix(tmp_path / "GSM1_matrix_old.mtx.gz", COUNTS.T)
    put(tmp_path / "GSM1_barcodes_old.tsv.gz", CELLS)
    put(tmp_path / "GSM1_features_old.tsv.gz", TYPED)
    put_matrix(tmp_path / "GSM1_matrix_young.mtx.gz", COUNTS.T * 2)
    put(tmp_path / "GSM1_barcodes_young.tsv.gz", CELLS)
    put(tmp_path / "GSM1_features_young.tsv.gz", TYPED)
    assert_is_whole(read(tmp_path / "GSM1_matrix_old.mtx.gz"))


def test_a_name_that_ends_in_gz_may_be_unpacked(tmp_path):
    put_10x(tmp_path)
    for path in list(tmp_path.iterdir()):
        path.rename(path.with_name(path.name + ".gz"))
    assert_is_whole(read(tmp_path))


@pytest.mark.parametrize("given", [".", "Solo.out", "Solo.out/Gene", "Solo.out/Gene/filtered"])
def test_starsolo_gives_its_filtered_genes_from_every_level(tmp_path, given, caplog):
    solo = tmp_path / "Solo.out"
    for kind in ("Gene/raw", "GeneFull/filtered", "Velocyto/filtered"):
        put_10x(solo / kind, counts=COUNTS * 3)
    put_10x(solo / "Gene" / "filtered")
    assert_is_whole(read(tmp_path / given))
    assert ("reading" in caplog.text) == (given != "Solo.out/Gene/filtered")


def test_raw_is_read_where_there_is_no_filtered_matrix_and_said(tmp_path, caplog):
    put_10x(tmp_path / "Solo.out" / "Gene" / "raw")
    assert_is_whole(read(tmp_path / "Solo.out"))
    assert "raw matrix Gene/raw/matrix.mtx, as there is no filtered one" in caplog.text


@pytest.mark.parametrize("given", [".", "all-sample/DGE_filtered"])
def test_parse_has_cells_in_rows_and_tables_with_names_of_columns(tmp_path, given):
    for sample in ("all-sample", "s1"):
        folder = tmp_path / sample / "DGE_filtered"
        put_matrix(folder / "count_matrix.mtx", COUNTS)
        genes = [f"{i},{g},hg38" for i, g in zip(IDS, GENES, strict=True)]
        put(folder / "all_genes.csv", ["gene_id,gene_name,genome", *genes])
        cells = [f"{cell},s1,{i}" for i, cell in enumerate(CELLS)]
        put(folder / "cell_metadata.csv", ["bc_wells,sample,n", *cells])
    adata = read(tmp_path / given)
    assert_is_whole(adata)
    assert adata.var["genome"].unique().tolist() == ["hg38"]
    assert adata.obs["sample"].unique().tolist() == ["s1"]
    assert adata.obs["n"].tolist() == [0, 1, 2, 3, 4]


def test_kallisto_bustools_has_symbols_in_a_file_of_their_own(tmp_path):
    folder = tmp_path / "counts_filtered"
    put_matrix(folder / "cells_x_genes.mtx", COUNTS)
    put(folder / "cells_x_genes.genes.txt", IDS)
    put(folder / "cells_x_genes.genes.names.txt", [*GENES[:2], ""])
    put(folder / "cells_x_genes.barcodes.txt", CELLS)
    put_matrix(tmp_path / "counts_unfiltered" / "cells_x_genes.mtx", COUNTS)
    assert list(read(folder).var["gene_ids"]) == IDS
    (folder / "cells_x_genes.genes.names.txt").write_text("\n".join(GENES))
    assert_is_whole(read(tmp_path))


def test_alevin_fry_has_cells_in_rows(tmp_path):
    put_matrix(tmp_path / "alevin" / "quants_mat.mtx", COUNTS)
    put(tmp_path / "alevin" / "quants_mat_cols.txt", GENES)
    put(tmp_path / "alevin" / "quants_mat_rows.txt", CELLS)
    (tmp_path / "quant.json").write_text(json.dumps({"usa_mode": False}))
    assert_is_whole(read(tmp_path))


def test_spliced_and_ambiguous_counts_of_alevin_fry_are_added_up(tmp_path, caplog):
    more = np.ones_like(COUNTS)
    put_matrix(tmp_path / "quants_mat.mtx", np.hstack([COUNTS - more.clip(max=COUNTS), more, more]))
    names = [*GENES, *(f"{g}-U" for g in GENES), *(f"{g}-A" for g in GENES)]
    put(tmp_path / "quants_mat_cols.txt", names)
    put(tmp_path / "quants_mat_rows.txt", CELLS)
    adata = read(tmp_path)
    assert list(adata.var_names) == GENES
    assert adata.X.toarray().tolist() == np.maximum(COUNTS, 1).tolist()
    assert adata.layers["unspliced"].toarray().tolist() == more.tolist()
    assert "added up" in caplog.text


@pytest.mark.parametrize("cells_in_rows", [True, False])
def test_a_square_matrix_is_told_by_the_tool(tmp_path, cells_in_rows):
    square = np.array([[1, 2, 0], [0, 0, 3], [4, 0, 0]])
    if cells_in_rows:
        put_matrix(tmp_path / "count_matrix.mtx", square)
        put(tmp_path / "all_genes.csv", ["gene_id,gene_name,genome", *(f"{i},{i},x" for i in IDS)])
        put(tmp_path / "cell_metadata.csv", ["bc_wells,sample", "a,s", "b,s", "c,s"])
    else:
        put_matrix(tmp_path / "matrix.mtx", square.T)
        put(tmp_path / "features.tsv", TYPED)
        put(tmp_path / "barcodes.tsv", ["a", "b", "c"])
    adata = read(tmp_path)
    assert list(adata.obs_names) == ["a", "b", "c"]
    assert adata.X.toarray().tolist() == square.tolist()


def test_samples_of_a_folder_are_read_together_and_told_apart(tmp_path, caplog):
    put_10x(tmp_path, "GSM1_young_", end=".gz")
    put_10x(tmp_path, "GSM2_old_", end=".gz", counts=COUNTS * 2)
    adata = read(tmp_path)
    assert adata.obs["sample"].value_counts().to_dict() == {"GSM1_young": 5, "GSM2_old": 5}
    assert adata.X.toarray().tolist() == [*COUNTS.tolist(), *(COUNTS * 2).tolist()]
    assert adata.var["gene_ids"].tolist() == IDS
    assert "reading 2 samples (GSM1_young, GSM2_old)" in caplog.text
    assert "--batch-key sample" in caplog.text
    assert_is_whole(read(tmp_path / "GSM1_young_matrix.mtx.gz"))


def test_samples_may_be_folders_and_files_of_hdf5(tmp_path):
    for sample in ("a", "b"):
        put_10x(tmp_path / "folders" / sample / "filtered_feature_bc_matrix", end=".gz")
        (tmp_path / "files").mkdir(exist_ok=True)
        write_h5(tmp_path / "files" / f"GSM_{sample}_filtered_feature_bc_matrix.h5")
    assert read(tmp_path / "folders").obs["sample"].unique().tolist() == ["a", "b"]
    assert read(tmp_path / "files").obs["sample"].unique().tolist() == ["GSM_a", "GSM_b"]


def test_one_list_of_genes_serves_all_samples(tmp_path):
    for sample in ("GSM1_", "GSM2_"):
        put_matrix(tmp_path / f"{sample}matrix.mtx", COUNTS.T)
        put(tmp_path / f"{sample}barcodes.tsv", CELLS)
    put(tmp_path / "GSE9_features.tsv", TYPED)
    assert read(tmp_path).shape == (10, 3)


def test_outs_of_cell_ranger_gives_its_filtered_matrix_once(tmp_path, caplog):
    outs = tmp_path / "run" / "outs"
    outs.mkdir(parents=True)
    write_h5(outs / "filtered_feature_bc_matrix.h5")
    write_h5(outs / "raw_feature_bc_matrix.h5")
    put_10x(outs / "filtered_feature_bc_matrix", end=".gz")
    put_10x(outs / "raw_feature_bc_matrix", end=".gz")
    assert read(tmp_path / "run").shape == (5, 4)
    assert "reading outs/filtered_feature_bc_matrix.h5" in caplog.text


def test_genomes_of_cell_ranger_2_are_joined(tmp_path, caplog):
    for genome in ("hg19", "mm10"):
        put_10x(tmp_path / "filtered_gene_bc_matrices" / genome, features="genes.tsv", lines=PAIRS)
    adata = read(tmp_path / "filtered_gene_bc_matrices")
    assert adata.shape == (5, 6)
    assert adata.var_names[[0, 3]].tolist() == ["hg19_SNAP25", "mm10_SNAP25"]
    assert adata.var["genome"].unique().tolist() == ["hg19", "mm10"]
    assert "hg19, mm10" in caplog.text


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (
            "features",
            (
                r"has GSM1_matrix\.mtx and GSM1_barcodes\.tsv, lacks GSM1_features\.tsv\.gz or "
                r"GSM1_genes\.tsv\.gz"
            ),
        ),
        ("barcodes", r"has GSM1_matrix\.mtx and GSM1_features\.tsv, lacks GSM1_barcodes\.tsv\.gz"),
        ("matrix", r"has GSM1_barcodes\.tsv and GSM1_features\.tsv, lacks matrix\.mtx\.gz"),
    ],
)
def test_what_is_missing_is_named(tmp_path, gone, said):
    put_10x(tmp_path, "GSM1_")
    next(tmp_path.glob(f"*{gone}*")).unlink()
    with pytest.raises(InputError, match=said):
        read(tmp_path)


def test_lengths_that_do_not_belong_together_are_refused(tmp_path):
    put_10x(tmp_path)
    put(tmp_path / "barcodes.tsv", CELLS[:3])
    with pytest.raises(
        InputError, match=r"3 x 5 beside features\.tsv with 3 and barcodes\.tsv with 3"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file, wanted Matrix Market"),
        (b"<html>", "starts with b'<html>'"),
        (b"%%MatrixMarket matrix coordinate integer general\n3 5 9\n1 1 2\n", "not whole"),
    ],
)
def test_a_damaged_matrix_is_refused_in_one_line(tmp_path, content, said):
    put_10x(tmp_path)
    (tmp_path / "matrix.mtx").write_bytes(content)
    with pytest.raises(InputError, match=said) as error:
        read(tmp_path)
    assert "\n" not in str(error.value)


def test_a_matrix_cut_short_in_its_compression_is_refused(tmp_path):
    put_10x(tmp_path, end=".gz")
    path = tmp_path / "matrix.mtx.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InputError, match="not whole"):
        read(tmp_path)


def test_a_trivial_place_is_not_announced(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        read(put_10x(tmp_path))
    assert caplog.text == ""


def test_what_is_missing_is_called_by_its_usual_name_where_nothing_stands_in_front(tmp_path):
    put_10x(tmp_path)
    (tmp_path / "matrix.mtx").rename(tmp_path / "mat.mtx")
    (tmp_path / "features.tsv").unlink()
    with pytest.raises(InputError, match=r"has mat\.mtx and barcodes\.tsv, lacks features\.tsv"):
        read(tmp_path)
