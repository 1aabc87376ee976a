from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.config import DataConfig
from scrcl.data.preprocess import log_normalize, preprocess, scale_genes

SC = DataConfig(n_hvg=20)
ST = DataConfig(n_hvg=20, hvg_flavor="seurat_v3", model_input="scaled", graph="spatial")


def rng_counts(n_obs: int, n_genes: int) -> np.ndarray:
    return np.random.default_rng(1).poisson(2.0, (n_obs, n_genes)).astype(np.float32)


def wide(n_obs: int = 300, n_genes: int = 400, seed: int = 0) -> ad.AnnData:
    """Enough genes of different means for seurat_v3 to fit its curve."""
    rng = np.random.default_rng(seed)
    means = rng.lognormal(0, 1, n_genes) * rng.gamma(2, 0.5, (n_obs, n_genes))
    return ad.AnnData(sp.csr_matrix(rng.poisson(means), dtype=np.float32))


def test_single_cells_go_the_papers_way(adata_sc):
    by_hand = adata_sc.copy()
    sc.pp.filter_cells(by_hand, min_genes=1)
    sc.pp.filter_genes(by_hand, min_cells=1)
    raw = by_hand.copy()
    sc.pp.normalize_total(by_hand, target_sum=1e4)
    sc.pp.log1p(by_hand)
    sc.pp.highly_variable_genes(by_hand, n_top_genes=20)
    chosen = by_hand.var["highly_variable"].to_numpy()

    done = preprocess(adata_sc, SC)
    assert list(done.log_norm.var_names) == list(by_hand.var_names[chosen])
    assert np.array_equal(done.x.toarray(), raw[:, chosen].X.toarray())
    np.testing.assert_allclose(done.log_norm.X.toarray(), by_hand[:, chosen].X.toarray(), 1e-6)
    assert done.notes == []


def test_spots_go_the_papers_way():
    adata = wide()
    by_hand = adata.copy()
    sc.pp.highly_variable_genes(by_hand, flavor="seurat_v3", n_top_genes=20)
    sc.pp.normalize_total(by_hand, target_sum=1e4)
    sc.pp.log1p(by_hand)
    sc.pp.scale(by_hand, zero_center=False, max_value=10)
    by_hand = by_hand[:, by_hand.var["highly_variable"]]

    done = preprocess(adata, ST)
    assert list(done.log_norm.var_names) == list(by_hand.var_names)
    np.testing.assert_allclose(done.x.toarray(), by_hand.X.toarray(), rtol=1e-5)
    assert done.notes == []


def test_log_values_are_the_log_normalised_ones(adata_sc):
    done = preprocess(adata_sc, replace(SC, model_input="log"))
    assert (done.x != done.log_norm.X).nnz == 0


@pytest.mark.parametrize(
    "container", [sp.csr_matrix, sp.csc_matrix, sp.csr_array, lambda X: X.toarray()]
)
@pytest.mark.parametrize("dtype", [np.int32, np.uint16, np.float32, np.float64])
def test_containers_and_dtypes_make_no_difference(adata_sc, container, dtype):
    other = adata_sc.copy()
    other.X = container(adata_sc.X.astype(dtype))
    expected, done = preprocess(adata_sc, SC), preprocess(other, SC)
    assert (done.x != expected.x).nnz == 0
    assert (done.log_norm.X != expected.log_norm.X).nnz == 0


def test_log_data_go_on_without_counts_and_say_so(adata_sc):
    done = preprocess(log_normalize(adata_sc), SC)
    expected = preprocess(adata_sc, SC)
    assert list(done.log_norm.var_names) == list(expected.log_norm.var_names)
    assert (done.x != done.log_norm.X).nnz == 0
    assert done.notes == [
        "X: log1p of counts per 10,000, natural log: not normalised again",
        "model_input is counts, but there are none: log values are the model input",
    ]


def test_linear_values_are_normalised_first(adata_sc):
    rpkm = adata_sc.copy()
    rpkm.X = adata_sc.X.multiply(np.linspace(10.3, 99.7, 45)[:, None]).tocsr()
    done = preprocess(rpkm, replace(SC, model_input="log"))
    np.testing.assert_allclose(
        done.x.toarray(),
        preprocess(adata_sc, replace(SC, model_input="log")).x.toarray(),
        rtol=1e-4,
    )
    assert done.notes == [
        "X: counts, each cell divided by a number of its own: normalised to 10,000 per cell, log1p"
    ]


