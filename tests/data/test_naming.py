import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl.data.bare import settled
from scrcl.data.naming import Lookup, settle_names, shown_names

ENSEMBL = [f"ENSG0000010000{i}" for i in range(4)]
SYMBOLS = ["CD3D", "CD3E", "IL7R", "CD8A"]


def var(index, **columns) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.Index(list(map(str, index)), dtype=object))


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("column", ["_index", "features", "feature_name", "gene_symbols", "Gene"])
def test_where_the_index_counts_rows_a_column_names_the_genes(column, start):
    found = settle_names(var(range(start, start + 4), **{column: SYMBOLS}), where=".raw.var")
    assert found.names.tolist() == SYMBOLS
    assert found.notes == [f"genes: names taken from .raw.var[{column!r}]"]


def test_without_a_column_the_names_of_x_are_taken_and_else_it_is_said():
    found = settle_names(var(range(4)), where=".raw.var", instead=pd.Index(SYMBOLS))
    assert found.names.tolist() == SYMBOLS
    assert "those of X" in found.notes[0]
    found = settle_names(var(range(4)), where="var", instead=pd.Index(SYMBOLS[:2]))
    assert found.names.tolist() == list("0123")
    assert "numbers of rows" in found.notes[0]


@pytest.mark.parametrize("column", ["feature_name", "gene_symbol", "Symbol", "gene_short_name"])
@pytest.mark.parametrize(
    "ids", [ENSEMBL, [f"{name}.3" for name in ENSEMBL], ["7157", "672", "5", "9"]]
)
def test_symbols_are_shown_beside_identifiers(column, ids):
    found = settle_names(var(ids, **{column: pd.Categorical(SYMBOLS)}), where="var")
    assert found.names.tolist() == ids
    assert found.symbols.tolist() == SYMBOLS


def test_a_gene_without_a_symbol_shows_its_identifier():
    found = settle_names(var(ENSEMBL, feature_name=["CD3D", np.nan, "", "CD8A"]), where="var")
    assert found.symbols.tolist() == ["CD3D", ENSEMBL[1], ENSEMBL[2], "CD8A"]


def test_names_that_are_symbols_stay_and_identifiers_are_not_shown():
    found = settle_names(var(SYMBOLS, gene_ids=ENSEMBL, feature_types="x"), where="var")
    assert found.names.tolist() == found.symbols.tolist() == SYMBOLS


def test_a_symbol_of_two_genes_is_shown_with_their_names():
    shown = shown_names(ENSEMBL[:3], ["TBCE", "TBCE", "A"])
    assert shown.tolist() == [f"TBCE ({ENSEMBL[0]})", f"TBCE ({ENSEMBL[1]})", "A"]


def test_genes_are_found_by_name_symbol_version_and_case():
    lookup = Lookup([f"{name}.2" for name in ENSEMBL], ["CD3D", "CD3D", "Il7r", "CD8A"])
    assert lookup.find("CD8A") == [f"{ENSEMBL[3]}.2"]
    assert lookup.find(f"{ENSEMBL[3]}.2") == lookup.find(ENSEMBL[3]) == [f"{ENSEMBL[3]}.2"]
    assert lookup.find(f"{ENSEMBL[3]}.17") == [f"{ENSEMBL[3]}.2"]
    assert lookup.find("CD3D") == [f"{ENSEMBL[0]}.2", f"{ENSEMBL[1]}.2"]
    assert lookup.recased == {}
    assert lookup.find("IL7R") == [f"{ENSEMBL[2]}.2"]
    assert list(lookup.recased) == ["IL7R"]
    assert lookup.find("NOPE") == []
    shown = Lookup(ENSEMBL[:2], shown_names(ENSEMBL[:2], ["TBCE", "TBCE"]))
    assert shown.find("TBCE") == ENSEMBL[:2]


def test_raw_of_seuratdisk_is_called_as_in_r():
    raw = ad.AnnData(np.ones((3, 4)), var=var(range(4), features=SYMBOLS))
    adata = ad.AnnData(np.ones((3, 2)), var=var(SYMBOLS[:2]), raw=None)
    adata.raw = raw
    cells = settled(adata)
    assert cells.raw.var_names.tolist() == SYMBOLS
    assert adata.raw.var_names.tolist() == list("0123")


@pytest.mark.parametrize("missing", ["nan", "None", "", "<NA>", "-"])
def test_a_gene_without_a_name_is_said(missing):
    found = settle_names(var([*SYMBOLS[:3], missing]), where="var")
    assert found.notes == [f"genes: 1 feature without a name in var ({missing!r})"]
