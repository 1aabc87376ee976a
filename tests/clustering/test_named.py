"""Names in the tree: what both sides of a split are called."""

from scrcl.clustering import named_alike, named_parents
from tests.clustering.planted import hand_made


def test_a_name_on_both_sides_is_that_of_the_largest_part_that_has_it():
    tree = hand_made([(0, 1), (4, 2), (5, 3)], [0.2, 0.5, 0.9], [50, 40, 30, 20])
    assert named_parents(tree, ["b", "b", "b", "t"]) == {5: [0, 1, 2]}
    assert named_parents(tree, ["b", "b", "t", "t"]) == {4: [0, 1]}
    assert named_parents(tree, ["b", "t", "b", "t"]) == {}
    assert named_parents(tree, ["", "", "b", "b"]) == {}
    assert named_alike(tree, ["b", "b", "t", "t"]) == [[0, 1], [0, 1], [2], [3]]


def test_cells_that_are_set_aside_stand_in_no_ones_way():
    # Leaf 2 is two cells, too few for a cluster: they are joined to what leaf 0 and 1 are.
    tree = hand_made([(0, 2), (4, 1), (5, 3)], [0.2, 0.5, 0.9], [50, 40, 2, 30])
    assert len(tree.cut_nodes(3)) == 3
    found = named_parents(tree, ["b", "b", "t"])
    assert list(found.values()) == [[0, 1]]