def test_the_total_that_is_told_is_the_one_that_was_taken(adata_sc):
    rpkm = adata_sc.copy()
    rpkm.X = adata_sc.X.multiply(np.linspace(10.3, 99.7, 45)[:, None]).tocsr()
    done = preprocess(rpkm, replace(SC, model_input="log", target_sum=None))
    assert done.notes[0].endswith("normalised to the median per cell, log1p")


def test_log2_values_become_natural_ones(adata_sc):
    binary = log_normalize(adata_sc)
    expected = preprocess(binary, replace(SC, model_input="log"))
    binary.X = binary.X / np.float32(np.log(2))
    done = preprocess(binary, replace(SC, model_input="log"))
    np.testing.assert_allclose(done.x.toarray(), expected.x.toarray(), rtol=1e-5)
    assert done.notes[0].startswith("X: log2(x + 1) of counts per 10,000, brought to natural logs")


def test_what_was_concluded_is_always_said(adata_sc, caplog):
    with caplog.at_level("INFO", logger="scrcl"):
        preprocess(adata_sc, SC)
    assert "X: counts (whole numbers)" in caplog.messages


def test_what_is_said_of_the_values_overrules_the_numbers(adata_sc):
    done = preprocess(adata_sc, replace(SC, values="linear", model_input="log"))
    assert done.basis.kind == "linear"
    assert "X: linear, as said (looks like counts (whole numbers))" in done.notes[0]


def test_counts_in_a_layer_are_found_and_it_is_said_where(adata_sc):
    adata = log_normalize(adata_sc)
    adata.layers["counts"] = adata_sc.X.copy()
    done = preprocess(adata, SC)
    assert (done.x != preprocess(adata_sc, SC).x).nnz == 0
    assert done.notes == ["X is not used: counts values taken from layers['counts']"]


def test_seurat_v3_without_counts_falls_back_to_seurat(adata_sc):
    done = preprocess(log_normalize(adata_sc), replace(ST, n_hvg=15))
    seurat = preprocess(log_normalize(adata_sc), replace(SC, n_hvg=15))
    assert list(done.log_norm.var_names) == list(seurat.log_norm.var_names)
    assert "hvg_flavor seurat_v3: needs counts; genes chosen by seurat instead" in done.notes


@pytest.mark.parametrize(
    ("X", "reason"),
    [
        pytest.param(rng_counts(50, 8), "only 8 genes with variation", id="a handful of genes"),
        pytest.param(np.repeat(rng_counts(50, 2), 15, axis=1), "svddc failed", id="alike"),
        pytest.param(rng_counts(1, 30), "only 0 genes with variation", id="one cell"),
    ],
)
def test_seurat_v3_that_cannot_fit_its_curve_falls_back_to_seurat(X, reason):
    done = preprocess(ad.AnnData(X + 1), replace(ST, n_hvg=5))
    assert done.x.shape[1] >= 1
    assert done.notes[0].startswith(f"hvg_flavor seurat_v3: {reason}")
    assert done.notes[0].endswith("genes chosen by seurat instead")


def test_genes_that_all_stay_the_same_are_used_for_want_of_better():
    done = preprocess(ad.AnnData(np.full((5, 6), 2.0)), replace(SC, n_hvg=3))
    assert done.x.shape == (5, 6)
    assert done.notes == ["no gene varies more than the others: all are used"]


@pytest.mark.parametrize(("n_hvg", "said"), [(0, False), (60, False), (61, True)])
def test_a_panel_with_no_more_genes_than_wanted_is_used_whole(adata_sc, n_hvg, said):
    done = preprocess(adata_sc, replace(SC, n_hvg=n_hvg))
    assert done.x.shape == (45, 60)
    assert done.notes == ["all 60 genes used: n_hvg is 61"] * said


def test_cells_without_a_count_take_no_part_and_are_counted(adata_sc):
    X = adata_sc.X.toarray()
    X[[4, 9]] = 0
    done = preprocess(ad.AnnData(X, adata_sc.obs), SC)
    assert np.flatnonzero(~done.kept).tolist() == [4, 9]
    assert "cell4" not in done.log_norm.obs_names
    assert done.notes == ["left out, without a cluster: 2 cells without a count"]


def test_genes_without_a_cell_are_left_out(adata_sc):
    X = adata_sc.X.toarray()
    X[:, 7] = 0
    done = preprocess(ad.AnnData(X, var=adata_sc.var), replace(SC, n_hvg=0))
    assert "gene7" not in done.log_norm.var_names
    assert done.x.shape == (45, 59)


