import bz2
import gzip
import lzma
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from scrcl._validate import InputError
from scrcl.data import tables
from scrcl.data.read import read

COUNTS = np.array([[0, 3, 0], [1, 0, 7]])
CELLS = ["AAACCTGAGCTA-1", "AAACCTGAGCTT-1"]
GENES = ["MT-CO1", "Actb", "RPL3"]


def save(path, table, separator=","):
    table.to_csv(path, sep=separator)
    return path


@pytest.fixture
def cells_in_rows():
    return pd.DataFrame(COUNTS, index=CELLS, columns=GENES)


@pytest.mark.parametrize(("ending", "separator"), [("csv", ","), ("tsv", "\t"), ("txt", "\t")])
@pytest.mark.parametrize("genes_in_rows", [True, False])
def test_names_tell_where_the_genes_are(tmp_path, cells_in_rows, ending, separator, genes_in_rows):
    table = cells_in_rows.T if genes_in_rows else cells_in_rows
    adata = read(save(tmp_path / f"counts.{ending}", table, separator))
    assert list(adata.obs_names) == CELLS
    assert list(adata.var_names) == GENES
    assert adata.X.toarray().tolist() == COUNTS.tolist()
    assert adata.X.format == "csr"


def test_a_compressed_table_is_read(tmp_path, cells_in_rows):
    path = tmp_path / "counts.csv.gz"
    path.write_bytes(gzip.compress(cells_in_rows.to_csv().encode()))
    assert read(path).shape == (2, 3)


def test_a_table_that_does_not_tell_needs_to_be_told(tmp_path):
    path = save(tmp_path / "m.csv", pd.DataFrame(COUNTS, index=["p", "q"], columns=list("xyz")))
    with pytest.raises(InputError, match=r"do not tell where the genes are.*--genes rows"):
        read(path)
    assert list(read(path, genes="columns").obs_names) == ["p", "q"]
    assert list(read(path, genes="rows").obs_names) == ["x", "y", "z"]


def test_text_beside_the_counts_is_kept(tmp_path, cells_in_rows):
    labelled = cells_in_rows.assign(type=["b", "t"])
    adata = read(save(tmp_path / "a.csv", labelled))
    assert adata.obs["type"].tolist() == ["b", "t"]
    assert adata.n_vars == 3
    described = cells_in_rows.T.assign(chromosome=["MT", "7", "22"]).astype({"chromosome": str})
    described["chromosome"] = ["chrM", "chr7", "chr22"]
    adata = read(save(tmp_path / "b.csv", described))
    assert adata.var["chromosome"].tolist() == ["chrM", "chr7", "chr22"]


def test_a_table_longer_than_a_chunk_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_CHUNK", 2)
    table = pd.DataFrame(np.arange(15).reshape(5, 3), [f"cell_{i}" for i in range(5)], GENES)
    adata = read(save(tmp_path / "counts.csv", table))
    assert adata.X.toarray().tolist() == table.to_numpy().tolist()
    assert list(adata.obs_names) == list(table.index)


def test_a_table_without_numbers_is_refused(tmp_path):
    path = save(tmp_path / "t.csv", pd.DataFrame({"type": ["b", "t"]}, index=CELLS))
    with pytest.raises(InputError, match="without a column of numbers"):
        read(path, genes="columns")


def test_a_word_far_down_among_the_numbers_is_refused(tmp_path, monkeypatch, cells_in_rows):
    monkeypatch.setattr(tables, "_CHUNK", 1)
    table = cells_in_rows.astype(object)
    table.iloc[1, 1] = "many"
    with pytest.raises(InputError, match=r"could not convert.*many.*wanted numbers only"):
        read(save(tmp_path / "t.csv", table), genes="columns")


def test_a_table_of_cells_is_brought_in_order(tmp_path):
    path = save(tmp_path / "obs.csv", pd.DataFrame({"type": ["t", "b"]}, index=CELLS[::-1]))
    assert tables.read_obs(path, pd.Index(CELLS))["type"].tolist() == ["b", "t"]


@pytest.mark.parametrize(
    ("names", "said"), [([CELLS[0]], "no row for 1 of 2 cells"), ([*CELLS, CELLS[0]], "repeated")]
)
def test_a_table_of_other_cells_is_refused(tmp_path, names, said):
    path = save(tmp_path / "obs.csv", pd.DataFrame({"type": "t"}, index=names))
    with pytest.raises(InputError, match=said):
        tables.read_obs(path, pd.Index(CELLS))


# How R, Excel, featureCounts, HTSeq and others write tables.

WIDE = [f"{letters}AAACCTGAGC-1" for letters in ("AA", "AC", "AG", "AT")]
ROWS = {"MT-CO1": [0, 3, 0, 1], "Actb": [1, 0, 7, 2], "RPL3": [5, 5, 0, 0]}
ENSEMBL = ["ENSG00000000001", "ENSG00000000002", "ENSG00000000003"]


