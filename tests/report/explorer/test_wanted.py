import pytest

from scrcl._validate import InputError
from scrcl.report import keep_genes, read_gene_list
from scrcl.report.explorer.wanted import kept_genes
from scrcl.results import RunFolder


def test_genes_are_read_one_a_line_or_from_the_first_column(tmp_path):
    path = tmp_path / "genes.txt"
    path.write_text("\ufeffCD3D\n\n  INS \nCD3D\n", encoding="utf-8")
    assert read_gene_list(path) == ["CD3D", "INS"]
    table = tmp_path / "genes.csv"
    table.write_text('"CD3D",3\nINS,4\n')
    assert read_gene_list(table) == ["CD3D", "INS"]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe\x00"])
def test_what_is_no_list_is_refused(tmp_path, content):
    path = tmp_path / "genes.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match="report genes: got"):
        read_gene_list(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_gene_list(tmp_path / "missing")


def test_a_run_keeps_the_genes_of_its_page(tmp_path):
    run = RunFolder(tmp_path)
    assert kept_genes(run) == []
    keep_genes(run, ["CD3D", "NA"])
    assert kept_genes(run) == ["CD3D", "NA"]
