import base64
import json
from io import BytesIO

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from scrcl.clustering import tree_of
from scrcl.pl import palette
from scrcl.report import keep_genes
from scrcl.report.explorer import points, read_explorer
from scrcl.report.explorer.pack import NOWHERE
from scrcl.results import without_expression
from tests.report.unpacked import array, sparse, words


def explorer(run, names=None):
    found = run.load_clusters(0)["cluster"].dropna().unique()
    colors = dict(zip(map(str, sorted(found)), palette(len(found)), strict=True))
    return read_explorer(run, 0, colors=colors, names=names or {})


def rewritten(run, change):
    """Change ``result.h5ad`` of a run."""
    path = run.path / "result.h5ad"
    adata = ad.read_h5ad(path)
    change(adata)
    adata.write_h5ad(path)


def test_each_cell_has_its_own_cluster_leaf_place_and_values(run):
    data = explorer(run).data
    adata = ad.read_h5ad(run.path / "result.h5ad")
    cells = words(data["cells"])
    assert sorted(cells) == sorted(adata.obs_names)
    adata = adata[cells]
    assert np.array_equal(array(data["clusters"]["codes"], "u2"), adata.obs["scrcl"].astype(int))
    assert np.array_equal(array(data["tree"]["leaves"], "u2"), adata.obs["scrcl_leaf"])
    sure = array(data["clusters"]["confidence"], "u1") / 255
    assert np.abs(sure - adata.obs["scrcl_confidence"]).max() < 1 / 255
    (plane,) = data["planes"]
    xy = array(plane["xy"], "u2").reshape(2, -1).T * plane["frame"][2] + plane["frame"][:2]
    assert np.abs(xy - adata.obsm["X_scrcl_umap"]).max() < 1e-3
    columns = {column["name"]: column for column in data["columns"]}
    assert list(columns) == ["cell_type", "donor", "age", "n_counts", "mitochondrial"]
    assert np.array_equal(
        array(columns["n_counts"]["values"], "f4"), np.asarray(adata.X.sum(1)).ravel()
    )
    donors = np.array(columns["donor"]["categories"])[array(columns["donor"]["codes"], "u2")]
    assert list(donors) == list(adata.obs["donor"])
    assert (array(columns["cell_type"]["codes"], "u2") == NOWHERE).sum() == 1
    gene = data["genes"][0]
    raw = np.log1p(adata.X.toarray() / adata.X.sum(1) * 1e4)[
        :, [adata.var_names.get_loc(gene["name"])]
    ]
    back = sparse(gene["values"], len(cells)) * gene["top"] / data["steps"]
    assert np.abs(back - np.asarray(raw).ravel()).max() <= gene["top"] / data["steps"] + 1e-4


def test_the_cuts_are_those_of_the_tree_of_the_run(run):
    data = explorer(run).data
    arrays = run.load_tree(0)
    tree = tree_of(arrays, arrays["leaves"])
    of = array(data["tree"]["cuts"][4]["of"], "u1")
    cells = pd.Series(tree.clusters(5).labels, index=arrays["obs_names"])[words(data["cells"])]
    assert np.array_equal(of[array(data["tree"]["leaves"], "u2")], cells)
    assert data["tree"]["own"] == len(data["clusters"]["names"])


def test_a_run_without_a_tree_has_no_cuts(run):
    (run.path / "seed_0" / "tree.npz").unlink()
    assert explorer(run).data["tree"] is None


def test_labels_have_the_colours_of_the_clusters_that_they_overlap_with(run):
    data = explorer(run).data
    label = data["columns"][0]
    table = pd.crosstab(array(label["codes"], "u2"), array(data["clusters"]["codes"], "u2")).drop(
        index=NOWHERE
    )
    for code, own in table.iterrows():
        if label["colors"][code] in data["clusters"]["colors"]:
            assert own[data["clusters"]["colors"].index(label["colors"][code])] > 0
    best = table.max(axis=1).idxmax()
    assert label["colors"][best] == data["clusters"]["colors"][table.loc[best].idxmax()]


