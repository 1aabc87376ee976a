"""Any number of clusters from a finished tree: what a run with that number gives, without training."""

from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

import scrcl
from scrcl.clustering import tree_of
from scrcl.model import annotate
from tests.model.conftest import cells, small


@pytest.fixture(scope="module")
def _tiny() -> Iterator[None]:
    """Let `cluster` use a tiny network."""
    original = annotate.ScRCL
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            annotate, "ScRCL", lambda _, *args, **kwargs: original(small(), *args, **kwargs)
        )
        yield


@pytest.fixture(scope="module")
def clustered(_tiny: None) -> ad.AnnData:
    """120 cells of four types, of which one cell has no count; the number of clusters found."""
    adata = cells(120, n_types=4).copy()
    X = adata.X.toarray()
    X[7] = 0
    adata.X = sp.csr_matrix(X)
    found = scrcl.cluster(adata, copy=True)
    assert found is not None
    return found


def test_the_tree_is_written_and_comes_back(clustered: ad.AnnData, tmp_path: Path) -> None:
    clustered.write_h5ad(tmp_path / "cells.h5ad")
    back = ad.read_h5ad(tmp_path / "cells.h5ad")

    leaves = back.obs["scrcl_leaf"].to_numpy()
    assert np.flatnonzero(leaves < 0).tolist() == [7]
    tree = tree_of(back.uns["scrcl"]["tree"], leaves[leaves >= 0])
    assert tree.n_leaves <= 300
    labels = back.obs["scrcl"].dropna().astype(int)
    np.testing.assert_array_equal(tree.clusters(None).labels, labels)
