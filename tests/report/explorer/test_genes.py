import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scrcl._keys import SYMBOL
from scrcl.report.explorer import genes
from scrcl.report.explorer.genes import choose_genes, read_expression, turns
from tests.report.unpacked import sparse


@pytest.fixture
def expression():
    """Ten genes, each more variable than the one before; the third is nowhere."""
    rng = np.random.default_rng(0)
    values = rng.random((40, 10)) * np.arange(1, 11) * (rng.random((40, 10)) < 0.5)
    values[:, 2] = 0
    names = [f"ENSG{i}" for i in range(10)]
    var = pd.DataFrame({SYMBOL: [f"S{i}" for i in range(10)]}, index=names)
    return ad.AnnData(sp.csr_matrix(values.astype(np.float32)), var=var)


def test_genes_that_are_asked_for_come_first_then_those_told_then_variable_ones(
    expression, monkeypatch
):
    monkeypatch.setattr(genes, "MAX_GENES", 5)
    chosen, unknown = choose_genes(expression, ["S1", "ENSG0", "nothing"], ["S4", "S1", "other"])
    assert chosen == ["ENSG1", "ENSG0", "ENSG4", "ENSG9", "ENSG8"]
    assert unknown == ["nothing"]


def test_more_genes_are_held_if_all_are_asked_for(expression, monkeypatch):
    monkeypatch.setattr(genes, "MAX_GENES", 2)
    asked = [f"S{i}" for i in range(6)]
    assert len(choose_genes(expression, asked, ["S9"])[0]) == 6


def test_values_come_back_to_within_a_step(expression):
    found, n_steps = read_expression(expression, ["ENSG5", "ENSG2"])
    assert [entry["name"] for entry in found] == ["S5", "S2"]
    assert n_steps == 255
    values = expression.X[:, 5].toarray().ravel()
    back = sparse(found[0]["values"], 40) * found[0]["top"] / n_steps
    assert np.abs(back - values).max() <= values.max() / n_steps
    assert found[0]["bright"] == pytest.approx(np.percentile(values[values > 0], 99), abs=1e-4)
    assert (found[1]["top"], found[1]["bright"]) == (0.0, 1.0)


def test_a_large_page_tells_fewer_values_apart_and_then_holds_fewer_genes(expression, monkeypatch):
    names = list(expression.var_names)
    whole = sum(len(entry["values"]) for entry in read_expression(expression, names)[0])
    monkeypatch.setattr(genes, "_EVERY", 1)
    monkeypatch.setattr(genes, "MAX_TEXT", int(whole * 0.97))
    found, n_steps = read_expression(expression, names)
    assert (len(found), n_steps < 255) == (10, True)
    monkeypatch.setattr(genes, "MAX_TEXT", whole // 3)
    found, n_steps = read_expression(expression, names)
    assert (len(found) < 10, n_steps) == (True, 7)
    assert sum(len(entry["values"]) for entry in found) <= whole // 3


def test_no_genes_are_no_fault(expression):
    assert read_expression(expression, []) == ([], 255)


def test_lists_take_turns():
    assert turns({"a": ["1", "2", "3"], "b": ["x"], "c": []}) == ["1", "x", "2", "3"]