def test_without_a_layout_there_is_nothing_to_draw(run):
    rewritten(run, lambda adata: adata.obsm.pop("X_scrcl_umap"))
    assert explorer(run) is None


def test_genes_that_were_asked_for_come_first_and_unknown_ones_are_told(run):
    last = ad.read_h5ad(run.path / "result.h5ad").var_names[-1]
    keep_genes(run, [last, "TYPO"])
    found = explorer(run)
    assert found.data["genes"][0]["name"] == last
    assert "explorer: genes that the data do not have: TYPO" in found.notes


def test_more_cells_than_a_page_holds_are_sampled_and_that_is_told(run, monkeypatch):
    def lay_out_some(adata):
        adata.obsm["X_scrcl_umap"][100:] = np.nan

    rewritten(run, lay_out_some)
    found = explorer(run)
    assert len(words(found.data["cells"])) == 100
    (note,) = found.notes
    assert note.startswith("explorer: 100 of 240 cells")


def test_the_page_can_be_written_as_json_whatever_is_missing(run):
    def spoil(adata):
        adata.obs["age"] = np.nan
        adata.obs["empty"] = np.where(np.arange(adata.n_obs) < 2, 3.0, np.nan)
        adata.obs.loc[adata.obs_names[3], "donor"] = np.nan

    rewritten(run, spoil)
    text = json.dumps(explorer(run).data, allow_nan=False)
    assert '"age"' not in text


def test_slices_lie_apart_on_their_images(tissue_run):
    found = explorer(tissue_run)
    assert found.data["noun"] == "spots"
    plane, tissue = found.data["planes"]
    assert (plane["title"], tissue["title"], tissue["down"]) == ("UMAP", "Tissue", True)
    cells = words(found.data["cells"])
    assert len(cells) == 120
    xy = array(tissue["xy"], "u2").reshape(2, -1).T
    assert (xy[cells.index("c00007")] == NOWHERE).all()
    xy = xy * tissue["frame"][2] + tissue["frame"][:2]
    first, second = tissue["slices"]
    assert first["high"][0] < second["low"][0]
    assert "image" not in first
    # The place of a spot on the image is that in the file: column 4, row 2, three pixels a unit.
    at = xy[cells.index("c00084")]
    content = base64.b64decode(second["image"].removeprefix("data:image/jpeg;base64,"))
    picture = Image.open(BytesIO(content))
    low, high = np.array(second["image_low"]), np.array(second["image_high"])
    assert np.allclose(at - low, [4, 2], atol=1e-3)
    assert np.allclose((high - low) * 3, picture.size)
    assert picture.getpixel((3, 3))[0] > 150


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.full((4, 4), 0.5), 127),
        (np.full((4, 4, 1), 255, dtype=np.uint8), 255),
        (np.full((4, 4, 3), 1000, dtype=np.uint16), 255),
        (np.full((4, 4, 4), 0.2, dtype=np.float32), 51),
    ],
)
def test_images_of_any_kind_of_number_are_shown(pixels, expected):
    assert np.ravel(points._as_bytes(pixels))[0] == expected


def test_spots_beyond_the_layout_fill_up_what_room_there_is(monkeypatch):
    adata = ad.AnnData(np.zeros((20, 1)), obsm={"X_scrcl_umap": np.full((20, 2), np.nan)})
    adata.obsm["X_scrcl_umap"][[3, 9]] = 0
    monkeypatch.setattr(points, "MAX_POINTS", 5)
    assert points.shown_cells(adata, tissue=False).tolist() == [3, 9]
    chosen = points.shown_cells(adata, tissue=True)
    assert len(chosen) == 5
    assert {3, 9} <= set(chosen)
    assert np.array_equal(chosen, points.shown_cells(adata, tissue=True))


def test_a_run_without_expression_has_cells_and_no_genes(run):
    path = run.path / "result.h5ad"
    without_expression(ad.read_h5ad(path)).write_h5ad(path)
    found = explorer(run)
    assert found.data["genes"] == []
    assert len(words(found.data["cells"])) == found.data["n_all"]
    assert "explorer: no genes, as result.h5ad holds no expression (--no-x)" in found.notes
