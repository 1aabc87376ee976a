import numpy as np
import scipy.sparse as sp

from scrcl.data.prepare import prepare
from scrcl.model import ScRCL


def test_cells_and_their_graph_are_those_of_training(adata_sc):
    model = ScRCL(n_clusters=3)
    data = model.to_pyg(adata_sc)
    prepared = prepare(adata_sc, model.config.data)

    np.testing.assert_array_equal(data.x.numpy(), prepared.x.toarray())
    edges = data.edge_index.numpy()
    graph = sp.csr_matrix((np.ones(edges.shape[1]), edges), (45, 45))
    assert (graph != prepared.adj).nnz == 0
    assert data.obs_names == list(adata_sc.obs_names)
    assert data.var_names == list(prepared.var_names)
    assert data.y is None
    data.validate()


def test_the_spots_of_a_tissue_are_linked_by_place(adata_st):
    data = ScRCL(task="st").to_pyg(adata_st)
    assert data.num_nodes == 36
    assert data.is_undirected()
    assert not data.has_self_loops()
