"""What is said about a cut."""

import pytest

from scrcl.clustering import said_of
from tests.clustering.planted import hand_made

#  leaves 0 (40 cells) and 1 (30), 2 (50) and 3 (60): ((0 1) (2 3))
MERGES, HEIGHTS, SIZES = [[0, 1], [2, 3], [4, 5]], [0.4, 0.5, 0.9], [40, 30, 50, 60]


def tree(**columns):
    return hand_made(MERGES, HEIGHTS, SIZES, **columns)


def test_a_cut_as_deep_as_the_evidence_says_what_would_be_next():
    found = said_of(tree(mixing=[0.8, 0.9, 0.1], distance=[3.0, 2.0, 8.0], n_genes=[4, 0, 30]), 2)
    assert found == [
        "2 clusters: as deep as the evidence goes.",
        (
            "Next, cluster 1 would be divided into 40 and 30 cells: the partitions mix its sides by "
            "0.80 (asked for: at most 0.55), their distance is 3.0 (at least 4.5), genes that tell them "
            "apart: 4 (at least 5)."
        ),
    ]


@pytest.mark.parametrize(
    ("n_clusters", "said"),
    [
        (1, "1 cluster, as asked: the evidence goes deeper, to 2."),
        (2, "2 clusters: as deep as the evidence goes."),
        (
            4,
            "4 clusters, as asked: the evidence goes to 2. Made with less than is asked for: 2 splits",
        ),
    ],
)
def test_a_number_that_was_asked_for_is_set_beside_the_evidence(n_clusters, said):
    assert said_of(tree(mixing=[0.8, 0.8, 0.1]), n_clusters)[0].startswith(said)


def test_one_cluster_says_that_there_was_no_evidence():
    assert said_of(tree(mixing=0.8), 1)[0].startswith("One cluster: no split has the evidence")
    assert said_of(hand_made([], [], [30], genes=[]), 1)[1:] == []


def test_a_difference_in_depth_is_called_so():
    found = said_of(tree(mixing=[0.1, 0.8, 0.1], auc_n_counts=[0.997, 1.0, 0.6]), 2)
    depth = [sentence for sentence in found if "depth" in sentence]
    assert depth == [
        (
            "Cluster 1 holds 40 and 30 cells that differ in depth, not in type: their total counts alone "
            "tell them apart (AUC 0.997). They were left together."
        )
    ]


@pytest.mark.parametrize(("n_cells", "lie"), [(1, "1 cell lies"), (4, "4 cells lie")])
def test_outliers_are_counted(n_cells, lie):
    found = said_of(hand_made([[0, 1]], [0.9], [n_cells, 50]), 1)
    assert found[-1].startswith(f"{lie} apart from all others")
