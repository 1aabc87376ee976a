"""The summary over seeds and the annotated data."""

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from scrcl._validate import InputError
from scrcl.results import SeedResult, annotated, storable, summarize

MakeResult = Callable[..., SeedResult]


@pytest.fixture
def adata() -> ad.AnnData:
    """Four cells, of which the result knows three, in another order."""
    names = ["0003", "dropped", "NA", "cell,2"]
    obs = pd.DataFrame({"donor": ["a", "a", "b", "b"], "scrcl": "earlier"}, index=names)
    return ad.AnnData(csr_matrix(np.arange(8, dtype=np.float32).reshape(4, 2)), obs=obs)


def test_summary_has_mean_and_sample_deviation_per_protocol() -> None:
    metrics = {
        5: {"label_free": {"ari": 0.5, "n_clusters": 7}, "oracle": {"ari": 0.9}},
        15: {"label_free": {"ari": 0.7, "n_clusters": 9}, "oracle": {"ari": 0.9}},
    }

    table = summarize(metrics, {"label_free": [0.8, 0.6, 1.0]}).set_index("protocol")

    free = table.loc["label_free"]
    assert table.index.tolist() == ["label_free", "oracle"]
    assert free["n_seeds"] == 2
    assert free["ari_mean"] == pytest.approx(0.6)
    assert free["ari_sd"] == pytest.approx(0.2 / np.sqrt(2))
    assert free["n_clusters_mean"] == 8
    assert (free["seed_ari_mean"], free["seed_ari_min"]) == pytest.approx((0.8, 0.6))
    assert table.loc["oracle", "ari_sd"] == 0
    assert np.isnan(table.loc["oracle", "seed_ari_mean"])


def test_one_seed_without_labels_leaves_scores_and_deviations_empty() -> None:
    table = summarize({5: {"label_free": {"n_clusters": 4}}}, {})

    assert table.loc[0, "n_clusters_mean"] == 4
    for column in ("n_clusters_sd", "acc_mean", "f1_sd", "seed_ari_mean"):
        assert np.isnan(table.loc[0, column])


def test_scores_without_a_value_come_back_from_json_as_empty() -> None:
    assert np.isnan(summarize({5: {"label_free": {"ari": None}}}, {}).loc[0, "ari_mean"])  # type: ignore[dict-item]


def test_clusters_are_joined_by_name_and_the_input_stays_as_it_was(
    adata: ad.AnnData, result: MakeResult
) -> None:
    before = adata.copy()

    joined = annotated(adata, result(confidence=np.array([0.5, 1.0, 0.25])), {"config": "text"})

    assert joined.obs_names.tolist() == ["0003", "dropped", "NA", "cell,2"]
    assert joined.obs["scrcl"].cat.categories.tolist() == ["0", "1"]
    assert joined.obs["donor"].tolist() == ["a", "a", "b", "b"]
    assert joined.uns["scrcl"] == {"seed": 5, "config": "text"}
    has_cluster = joined.obs["scrcl"].notna()
    assert joined.obs["scrcl"][has_cluster].tolist() == ["1", "1", "0"]
    assert joined.obs["scrcl_confidence"][has_cluster].tolist() == [0.25, 0.5, 1.0]
    np.testing.assert_array_equal(joined.obsm["X_scrcl"][has_cluster], [[4, 5], [0, 1], [2, 3]])
    np.testing.assert_array_equal(joined.X.toarray(), before.X.toarray())
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    assert not adata.obsm
    assert not adata.uns


def test_a_cell_without_a_cluster_stays_with_nothing_in_its_fields(
    adata: ad.AnnData, result: MakeResult
) -> None:
    joined = annotated(adata, result(confidence=np.array([0.5, 1.0, 0.25])), {})["dropped"]

    assert joined.obs["scrcl"].isna().all()
    assert joined.obs["scrcl_confidence"].isna().all()
    assert np.isnan(joined.obsm["X_scrcl"]).all()


def test_matrices_are_shared_and_raw_is_kept(adata: ad.AnnData, result: MakeResult) -> None:
    adata.raw = adata.copy()

    joined = annotated(adata, result(), {})

    assert np.shares_memory(joined.X.data, adata.X.data)
    assert joined.raw.shape == adata.raw.shape


def test_clusters_are_ordered_by_number(adata: ad.AnnData, result: MakeResult) -> None:
    copy = annotated(adata, result(clusters=np.array([10, 2, 10])), {})

    assert copy.obs["scrcl"].cat.categories.tolist() == ["2", "10"]


def test_backed_data_gives_the_same_as_data_in_memory(
    adata: ad.AnnData, result: MakeResult, tmp_path: Path
) -> None:
    adata.write_h5ad(tmp_path / "data.h5ad")
    backed = ad.read_h5ad(tmp_path / "data.h5ad", backed="r")

    copy = annotated(backed, result(), {})

    np.testing.assert_array_equal(copy.X.toarray(), adata.X.toarray())
    assert copy.obs["scrcl"].dropna().tolist() == ["1", "1", "0"]
    backed.file.close()


def test_annotated_data_survives_the_disk(
    adata: ad.AnnData, result: MakeResult, tmp_path: Path
) -> None:
    annotated(adata, result(), {"config": "a: 1\n"}).write_h5ad(tmp_path / "result.h5ad")

    back = ad.read_h5ad(tmp_path / "result.h5ad")

    assert back.obs["scrcl"].dropna().tolist() == ["1", "1", "0"]
    assert back.uns["scrcl"] == {"config": "a: 1\n", "seed": 5}


def test_columns_of_mixed_values_survive_the_disk_as_text(
    adata: ad.AnnData, result: MakeResult, tmp_path: Path
) -> None:
    adata.obs["kept"] = [True, None, False, True]

    storable(annotated(adata, result(), {}))[0].write_h5ad(tmp_path / "result.h5ad")

    kept = ad.read_h5ad(tmp_path / "result.h5ad").obs["kept"]
    assert kept.dropna().tolist() == ["True", "False", "True"]


def test_clusters_of_other_cells_are_refused(adata: ad.AnnData, result: MakeResult) -> None:
    with pytest.raises(InputError, match=r"got 1 clustered ones .*\(the first: 'x'\)"):
        annotated(adata, result(obs_names=["NA", "x", "0003"]), {})
