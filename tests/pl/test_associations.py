"""Figures of gene associations and modules."""

import numpy as np
import pandas as pd
import pytest

from scrcl import pl
from scrcl._validate import InputError


def table(n_clusters: int, n_genes: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "cluster": np.repeat([str(c) for c in range(n_clusters)], n_genes),
            "gene": np.tile([f"gene{g}" for g in range(n_genes)], n_clusters),
            "association": rng.normal(size=n_clusters * n_genes),
            "wilcoxon_score": rng.normal(size=n_clusters * n_genes),
        }
    )


@pytest.mark.parametrize("n_clusters", [2, 7, 50])
def test_every_tested_cluster_has_a_panel_that_names_its_best_genes(n_clusters: int) -> None:
    rows = table(n_clusters)
    rows.loc[rows["cluster"] == "1", "wilcoxon_score"] = np.nan

    fig = pl.association_scatter(rows, n_genes=3)

    assert [ax.get_title() for ax in fig.axes] == [str(c) for c in range(n_clusters) if c != 1]
    first = rows[rows["cluster"] == "0"].nlargest(3, "association")
    assert fig.axes[0].texts[0].get_text().split("\n") == list(first["gene"])
    assert len(fig.axes[0].collections[0].get_offsets()) == 27


def test_without_a_test_there_is_nothing_to_set_associations_against() -> None:
    with pytest.raises(InputError, match="no cluster with a test"):
        pl.association_scatter(table(2).assign(wilcoxon_score=np.nan))


@pytest.mark.parametrize("n_clusters", [2, 50])
def test_modules_are_rows_and_clusters_columns(n_clusters: int) -> None:
    values = np.random.default_rng(0).normal(size=(6, n_clusters))
    activity = pd.DataFrame(values, columns=[str(c) for c in range(n_clusters)])
    activity.insert(0, "n_genes", range(10, 16))
    activity.insert(0, "module", range(6))

    fig = pl.module_heatmap(activity)

    image = fig.axes[0].images[0]
    np.testing.assert_array_equal(image.get_array(), values)
    assert next(label.get_text() for label in fig.axes[0].get_yticklabels()) == "0 (10)"
    assert len(fig.axes[0].get_xticklabels()) == n_clusters
    assert image.get_clim()[0] == -image.get_clim()[1]


def test_a_table_without_its_columns_is_refused() -> None:
    with pytest.raises(InputError, match="association column"):
        pl.association_scatter(table(2).drop(columns="gene"))
    with pytest.raises(InputError, match="activity column"):
        pl.module_heatmap(pd.DataFrame({"module": [0]}))
