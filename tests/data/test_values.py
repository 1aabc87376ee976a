import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.data.values import as_csr, find_values

COUNTS = np.random.default_rng(0).poisson(1.0, (12, 8))
LOG = np.log1p(COUNTS * np.linspace(0.5, 2.0, 12)[:, None])
SCALED = (COUNTS - COUNTS.mean(0)) / COUNTS.std(0)


def adata_of(X: np.ndarray, **layers: np.ndarray) -> ad.AnnData:
    return ad.AnnData(X.astype(np.float32), layers=layers)


def test_counts_in_x_are_taken():
    found = find_values(adata_of(COUNTS))
    assert (found.kind, found.source) == ("counts", "X")
    assert found.X.dtype == np.float32
    assert np.array_equal(found.X.toarray(), COUNTS)


@pytest.mark.parametrize("layer", ["counts", "count"])
def test_counts_in_a_layer_come_before_logarithms_in_x(layer):
    found = find_values(adata_of(LOG, **{layer: COUNTS}))
    assert (found.kind, found.source) == ("counts", f"layers[{layer!r}]")


def test_a_layer_that_does_not_hold_what_its_name_says_is_not_taken_for_counts():
    found = find_values(adata_of(COUNTS, counts=LOG))
    assert (found.kind, found.source) == ("counts", "X")


def test_counts_in_raw_come_with_its_genes():
    adata = adata_of(COUNTS)
    adata.raw = adata
    adata = adata[:, :3].copy()
    adata.X = SCALED[:, :3]
    found = find_values(adata)
    assert (found.kind, found.source) == ("counts", ".raw")
    assert list(found.var_names) == list(map(str, range(8)))


def test_scaled_x_with_logarithms_in_raw_gives_logarithms():
    found = find_values(sc.datasets.pbmc68k_reduced())
    assert (found.kind, found.source, found.X.shape) == ("log", ".raw", (700, 765))


def test_scaled_values_alone_are_refused():
    with pytest.raises(InputError, match="got negative values"):
        find_values(adata_of(SCALED))


def test_nan_is_refused_with_the_name_of_its_matrix():
    X = LOG.copy()
    X[0, 0] = np.nan
    with pytest.raises(InputError, match=r"^X: got 1 value"):
        find_values(adata_of(X))


def test_backed_matrices_are_loaded(tmp_path):
    for name, X in (("dense", COUNTS.astype(np.float32)), ("sparse", sp.csr_matrix(COUNTS))):
        ad.AnnData(X).write_h5ad(tmp_path / f"{name}.h5ad")
        backed = ad.read_h5ad(tmp_path / f"{name}.h5ad", backed="r")
        assert np.array_equal(find_values(backed).X.toarray(), COUNTS)
        backed.file.close()


def test_as_csr_leaves_its_input_alone():
    data = np.array([1.0, 0.0, 2.0, 3.0])
    untidy = sp.csr_matrix((data, np.array([1, 0, 2, 2]), np.array([0, 2, 4])), shape=(2, 3))
    for part in (untidy.data, untidy.indices, untidy.indptr):
        part.flags.writeable = False
    tidy = as_csr(untidy)
    assert np.array_equal(tidy.toarray(), [[0, 1, 0], [0, 0, 5]])
    assert tidy.nnz == 2
    assert tidy.has_canonical_format
    assert untidy.data.tolist() == [1.0, 0.0, 2.0, 3.0]


def test_as_csr_narrows_64_bit_indices():
    wide = sp.csr_matrix(COUNTS.astype(np.float32))
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    assert as_csr(wide).indices.dtype == np.int32
    assert np.array_equal(as_csr(wide).toarray(), COUNTS)


def test_an_adata_without_a_matrix_in_x_uses_its_layer():
    adata = ad.AnnData(obs=pd.DataFrame(index=list("abc")), var=pd.DataFrame(index=list("xy")))
    adata.layers["counts"] = np.ones((3, 2))
    assert find_values(adata).source == "layers['counts']"