def lines(separator=",", corner="gene", names=ROWS, cells=WIDE, quote="", decimal=None):
    """Lines of a table with genes in rows."""
    number = str if decimal is None else lambda n: f"{n}{decimal}5"
    join = lambda fields: separator.join(f"{quote}{field}{quote}" for field in fields)
    values = (separator.join(map(number, row)) for row in ROWS.values())
    head = join(cells) if corner is None else join([corner, *cells])
    return [head, *(f"{join([n])}{separator}{v}" for n, v in zip(names, values, strict=True))]


def put(path, content, encoding="utf-8", newline="\n"):
    path.write_bytes((newline.join(content) + newline).encode(encoding))
    return path


def assert_is_whole(adata, more=0.0):
    assert list(adata.obs_names) == WIDE
    assert list(adata.var_names) == list(ROWS)
    assert (adata.X.toarray().T - more).tolist() == list(ROWS.values())


@pytest.mark.parametrize("separator", [",", "\t", ";", " "])
@pytest.mark.parametrize("corner", ["", "gene", "Geneid", None])
def test_separators_and_a_missing_first_cell_are_told(tmp_path, separator, corner):
    quote = '"' if separator == " " or corner == "" else ""
    assert_is_whole(read(put(tmp_path / "t.txt", lines(separator, corner, quote=quote))))


def test_columns_aligned_by_spaces_are_read(tmp_path):
    aligned = [line.replace(" ", "   ") + "  " for line in lines(" ", None)]
    assert_is_whole(read(put(tmp_path / "t.txt", aligned)))


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_of_r_are_decimals(tmp_path, separator):
    path = put(tmp_path / "t.csv", lines(separator, "", quote='"', decimal=","))
    assert_is_whole(read(path), more=0.5)


def test_decimal_commas_that_come_late_are_seen(tmp_path):
    first, *rest = lines(";", "")
    rows = [f"Rpl{i};1;2;3;4" for i in range(3, 200)]
    adata = read(put(tmp_path / "t.csv", [first, *rows, "Actb;0,25;1;1;1", *rest[2:]]))
    assert adata[:, "Actb"].X.toarray().ravel().tolist() == [0.25, 1, 1, 1]


@pytest.mark.parametrize("number", ['"1,234"', "1.234,5", "1 234"])
def test_separators_of_thousands_are_refused(tmp_path, number):
    separator = "," if number.startswith('"') else ";"
    head, *rest = lines(separator)
    rows = [separator.join([row.split(separator)[0], number, "0", "1", "2"]) for row in rest]
    with pytest.raises(InputError, match="which can mean two numbers"):
        read(put(tmp_path / "t.csv", [head, *rows]))


def test_a_word_among_numbers_is_refused_with_its_column(tmp_path):
    content = [line.replace("Actb,1", "Actb,many") for line in lines()]
    with pytest.raises(InputError, match=rf"'many' among the numbers of column '{WIDE[0]}'"):
        read(put(tmp_path / "t.csv", content))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_codings_of_excel_are_read(tmp_path, encoding, newline):
    assert_is_whole(read(put(tmp_path / "t.txt", lines("\t"), encoding, newline)))


def test_letters_of_an_old_coding_are_read(tmp_path):
    names = ["MT-CO1", "Actb", "µ-opioid"]
    adata = read(put(tmp_path / "t.csv", lines(names=names), "latin-1"))
    assert list(adata.var_names) == names


def test_comments_and_a_trailing_separator_are_left_out(tmp_path):
    content = ["# made by us", "## on a day", *(f"{line}," for line in lines())]
    assert_is_whole(read(put(tmp_path / "t.csv", content)))


def test_names_of_columns_may_stand_in_the_last_comment(tmp_path):
    head, *rest = lines("\t")
    assert_is_whole(read(put(tmp_path / "t.tsv", ["# v1", f"#{head}", *rest])))


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"'])
def test_the_separator_that_excel_is_told_is_no_row(tmp_path, first):
    assert_is_whole(read(put(tmp_path / "t.csv", [first, *lines(";")])))


def test_gct_is_read(tmp_path):
    head, *rest = lines("\t", "Name\tDescription")
    rows = ["\t".join([row.split("\t")[0], "none", *row.split("\t")[1:]]) for row in rest]
    adata = read(put(tmp_path / "t.gct", ["#1.2", "3\t4", head, *rows]))
    assert_is_whole(adata)
    assert list(adata.var) == ["Description"]


@pytest.mark.parametrize("comment", [["# Program:featureCounts v2.0.1; Command: x"], []])
def test_annotation_of_featurecounts_stands_beside_the_counts(tmp_path, comment):
    head = "\t".join(
        ["Geneid", *["Chr", "Start", "End", "Strand", "Length"], *(f"{c}.bam" for c in WIDE)]
    )
    rows = ["\t".join([n, "1", "5;9", "8;12", "+;+", "900", *map(str, v)]) for n, v in ROWS.items()]
    adata = read(put(tmp_path / "counts.txt", [*comment, head, *rows]))
    assert adata.X.toarray().T.tolist() == list(ROWS.values())
    assert list(adata.var) == ["Chr", "Start", "End", "Strand", "Length"]
    assert adata.var["Length"].tolist() == [900] * 3


