"""What the page says to someone who reads nothing else."""

import numpy as np
import pytest

from scrcl.pl import palette
from scrcl.report.found import evidence, sentences
from tests.clustering.planted import hand_made, random_tree
from tests.report.made_up import made_up_run

COLORS = dict(zip("0123456789", palette(10), strict=True))


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made_up_run(tmp_path_factory.mktemp("run"))


def test_what_was_found_is_said_with_names_and_what_was_left_out(run):
    cells = run.load_clusters(0)
    cells.iloc[:2, cells.columns.get_loc("cluster")] = None
    sizes = cells["cluster"].value_counts()
    told = sentences(run, cells, noun="cells", names={str(sizes.index[0]): "B"}, seed=0)
    assert (
        told[0]
        == f"{len(sizes)} clusters among 238 cells, found without labels; 2 cells were left out."
    )
    assert told[1].startswith(
        f"The largest is {sizes.index[0]}, B ({sizes.iloc[0] / 238:.0%} of all)"
    )
    assert "least stable" in told[2]
    assert len(told) == 3


def test_one_cluster_is_neither_large_nor_small(run):
    cells = run.load_clusters(0).assign(cluster=0)
    assert sentences(run, cells, noun="spots", names={}, seed=0)[0] == (
        "1 cluster among 240 spots, found without labels."
    )


def test_each_split_is_shown_with_the_clusters_on_its_sides_and_what_would_be_next():
    tree = hand_made(
        [(1, 0), (4, 2), (5, 3)],
        [0.3, 0.5, 0.9],
        [50, 40, 30, 20],
        genes=["+L -R", "+X", "-Y"],
        auc_n_counts=[1.0, 0.5, 0.5],
    )
    found = texts(evidence(tree, tree.clusters(3).labels, COLORS))
    assert [row[:4] for row in found] == [
        ["2", "0, 1", "2", "120 | 20"],
        ["3", "0", "1", "90 | 30"],
        ["4 (not made)", "0", "0", "40 | 50"],
    ]
    assert [row[-1] for row in found] == ["yes", "yes", "no (depth alone tells them apart)"]
    assert found[2][-3:-1] == ["L", "R"]
    of_spots = evidence(tree, tree.clusters(3).labels, COLORS, noun="spots")
    assert of_spots is not None
    assert "spots" in of_spots.columns
    assert "cells" not in f"{of_spots.columns} {of_spots.caption}"


@pytest.mark.parametrize("seed", range(3))
def test_the_sides_of_a_split_hold_all_of_its_clusters_once(seed):
    tree = random_tree(seed)
    rows = texts(evidence(tree, tree.clusters(8).labels, {}))
    made = [row for row in rows if "not made" not in row[0]]
    first = {int(c) for side in made[0][1:3] for c in side.split(", ")}
    assert first <= set(range(8))
    for row in made:
        left, right = ({int(c) for c in side.split(", ")} for side in row[1:3])
        assert not left & right


def test_clusters_that_are_no_cut_and_trees_without_a_split_have_no_table():
    tree = hand_made([(1, 0), (3, 2)], [0.4, 0.9], [50, 40, 30])
    assert evidence(tree, np.repeat([1, 0, 0], [50, 40, 30]), COLORS) is None
    assert evidence(hand_made([], [], [9]), np.zeros(9, dtype=int), COLORS) is None