def simulated(n_obs: int = 60, n_vars: int = 200, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.poisson(rng.lognormal(0, 1.2, n_vars), (n_obs, n_vars)).astype(np.float32)


def per_cell(X: np.ndarray, total: float = 1e4) -> np.ndarray:
    return X / X.sum(1, keepdims=True) * total


def test_counts_in_a_layer_of_another_name_come_after_counts_in_x():
    counts = simulated()
    logs = np.log1p(per_cell(counts))
    assert find_values(adata_of(logs, UMI=counts)).source == "layers['UMI']"
    assert find_values(adata_of(counts, raw=counts + 1)).source == "X"


def test_expected_counts_in_a_layer_are_taken_by_its_name():
    expected = simulated() * np.random.default_rng(1).uniform(0.7, 1, (60, 200))
    found = find_values(adata_of(np.log1p(expected), counts=expected))
    assert (found.kind, found.source) == ("counts", "layers['counts']")


@pytest.mark.parametrize("base", [2, 10])
def test_logarithms_to_another_base_become_natural_ones(base):
    logs = np.log1p(per_cell(simulated()))
    found = find_values(adata_of(logs / np.log(base)))
    np.testing.assert_allclose(found.X.toarray(), logs, rtol=1e-5)
    assert found.line.endswith("brought to natural logs")


def test_the_history_in_uns_tells_the_base_where_the_numbers_do_not():
    smooth = np.random.default_rng(0).normal(4, 0.5, (30, 40))
    adata = adata_of(smooth)
    adata.uns["log1p"] = {"base": 2}
    found = find_values(adata)
    np.testing.assert_allclose(found.X.toarray(), smooth * np.log(2), rtol=1e-5)


def test_what_is_said_overrules_what_the_numbers_look_like():
    counts = simulated()
    assert find_values(adata_of(counts), "linear").kind == "linear"
    logs = np.log1p(per_cell(counts))
    found = find_values(adata_of(logs), "log2")
    np.testing.assert_allclose(found.X.toarray(), logs * np.log(2), rtol=1e-5)
    assert "log2, as said (looks like log1p of counts per 10,000" in found.line


def test_what_is_said_finds_the_matrix_that_can_be_so():
    counts = simulated()
    found = find_values(adata_of(np.log1p(per_cell(counts)), counts=counts), "log")
    assert found.source == "X"


def test_what_is_said_to_be_counts_is_looked_for_where_it_agrees():
    counts = simulated()
    found = find_values(adata_of(counts, counts=np.log1p(per_cell(counts))), "counts")
    assert found.source == "X"


def test_counts_are_never_taken_for_logarithms_even_if_it_is_said():
    with pytest.raises(InputError, match=r"wanted logarithms.*data\.model_input"):
        find_values(adata_of(simulated() * 10), "log")


def test_negative_counts_are_called_what_they_are():
    counts = simulated()
    counts[3, :4] = -2_147_483_648
    with pytest.raises(InputError, match=r"negative counts \(4 numbers below 0"):
        find_values(adata_of(counts))


def test_what_cannot_be_told_is_asked():
    rng = np.random.default_rng(0)
    unclear = sp.random(40, 50, 0.1, rng=rng, data_rvs=lambda n: rng.uniform(0.3, 1.2, n))
    with pytest.raises(InputError, match=r"values='counts'.*--values"):
        find_values(adata_of(unclear.toarray()))
    assert find_values(adata_of(unclear.toarray()), "counts").kind == "counts"


def test_several_kinds_in_one_matrix_are_refused_by_the_name_of_their_cells():
    counts = simulated()
    adata = adata_of(np.vstack([counts[:20], np.log1p(per_cell(counts[20:]))]))
    with pytest.raises(InputError, match=r"whole numbers in cells such as '0', '1'"):
        find_values(adata)
    adata.obs["plate"] = ["one"] * 20 + ["two"] * 40
    with pytest.raises(InputError, match=r"log1p in obs\['plate'\] two; whole numbers in .* one"):
        find_values(adata)


def test_layers_whose_names_do_not_say_counts_are_named_where_there_is_nothing_else():
    adata = ad.AnnData(obs=pd.DataFrame(index=["a"]), var=pd.DataFrame(index=["g"]))
    adata.layers["mine"] = np.ones((1, 1), dtype=np.float32)
    with pytest.raises(InputError, match=r"got no X and layers of other names \('mine'\)"):
        find_values(adata)
