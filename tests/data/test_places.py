import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.config import DataConfig
from scrcl.data.bare import bare
from scrcl.data.places import find_places, in_tissue
from scrcl.data.prepare import prepare
from scrcl.data.read import read
from scrcl.data.slices import read_many

GRID = np.argwhere(np.ones((8, 8))) * 100.0


def tissue(coords=None, *, key="spatial", **obs) -> ad.AnnData:
    n_obs = len(GRID) if coords is None else coords.shape[0]
    counts = sp.csr_matrix(np.random.default_rng(0).poisson(2.0, (n_obs, 12)), dtype=np.float32)
    names = [f"spot{i}x" for i in range(n_obs)]
    adata = ad.AnnData(counts, pd.DataFrame(obs, index=names))
    if key is not None:
        adata.obsm[key] = GRID if coords is None else coords
    return adata


def as_text(missing: str) -> np.ndarray:
    text = GRID.astype(str).astype(object)
    text[3, 0] = missing
    return text


@pytest.mark.parametrize("missing", ["NA", "", "nan", "None", "<NA>", " "])
def test_text_is_read_and_a_spot_without_a_number_has_no_position(missing):
    coords, notes = find_places(tissue(as_text(missing)))
    assert np.flatnonzero(np.isnan(coords[:, 0])).tolist() == [3]
    assert np.array_equal(np.delete(coords, 3, 0), np.delete(GRID, 3, 0))
    assert "1 spot without a position" in notes[0]


@pytest.mark.parametrize(
    "table",
    [
        GRID.astype(int),
        GRID.astype(np.float32),
        GRID.astype(str),
        GRID.astype("S8"),
        sp.csr_matrix(GRID),
        np.column_stack([GRID, np.full(64, 7.0)]),  # a lone section of a stack
    ],
)
def test_any_kind_of_number_is_read(table):
    assert np.array_equal(find_places(tissue(table)).coords, GRID)


def test_three_dimensions_stay():
    deep = np.column_stack([GRID, np.arange(64) % 2])
    assert np.array_equal(find_places(tissue(deep)).coords, deep)


@pytest.mark.parametrize(
    "names",
    [("x", "y", "fov"), ("X", "Y", "region"), ("imagerow", "imagecol", "cell"), ("a", "b", "fov")],
)
def test_of_a_table_the_columns_of_positions_are_taken(names):
    frame = pd.DataFrame(GRID, columns=names[:2], index=[f"spot{i}x" for i in range(64)])
    frame[names[2]] = 7 if names[0] == "a" else "F1"
    coords, notes = find_places(tissue(frame))
    # Rows go down and columns to the right.
    expected = GRID[:, ::-1] if names[0] == "imagerow" else GRID
    assert np.array_equal(coords, expected)
    assert names[2] in notes[0]


@pytest.mark.parametrize(
    "key", ["X_spatial", "X_spatial3d", "coords", "spatial_stereoseq", "Spatial", "X_xy"]
)
def test_positions_under_another_name_are_taken_and_it_is_said(key):
    coords, notes = find_places(tissue(key=key))
    assert np.array_equal(coords, GRID)
    assert notes == [f"positions: taken from obsm[{key!r}]"]


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("x", "y"),
        ("X", "Y"),
        ("x_centroid", "y_centroid"),
        ("CenterX_global_px", "CenterY_global_px"),
        ("pxl_col_in_fullres", "pxl_row_in_fullres"),
        ("imagecol", "imagerow"),
    ],
)
def test_positions_in_columns_of_obs_are_taken_and_it_is_said(x, y):
    coords, notes = find_places(tissue(key=None, **{y: GRID[:, 1], x: GRID[:, 0]}))
    assert np.array_equal(coords, GRID)
    assert notes == [f"positions: taken from obs[{x!r}, {y!r}]"]


def test_rows_and_columns_of_a_visium_array_become_a_regular_hexagonal_grid():
    row, col = np.divmod(np.arange(64), 8)
    places = tissue(key=None, array_row=row, array_col=2 * col + row % 2)
    coords = find_places(places).coords
    inner = np.linalg.norm(coords - coords[27], axis=1)
    assert np.allclose(np.sort(inner)[1:7], 2.0)


def test_reading_puts_positions_where_they_belong(tmp_path, caplog):
    tissue(key="X_spatial").write_h5ad(tmp_path / "a.h5ad")
    assert np.array_equal(read(tmp_path / "a.h5ad", task="st").obsm["spatial"], GRID)
    assert "obsm['X_spatial']" in caplog.text


def test_slices_with_positions_in_different_forms_are_joined(tmp_path):
    frame = pd.DataFrame(GRID, columns=["x", "y"], index=[f"spot{i}x" for i in range(64)])
    tissue(frame).write_h5ad(tmp_path / "a.h5ad")
    tissue(key="X_spatial").write_h5ad(tmp_path / "b.h5ad")
    joined = read_many([tmp_path / "a.h5ad", tmp_path / "b.h5ad"])
    assert np.array_equal(joined.obsm["spatial"], np.vstack([GRID, GRID]))


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (np.full((64, 2), "here"), "no number"),
        (np.full((64, 2), np.nan), "no number"),
        (np.zeros((64, 1)), "wanted 2 or 3 columns"),
        (np.zeros((64, 5)), "wanted 2 or 3 columns"),
    ],
)
def test_positions_that_are_none_are_refused(table, problem):
    with pytest.raises(InputError, match=problem):
        find_places(tissue(table))


def test_spots_that_are_all_in_one_place_have_no_graph():
    with pytest.raises(InputError, match="64 spots in one place"):
        prepare(bare(tissue(np.zeros((64, 2)))), DataConfig(graph="spatial"))


def test_data_without_positions_are_refused():
    with pytest.raises(InputError, match=r"runSC\.py"):
        find_places(tissue(key=None))


def test_spots_far_from_all_others_are_said():
    stray = GRID.copy()
    stray[10] = 1e6
    assert "1 spot far from all others (the first: 'spot10x')" in find_places(tissue(stray))[1][0]
    assert find_places(tissue())[1] == []


@pytest.mark.parametrize(
    "values", [[0, 1], [0.0, 1.0], ["0", "1"], [False, True], ["FALSE", "TRUE"], ["no", "yes"]]
)
def test_background_is_told_from_tissue(values):
    mask, notes = in_tissue(tissue(in_tissue=np.array(values, dtype=object)[np.arange(64) % 2]))
    assert mask.tolist() == [False, True] * 32
    assert "32 spots that obs['in_tissue'] does not put on the tissue" in notes[0]


def test_a_file_without_any_tissue_is_refused_and_a_word_in_between_is_said():
    with pytest.raises(InputError, match="no spot on the tissue"):
        in_tissue(tissue(in_tissue=0))
    mask, notes = in_tissue(tissue(in_tissue=["maybe", *["1"] * 63]))
    assert mask.all()
    assert "'maybe'" in notes[0]


@pytest.mark.parametrize("graph", ["spatial", "expression"])
def test_background_and_spots_without_a_place_take_no_part(graph):
    off = (np.arange(64) >= 4).astype(int)
    adata = tissue(as_text("NA"), in_tissue=off)
    prepared = prepare(bare(adata), DataConfig(graph=graph, n_neighbors=4))
    assert np.array_equal(prepared.kept, off > 0)  # the one without a place is off, too
    assert any(
        "4 spots that obs['in_tissue'] does not put on the tissue" in note
        for note in prepared.notes
    )
    assert prepared.adj.shape == (60, 60)
