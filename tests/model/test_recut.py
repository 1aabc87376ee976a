"""Levels, parts and unions of clusters, from the tree that is in the data."""

import itertools

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata.tests.helpers import assert_equal

import scrcl
from scrcl import InputError
from scrcl.clustering import tree_of
from scrcl.model import annotate, recut
from tests.model.conftest import cells, small


@pytest.fixture(scope="module")
def clustered() -> ad.AnnData:
    """120 cells of four types in two clusters, by a tiny network."""
    original = annotate.ScRCL
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            annotate, "ScRCL", lambda _, *args, **kwargs: original(small(), *args, **kwargs)
        )
        found = scrcl.cluster(cells(120, n_types=4), 2, copy=True)
    assert found is not None
    return found


def names(adata: ad.AnnData) -> list[str]:
    return adata.obs["scrcl"].cat.categories.tolist()


def test_levels_nest_and_are_the_cuts_of_their_granularities(clustered: ad.AnnData) -> None:
    adata = scrcl.cut(clustered, 3, levels=True, copy=True)

    levels = [adata.obs[f"scrcl_{level}"].astype(str) for level in ("coarse", "default", "fine")]
    for upper, lower in itertools.pairwise(levels):
        for name, parent in zip(lower, upper, strict=True):
            assert name == parent or name.startswith(f"{parent}.")
    for level in ("coarse", "default", "fine"):
        alone = scrcl.cut(clustered, granularity=level, copy=True)
        table = pd.crosstab(alone.obs["scrcl"], adata.obs[f"scrcl_{level}"])
        assert (table.to_numpy() > 0).sum() == table.shape[0] == table.shape[1]
    assert adata.obs["scrcl"].nunique() == 3


def test_colours_are_those_of_the_clusters_that_there_are(clustered: ad.AnnData) -> None:
    palette = scrcl.pl.palette
    adata = scrcl.cut(clustered, 3, levels=True, copy=True)
    assert list(adata.uns["scrcl_colors"]) == list(palette(3))
    for level in ("coarse", "default", "fine"):
        n_groups = len(adata.obs[f"scrcl_{level}"].cat.categories)
        assert list(adata.uns[f"scrcl_{level}_colors"]) == list(palette(n_groups))
    scrcl.cut(adata, 2)
    adata.uns["scrcl_colors"] = np.array(["#123456", palette(1)[0]])
    scrcl.subcluster(adata, "0", 2)
    # "1" keeps its own; the parts of "0" have colours that it has not.
    assert list(adata.uns["scrcl_colors"]) == [*palette(3)[1:], palette(1)[0]]
    scrcl.merge(adata, ["0.1", "0.2"])
    assert list(adata.uns["scrcl_colors"]) == [palette(2)[1], palette(1)[0]]


def test_a_coarse_bar_gives_no_more_clusters_than_a_fine_one(clustered: ad.AnnData) -> None:
    numbers = [
        scrcl.cut(clustered, granularity=g, copy=True).obs["scrcl"].nunique() for g in (0.25, 1, 4)
    ]
    assert numbers == sorted(numbers)
    assert numbers[-1] > numbers[0]


@pytest.mark.parametrize("value", [0, 5, "finer", True, [1]])
def test_a_granularity_that_is_none_is_refused(clustered: ad.AnnData, value: object) -> None:
    with pytest.raises(InputError, match=r"cluster\.granularity.*coarse, default, fine"):
        scrcl.cut(clustered, granularity=value, copy=True)


def test_a_part_takes_the_name_of_the_whole_and_the_others_stay(clustered: ad.AnnData) -> None:
    adata = scrcl.subcluster(clustered, "0", 2, copy=True)

    assert names(adata) == ["0.1", "0.2", "1"]
    whole = clustered.obs["scrcl"] == "0"
    assert adata.obs["scrcl"][whole].isin(["0.1", "0.2"]).all()
    assert (adata.obs["scrcl"][~whole] == "1").all()
    sizes = adata.obs["scrcl"].value_counts()
    assert sizes["0.1"] >= sizes["0.2"]
    # Types are kept whole: the split is one between them.
    types = pd.crosstab(adata.obs["scrcl"], adata.obs["type"])
    assert (types.max() / types.sum()).min() > 0.9
    assert adata.uns["scrcl"]["n_clusters"] == len(adata.uns["scrcl"]["stability"]) == 3
    assert adata.uns["scrcl"]["edits"].tolist() == ["subcluster 0: 2 parts, along the tree"]
    assert "scrcl_association" not in adata.varm
    assert adata.obs["scrcl_confidence"].between(0, 1).all()


def test_parts_of_parts_and_back_again(clustered: ad.AnnData) -> None:
    adata = scrcl.subcluster(clustered, "0", 2, copy=True)
    scrcl.subcluster(adata, "0.2", 2)
    assert names(adata) == ["0.1", "0.2.1", "0.2.2", "1"]
    scrcl.merge(adata, ["0.2.2", "0.2.1"])
    assert names(adata) == ["0.1", "0.2", "1"]
    scrcl.merge(adata, ["0.1", "0.2"])
    assert adata.obs["scrcl"].tolist() == clustered.obs["scrcl"].tolist()
    np.testing.assert_allclose(
        adata.obs["scrcl_confidence"], clustered.obs["scrcl_confidence"], rtol=1e-6
    )
    scrcl.cut(adata, 2)
    assert "edits" not in adata.uns["scrcl"]


