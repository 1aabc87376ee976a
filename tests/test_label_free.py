"""Labels change nothing but the scores."""

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl._keys import SYMBOL
from scrcl.experiment import InputSpec
from scrcl.experiment.inputs import load
from tests.running import Runner

RESULTS = ("clusters.csv", "embedding.npz", "history.csv")


def shuffled(labels: pd.Series) -> pd.Series:
    values = np.random.default_rng(1).permutation(labels.to_numpy())
    return pd.Series(values, index=labels.index)


def partly_missing(labels: pd.Series) -> pd.Series:
    return labels.astype(object).where(np.arange(len(labels)) % 4 > 0, None).astype("category")


CHANGES: tuple[Callable[[pd.Series], pd.Series] | None, ...] = (shuffled, partly_missing, None)
"""``None``: no labels at all."""


def found(run: Path) -> dict[str, bytes]:
    return {name: (run / "seed_3" / name).read_bytes() for name in RESULTS}


@pytest.mark.parametrize(
    ("task", "method"),
    [("sc", "kmeans"), ("sc", "consensus"), ("st", "kmeans"), ("st", "domains")],
)
def test_clusters_and_embedding_are_bit_equal_whatever_the_labels(
    runner: Runner, adata_sc: ad.AnnData, adata_st: ad.AnnData, task: str, method: str
) -> None:
    adata, key = (adata_sc, "cell_type1") if task == "sc" else (adata_st, "ground_truth")
    settings = ("--n-clusters", 3, "--seeds", 3, "--set", f"method={method}")
    expected = found(runner.fast(task, adata, *settings))

    for change in CHANGES:
        changed = adata.copy()
        del changed.obs[key]
        if change is not None:
            changed.obs[key] = change(adata.obs[key])
        run = runner.fast(task, changed, *settings, "--overwrite")

        assert found(run) == expected, change


@pytest.mark.parametrize("selection", ["last", "min_loss"])
def test_the_oracle_does_not_change_the_label_free_result_by_a_bit(
    runner: Runner, adata_sc: ad.AnnData, selection: str
) -> None:
    settings = ("--seeds", 3, "--selection", selection)
    alone = found(runner.fast("sc", adata_sc, *settings))

    beside = found(runner.fast("sc", adata_sc, *settings, "--oracle", "--overwrite"))

    for name in ("clusters.csv", "embedding.npz"):
        assert beside[name] == alone[name]


def test_preprocessing_is_given_nothing_that_could_be_a_label(
    runner: Runner, adata_st: ad.AnnData
) -> None:
    adata_st.obs["slide"] = "a"
    adata_st.var["note"] = "x"
    adata_st.uns["labels"] = list(adata_st.obs["ground_truth"])
    adata_st.raw = adata_st.copy()
    path = runner.save(adata_st)

    bare = load(InputSpec(task="st", paths=(path,), slice_key="slide")).without_labels()

    assert list(bare.obs) == ["slide"]
    assert list(bare.var) == list(bare.raw.var) == [SYMBOL]
    assert list(bare.var[SYMBOL]) == list(adata_st.var_names)
    assert not bare.uns
    assert list(bare.obsm) == ["spatial"]
