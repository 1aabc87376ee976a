from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex

from scrcl._validate import InputError
from scrcl.pl import cluster_tree, palette
from tests.clustering.planted import hand_made, random_tree


def small_tree(**columns):
    """Groups of 50, 40 and 30 cells; the first two are the nearer to each other."""
    return hand_made([(1, 0), (3, 2)], [0.4, 0.9], [50, 40, 30], **columns)


def texts(fig):
    (ax,) = fig.axes
    return [text.get_text() for text in ax.texts]


def test_clusters_are_named_with_their_cells_in_their_colours():
    fig = cluster_tree(small_tree(), colors=["red", "green", "blue"])
    assert texts(fig)[:3] == ["0  (50)", "1  (40)", "2  (30)"]
    dots = [to_hex(dot.get_facecolor()[0]) for dot in fig.axes[0].collections][-3:]
    assert dots == [to_hex(color) for color in ("red", "green", "blue")]


def test_each_split_has_its_evidence_and_the_genes_of_the_side_they_are_higher_on():
    tree = small_tree(
        mixing=[0.12, 0.34], distance=[5.5, 8.0], n_genes=[1, 45], genes=["+L1 -R1 -R2", "-T1"]
    )
    # The left side of the first split is the smaller, so it is below.
    assert set(texts(cluster_tree(tree, 3))[3:]) == {
        "mixing 0.12, distance 5.5, 1 gene   ↑ R1 R2   ↓ L1",
        "mixing 0.34, distance 8.0, 45 genes   ↓ T1",
    }


def test_a_name_below_a_split_stands_at_it_once_more():
    named = {"0": "T cell", "1": "T cell", "2": "a name of many letters and $x^2$ and so on"}
    said = texts(cluster_tree(small_tree(), names=named))
    assert said[:3] == [
        "0  T cell  (50)",
        "1  T cell  (40)",
        "2  a name of many letters and $x…  (30)",
    ]
    assert [text.startswith("T cell:   mixing") for text in said[3:]].count(True) == 1
    own = texts(cluster_tree(small_tree(), names={"0": "T cell"}))
    assert own[:3] == ["0  T cell  (50)", "1  (40)", "2  (30)"]
    assert all(text.startswith("mixing") for text in own[3:])


def test_what_is_said_of_a_split_stands_between_the_clusters_it_parts():
    tree = random_tree(2)
    (ax,) = cluster_tree(tree, 12).axes
    names = {text.xy[1] for text in ax.texts if text.get_fontweight() == "bold"}
    said = {text.xy[1] for text in ax.texts if text.get_fontweight() != "bold"}
    assert names == set(range(12))
    assert said == {number + 0.5 for number in range(11)}


def test_splits_that_are_not_supported_are_dashed_and_depth_is_said():
    (ax,) = cluster_tree(small_tree(auc_n_counts=[1.0, 0.5]), 3).axes
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 3
    assert sum("differ in depth" in text for text in (t.get_text() for t in ax.texts)) == 1


@pytest.mark.parametrize("n_clusters", [1, 2, 8, 20, 50])
def test_nothing_overlaps_from_one_cluster_to_many(n_clusters):
    tree = random_tree(3, n_leaves=80)
    tree.splits["genes"] = "+ENSG00000000001 +ENSG00000000002 -ENSG00000000003 -ENSG00000000004"
    named = {str(number): "of one name, a long one, $" for number in range(n_clusters - 1)}
    fig = cluster_tree(tree, n_clusters, names=named)
    for text in fig.axes[0].texts:
        text.set_parse_math(False)  # as when it is saved
    fig.draw_without_rendering()
    (ax,) = fig.axes
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    assert len(boxes) == 2 * n_clusters - 1
    assert all(low.y1 <= high.y0 + 3 for low, high in pairwise(boxes))
    assert max(box.x1 for box in boxes) <= fig.bbox.width + 1


def test_heights_are_those_of_the_tree():
    tree = small_tree()
    (ax,) = cluster_tree(tree).axes
    upright = [line.get_xdata()[0] for line in ax.lines if np.ptp(line.get_xdata()) == 0]
    assert sorted(upright) == [0.4, 0.9]


def test_colours_are_those_of_other_figures():
    (ax,) = cluster_tree(small_tree()).axes
    dots = [to_hex(dot.get_facecolor()[0]) for dot in ax.collections][-3:]
    assert dots == list(palette(3))


def test_more_clusters_than_there_are_is_refused():
    with pytest.raises(InputError, match="n_clusters: got 9"):
        cluster_tree(small_tree(), 9)
