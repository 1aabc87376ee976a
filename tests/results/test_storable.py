"""Whatever anndata can hold is written by anndata and comes back, and what changed is said."""

import datetime as dt
import decimal
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from scrcl.results import storable, stored_name

N_OBS, N_VARS = 3, 2


def cells(**obs: object) -> ad.AnnData:
    names = [f"cell{i}" for i in range(N_OBS)]
    return ad.AnnData(sp.csr_matrix(np.eye(N_OBS, N_VARS)), pd.DataFrame(obs, index=names))


def back(adata: ad.AnnData, folder: Path) -> tuple[ad.AnnData, list[str]]:
    """What is read of what is written, and what was said."""
    stored, notes = storable(adata)
    stored.write_h5ad(folder / "back.h5ad")
    return ad.read_h5ad(folder / "back.h5ad"), notes


COLUMNS = {
    "numbers and text": [1, "a", None],
    "truth values with gaps": [True, None, False],
    "intervals": pd.cut([1.0, 2.0, 3.0], 3),
    "categories of dates": pd.Categorical(pd.to_datetime(["2020-01-01", "2021-01-01", None])),
    "categories of several types": pd.Categorical(["a", 1, None]),
    "dates": pd.to_datetime(["2020-01-01", "2021-01-01", None]),
    "dates with a zone": pd.to_datetime(["2020-01-01"] * 3).tz_localize("Europe/Vienna"),
    "durations": pd.to_timedelta([1, 2, 3], unit="h"),
    "periods": pd.period_range("2020", periods=3, freq="M"),
    "lists": [[1], [2, 3], None],
    "bytes": [b"a", b"b", None],
    "decimals": [decimal.Decimal("0.1"), None, decimal.Decimal(2)],
    "zero characters": ["a\0b", "c", None],
    "objects": [object(), object(), object()],
}
SILENT = {
    "text with gaps": ["a", None, "b"],
    "nothing": [None, None, None],
    "string type": pd.array(["a", None, "b"], dtype="string"),
    "whole numbers with gaps": pd.array([1, None, 3], dtype="Int64"),
    "categories of numbers": pd.Categorical([1, 2, None]),
    "complex": np.array([1j, 2, 3]),
}
PLAIN = {
    "decimals with gaps": pd.array([0.5, None, 1.5], dtype="Float64"),
    "sparse": pd.arrays.SparseArray([0, 0, 1]),
}


@pytest.mark.parametrize("values", COLUMNS.values(), ids=COLUMNS)
def test_a_column_that_h5ad_has_no_type_for_is_text(values, tmp_path):
    adata = cells(odd=values, fine=[1, 2, 3])
    for frame in ("obs", "uns"):
        if frame == "uns":
            adata = cells()
            adata.uns["table"] = pd.DataFrame({"odd": values, "fine": [1, 2, 3]})
        read, notes = back(adata, tmp_path)
        table = read.obs if frame == "obs" else read.uns["table"]
        assert table["fine"].tolist() == [1, 2, 3]
        assert len(notes) == 1
        assert notes[0].startswith("stored as text, ")
        assert "['odd']" in notes[0]
        expected = pd.Series(values).astype(object)
        assert table["odd"].isna().tolist() == expected.isna().tolist()
        assert {type(value) for value in table["odd"].dropna()} == {str}


def test_text_keeps_the_order_of_categories(tmp_path):
    read, _ = back(cells(size=pd.cut([3.0, 1.0, 2.0], 3, precision=0)), tmp_path)
    assert read.obs["size"].cat.ordered
    assert read.obs["size"].cat.codes.tolist() == [2, 0, 1]


@pytest.mark.parametrize("values", SILENT.values(), ids=SILENT)
def test_what_loses_nothing_is_not_told(values, tmp_path):
    read, notes = back(cells(column=values), tmp_path)
    assert notes == []
    before = pd.Series(values).astype(object)
    assert read.obs["column"].isna().tolist() == before.isna().tolist()
    assert read.obs["column"].dropna().tolist() == before.dropna().tolist()


@pytest.mark.parametrize("values", PLAIN.values(), ids=PLAIN)
def test_numbers_of_another_type_stay_numbers(values, tmp_path):
    read, notes = back(cells(column=values), tmp_path)
    assert notes == ["stored in a plainer form, as h5ad demands: obs['column']"]
    np.testing.assert_array_equal(read.obs["column"], pd.Series(values).astype(float))


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("CD4/CD8", "CD4_CD8"),
        ("_index", "index"),
        ("__categories", "categories"),
        ("", "unnamed"),
        (".", "unnamed"),
        ("..", "unnamed"),
        (7, "7"),
        (("a", 1), "('a', 1)"),
        ("a\0b", "ab"),
        ("cell type (ü)", "cell type (ü)"),
    ],
)
def test_every_name_has_one_that_can_be_stored(name, stored, tmp_path):
    adata = cells()
    adata.uns = {name: {name: 1}}
    adata.obs[name] = [1, 2, 3]
    if isinstance(name, str):
        adata.obsm[name] = np.ones((N_OBS, 1))
        adata.layers[name] = np.ones((N_OBS, N_VARS))
        adata.obsp[name] = sp.eye(N_OBS, format="csr")
    read, notes = back(adata, tmp_path)
    assert stored_name(name) == stored
    assert read.obs[stored].tolist() == [1, 2, 3]
    assert read.uns[stored][stored] == 1
    if isinstance(name, str):
        assert [stored] == list(read.obsm) == list(read.obsp)
        assert stored in read.layers
    assert [stored != name] == [bool(notes)]
    if notes:
        assert notes[0].startswith("stored under another name, as h5ad demands: obs[")


