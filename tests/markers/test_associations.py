"""Gene associations: which genes a model ties to which cluster."""

from itertools import pairwise

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from torch.nn import functional as F

from scrcl.config import DataConfig, ModelConfig, TrainConfig
from scrcl.data.expression import log_expression
from scrcl.data.prepare import Prepared, prepare
from scrcl.markers import association_table, embedding_links, network_links
from scrcl.nn.attribution import gene_attributions
from scrcl.nn.inputs import Inputs
from scrcl.nn.network import ScRCLNet
from scrcl.train import fit

CLUSTERS = np.arange(45) % 3


@pytest.fixture
def prepared(adata_sc: ad.AnnData) -> Prepared:
    return prepare(adata_sc, DataConfig(model_input="log", n_hvg=0, n_neighbors=5))


@pytest.fixture
def model(prepared: Prepared) -> ScRCLNet:
    config = TrainConfig(n_epochs=10, lr=1e-3)
    small = ModelConfig(n_hidden=64, n_latent=8)
    device = torch.device("cpu")
    return fit(prepared.inputs, small, config, n_latent=8, seed=0, device=device).model


def closeness(model: ScRCLNet, inputs: Inputs, cluster: int, which: int) -> torch.Tensor:
    """The score s_c, from its definition, in dense steps."""
    view = model(inputs)[which]
    inside = torch.from_numpy(cluster == CLUSTERS)
    direction = view[inside].mean(0) - view[~inside].mean(0)
    return (view[inside] @ F.normalize(direction.detach(), dim=0)).mean()


@pytest.mark.parametrize("which", range(4))
def test_the_gradient_is_that_of_shifting_a_gene_in_all_cells_of_a_cluster(
    model: ScRCLNet, prepared: Prepared, which: int
) -> None:
    model.double()
    inputs = Inputs(*(member.double() for member in prepared.inputs))
    shift = torch.zeros((3, 60), dtype=torch.float64, requires_grad=True)
    name = "x" if which % 2 == 0 else "ax"
    moved = inputs._replace(**{name: getattr(inputs, name) + shift[torch.from_numpy(CLUSTERS)]})
    total = sum(closeness(model, moved, cluster, which) for cluster in range(3))
    expected = torch.autograd.grad(total, shift)[0]

    found = gene_attributions(model, inputs, torch.from_numpy(CLUSTERS))[which].gradient

    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-12)


def test_genes_that_are_high_in_a_cluster_lead_its_associations(
    model: ScRCLNet, prepared: Prepared
) -> None:
    association = network_links(model, prepared.inputs, CLUSTERS).association

    for cluster, scores in enumerate(association):
        best = np.argsort(-scores)[:10]
        assert (best % 3 == cluster).mean() >= 0.8
        assert (scores[np.arange(60) % 3 == cluster] >= 0).mean() > 0.9


def test_asking_changes_neither_the_network_nor_the_random_state(
    model: ScRCLNet, prepared: Prepared
) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()

    first = network_links(model, prepared.inputs, CLUSTERS)
    second = network_links(model, prepared.inputs, CLUSTERS)

    np.testing.assert_array_equal(first.association, second.association)
    np.testing.assert_array_equal(first.modules, second.modules)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not model.MLP_encoder.layer1._forward_hooks


def test_associations_are_shares(model: ScRCLNet, prepared: Prepared) -> None:
    association = network_links(model, prepared.inputs, CLUSTERS).association

    total = np.abs(association).sum(1)
    assert association.shape == (3, 60)
    assert (total > 0.5).all()
    assert (total <= 1 + 1e-9).all()


def test_an_embedding_is_asked_without_a_network() -> None:
    rng = np.random.default_rng(0)
    clusters = np.arange(300) % 3
    means = np.full((3, 60), 0.5)
    means[np.arange(60) % 3, np.arange(60)] = 2.0  # every third gene marks a cluster
    x = sp.csr_matrix(rng.poisson(means[clusters]).astype(np.float32))
    embedding = x.toarray() @ np.eye(60)[:, :6]  # it knows the first six genes, nothing else

    links = embedding_links(x, embedding, clusters)

    for cluster, scores in enumerate(links.association):
        assert set(np.argsort(-scores)[:2]) == {cluster, cluster + 3}


