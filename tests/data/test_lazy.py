"""Data that do not fit into memory: the same results from the disk."""

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from scrcl._validate import InputError
from scrcl.config import DataConfig
from scrcl.data import lazy
from scrcl.data.basis import new_cells
from scrcl.data.expression import count_matrix, log_expression
from scrcl.data.lazy import each_block, in_memory, is_lazy, loaded_sample
from scrcl.data.preprocess import preprocess
from scrcl.data.read import read
from scrcl.data.values import find_values
from tests.running import Runner

CFG = DataConfig(n_hvg=20, model_input="log")


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing fits, and blocks are small."""
    monkeypatch.setattr(lazy, "_COPIES", 10**12)
    monkeypatch.setattr(lazy, "ROWS", 7)


def cells(n_genes: int = 60) -> ad.AnnData:
    """40 cells and some genes; the first cell and the first gene have no count."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.lognormal(0, 1, n_genes), (40, n_genes)).astype(np.float32)
    counts[0], counts[:, 0] = 0, 0
    adata = ad.AnnData(sp.csr_matrix(counts))
    adata.obs["batch"] = np.where(np.arange(40) < 15, "a", "b")
    return adata


def stored(adata: ad.AnnData, folder: Path, form: str) -> Path:
    """Write the cells in some form."""
    if form == "dense":
        adata = ad.AnnData(adata.X.toarray(), adata.obs, adata.var)
    elif form == "counts in a layer":
        logs = adata.X.log1p()
        adata = ad.AnnData(logs, adata.obs, adata.var, layers={"counts": adata.X})
    elif form == "counts in raw":
        raw = adata.copy()
        adata.X = adata.X.log1p()
        adata.raw = raw
    path = folder / ("cells.zarr" if form == "zarr" else "cells.h5ad")
    if form == "zarr":
        adata.write_zarr(path)
    else:
        adata.write_h5ad(path)
    return path