def test_names_that_become_the_same_are_told_apart(tmp_path):
    adata = cells(**{"a/b": [1, 1, 1], "a_b": [2, 2, 2], "a_b_1": [3, 3, 3]})
    read, _ = back(adata, tmp_path)
    assert {name: column.iloc[0] for name, column in read.obs.items()} == {
        "a_b_2": 1,
        "a_b": 2,
        "a_b_1": 3,
    }


def test_columns_of_one_name_are_both_kept(tmp_path):
    adata = cells()
    adata.obs = pd.DataFrame([[1, 2]] * N_OBS, index=adata.obs_names, columns=["a", "a"])
    read, notes = back(adata, tmp_path)
    assert read.obs.iloc[0].to_dict() == {"a": 1, "a_1": 2}
    assert notes == ["stored under another name, as h5ad demands: obs['a'] as 'a_1'"]


def test_row_names_may_be_called_like_a_column_or_be_anything(tmp_path):
    adata = cells(cell=["x", "y", "z"])
    adata.obs.index.name = "cell"
    adata.uns["dates"] = pd.DataFrame({"a": [1]}, index=pd.to_datetime(["2020-01-01"]))
    adata.uns["pairs"] = pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([("a", 1)]))
    adata.uns["numbered"] = pd.DataFrame({"a": [1]}, index=pd.Index([3], name=3))
    read, notes = back(adata, tmp_path)
    assert read.obs_names.tolist() == adata.obs_names.tolist()
    assert read.obs["cell"].tolist() == ["x", "y", "z"]
    assert read.uns["dates"].index.tolist() == ["2020-01-01 00:00:00"]
    assert read.uns["pairs"].index.tolist() == ["('a', 1)"]
    assert len(notes) == 1


def test_names_of_cells_that_are_numbers_are_text(tmp_path):
    adata = cells(a=[1, 2, 3])
    adata.obs.index = pd.Index([10, 20, 30])
    adata.obsm["frame"] = pd.DataFrame({"x": [1, 2, 3]}, index=adata.obs_names)
    read, _ = back(adata, tmp_path)
    assert read.obs_names.tolist() == ["10", "20", "30"]
    assert read.obsm["frame"]["x"].tolist() == [1, 2, 3]


ENTRIES = {
    "tuple": ((1, 2), [1, 2]),
    "set": ({"b", "a"}, ["a", "b"]),
    "series": (pd.Series([1, 2]), [1, 2]),
    "index": (pd.Index(["a", "b"]), ["a", "b"]),
    "dates": (np.array(["2020-01-01"], "M8[D]"), ["2020-01-01"]),
    "text with gaps": (np.array(["a", None], object), ["a", ""]),
    "date": (dt.date(2020, 1, 1), "2020-01-01"),
    "path": (Path("a") / "b", "a/b"),
    "bytes": (b"abc", "abc"),
    "complex": (1j, "1j"),
    "large number": (2**70, str(2**70)),
    "lists": ([[1], [2, 3]], "[[1], [2, 3]]"),
    "mappings in a list": ([{"a": (1, None)}], '[{"a": [1, null]}]'),
    "other sparse": (sp.coo_matrix(np.eye(2)), [[1, 0], [0, 1]]),
}


@pytest.mark.parametrize(("value", "expected"), ENTRIES.values(), ids=ENTRIES)
def test_an_entry_of_uns_is_kept_as_near_as_can_be(value, expected, tmp_path):
    adata = cells()
    adata.uns["deep"] = {"in": {"side": value}}
    read, notes = back(adata, tmp_path)
    found = read.uns["deep"]["in"]["side"]
    found = found.toarray() if sp.issparse(found) else found
    assert (found.tolist() if isinstance(found, np.ndarray) else found) == expected
    assert notes
    assert "uns['deep']['in']['side']" in notes[0]


@pytest.mark.parametrize("value", [object(), len, cells, [object()], {"a": [cells()]}])
def test_what_has_no_form_is_left_out_by_name(value, tmp_path):
    adata = cells()
    adata.uns = {"model": value, "fine": "text"}
    read, notes = back(adata, tmp_path)
    assert read.uns["fine"] == "text"
    assert notes[0].startswith("left out, as h5ad demands: uns['model']")