def test_symbols_beside_identifiers_are_kept(tmp_path):
    table = pd.DataFrame(list(ROWS.values()), ENSEMBL, WIDE)
    table.insert(0, "gene_name", list(ROWS))
    table.insert(1, "gene_biotype", "protein_coding")
    adata = read(save(tmp_path / "t.csv", table))
    assert list(adata.var_names) == ENSEMBL
    assert adata.var["gene_name"].tolist() == list(ROWS)


def test_columns_that_describe_cells_are_no_genes(tmp_path):
    table = pd.DataFrame(list(ROWS.values()), index=list(ROWS), columns=WIDE).T
    table.insert(0, "nCount_RNA", table.sum(axis=1))
    table["seurat_clusters"] = [0, 1, 0, 1]
    adata = read(save(tmp_path / "t.csv", table))
    assert_is_whole(adata)
    assert list(adata.obs) == ["nCount_RNA", "seurat_clusters"]


def test_sums_of_htseq_are_no_genes(tmp_path, caplog):
    sums = ["__no_feature,9,9,9,9", "__alignment_not_unique,1,1,1,1", "N_unmapped,3,3,3,3"]
    assert_is_whole(read(put(tmp_path / "t.csv", [*lines(), *sums])))
    assert "__no_feature, __alignment_not_unique, N_unmapped are sums" in caplog.text


def test_rows_numbered_by_pandas_get_their_names_from_the_next_column(tmp_path):
    head, *rest = lines()
    content = [f",{head}", *(f"{i},{row}" for i, row in enumerate(rest))]
    assert_is_whole(read(put(tmp_path / "t.csv", content)))


def test_counts_without_names_of_rows_lose_no_gene(tmp_path, caplog):
    table = pd.DataFrame(list(ROWS.values()), index=list(ROWS)).T
    table.to_csv(tmp_path / "t.csv", index=False)
    adata = read(tmp_path / "t.csv")
    assert list(adata.var_names) == list(ROWS)
    assert adata.X.toarray().T.tolist() == list(ROWS.values())
    assert "rows have no names" in caplog.text


def test_counts_without_names_of_columns_lose_no_gene(tmp_path, caplog):
    adata = read(put(tmp_path / "t.csv", lines()[1:]))
    assert list(adata.var_names) == list(ROWS)
    assert adata.X.toarray().T.tolist() == list(ROWS.values())
    assert "columns have no names" in caplog.text


def test_a_list_of_single_counts_is_refused(tmp_path):
    content = ["gene,cell,count", *(f"Actb,{cell},{i}" for i, cell in enumerate(WIDE))]
    with pytest.raises(InputError, match="a list with the same names again and again"):
        read(put(tmp_path / "t.csv", content))


def test_a_table_cut_short_in_a_row_is_refused(tmp_path):
    content = lines()
    path = put(tmp_path / "t.csv", [*content[:-1], content[-1].rsplit(",", 2)[0]])
    with pytest.raises(InputError, match="2 fields less than the others"):
        read(path)


@pytest.mark.parametrize("row", ["RPL3,1,2,3,4,5,6,7"])
def test_a_row_that_is_too_long_is_refused(tmp_path, row):
    many = [f"Rpl{i},1,2,3,4" for i in range(100)]
    with pytest.raises(InputError, match=r"line|fields"):
        read(put(tmp_path / "t.csv", [*lines(), *many, row]))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "got an empty file"),
        (b"<!DOCTYPE html><html>", "got a web page"),
        (b"gene,a,b\n", "wanted names and rows"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"old Excel \(\.xls\)"),
        (b"\x00\x01\x02\x00" * 900, "not text|cannot be read"),
    ],
)
def test_what_is_no_table_is_called_by_its_name(tmp_path, content, said):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=said):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["T.CSV", "T.Csv.GZ", "t.csv.bz2", "t.csv.xz", "t.csv.zip"])
def test_names_in_capitals_and_compressions_are_known(tmp_path, name):
    text = ("\n".join(lines()) + "\n").encode()
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
    if name.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("t.csv", text)
    else:
        (tmp_path / name).write_bytes(pack.get(name[-4:].lower().lstrip("v"), bytes)(text))
    assert_is_whole(read(tmp_path / name))


def test_names_that_excel_has_made_dates_are_said(tmp_path, caplog):
    read(put(tmp_path / "t.csv", lines(names=["1-Mar", "Actb", "Sep-02"])))
    assert "2 genes are called like dates or numbers (1-Mar, Sep-02)" in caplog.text


def test_the_first_sheet_of_a_workbook_is_read(tmp_path, caplog):
    pytest.importorskip("openpyxl")
    table = pd.DataFrame(list(ROWS.values()), list(ROWS), WIDE)
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        table.to_excel(book, sheet_name="counts")
        table.to_excel(book, sheet_name="again")
    assert_is_whole(read(tmp_path / "t.xlsx"))
    assert "the sheet 'counts' of counts, again" in caplog.text


def test_a_workbook_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(InputError, match=r"pip install 'scrcl\[convert\]'"):
        read(tmp_path / "t.xlsx")
