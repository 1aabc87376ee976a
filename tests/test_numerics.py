"""Numbers at the edge: steep losses, huge counts, empty genes, cells on their own."""

import dataclasses

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import scrcl
from scrcl import InputError, ScRCL
from scrcl.config import ModelConfig, TrainConfig
from scrcl.train import fit
from tests.model.conftest import cells, small, tissue
from tests.nn import dense

CPU = torch.device("cpu")
STEEP = ModelConfig(n_hidden=10, temperature=0.01)
FAST = {"n_epochs": 3, "n_hvg": 0, "n_hidden": 16, "device": "cpu"}


def steep_losses(n_epochs: int, dtype: torch.dtype, *, fast_step: bool) -> list[float]:
    """Losses at ten times the default rate and the lowest temperature in use."""
    inputs = dense.to_inputs(dense.random_case(12, 7))
    inputs = type(inputs)(*(member.to(dtype) for member in inputs))
    rate = 10 * TrainConfig().lr
    train = TrainConfig(n_epochs=n_epochs, lr=rate, fast_step=fast_step)
    found = fit(inputs, STEEP, train, n_latent=3, seed=0, device=CPU)
    assert all(torch.isfinite(view).all() for view in found.views)
    return [row["total"] for row in found.history]


@pytest.mark.parametrize("fast_step", [True, False])
def test_a_steep_loss_stays_finite(*, fast_step: bool) -> None:
    losses = steep_losses(120, torch.float32, fast_step=fast_step)
    assert len(losses) == 120
    assert np.isfinite(losses).all()


def test_single_precision_follows_double_precision() -> None:
    single, double = (steep_losses(5, t, fast_step=True) for t in (torch.float32, torch.float64))
    np.testing.assert_allclose(single, double, rtol=1e-3)


def test_a_training_that_leaves_the_numbers_stops_and_says_where() -> None:
    inputs = dense.to_inputs(dense.random_case(12, 7))
    inputs = type(inputs)(*(member.float() for member in inputs))
    steep = dataclasses.replace(TrainConfig(n_epochs=60), lr=1e30)
    with pytest.raises(
        InputError, match=r"at epoch \d+ \(from \w+.*smaller train.lr \(now 1e\+30\)"
    ):
        fit(inputs, STEEP, steep, n_latent=3, seed=0, device=CPU)


def with_counts(change: object) -> ad.AnnData:
    """60 cells whose counts are changed by a function of the dense matrix."""
    plain = cells(60)
    counts = plain.X.toarray()
    change(counts)  # type: ignore[operator]
    return ad.AnnData(sp.csr_matrix(counts), plain.obs, plain.var)


def one_huge_gene(counts: np.ndarray) -> None:
    counts[:, 0] = 10**6


def one_huge_value(counts: np.ndarray) -> None:
    counts[3, 5] = 10**6


def half_of_the_genes_empty(counts: np.ndarray) -> None:
    counts[:, ::2] = 0


def a_cell_of_its_own(counts: np.ndarray) -> None:
    counts[0] = 0
    counts[0, 7] = 900


@pytest.mark.parametrize("model_input", ["log", "counts", "scaled"])
@pytest.mark.parametrize(
    "change", [one_huge_gene, one_huge_value, half_of_the_genes_empty, a_cell_of_its_own]
)
def test_extreme_counts_end_in_finite_numbers(change: object, model_input: str) -> None:
    model = ScRCL(n_clusters=4, model_input=model_input, **FAST).fit(with_counts(change))
    assert np.isfinite(model.embedding_).all()
    assert np.isfinite(model.history.to_numpy()).all()
    assert len(np.unique(model.labels_)) == 4


def test_clusters_of_one_cell_are_clusters() -> None:
    adata = cells(12).copy()
    scrcl.cluster(adata, n_clusters=9, config="paper", **FAST)
    sizes = adata.obs["scrcl"].value_counts()
    assert sizes.min() == 1
    assert sizes.sum() == 12
    table = scrcl.markers.rank_genes(adata, "scrcl", min_cells=2).table
    assert set(table["group"].astype(str)) == set(map(str, sizes.index[sizes > 1]))


def test_spots_without_neighbours_are_trained_in_batches() -> None:
    spots = tissue(side=6)
    spots = ad.AnnData(spots.X, pd.DataFrame(index=spots.obs_names), spots.var, obsm=spots.obsm)
    places = np.array(spots.obsm["spatial"])
    places[:5] += 1000 * np.arange(1, 6)[:, None]  # each far from all others
    spots.obsm["spatial"] = places
    settings = small("paper", "st", batch_size=4, spatial_graph="radius", radius=1.1, n_epochs=3)
    model = ScRCL(settings, 2, task="st", device="cpu").fit(spots)
    assert np.isfinite(model.embedding_).all()
    assert np.isfinite(model.history.to_numpy()).all()