def test_the_mask_drops_cells_before_anything_else(adata_sc):
    keep = np.arange(45) % 4 != 0
    done, alone = preprocess(adata_sc, SC, keep=keep), preprocess(adata_sc[keep], SC)
    assert np.array_equal(done.kept, keep)
    assert (done.x != alone.x).nnz == 0
    assert done.notes == ["left out as asked: 12 cells"]


def test_no_cell_with_a_count_is_refused(adata_sc):
    with pytest.raises(InputError, match="got 45 cells of which none has a count"):
        preprocess(ad.AnnData(np.zeros((45, 60))), SC)
    with pytest.raises(InputError, match="got 0 cells"):
        preprocess(adata_sc, SC, keep=np.zeros(45, bool))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_an_empty_matrix_is_refused(shape):
    with pytest.raises(InputError, match=f"got {shape[0]} cells x {shape[1]} genes"):
        preprocess(ad.AnnData(np.zeros(shape)), SC)


def test_an_adata_without_any_matrix_is_refused():
    empty = ad.AnnData(obs=pd.DataFrame(index=list("ab")), var=pd.DataFrame(index=list("xy")))
    with pytest.raises(InputError, match=r"without X, \.raw or layers"):
        preprocess(empty, SC)


def test_duplicate_names_are_made_unique_with_a_note(adata_sc):
    obs = pd.DataFrame(index=["same", "same", *adata_sc.obs_names[2:]])
    var = pd.DataFrame(index=["twin", "twin", *adata_sc.var_names[2:]])
    with pytest.warns(UserWarning, match="not unique"):
        twins = ad.AnnData(adata_sc.X.copy(), obs, var)
    done = preprocess(twins, replace(SC, n_hvg=0))
    assert list(done.log_norm.obs_names[:2]) == ["same", "same-1"]
    assert list(done.log_norm.var_names[:2]) == ["twin", "twin-1"]
    assert len(done.notes) == 2


@pytest.mark.parametrize("values", ["counts", "log", "scaled"])
@pytest.mark.parametrize("flavor", ["seurat", "seurat_v3"])
def test_constant_genes_do_no_harm(values, flavor):
    adata = wide(n_genes=60)
    X = adata.X.toarray()
    X[:, :20] = 3
    done = preprocess(ad.AnnData(X), DataConfig(n_hvg=50, model_input=values, hvg_flavor=flavor))
    assert np.isfinite(done.x.data).all()


def test_scale_genes_divides_by_the_standard_deviation_and_cuts_at_ten():
    X = np.random.default_rng(2).random((200, 3))
    X[:, 1] = 0
    X[0, 1] = 5.0  # 14 standard deviations
    scaled = scale_genes(sp.csr_matrix(X)).toarray()
    expected = np.minimum(X / X.std(0, ddof=1), 10)
    np.testing.assert_allclose(scaled, expected, rtol=1e-6)
    assert scaled[0, 1] == 10


def test_scale_genes_leaves_a_constant_gene_as_it_is():
    X = np.full((7, 1), 0.1)
    np.testing.assert_allclose(scale_genes(sp.csr_matrix(X)).toarray(), X, rtol=1e-6)


@pytest.mark.parametrize("cfg", [SC, ST])
def test_genes_can_be_chosen_within_batches(cfg):
    adata = wide()
    batch = np.arange(300) % 2
    X = adata.X.toarray()
    X[:, :20] *= 1 + 2 * batch[:, None]  # differ more between the batches than within one
    adata = ad.AnnData(X, pd.DataFrame({"donor": batch}, index=adata.obs_names))
    mixed, within = preprocess(adata, cfg), preprocess(adata, cfg, batch_key="donor")
    first = set(adata.var_names[:20])
    assert len(first.intersection(within.log_norm.var_names)) < len(
        first.intersection(mixed.log_norm.var_names)
    )


def test_an_unknown_batch_column_is_refused(adata_sc):
    with pytest.raises(InputError, match="got no column 'donor'"):
        preprocess(adata_sc, SC, batch_key="donor")


def test_cells_without_a_batch_are_refused(adata_sc):
    adata = adata_sc.copy()
    adata.obs["donor"] = ["a", None, *"b" * 43]
    with pytest.raises(InputError, match="got 1 cell without a value"):
        preprocess(adata, SC, batch_key="donor")


def test_the_log_normalised_view_carries_names_and_nothing_that_is_known_about_the_cells(adata_sc):
    done = preprocess(adata_sc, SC)
    assert done.log_norm.obs.columns.empty
    assert done.log_norm.var.columns.empty
