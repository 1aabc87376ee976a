"""Folders with one file of counts for each cell."""

import gzip
import tarfile

import numpy as np
import pytest

from scrcl import InputError, read

GENES = ["ENSG00000000003.10", "NA", "ENSG00000000419.8", "ENSG00000000457.9"]
SUMS = "__no_feature\t90\n__ambiguous\t3\n__too_low_aQual\t0\n__not_aligned\t1\n"
COUNTS = {"cell_A1": [3, 0, 7, 1], "cell_A2": [0, 5, 2, 0], "cell_B1": [4, 4, 0, 9]}


def lines(counts, genes=GENES):
    return "".join(f"{gene}\t{count}\n" for gene, count in zip(genes, counts, strict=True))


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "plate"
    found.mkdir()
    return found


def fill(folder, ending, text):
    for name, counts in COUNTS.items():
        path = folder / f"{name}{ending}"
        if ending.endswith(".gz"):
            path.write_bytes(gzip.compress(text(counts).encode()))
        else:
            path.write_text(text(counts))


def check(adata):
    assert list(adata.obs_names) == list(COUNTS)
    assert list(adata.var_names) == GENES
    assert np.array_equal(adata.X.toarray(), list(COUNTS.values()))


@pytest.mark.parametrize("ending", [".txt", ".htseq.tsv.gz", ".counts", ".COUNTS.txt"])
def test_files_of_htseq_are_cells(folder, ending, caplog):
    fill(folder, ending, lambda counts: lines(counts) + SUMS)
    check(read(folder))
    assert "__no_feature, __ambiguous" in caplog.text


def test_files_of_featurecounts_are_cells(folder):
    head = "# Program:featureCounts v2.0.1\nGeneid\tChr\tStart\tEnd\tStrand\tLength\taligned.bam\n"

    def written(counts):
        own = [f"{g}\t1;1\t2;9\t5;12\t+;+\t8\t{n}\n" for g, n in zip(GENES, counts, strict=True)]
        return head + "".join(own)

    fill(folder, ".txt", written)
    for name in COUNTS:
        (folder / f"{name}.txt.summary").write_text("Status\taligned.bam\nAssigned\t11\n")
    check(read(folder))


@pytest.mark.parametrize(
    ("separator", "head"), [(",", "gene,count\n"), (" ", ""), (";", '"";"x"\n')]
)
def test_separators_and_names_of_columns_are_told(folder, separator, head):
    fill(folder, ".csv", lambda counts: head + lines(counts).replace("\t", separator))
    check(read(folder, genes="rows"))


def test_an_archive_of_files_and_other_files_in_it(folder, tmp_path, caplog):
    fill(folder, ".txt", lines)
    (folder / "README.txt").write_text("Counts of a plate, one file a well.\nSee the paper.\n")
    (folder / "E1.txt").write_text("")
    (folder / ".hidden.txt").write_text(lines([1, 1, 1, 1]))
    with tarfile.open(tmp_path / "GSE1_RAW.tar", "w") as archive:
        archive.add(folder, "plate")
    check(read(tmp_path / "GSE1_RAW.tar"))
    assert "no counts of a cell, left out: E1.txt, README.txt" in caplog.text


def test_genes_in_another_order_and_only_those_with_counts(folder, caplog):
    (folder / "a.txt").write_text(lines([1, 2], ["Actb", "Gapdh"]))
    (folder / "b.txt").write_text(lines([4, 3], ["Gapdh", "Actb"]))
    assert np.array_equal(read(folder).X.toarray(), [[1, 2], [3, 4]])
    assert "does not list" not in caplog.text
    (folder / "c.txt").write_text(lines([5, 6], ["Gapdh", "Sox2"]))
    adata = read(folder)
    assert list(adata.var_names) == ["Actb", "Gapdh", "Sox2"]
    assert np.array_equal(adata.X.toarray(), [[1, 2, 0], [3, 4, 0], [0, 5, 6]])
    assert "does not list are 0" in caplog.text


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (lines([3, 0, 7], GENES[:3]), "got 3 genes, in cell_A1.txt 4, wanted the same"),
        (lines([3, 0, 7, 1], [*GENES[:3], "NA"]), "a gene twice"),
        (lines([3, 0, 7, 1] * 99, GENES * 99) + "half", "no line of a gene and its count"),
    ],
)
def test_a_file_unlike_the_others_is_named(folder, content, complaint):
    fill(folder, ".txt", lines)
    (folder / "cell_C1.txt").write_text(content)
    with pytest.raises(InputError, match=rf"cell_C1\.txt: .*{complaint}"):
        read(folder)


def test_a_damaged_archive_is_named(folder):
    fill(folder, ".txt.gz", lambda counts: lines(counts * 999, GENES * 999))
    path = folder / "cell_B1.txt.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"cell_B1\.txt\.gz: .*no line of a gene"):
        read(folder)


@pytest.mark.parametrize(
    "content",
    [
        "AAACCTGAGAAACCAT-1\t3\nAAACCTGAGAAACCAC-1\t4\n",  # clusters of cells
        "gene\tTPM\tFPKM\nActb\t3.5\t4.5\nGapdh\t1.5\t2.5\n",
        "Actb\tGapdh\nSox2\tNanog\n",
        "Actb\t-1.5\nGapdh\t2.5\n",
    ],
)
def test_tables_of_other_kinds_are_not_taken_for_cells(folder, content):
    for name in "abc":
        (folder / f"{name}.txt").write_text(content)
    with pytest.raises(InputError, match="a file for each cell with a gene and its count"):
        read(folder)
