"""Prepared cells as a graph of PyTorch Geometric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from scrcl.nn.network import import_pyg

if TYPE_CHECKING:
    from scrcl.data.prepare import Prepared


def to_data(prepared: Prepared) -> Any:
    """Make a ``torch_geometric.data.Data`` of prepared cells.

    Returns
    -------
    ``x`` (n_cells, n_genes), the model's input before smoothing; ``edge_index`` (2, n_edges), each
    link of the cell graph in both directions, no self loops; ``obs_names`` and ``var_names``, lists.
    No labels.
    """
    pyg = import_pyg()
    edge_index, _ = pyg.utils.from_scipy_sparse_matrix(prepared.adj)
    return pyg.data.Data(
        x=torch.from_numpy(prepared.x.toarray()),
        edge_index=edge_index,
        obs_names=list(prepared.obs_names),
        var_names=list(prepared.var_names),
    )