def test_a_gene_without_any_difference_has_no_association(adata_sc: ad.AnnData) -> None:
    x = log_expression(adata_sc).X.tolil()
    x[:, 7] = 1.0
    links = embedding_links(sp.csr_matrix(x), x.toarray()[:, :9], CLUSTERS)

    np.testing.assert_allclose(links.association[:, 7], 0, atol=1e-12)


def test_the_table_has_every_gene_of_every_cluster_by_rank(
    model: ScRCLNet, prepared: Prepared
) -> None:
    links = network_links(model, prepared.inputs, CLUSTERS)

    table = association_table(links, prepared.log_norm, CLUSTERS)

    assert list(table.columns) == [
        "cluster",
        "gene",
        "rank",
        "association",
        "log2_fold_change",
        "wilcoxon_score",
        "p_adjusted",
        "fraction_in",
        "fraction_out",
    ]
    for number, (cluster, rows) in enumerate(table.groupby("cluster")):
        assert cluster == str(number)
        assert list(rows["rank"]) == list(range(1, 61))
        assert all(a >= b for a, b in pairwise(rows["association"]))
        by_gene = rows.set_index("gene")["association"].reindex(prepared.var_names)
        np.testing.assert_array_equal(by_gene, links.association[number])
    assert table.notna().all(axis=None)


def test_a_cluster_of_two_cells_has_associations_but_no_test(
    model: ScRCLNet, prepared: Prepared
) -> None:
    clusters = CLUSTERS.copy()
    clusters[:2] = 3
    links = network_links(model, prepared.inputs, clusters)

    table = association_table(links, prepared.log_norm, clusters)

    small = table[table["cluster"] == "3"]
    assert small["association"].notna().all()
    assert small["wilcoxon_score"].isna().all()
    assert table.loc[table["cluster"] != "3", "p_adjusted"].notna().all()


def test_without_a_cluster_to_test_the_table_is_there_all_the_same(
    prepared: Prepared,
) -> None:
    few = prepared.log_norm[:3].copy()
    links = embedding_links(few.X, few.X.toarray()[:, :4], np.array([0, 0, 1]))

    table = association_table(links, few, np.array([0, 0, 1]))

    assert len(table) == 120
    assert table["wilcoxon_score"].isna().all()
    assert isinstance(table, pd.DataFrame)


@pytest.mark.parametrize("link", ["network", "embedding"])
def test_a_single_gene_has_an_association(
    prepared: Prepared, model: ScRCLNet, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = prepared.log_norm[:, :1].copy()
    links = embedding_links(one.X, prepared.log_norm.X.toarray()[:, :2], CLUSTERS)
    if link == "network":
        embedded = torch.ones(1, 4)
        monkeypatch.setattr("scrcl.markers.associations.embed_genes", lambda *_: embedded)
        found = gene_attributions(model, prepared.inputs, torch.from_numpy(CLUSTERS))
        cut = [
            f._replace(gradient=f.gradient[:, :1], difference=f.difference[:, :1]) for f in found
        ]
        monkeypatch.setattr("scrcl.markers.associations._attributions", lambda *_: cut)
        links = network_links(model, prepared.inputs, CLUSTERS)

    assert links.association.shape == (3, 1)
    assert links.modules.tolist() == [0]


def test_expression_that_was_judged_is_not_judged_again(prepared: Prepared) -> None:
    """A few genes that are high everywhere look as if shifted, once they are log-normalised."""
    few = prepared.log_norm[:, :5].copy()
    few.X = sp.csr_matrix(np.full(few.shape, 1.5, dtype=np.float32))
    links = embedding_links(few.X, prepared.log_norm.X.toarray()[:, :2], CLUSTERS)

    assert len(association_table(links, few, CLUSTERS)) == 15
