"""Marker genes that every biologist of the tissue would expect."""

import anndata as ad
import pytest

from scrcl.markers import filter_markers, rank_genes, top_markers

pytestmark = pytest.mark.realdata

PANCREAS = {
    "beta": "INS",
    "alpha": "GCG",
    "delta": "SST",
    "gamma": "PPY",
    "epsilon": "GHRL",
    "ductal": "KRT19",
    "acinar": "PRSS1",
    "endothelial": "PECAM1",
}


def test_the_hormone_of_a_pancreatic_cell_is_among_its_first_five_genes(real_data):
    cells = ad.read_h5ad(real_data / "data" / "scdata" / "Baron_human_sub2142.h5ad")
    table, notes = rank_genes(cells, "cell_type1")
    best = top_markers(table, 5)
    assert {cell: gene for cell, gene in PANCREAS.items() if gene not in best[cell]} == {}
    assert "group schwann: not tested, it has 2 of at least 3 cells" in notes


def test_every_layer_of_the_cortex_has_genes_left_or_a_note(real_data):
    spots = ad.read_h5ad(real_data / "data" / "stdata" / "DLPFC" / "151673" / "151673.h5ad")
    ranked = rank_genes(spots, "ground_truth").table
    assert {"MBP", "PLP1"} <= set(top_markers(ranked, 10)["WM"])
    kept, notes = filter_markers(ranked)
    # Neighbouring layers share their genes: the filter of the paper keeps few, or none.
    assert set(kept["group"]) | {note.split()[1].rstrip(":") for note in notes} == set(
        spots.obs["ground_truth"]
    )
