import dataclasses

import pytest

from scrcl._validate import InputError
from scrcl.config import (
    ClusterConfig,
    Config,
    DataConfig,
    ModelConfig,
    TrainConfig,
    paper_defaults,
)


def test_defaults_of_the_paper_for_single_cells():
    assert paper_defaults("sc") == Config(
        task="sc",
        data=DataConfig(n_hvg=2000, model_input="counts", graph="expression", n_neighbors=15),
        model=ModelConfig(n_hidden=1500, dropout=0.3, temperature=0.1),
        train=TrainConfig(n_epochs=500, lr=1e-4, weight_decay=0.1, lambda_ndc=100, lambda_cvc=1),
        cluster=ClusterConfig(method="kmeans", embedding="z", n_refine=0),
    )


def test_defaults_of_the_paper_for_spatial_data():
    spatial = paper_defaults("st")

    assert spatial.data.n_hvg == 3000
    assert spatial.data.hvg_flavor == "seurat_v3"
    assert spatial.data.model_input == "scaled"
    assert spatial.data.graph == "spatial"
    assert spatial.data.drop_unlabelled
    assert spatial.cluster.n_refine == 50
    assert (spatial.model, spatial.train) == (ModelConfig(), TrainConfig())


def test_an_unknown_task_is_refused():
    with pytest.raises(InputError, match=r"task: got 'bulk', wanted one of \['sc', 'st'\]"):
        paper_defaults("bulk")
    with pytest.raises(InputError, match="task: got 'bulk'"):
        Config(task="bulk")


def test_values_given_in_python_are_checked_like_those_of_a_file():
    with pytest.raises(InputError, match=r"model.dropout: got 1.5"):
        ModelConfig(dropout=1.5)
    with pytest.raises(InputError, match=r"data.n_hvg: got '2000', wanted an integer"):
        DataConfig(n_hvg="2000")
    assert DataConfig(n_smooth=[5, 0]).n_smooth == (5, 0)


def test_a_configuration_cannot_be_changed_in_place():
    cfg = paper_defaults("sc")

    with pytest.raises(dataclasses.FrozenInstanceError):
        cfg.train.lr = 1.0


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"spatial_graph": "radius"}, r"data.radius: got None for spatial_graph 'radius'"),
        ({"spatial_graph": "nearest", "radius": 3}, r"data.radius: got 3.0 for spatial_graph"),
        ({"spatial_graph": "stored", "radius": 3}, r"data.radius: got 3.0 for spatial_graph"),
        ({"graph": "expression", "spatial_graph": "stored"}, r"wanted data.graph to be spatial"),
    ],
)
def test_ways_of_linking_spots_that_do_not_go_together_are_refused(settings, complaint):
    with pytest.raises(InputError, match=complaint):
        DataConfig(**{"graph": "spatial", **settings})


def test_triangles_may_have_a_longest_edge():
    assert DataConfig(graph="spatial", spatial_graph="delaunay", radius=3).radius == 3.0
