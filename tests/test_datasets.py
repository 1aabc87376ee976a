from collections import Counter

import numpy as np
import pytest

from scrcl import datasets
from scrcl._validate import InputError
from scrcl.data.evidence import conclude
from scrcl.data.labels import labels
from scrcl.data.read import read


def test_all_sets_of_the_paper_and_two_that_need_no_file_are_registered():
    with_file = Counter(spec.task for spec in datasets.DATASETS.values() if spec.path)
    assert with_file == {"sc": 10, "st": 15}
    built_in = {name for name, spec in datasets.DATASETS.items() if spec.load}
    assert built_in == set(datasets.DEFAULTS.values())


@pytest.mark.parametrize("spec", datasets.DATASETS.values(), ids=lambda spec: spec.name)
def test_every_set_says_where_it_belongs_and_where_to_get_it(spec):
    assert (spec.path is None) != (spec.load is None)
    assert spec.n_obs > spec.n_classes > 1
    assert spec.label_keys
    assert spec.source
    assert datasets.find(spec.name) is spec
    if spec.path:
        assert spec.path.startswith(f"{spec.task}data/")


@pytest.mark.parametrize("name", ["Baron", "baron_human", "Baron_Human"])
def test_a_name_that_is_nearly_right_gets_a_hint(name):
    with pytest.raises(InputError, match=f"got '{name}', wanted Baron_human"):
        datasets.find(name)


def test_a_name_that_is_far_off_gets_them_all():
    with pytest.raises(InputError, match=r"wanted one of .*'151507'"):
        datasets.find("?")


def test_a_set_that_is_there_is_located(tmp_path):
    spec = datasets.find("Zeisel")
    assert not spec.is_there(tmp_path)
    (tmp_path / "scdata").mkdir()
    (tmp_path / "scdata" / "Zeisel.h5ad").touch()
    assert spec.is_there(tmp_path)
    assert datasets.locate(spec, tmp_path) == tmp_path / "scdata" / "Zeisel.h5ad"


def test_a_set_that_is_not_there_says_where_it_belongs_and_where_to_get_it(tmp_path):
    expected = f"is not at {tmp_path}/stdata/DLPFC/151673. Run scrcl fetch 151673, or get"
    with pytest.raises(InputError, match=expected):
        datasets.locate(datasets.find("151673"), tmp_path)


@pytest.mark.parametrize("task", ["sc", "st"])
def test_the_default_of_each_task_is_at_hand(task):
    spec = datasets.find(datasets.DEFAULTS[task])
    assert spec.task == task
    assert spec.is_there("nowhere")
    adata = spec.load()
    classes = labels(adata, search=spec.label_keys)
    assert (adata.n_obs, classes.nunique()) == (spec.n_obs, spec.n_classes)


def test_a_simulated_tissue_says_that_it_is_one():
    adata = datasets.simulated_tissue(n_obs=90, n_genes=50, n_domains=3)
    assert adata.shape == (90, 50)
    assert adata.uns["provenance"].startswith("Simulated by")
    assert conclude(adata.X).kind == "counts"
    assert adata.obs["domain"].value_counts().tolist() == [30, 30, 30]


def test_domains_of_a_simulated_tissue_are_bands():
    adata = datasets.simulated_tissue()
    depth = adata.obs.groupby("domain", observed=True).indices
    means = [adata.obsm["spatial"][spots, 1].mean() for spots in depth.values()]
    assert means == sorted(means)


def test_simulated_spots_lie_a_hundred_units_apart():
    x = datasets.simulated_tissue(n_obs=100).obsm["spatial"]
    distance = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    np.testing.assert_allclose(distance.min(1), 100.0)


def test_simulated_types_differ_in_size_and_in_genes():
    adata = datasets.simulated_cells(n_obs=300, n_genes=200, n_types=4)
    assert adata.uns["provenance"].startswith("Simulated by")
    sizes = adata.obs["cell_type1"].value_counts()
    assert list(sizes.index) == [f"cell_type1_{i}" for i in range(4)]
    assert sizes.sum() == 300
    own = adata[adata.obs["cell_type1"] == "cell_type1_0"].X.mean(0)
    others = adata[adata.obs["cell_type1"] != "cell_type1_0"].X.mean(0)
    assert (np.asarray(own > 2 * others)).sum() >= 5


@pytest.mark.parametrize("make", [datasets.simulated_tissue, datasets.simulated_cells])
def test_a_seed_gives_the_same_data_again_and_another_one_others(make):
    first, again, other = (make(n_obs=40, n_genes=30, seed=seed).X for seed in (1, 1, 2))
    assert (first != again).nnz == 0
    assert (first != other).nnz > 0


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["151673", "151674"])
def test_a_registered_set_is_what_the_registry_says(real_data, name):
    spec = datasets.find(name)
    adata = read(datasets.locate(spec, real_data / "data"), task=spec.task)
    classes = labels(adata, search=spec.label_keys)
    assert (int(classes.notna().sum()), classes.nunique()) == (spec.n_obs, spec.n_classes)
