import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.data.values import as_csr, detect_values, find_values

COUNTS = np.random.default_rng(0).poisson(1.0, (12, 8))
LOG = np.log1p(COUNTS * np.linspace(0.5, 2.0, 12)[:, None])
SCALED = (COUNTS - COUNTS.mean(0)) / COUNTS.std(0)
LINEAR = COUNTS * np.linspace(10.5, 200.7, 12)[:, None]


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix, sp.csc_matrix, sp.csr_array])
@pytest.mark.parametrize(
    ("X", "kind"),
    [
        pytest.param(COUNTS.astype(np.uint16), "counts", id="unsigned integers"),
        pytest.param(COUNTS.astype(np.int64), "counts", id="integers"),
        pytest.param(COUNTS.astype(np.float64), "counts", id="whole floats"),
        pytest.param(COUNTS > 0, "counts", id="booleans"),
        pytest.param(np.zeros((3, 4)), "counts", id="nothing but zeros"),
        pytest.param(LOG, "log", id="logarithms"),
        pytest.param(SCALED, "scaled", id="z-scores"),
        pytest.param(LINEAR, "other", id="RPKM"),
        pytest.param(COUNTS / COUNTS.sum(1, keepdims=True), "other", id="proportions"),
        pytest.param(COUNTS / COUNTS.sum(1, keepdims=True) * 25, "other", id="per cell, small"),
    ],
)
def test_values_are_told_apart_in_every_container(X, kind, container):
    assert detect_values(container(X)) == kind


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
def test_a_value_that_is_not_finite_is_refused(bad, container):
    X = LOG.copy()
    X[3, 2] = bad
    with pytest.raises(InputError, match="got 1 values that are NaN or infinite"):
        detect_values(container(X))


def test_a_matrix_of_text_is_refused():
    with pytest.raises(InputError, match="wanted numbers"):
        detect_values(np.array([["a", "b"]]))


def test_large_matrices_are_looked_at_in_pieces(monkeypatch):
    monkeypatch.setattr("scrcl.data.values._CHUNK", 5)
    assert detect_values(COUNTS) == "counts"
    late = COUNTS.astype(float)
    late[-1, -1] = 0.5
    assert detect_values(late) == "log"


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
    with pytest.raises(InputError, match=r"^X: got 1 values"):
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
