"""The lists that come with the package, and names of what was split."""

import csv
from importlib.resources import files

import anndata as ad
import numpy as np
import pytest

from scrcl._validate import InputError
from scrcl.clustering import named_alike
from scrcl.data.expression import log_expression
from scrcl.datasets import simulated_cells
from scrcl.experiment.genes import marker_lists
from scrcl.experiment.inputs import Dataset
from scrcl.markers import SHIPPED, name_clusters, shipped_markers
from scrcl.model import ScRCL
from tests.conftest import counts

CANONICAL = {
    "blood": {"B cell": ("MS4A1", "Ms4a1"), "CD8 T cell": ("CD8A", "Cd8a")},
    "pancreas": {"beta cell": ("INS", "Ins1"), "alpha cell": ("GCG", "Gcg")},
    "cortex": {"inhibitory neuron": ("GAD1", "Gad1"), "microglia": ("P2RY12", "P2ry12")},
}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_gene_of_a_list_has_a_source_and_a_species(name: str) -> None:
    text = (files("scrcl.markers") / "lists" / f"{name}.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert all(row["human"] or row["mouse"] for row in rows)
    assert all(" et al. " in row["source"] for row in rows)
    human, mouse = (shipped_markers(name, genes) for genes in (["CD3D"], ["Cd3d", "Gad1", "Gcg"]))
    assert (human.species, mouse.species) == ("human", "mouse")
    assert set(human.genes) == set(mouse.genes) >= set(human.parents)
    for kind, genes in CANONICAL[name].items():
        assert genes[0] in human.genes[kind]
        assert genes[1] in mouse.genes[kind]
    assert all(len(genes) >= 2 for genes in (*human.genes.values(), *mouse.genes.values()))


def test_a_word_that_is_no_list_and_no_file_is_refused_with_the_names() -> None:
    data = Dataset(
        adata=simulated_cells(n_obs=20, n_genes=30, n_types=2), labels=None, slice_key=None
    )
    assert marker_lists(None, data) is None
    with pytest.raises(InputError, match="one of blood, cortex, pancreas, or a file"):
        marker_lists("bloood", data)
    with pytest.raises(InputError, match="none of which is in the data"):
        marker_lists("blood", data)
    with pytest.raises(InputError, match="cannot be read"):
        marker_lists("absent.csv", data)


def test_one_gene_of_several_is_too_few_to_name_by_and_that_is_said(tmp_path, caplog) -> None:
    cells = simulated_cells(n_obs=20, n_genes=30, n_types=2)
    data = Dataset(adata=cells, labels=None, slice_key=None)
    one, two = cells.var_names[:2]
    path = tmp_path / "lists.csv"
    path.write_text(f"lone,{one}\nrest,{one}\nrest,ABSENT\nboth,{one}\nboth,{two}\n")

    lists = marker_lists(path, data)

    assert lists is not None
    assert lists.thin == {"rest"}  # who lists one gene means it
    assert "one gene only of rest is in the data" in caplog.text


def test_kinds_that_cannot_be_told_apart_have_the_name_of_both(adata_sc: ad.AnnData) -> None:
    groups = np.arange(45) % 3
    adata = ad.AnnData(counts(groups, 60, seed=0), obs=adata_sc.obs, var=adata_sc.var)
    lists = {
        "kind a": ["gene0", "gene3", "gene6", "gene9"],
        "kind b": ["gene0", "gene3", "gene6", "gene12"],
        "other": ["gene1", "gene4", "gene7"],
    }
    expression, clusters = log_expression(adata), np.where(groups == 0, 0, 1)

    def named(parents: dict[str, str]) -> str:
        table = name_clusters(expression, clusters, lists, parents=parents)
        return str(table["name"].iloc[0])

    alone = name_clusters(expression, clusters, lists)["support"].iloc[0]
    assert alone < 2 / 3
    assert named({}) == "unclear"
    assert named({"kind a": "family", "kind b": "family"}) == "family"
    assert named({"kind a": "family", "kind b": "other family"}) == "unclear"
    assert named(dict.fromkeys(lists, "everything")) == "everything"


def test_a_name_on_both_sides_of_a_split_is_that_of_what_was_split() -> None:
    cells = simulated_cells(n_obs=300, n_types=4)
    tree = ScRCL(n_clusters=4, n_epochs=2).fit(cells).tree_
    assert tree is not None
    nodes = tree.cut_nodes(4).tolist()
    parents = tree.cut_nodes(3).tolist()
    sisters = sorted(at for at, node in enumerate(nodes) if node not in parents)

    names = ["same" if at in sisters else f"own {at}" for at in range(4)]

    groups = named_alike(tree, names)
    assert [groups[at] for at in sisters] == [sisters, sisters]
    assert all(groups[at] == [at] for at in range(4) if at not in sisters)
    assert named_alike(tree, ["one"] * 4) == [[0, 1, 2, 3]] * 4