def test_matrices_are_stored_in_a_form_that_h5ad_has(tmp_path):
    adata = cells()
    adata.obsm["labels"] = np.array([["a", 1], ["b", None], ["c", 2.5]], object)
    adata.obsm["table"] = pd.DataFrame({0: [1, 2, 3], "a/b": [1, "x", None]}, adata.obs_names)
    read, notes = back(adata, tmp_path)
    assert read.obsm["labels"].tolist() == [["a", "1"], ["b", ""], ["c", "2.5"]]
    assert read.obsm["table"].columns.tolist() == ["0", "a_b"]
    assert read.obsm["table"]["a_b"].tolist()[:2] == ["1", "x"]
    assert notes


def test_raw_genes_of_seuratdisk_are_kept_under_another_name(tmp_path):
    adata = cells()
    var = pd.DataFrame({"_index": ["CD4", "CD8A", "NKG7"]}, index=["0", "1", "2"])
    adata.raw = ad.AnnData(sp.csr_matrix(np.ones((N_OBS, 3))), adata.obs, var)
    read, notes = back(adata, tmp_path)
    assert read.raw.var["index"].tolist() == ["CD4", "CD8A", "NKG7"]
    assert notes == [
        "stored under another name, as h5ad demands: raw.var['_index'] as 'index'",
    ]


def test_a_long_list_is_cut(tmp_path):
    _, notes = storable(cells(**{f"a/{i}": [1, 2, 3] for i in range(30)}))
    assert notes[0].endswith(" and 22 more")


def test_the_input_stays_as_it_was_and_its_matrices_are_shared():
    adata = cells(**{"a/b": [1, "x", None]})
    adata.uns["a/b"] = {"t": (1, 2)}
    before = adata.copy()
    stored, _ = storable(adata)
    assert np.shares_memory(stored.X.data, adata.X.data)
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    assert adata.uns == {"a/b": {"t": (1, 2)}}


def test_what_can_be_stored_is_left_alone(adata_st):
    adata_st.uns["spatial"] = {"lib": {"images": {"lowres": np.zeros((4, 4, 3))}, "n": 1.5}}
    stored, notes = storable(adata_st)
    assert notes == []
    pd.testing.assert_frame_equal(stored.obs, adata_st.obs)
    assert stored.uns["spatial"]["lib"]["n"] == 1.5


def test_a_view_and_a_backed_file_are_taken(tmp_path):
    adata = cells(**{"a/b": [1, 2, 3]})
    assert storable(adata[:2])[0].obs["a_b"].tolist() == [1, 2]
    cells(a=[1, 2, 3]).write_h5ad(tmp_path / "backed.h5ad")
    backed = ad.read_h5ad(tmp_path / "backed.h5ad", backed="r")
    assert storable(backed)[0].X.shape == (N_OBS, N_VARS)
    backed.file.close()


# ---------------------------------------------------------------- anything at all

SINGLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(exclude_categories=())),
    st.binary(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.timedeltas(),
    st.decimals(),
    st.just(object()),
)
TEXT_NAME = st.text(st.characters(exclude_categories=()), max_size=4) | st.sampled_from(
    ["_index", "a/b", "a_b", ".", "", "__categories", "index", "scrcl"]
)
NAME = TEXT_NAME | st.integers() | st.tuples(st.integers(), st.text(max_size=1))
ENTRY = st.recursive(
    SINGLE,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(NAME, inner, max_size=3)
        | st.lists(inner, min_size=1, max_size=3).map(lambda v: np.array([*v, None], object)[:-1])
    ),
    max_leaves=6,
)


@settings(max_examples=15)  # each writes a file
@given(
    obs=st.dictionaries(
        TEXT_NAME | st.integers(), st.lists(SINGLE, min_size=N_OBS, max_size=N_OBS), max_size=3
    ),
    uns=st.dictionaries(NAME, ENTRY, max_size=3),
    index_name=TEXT_NAME | st.none(),
)
def test_any_annotation_is_written_and_read_and_nothing_is_lost_without_a_line(
    tmp_path_factory, obs, uns, index_name
):
    adata = cells()
    adata.obs = pd.DataFrame(obs, index=adata.obs_names.rename(index_name), dtype=object)
    adata.uns = uns
    read, notes = back(adata, tmp_path_factory.getbasetemp())
    assert read.obs_names.tolist() == adata.obs_names.tolist()
    left_out = " ".join(note for note in notes if note.startswith("left out"))
    assert len(read.obs.columns) == len(obs) - left_out.count("obs[")
    told = sum(f"uns[{name!r}]" in left_out for name in uns)
    assert len(uns) - told <= len(read.uns) <= len(uns)
