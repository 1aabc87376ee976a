"""PAGA."""

from importlib.util import find_spec

import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp
from matplotlib.collections import LineCollection, PathCollection

from scrcl._keys import EMBEDDING
from scrcl._validate import InputError
from scrcl.pl import paga
from scrcl.pl.paga import connectivities


def legend(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def dots(ax) -> PathCollection:
    return next(c for c in ax.collections if isinstance(c, PathCollection))


def test_connectivity_is_the_share_of_the_edges_to_be_expected():
    # Cells 0, 1 | 2, 3, each with one neighbour: 0 -> 1, 1 -> 2, 2 -> 3, 3 -> 2.
    neighbors = sp.csr_matrix((np.full(4, 0.5), ([0, 1, 2, 3], [1, 2, 3, 2])), shape=(4, 4))
    found = connectivities(neighbors, np.array([0, 0, 1, 1]), 2)
    # One edge between them; (2 * 2 + 2 * 2) / 3 are expected.
    np.testing.assert_allclose(found, [[0, 3 / 8], [3 / 8, 0]])


@pytest.mark.skipif(find_spec("igraph") is None, reason="igraph is not installed")
def test_connectivities_are_those_of_scanpy():
    pbmc = sc.datasets.pbmc68k_reduced()
    sc.pp.neighbors(pbmc, 15, method="gauss")  # PAGA takes the distances alone
    sc.tl.paga(pbmc, groups="bulk_labels")
    labels = pbmc.obs["bulk_labels"].cat
    found = connectivities(pbmc.obsp["distances"], labels.codes.to_numpy(), len(labels.categories))
    np.testing.assert_allclose(found, pbmc.uns["paga"]["connectivities"].toarray())


def test_clusters_that_do_not_touch_are_nodes_without_edges(result):
    codes = result.obs["scrcl"].cat.codes.to_numpy()
    apart = result.copy()
    apart.obsm[EMBEDDING] = np.eye(3)[codes] + 0.01 * result.obsm[EMBEDDING]
    (ax,) = paga(apart).axes
    (edges,) = [c for c in ax.collections if isinstance(c, LineCollection)]
    assert len(edges.get_segments()) == 0
    assert len(dots(ax).get_offsets()) == 3


def test_paga_has_a_labelled_node_for_each_cluster(result):
    fig = paga(result)
    (ax,) = fig.axes
    assert ax.get_title() == "PAGA of scRCL clusters"
    assert len(dots(ax).get_offsets()) == 3
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2"]
    assert set(result.obsm) == {EMBEDDING}


def test_paga_is_the_same_every_time_and_leaves_cells_without_a_group_out(result):
    first, second = (dots(paga(result, "labels").axes[0]) for _ in range(2))
    np.testing.assert_array_equal(first.get_offsets(), second.get_offsets())


def test_paga_explains_many_long_names_in_a_legend(result):
    many = result.copy()
    many.obs["many"] = [f"domain {i % 22:02}" for i in range(45)]
    (ax,) = paga(many, "many").axes
    assert ax.texts[0].get_text() == "1"
    assert legend(ax)[0] == "1  domain 00"


def test_paga_of_one_cluster_is_refused(result):
    one = result.copy()
    one.obs["one"] = "a"
    with pytest.raises(InputError, match="PAGA links groups"):
        paga(one, "one")
