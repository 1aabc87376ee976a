"""What an earlier result wrote goes, and nothing else."""

import anndata as ad
import numpy as np
import pytest

from scrcl.data.earlier import forget_clusters, forget_result

OBS = [
    "mine",
    "mine_name",
    "mine_leaf",
    "mine_outlier",
    "mine_confidence",
    "mine_coarse",
    "mine_own",
    "type",
]


@pytest.fixture
def annotated() -> ad.AnnData:
    plane = np.arange(8.0).reshape(4, 2)
    return ad.AnnData(
        np.ones((4, 3)),
        obs={name: list("abca") for name in OBS},
        uns={"mine_colors": ["red"], "mine_coarse_colors": ["red"], "type_colors": ["blue"]},
        obsm={"X_mine": np.eye(4), "X_mine_umap": plane, "X_umap": plane, "X_mine_views": plane},
        varm={"mine_association": np.ones((3, 2))},
    )


def test_clusters_take_their_names_colours_and_genes_with_them(annotated):
    forget_clusters(annotated, "mine")
    assert "mine_name" not in annotated.obs
    assert {"mine", "mine_leaf", "mine_coarse"} <= set(annotated.obs)
    assert set(annotated.uns) == {"mine_coarse_colors", "type_colors"}
    assert not annotated.varm
    assert len(annotated.obsm) == 4


def test_a_new_result_stands_alone(annotated):
    forget_result(annotated, "mine", np.eye(4)[::-1])
    assert list(annotated.obs) == ["mine", "mine_own", "type"]
    assert set(annotated.uns) == {"type_colors"}
    assert set(annotated.obsm) == {"X_mine"}


def test_a_layout_stays_with_its_embedding_and_one_of_others_with_the_data(annotated):
    same = annotated.copy()
    forget_result(same, "mine", np.eye(4))
    assert {"X_mine_umap", "X_umap"} <= set(same.obsm)
    annotated.obsm["X_umap"] = np.ones((4, 2))
    forget_result(annotated, "mine", np.ones((4, 4)))
    assert set(annotated.obsm) == {"X_mine", "X_umap"}
