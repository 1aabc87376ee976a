import numpy as np
import pytest

from scrcl.pl import palette
from scrcl.report.explorer.cuts import MOST_CLUSTERS, read_cuts
from tests.clustering.planted import anchored, hand_made, random_tree
from tests.report.unpacked import array


@pytest.mark.parametrize("seed", range(4))
def test_every_cut_is_the_one_that_the_tree_gives_with_its_numbers(seed):
    tree = random_tree(seed)
    own = tree.clusters(7).labels
    cuts = read_cuts(tree, own)["cuts"]
    assert len(cuts) == tree.n_max
    for number, cut in enumerate(cuts, 1):
        found = tree.clusters(number)
        assert np.array_equal(array(cut["of"], "u1")[tree.leaves], found.labels)
        sure = array(cut["confidence"], "u1")[tree.leaves] / 255
        assert np.abs(sure - found.confidence).max() < 1 / 255
        assert cut["nodes"] == tree.cut_nodes(number).tolist()


def test_no_more_cuts_than_a_slider_can_hold():
    assert (
        len(read_cuts(random_tree(0, n_leaves=80), np.zeros(1, dtype=int))["cuts"]) <= MOST_CLUSTERS
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_run_has_the_colours_of_its_figures_and_a_split_recolours_one_cluster(seed):
    tree = random_tree(seed)
    cuts = read_cuts(tree, tree.clusters(7).labels)
    assert cuts["own"] == 7
    assert cuts["cuts"][6]["colors"] == list(palette(7))
    for before, after in zip(cuts["cuts"], cuts["cuts"][1:], strict=False):
        color_of = dict(zip(before["nodes"], before["colors"], strict=True))
        kept = [n for n in after["nodes"] if n in color_of]
        colors = dict(zip(after["nodes"], after["colors"], strict=True))
        assert all(colors[node] == color_of[node] for node in kept)
        assert len(set(after["colors"])) == len(after["colors"])
        assert set(before["colors"]) <= set(after["colors"])
        if after["split"] is not None:
            sides = {after["nodes"][side] for side in after["split"]["sides"]}
            assert after["split"]["of"] in set(before["nodes"]) - set(after["nodes"])
            assert sides <= set(after["nodes"]) - set(before["nodes"])


def test_clusters_that_are_no_cut_are_said_to_be_none_and_lend_their_colours():
    tree = hand_made([(1, 0), (3, 2)], [0.4, 0.9], [50, 40, 30])
    own = np.repeat([1, 0, 0], [50, 40, 30])  # not joined so in the tree
    cuts = read_cuts(tree, own)
    assert cuts["own"] is None
    # Of the two clusters of this cut, the larger holds all of the run's second.
    assert cuts["cuts"][1]["colors"] == [palette(2)[1], palette(2)[0]]


def test_a_split_is_told_with_its_sides_as_the_cut_numbers_them():
    tree = hand_made(
        [(1, 0), (3, 2)],
        [0.4, 0.9],
        [50, 40, 30],
        genes=["+L1 -R 1 (x) -R2", "-T1"],
        distance=[5.5, 8.0],
        auc_n_counts=[1.0, 0.5],
    )
    first, second, third = (cut["split"] for cut in read_cuts(tree, tree.leaves)["cuts"])
    assert first is None
    assert second["sides"] == [0, 1]
    assert second["genes"] == [[], ["T1"]]
    assert second["supported"]
    assert third["sides"] == [1, 0]  # the left side is leaf 1, the second largest
    assert third["genes"] == [["L1"], ["R 1 (x)", "R2"]]
    assert (second["explained"], third["explained"]) == ("", "depth")
    assert not third["supported"]
    assert (third["distance"], third["node"]) == (5.5, 3)


def test_one_leaf_has_one_cut():
    cuts = read_cuts(hand_made([], [], [9]), np.zeros(9, dtype=int))
    assert (cuts["own"], len(cuts["cuts"])) == (1, 1)


def test_it_is_told_whether_the_number_was_voted_on():
    tree = random_tree(0)
    found = [read_cuts(one, one.clusters(5).labels) for one in (tree, anchored(tree, found=5))]
    assert [cuts["voted"] for cuts in found] == [False, True]
    assert (found[1]["n_supported"], found[1]["own"]) == (5, 5)