FORMS = ["sparse", "dense", "zarr", "counts in a layer", "counts in raw"]


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cfg", [CFG, DataConfig(n_hvg=0, model_input="counts", target_sum=None)])
def test_blocks_from_the_disk_give_the_values_of_data_in_memory(
    form: str, cfg: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(cells(), tmp_path, form)
    expected = preprocess(read(path), cfg)
    monkeypatch.setattr(lazy, "_COPIES", 10**12)
    monkeypatch.setattr(lazy, "ROWS", 7)
    adata = read(path)
    assert is_lazy(adata.X)
    assert len(each_block(adata.X, lambda rows: rows.shape)) == 6
    found = preprocess(adata, cfg)
    assert np.array_equal(found.x.toarray(), expected.x.toarray())
    assert np.array_equal(found.kept, expected.kept)
    assert list(found.log_norm.var_names) == list(expected.log_norm.var_names)
    assert np.array_equal(found.log_norm.X.toarray(), expected.log_norm.X.toarray())
    assert found.notes == expected.notes
    assert found.basis.target_sum == expected.basis.target_sum
    np.testing.assert_allclose(found.basis.shares, expected.basis.shares, rtol=1e-6)


def test_genes_are_chosen_within_batches_on_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two genes alone in a bin of their means vary equally, and rounding would decide between them.
    path = stored(cells(600), tmp_path, "sparse")
    expected = preprocess(read(path), CFG, batch_key="batch")
    monkeypatch.setattr(lazy, "_COPIES", 10**12)
    found = preprocess(read(path), CFG, batch_key="batch")
    assert list(found.log_norm.var_names) == list(expected.log_norm.var_names)


@pytest.mark.usefixtures("small_memory")
def test_a_flavour_that_needs_all_counts_gives_way_with_a_note(tmp_path: Path) -> None:
    adata = read(stored(cells(), tmp_path, "sparse"))
    found = preprocess(adata, DataConfig(n_hvg=20, hvg_flavor="seurat_v3"))
    assert any("needs all counts in memory; genes chosen by seurat" in note for note in found.notes)


def test_what_fits_is_loaded(tmp_path: Path) -> None:
    path = stored(cells(), tmp_path, "sparse")
    assert sp.issparse(read(path).X)
    backed = ad.read_h5ad(path, backed="r")
    assert sp.issparse(lazy.load(backed.X))
    backed.file.close()


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("form", ["sparse", "dense"])
def test_a_backed_matrix_that_does_not_fit_stays_on_disk(form: str, tmp_path: Path) -> None:
    backed = ad.read_h5ad(stored(cells(), tmp_path, form), backed="r")
    values = find_values(backed)
    assert is_lazy(values.X)
    assert values.kind == "counts"
    assert np.array_equal(in_memory(values.X).toarray(), cells().X.toarray())
    backed.file.close()


@pytest.mark.usefixtures("small_memory")
def test_a_matrix_stored_gene_by_gene_is_refused_with_a_remedy(tmp_path: Path) -> None:
    adata = cells()
    adata.X = adata.X.tocsc()
    path = stored(adata, tmp_path, "sparse")
    with pytest.raises(InputError, match=r"gene by gene \(CSC\), wanted .*tocsr"):
        read(path)


@pytest.mark.usefixtures("small_memory")
def test_a_file_of_an_old_format_is_read_as_a_whole(tmp_path: Path) -> None:
    path = stored(cells(), tmp_path, "sparse")
    with h5py.File(path, "r+") as file:
        del file.attrs["encoding-type"], file.attrs["encoding-version"]
    assert sp.issparse(read(path).X)


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_values_on_disk_are_counted_over_all_blocks(bad: float, tmp_path: Path) -> None:
    adata = cells()
    adata.X.data[[3, 500]] = bad
    with pytest.raises(InputError, match="2 values NaN or infinite"):
        find_values(read(stored(adata, tmp_path, "sparse")))


@pytest.mark.usefixtures("small_memory")
def test_expression_and_new_cells_are_the_same_from_the_disk(tmp_path: Path) -> None:
    adata = cells()[1:].copy()
    basis = preprocess(adata, CFG).basis
    on_disk = read(stored(adata, tmp_path, "sparse"))
    assert np.array_equal(log_expression(on_disk).X.toarray(), log_expression(adata).X.toarray())
    assert np.array_equal(count_matrix(on_disk)[0].toarray(), adata.X.toarray())
    found, expected = new_cells(on_disk, basis), new_cells(adata, basis)
    assert np.array_equal(found.kept, expected.kept)
    assert np.array_equal(found.log.toarray(), expected.log.toarray())


@pytest.mark.usefixtures("small_memory")
def test_a_sample_of_cells_on_disk_is_loaded_and_told(tmp_path: Path) -> None:
    adata = read(stored(cells(), tmp_path, "counts in a layer"))
    some, notes = loaded_sample(adata, 10)
    assert some.n_obs == 10
    assert sp.issparse(some.layers["counts"])
    whole = cells()[some.obs_names]
    assert np.array_equal(some.layers["counts"].toarray(), whole.X.toarray())
    assert notes == ["10 random cells of 40: the expression of all does not fit in memory"]
    here = cells()
    assert loaded_sample(here, 10) == (here, [])


def test_a_run_from_the_disk_ends_like_one_in_memory(
    runner: Runner, adata_sc: ad.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runner.fast("sc", adata_sc, "--n-clusters", "3")
    expected = {name: (run / name).read_bytes() for name in ("seed_0/clusters.csv",)}
    monkeypatch.setattr(lazy, "_COPIES", 10**12)
    monkeypatch.setattr(lazy, "ROWS", 7)
    run = runner.fast("sc", adata_sc, "--n-clusters", "3", "--overwrite")
    assert expected == {name: (run / name).read_bytes() for name in expected}
    result = ad.read_h5ad(run / "result.h5ad")
    assert np.array_equal(result.X.toarray(), adata_sc.X.toarray())
    assert {"scrcl", "cell_type1"} <= set(result.obs)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("indices", lambda values: np.where(np.arange(len(values)) == 300, 60, values)),
        ("indices", lambda values: values[:-1]),
        ("indptr", lambda values: values[:-1]),
        ("data", lambda values: values[:, None]),
    ],
    ids=["a gene too many", "an index short", "a cell short", "two axes"],
)
@pytest.mark.usefixtures("small_memory")
def test_a_damaged_matrix_on_disk_is_refused_before_compiled_code_follows_it(
    tmp_path: Path, part: str, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    path = stored(cells(), tmp_path, "sparse")
    with h5py.File(path, "r+") as file:
        values = file["X"][part][()]
        del file["X"][part]
        file["X"][part] = change(values)
    with pytest.raises(InputError, match="parts do not fit together"):
        in_memory(read(path).X)