def test_a_union_of_other_clusters_names_both(clustered: ad.AnnData) -> None:
    adata = scrcl.cut(clustered, 4, copy=True)
    before = adata.obs["scrcl"].astype(str)
    scrcl.merge(adata, [3, 1])
    assert names(adata) == ["0", "1+3", "2"]
    assert (adata.obs["scrcl"] == "1+3").to_numpy().tolist() == before.isin(["1", "3"]).tolist()
    # Cells of the union are as sure of it as the tree says of its leaves together.
    leaves = adata.obs["scrcl_leaf"].to_numpy()
    tree = tree_of(adata.uns["scrcl"]["tree"], leaves)
    codes = np.zeros(tree.n_leaves, dtype=int)
    codes[leaves] = adata.obs["scrcl"].cat.codes
    np.testing.assert_allclose(adata.obs["scrcl_confidence"], tree.confidence(codes)[leaves])


def test_training_again_divides_what_the_tree_would_not(
    clustered: ad.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    original = recut.ScRCL

    class Tiny(original):  # type: ignore[misc, valid-type]
        def __init__(self, config: object, *args: object, **given: object) -> None:
            asked.append((config, given))
            super().__init__(small(), *args, **given)

    monkeypatch.setattr(recut, "ScRCL", Tiny)
    adata = scrcl.subcluster(clustered, "1", 3, retrain=True, copy=True)

    assert names(adata) == ["0", "1.1", "1.2", "1.3"]
    assert asked[0][1]["seed"] == clustered.uns["scrcl"]["seed"]
    assert asked[0][0].cluster.method == "consensus"
    other = clustered.obs["scrcl"] == "0"
    pd.testing.assert_series_equal(
        adata.obs["scrcl_confidence"][other], clustered.obs["scrcl_confidence"][other]
    )
    scrcl.merge(adata, ["1.1", "1.2"])
    assert names(adata) == ["0", "1.1+1.2", "1.3"]


def test_clusters_that_are_not_made_of_leaves_are_joined_but_not_divided(
    clustered: ad.AnnData,
) -> None:
    adata = clustered.copy()
    adata.obs["scrcl"] = pd.Categorical(np.arange(120) % 3 + 1).astype(str)
    adata.obs["scrcl_leaf"] = 0  # of many cells
    with pytest.raises(InputError, match="was not cut from the tree"):
        scrcl.subcluster(adata, 1, 2)
    scrcl.merge(adata, [1, 2])
    assert names(adata) == ["1+2", "3"]
    pd.testing.assert_series_equal(adata.obs["scrcl_confidence"], clustered.obs["scrcl_confidence"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: scrcl.subcluster(a, "7", 2), "cluster: got '7', wanted one of"),
        (lambda a: scrcl.subcluster(a, "0", 500), "n_clusters: got 500"),
        (lambda a: scrcl.subcluster(a, "0", 1), "no split has enough evidence"),
        (lambda a: scrcl.subcluster(a, "0", layer="x"), "Set retrain=True"),
        (lambda a: scrcl.merge(a, ["0"]), "two clusters or more"),
        (lambda a: scrcl.merge(a, "01"), "two clusters or more"),
        (lambda a: scrcl.merge(a, ["0", "nine"]), "cluster: got 'nine'"),
        (lambda a: (a.obs.pop("scrcl"), scrcl.merge(a, ["0", "1"])), "got no obs"),
        (
            lambda a: (a.uns["scrcl"].pop("config"), scrcl.subcluster(a, "0", retrain=True)),
            "got no 'config'",
        ),
    ],
    ids=[
        "no such cluster",
        "too many",
        "one",
        "layer",
        "one to merge",
        "text",
        "no such part",
        "no clusters",
        "no configuration",
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(
    clustered: ad.AnnData, call: object, message: str
) -> None:
    adata = clustered.copy()
    with pytest.raises(InputError, match=message):
        call(adata)  # type: ignore[operator]
    adata.obs = adata.obs.reindex(columns=clustered.obs.columns).assign(
        scrcl=clustered.obs["scrcl"]
    )
    adata.uns["scrcl"]["config"] = clustered.uns["scrcl"]["config"]
    pd.testing.assert_frame_equal(adata.obs, clustered.obs)
    assert_equal(adata.uns, clustered.uns)


def test_some_of_the_cells_can_be_divided_and_joined(clustered: ad.AnnData) -> None:
    some = clustered[clustered.obs["scrcl_leaf"] % 2 == 0].copy()
    scrcl.subcluster(some, "0", 2)
    assert {"0.1", "0.2"} <= set(names(some))
    scrcl.merge(some, names(some))
    assert len(set(some.obs["scrcl"])) == 1
    np.testing.assert_array_equal(some.obs["scrcl_confidence"], 1)


def test_levels_need_a_tree() -> None:
    with pytest.raises(InputError, match=r"levels: got cluster\.method 'kmeans'"):
        scrcl.cluster(cells(60), 2, config=small("paper", n_smooth=[1, 0]), levels=True)


def test_granularity_needs_a_method_that_cuts_a_tree() -> None:
    with pytest.raises(
        InputError, match=r"cluster\.granularity: got 2 with cluster\.method 'kmeans'"
    ):
        scrcl.cluster(cells(60), 2, config=small("paper"), granularity="fine")


def test_the_granularity_of_the_configuration_is_that_of_the_clusters() -> None:
    model = scrcl.ScRCL(small(), granularity="fine").fit(cells(120, n_types=4))
    assert model.tree_.granularity == 2.0
    again = model.cut(granularity="coarse")
    assert again.config.cluster.granularity == 0.5
    assert again.n_clusters_ <= model.n_clusters_
    assert again.get_params()["granularity"] == 0.5
