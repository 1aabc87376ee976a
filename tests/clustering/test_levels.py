"""Names of clusters that nest."""

import numpy as np

from scrcl.clustering.levels import level_names, nested_names
from tests.clustering.planted import random_tree


def test_the_first_level_is_numbered_by_size():
    names = nested_names(None, np.array([7, 7, 3]), np.array([10, 5, 40]))
    assert names.tolist() == ["1", "1", "0"]


def test_an_undivided_cluster_keeps_its_name():
    names = nested_names(np.array(["2", "2", "0.1"]), np.array([4, 1, 9]), np.array([10, 30, 7]))
    assert names.tolist() == ["2.2", "2.1", "0.1"]


def test_levels_go_from_few_clusters_to_many():
    tree = random_tree(3)
    numbers = [len(set(names.tolist())) for names in level_names(tree).values()]
    assert list(level_names(tree)) == ["coarse", "default", "fine"]
    assert numbers == sorted(numbers)
    assert numbers[0] < numbers[-1]
