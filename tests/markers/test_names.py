"""Names for clusters: reading marker lists, and when a suggestion is unclear."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl._validate import InputError
from scrcl.data.expression import log_expression
from scrcl.markers import name_clusters, present_markers, read_marker_lists

CLUSTERS = np.arange(45) % 3
# Group g of the fixture is high in the genes g, g + 3, g + 6, ...
LISTS = {f"type{g}": [f"gene{g + 3 * step}" for step in range(6)] for g in range(3)}


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("a.csv", "cell_type,gene,source\nA,X,one\nA,Y,two\nB,X,\n", id="csv, header"),
        pytest.param("a.csv", "A,X\nA,Y\nA,X\n\nB,X\n", id="csv, no header, repeats, empty line"),
        pytest.param("a.tsv", "type\tGene\nA\tX\nA\tY\nB\t X \n", id="tsv"),
        pytest.param("a.gmt", "A\tlink\tX\tY\nB\t\tX\t\n", id="gmt"),
    ],
)
def test_lists_are_read_from_tables_and_gmt(tmp_path: Path, name: str, text: str) -> None:
    assert read_marker_lists(written(tmp_path, name, text)) == {"A": ["X", "Y"], "B": ["X"]}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("a.csv", "", "without a marker", id="empty"),
        pytest.param("a.csv", "cell_type,gene\n", "without a marker", id="header only"),
        pytest.param("a.csv", "A,X\nA\n", "line 2", id="no gene"),
        pytest.param("a.csv", "A\tX\n", "between commas", id="tabs in csv"),
        pytest.param("a.gmt", "A\tlink\n", "description and genes", id="gmt without genes"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read_marker_lists(written(tmp_path, name, text))


def test_a_file_that_is_not_there_or_no_text_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x81")

    for name in ("a.csv", "b.csv"):
        with pytest.raises(InputError, match="cannot be read"):
            read_marker_lists(tmp_path / name)


def test_genes_are_found_whatever_their_case_and_absent_types_are_told() -> None:
    lists, notes = present_markers(
        pd.Index(["Ins1", "Gcg"]), {"beta": ["INS1", "X"], "mast": ["Y"]}
    )

    assert lists == {"beta": ["Ins1"]}
    assert notes == ["markers: no gene of mast is in the data"]


def test_genes_are_found_by_symbol_or_by_identifier_and_another_case_is_told(caplog) -> None:
    names = pd.Index(["ENSG00000254647.7", "ENSG00000115263", "ENSG00000000001"])
    symbols = ["INS", "GCG", "Sst"]
    wanted = {"beta": ["INS", "ENSG00000254647"], "alpha": ["ENSG00000115263.12"], "delta": ["SST"]}

    lists, notes = present_markers(names, wanted, symbols)

    assert lists == {"beta": [names[0]], "alpha": [names[1]], "delta": [names[2]]}
    assert notes == []
    assert "'SST' as 'ENSG00000000001'" in caplog.text


def test_lists_of_another_species_or_kind_of_name_are_refused() -> None:
    with pytest.raises(InputError, match="Check the species"):
        present_markers(pd.Index(["ENSG01"]), {"beta": ["INS"]})


def test_clusters_get_the_type_whose_genes_they_express(adata_sc: ad.AnnData) -> None:
    table = name_clusters(log_expression(adata_sc), CLUSTERS, LISTS)

    assert list(table["cluster"]) == ["0", "1", "2"]
    assert list(table["name"]) == ["type0", "type1", "type2"]
    assert (table["margin"] > 0).all()
    assert (table["support"] > 2 / 3).all()
    assert (table["n_markers"] == 6).all()


def test_a_mixture_of_two_types_is_unclear(adata_sc: ad.AnnData) -> None:
    mixed = np.where(CLUSTERS == 2, 1, 0)  # types 0 and 1 together

    table = name_clusters(log_expression(adata_sc), mixed, LISTS).set_index("cluster")

    assert table.loc["0", "name"] == "unclear"
    assert {table.loc["0", "best"], table.loc["0", "second"]} == {"type0", "type1"}
    assert table.loc["1", "name"] == "type2"


def test_genes_no_stronger_than_others_are_unclear_even_alone(adata_sc: ad.AnnData) -> None:
    table = name_clusters(log_expression(adata_sc), CLUSTERS, {"type0": LISTS["type0"]})

    assert list(table["name"]) == ["type0", "unclear", "unclear"]
    assert table["second"].isna().all()


def test_lists_that_name_all_genes_are_refused(adata_sc: ad.AnnData) -> None:
    with pytest.raises(InputError, match="Shorten the lists"):
        name_clusters(log_expression(adata_sc), CLUSTERS, {"all": list(adata_sc.var_names)})


def test_genes_much_stronger_in_another_cluster_name_that_one_only() -> None:
    groups = np.arange(60) % 3
    X = np.ones((60, 30), dtype=np.float32)
    X[groups == 0, :4] = 6  # the cells of the type
    X[groups == 1, :4] = 2  # cells among them, with what these have lost
    expression = ad.AnnData(X, var=pd.DataFrame(index=[f"gene{i}" for i in range(30)]))
    lists = {"type": ["gene0", "gene1", "gene2", "gene3"], "other": ["gene20", "gene21"]}

    table = name_clusters(expression, groups, lists)

    assert list(table["name"]) == ["type", "unclear", "unclear"]
    assert list(table["best"][:2]) == ["type", "type"]
    assert table["support"][1] == 1
    assert table["of_highest"][:2].tolist() == pytest.approx([1, 1 / 5], abs=0.01)


def test_a_type_with_too_few_genes_takes_part_and_names_nothing(adata_sc: ad.AnnData) -> None:
    table = name_clusters(log_expression(adata_sc), CLUSTERS, LISTS, thin={"type1"})

    assert list(table["name"]) == ["type0", "unclear", "type2"]
    assert list(table["best"]) == ["type0", "type1", "type2"]


def test_clusters_of_a_small_panel_are_named_where_no_other_gene_is_as_strong(
    adata_sc: ad.AnnData,
) -> None:
    panel = log_expression(adata_sc)[:, :24].copy()  # a gene in each bin of scanpy's score

    lists = {kind: genes[:4] for kind, genes in LISTS.items()}
    table = name_clusters(panel, CLUSTERS, lists)

    assert list(table["name"]) == ["type0", "type1", "type2"]
