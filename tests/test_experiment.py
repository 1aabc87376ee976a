"""An experiment as a whole: which settings it takes, what it runs, and what it writes."""

import json
import types
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from scrcl import ScRCL
from scrcl import experiment as experiments
from scrcl._validate import InputError
from scrcl.clustering import Clustering
from scrcl.config import ClusterConfig, Config, paper_defaults
from scrcl.experiment import Experiment, InputSpec, choose_config, run_experiment
from scrcl.experiment.protocols import Oracle
from scrcl.experiment.settings import resolve_n_clusters
from scrcl.methods import refined_by_vote
from scrcl.methods.network_based import joint_views
from scrcl.metrics import adjusted_rand_index
from scrcl.model import Preset, Spots, estimator
from scrcl.nn.network import Views
from scrcl.results import RunFolder
from tests.running import Runner, tree

TRUTH = pd.Series(pd.Categorical([*"aaabbb", None]))
RIGHT, WRONG = [0, 0, 0, 1, 1, 1, 1], [0, 1, 0, 1, 0, 1, 0]


def views_of(clusters: list[int]) -> Views:
    """Embeddings in which each cluster has a direction of its own."""
    directions = torch.eye(2)[clusters]
    return Views(directions, directions, directions, directions)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("dataset", "preset", "name", "lambda_ndc"),
    [
        pytest.param("Baron_human", None, "paper", 0.01, id="set of the paper"),
        pytest.param("Baron_human", "paper", "paper", 0.01, id="asked for the paper"),
        pytest.param("pbmc68k_reduced", "paper", "paper", 100.0, id="other set, paper"),
        pytest.param(None, "paper", "paper", 100.0, id="own data, paper"),
    ],
)
def test_the_paper_preset_has_the_values_of_the_set_or_else_its_defaults(
    dataset: str | None, preset: Preset | None, name: str, lambda_ndc: float
) -> None:
    found, config = choose_config("sc", dataset=dataset, preset=preset)

    assert (found, config.train.lambda_ndc) == (name, lambda_ndc)


@pytest.mark.parametrize(
    ("dataset", "preset"),
    [("Baron_human", "default"), ("pbmc68k_reduced", None), (None, None)],
)
def test_the_default_preset_is_the_same_for_all_data(dataset: str | None, preset: None) -> None:
    assert choose_config("sc", dataset=dataset, preset=preset) == choose_config("sc")
    assert choose_config("sc")[0] == "default"


def test_a_configuration_file_gives_its_name_to_the_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("train: {n_epochs: 7}")

    name, config = choose_config("st", path=path)

    assert (name, config.train.n_epochs) == ("mine", 7)


KMEANS, CONSENSUS = ClusterConfig(method="kmeans"), ClusterConfig(method="consensus")


def experiment(cluster: ClusterConfig = KMEANS, **settings: object) -> Experiment:
    source = InputSpec(task="sc", paths=(Path("x.h5ad"),))
    config = Config(cluster=cluster)
    return Experiment(source=source, config=config, run=RunFolder(Path("r")), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cluster", "wanted", "truth", "expected"),
    [
        pytest.param(KMEANS, None, TRUTH, 2, id="kmeans takes the number of classes"),
        pytest.param(KMEANS, 3, TRUTH, 3, id="unless told"),
        pytest.param(CONSENSUS, None, TRUTH, None, id="consensus never looks at the labels"),
        pytest.param(CONSENSUS, "auto", None, None, id="auto"),
        pytest.param(CONSENSUS, (2, 5), None, (2, 5), id="range"),
        pytest.param(CONSENSUS, 4, TRUTH, 4, id="given"),
    ],
)
def test_the_number_of_clusters_is_settled_before_training(
    cluster: ClusterConfig, wanted: object, truth: pd.Series | None, expected: object
) -> None:
    settings = experiment(cluster, n_clusters=wanted)

    assert resolve_n_clusters(settings, truth, n_obs=7) == expected


@pytest.mark.parametrize("wanted", [None, "auto", (2, 5)])
def test_kmeans_cannot_find_a_number(wanted: object) -> None:
    with pytest.raises(InputError, match=r"cannot find one\. Give --n-clusters K"):
        resolve_n_clusters(experiment(n_clusters=wanted), None, n_obs=7)


# ---------------------------------------------------------------- the oracle


def test_the_oracle_keeps_the_epoch_that_scores_best() -> None:
    oracle = Oracle(TRUTH, seed=0, spots=None)

    for epoch, clusters in enumerate([WRONG, RIGHT, WRONG], start=1):
        oracle(epoch, views_of(clusters))

    assert oracle.best_epoch == 2
    assert adjusted_rand_index(oracle.clusters(), RIGHT) == 1
    assert [row["oracle_nmi"] == 1 for row in oracle.history] == [False, True, False]
    assert list(oracle.history[0]) == ["oracle_acc", "oracle_nmi", "oracle_ari", "oracle_f1"]


def test_the_oracle_of_spots_goes_by_ari_and_lets_fifty_neighbours_vote() -> None:
    n_spots = 120
    domains = np.repeat([0, 1], n_spots // 2)
    speckled = domains.copy()
    speckled[5] = 1
    coords = np.column_stack([np.arange(n_spots), np.zeros(n_spots)])
    truth = pd.Series(pd.Categorical(domains.astype(str)))

    oracle = Oracle(truth, seed=0, spots=Spots(coords=coords, slices=None))
    oracle(1, views_of(list(speckled)))

    assert oracle.criterion == "ari"
    assert adjusted_rand_index(oracle.clusters()[:30], np.zeros(30)) == 1


def test_the_embedding_is_what_the_configuration_names() -> None:
    views = Views(*(torch.full((2, 1), float(i)) for i in range(4)))

    rows = {name: joint_views(views, name)[0].tolist() for name in ("e1", "e2", "e", "z")}

    assert rows == {"e1": [0], "e2": [1], "e": [0, 1], "z": [2, 3]}


def test_the_oracle_stands_beside_the_label_free_result_under_its_own_name(
    runner: Runner, adata_sc: ad.AnnData
) -> None:
    run = runner.fast("sc", adata_sc, "--oracle", "--seeds", "1,2")
    seed = run / "seed_1"

    history = pd.read_csv(seed / "history.csv")
    metrics = json.loads((seed / "metrics.json").read_text())
    best = metrics["oracle"]["epoch"]
    assert best == history["epoch"][history["oracle_nmi"].argmax()]
    assert metrics["oracle"]["nmi"] == pytest.approx(history["oracle_nmi"].max())
    assert metrics["label_free"]["epoch"] == 4
    assert list(pd.read_csv(seed / "clusters.csv")) == ["obs_name", "cluster"]
    assert list(pd.read_csv(seed / "clusters_oracle.csv")) == ["obs_name", "cluster"]
    assert pd.read_csv(run / "summary.csv")["protocol"].tolist() == ["label_free", "oracle"]


# ---------------------------------------------------------------- what is written


def test_a_run_leaves_what_the_layout_says(runner: Runner, adata_sc: ad.AnnData) -> None:
    run = runner.fast("sc", adata_sc, "--seeds", "1,2")

    seed_files = ["clusters.csv", "embedding.npz", "gene_associations.csv", "gene_modules.csv"]
    seed_files += ["history.csv", "metrics.json", "model/model.json", "model/model.safetensors"]
    seed_files += ["module_activity.csv"]
    assert sorted(tree(run)) == [
        *("config.yaml", "env.json", "qc.csv", "result.h5ad"),
        *(f"seed_{seed}/{name}" for seed in (1, 2) for name in seed_files),
        "summary.csv",
    ]
    history = pd.read_csv(run / "seed_1" / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert list(history) == ["epoch", "hea", "ndc", "cvc", "total"]


def test_the_result_is_the_input_with_the_clusters_of_the_first_seed(
    runner: Runner, adata_sc: ad.AnnData
) -> None:
    run = runner.fast("sc", adata_sc, "--seeds", "2,1")

    result = ad.read_h5ad(run / "result.h5ad")

    clusters = pd.read_csv(run / "seed_2" / "clusters.csv", index_col="obs_name")["cluster"]
    assert result.obs["scrcl"].astype(int).tolist() == clusters[result.obs_names].tolist()
    assert result.obsm["X_scrcl"].shape == (45, 6)
    assert result.uns["scrcl"]["seed"] == 2
    assert result.uns["scrcl"]["n_clusters"] == 3
    assert "n_hidden: 16" in result.uns["scrcl"]["config"]
    pd.testing.assert_series_equal(result.obs["cell_type1"], adata_sc.obs["cell_type1"])
    assert (result.X != adata_sc.X).nnz == 0


def test_the_summary_is_over_seeds_and_says_how_far_they_agree(
    runner: Runner, adata_sc: ad.AnnData
) -> None:
    run = runner.fast("sc", adata_sc, "--seeds", "1,2,3")

    scores = [json.loads((run / f"seed_{s}" / "metrics.json").read_text()) for s in (1, 2, 3)]
    clusters = [pd.read_csv(run / f"seed_{s}" / "clusters.csv")["cluster"] for s in (1, 2, 3)]
    pairs = [adjusted_rand_index(clusters[i], clusters[j]) for i, j in [(0, 1), (0, 2), (1, 2)]]
    (row,) = pd.read_csv(run / "summary.csv").to_dict("records")
    assert row["ari_mean"] == pytest.approx(np.mean([s["label_free"]["ari"] for s in scores]))
    assert row["seed_ari_mean"] == pytest.approx(np.mean(pairs))
    assert row["seed_ari_min"] == pytest.approx(min(pairs))


def test_without_labels_everything_is_there_but_the_scores(
    runner: Runner, adata_sc: ad.AnnData
) -> None:
    del adata_sc.obs["cell_type1"]

    run = runner.fast("sc", adata_sc, "--n-clusters", 3)

    metrics = json.loads((run / "seed_0" / "metrics.json").read_text())
    assert metrics == {"label_free": {"n_clusters": 3, "epoch": 4}}
    assert pd.read_csv(run / "summary.csv")["ari_mean"].isna().all()


def test_cells_without_a_label_take_part_and_are_left_out_of_the_score(
    runner: Runner, adata_st: ad.AnnData
) -> None:
    adata_st.obs["ground_truth"] = adata_st.obs["ground_truth"].astype(object)
    adata_st.obs.loc["spot3", "ground_truth"] = None

    run = runner.fast("st", adata_st)

    scores = json.loads((run / "seed_0" / "metrics.json").read_text())["label_free"]
    assert (scores["n_scored"], scores["n_unlabelled"]) == (35, 1)
    assert pd.read_csv(run / "seed_0" / "clusters.csv")["cluster"].notna().all()


def test_the_official_filter_leaves_spots_without_annotation_out(
    runner: Runner, adata_st: ad.AnnData
) -> None:
    adata_st.obs["ground_truth"] = adata_st.obs["ground_truth"].astype(object)
    adata_st.obs.loc["spot3", "ground_truth"] = None

    run = runner.fast("st", adata_st, "--official-filter")

    table = pd.read_csv(run / "seed_0" / "clusters.csv", index_col="obs_name")["cluster"]
    assert table.index[table.isna()].tolist() == ["spot3"]
    assert "drop_unlabelled: true" in (run / "config.yaml").read_text()


def test_min_loss_takes_the_epoch_with_the_smallest_training_loss(
    runner: Runner, adata_sc: ad.AnnData
) -> None:
    # So large a step that the first epoch is the best one.
    settings = ("--selection", "min_loss", "--set", "lr=5", "--seeds", 1)
    run = runner.fast("sc", adata_sc, *settings)

    history = pd.read_csv(run / "seed_1" / "history.csv", index_col="epoch")
    metrics = json.loads((run / "seed_1" / "metrics.json").read_text())
    assert metrics["label_free"]["epoch"] == history["total"].idxmin() < 4


# ---------------------------------------------------------------- seeds


def spied(monkeypatch: pytest.MonkeyPatch, module: types.ModuleType, name: str) -> list[object]:
    """Note every call of a function."""
    calls: list[object] = []
    original = getattr(module, name)

    def noting(*args: object, **kwargs: object) -> object:
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, noting)
    return calls


def test_data_are_prepared_once_for_all_seeds(
    runner: Runner, adata_sc: ad.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = spied(monkeypatch, experiments.run, "prepare")

    runner.fast("sc", adata_sc, "--seeds", "1,2,3")

    assert len(calls) == 1


def test_resuming_does_the_missing_seeds_only_and_sums_up_all(
    runner: Runner, adata_sc: ad.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runner.fast("sc", adata_sc, "--seeds", "1,2", "--oracle")
    before = tree(run / "seed_1")
    calls = spied(monkeypatch, estimator, "run_seed")

    runner.fast("sc", adata_sc, "--seeds", "1,2,3", "--oracle", "--resume")

    assert [seed for _, seed in calls] == [3]
    assert tree(run / "seed_1") == before
    assert pd.read_csv(run / "summary.csv")["n_seeds"].tolist() == [3, 3]


def test_an_interrupted_run_keeps_its_seeds_and_can_be_resumed_to_the_same_end(
    runner: Runner, adata_sc: ad.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tree(runner.fast("sc", adata_sc, "--seeds", "1,2"))
    original = estimator.run_seed

    def interrupted(setup: object, seed: int, **kwargs: object) -> object:
        if seed == 2:
            raise KeyboardInterrupt
        return original(setup, seed, **kwargs)

    path = runner.save(adata_sc)
    given = ("--input", path, "--config", runner.config, "--device", "cpu", "--seeds", "1,2")
    with monkeypatch.context() as patch:
        patch.setattr(estimator, "run_seed", interrupted)
        code, _, error = runner("sc", *given, "--overwrite")
    assert code == 130
    assert "--resume" in error

    code, _, error = runner("sc", *given, "--resume")

    assert code == 0, error
    assert "seed 1: already there" in error
    resumed = tree(runner.run_of("sc"))
    del whole["env.json"], resumed["env.json"], whole["result.h5ad"], resumed["result.h5ad"]
    assert resumed == whole


# ---------------------------------------------------------------- tissue


def test_several_inputs_are_slices_that_share_their_domains(
    runner: Runner, adata_st: ad.AnnData
) -> None:
    paths = runner.save(adata_st, "left"), runner.save(adata_st, "right")

    given = ("--config", runner.config, "--device", "cpu", "--quiet")
    code, _, error = runner("st", "--input", *paths, *given)

    assert code == 0, error
    run = runner.run_of("st", "left+right")
    result = ad.read_h5ad(run / "result.h5ad")
    assert result.obs["slice"].value_counts().to_dict() == {"left": 36, "right": 36}
    assert set(result.obs["scrcl"][:36]) == set(result.obs["scrcl"][36:])
    assert json.loads((run / "env.json").read_text())["settings"]["slice_key"] == "slice"


def test_slices_do_not_vote_across(runner: Runner, adata_st: ad.AnnData) -> None:
    clusters = np.array([0] * 3 + [1] * 3)
    coords = np.zeros((6, 2))

    spots = Spots(coords=coords, slices=np.array(list("aaabbb")))

    assert spots.vote(clusters, 5).tolist() == clusters.tolist()


def test_backed_data_can_be_prepared_without_labels(adata_sc: ad.AnnData, tmp_path: Path) -> None:
    adata_sc.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    data = experiments.inputs.Dataset(adata=backed, labels=None, slice_key=None)

    prepared = [
        experiments.run.prepare(given, paper_defaults("sc").data).inputs.x
        for given in (data.without_labels(), adata_sc)
    ]

    assert torch.equal(*prepared)
    backed.file.close()


def test_an_experiment_says_what_it_did(adata_sc: ad.AnnData, runner: Runner) -> None:
    source = InputSpec(task="sc", paths=(runner.save(adata_sc),))
    _, config = choose_config("sc", path=runner.config)
    run = RunFolder.at(runner.out, task="sc", dataset=source.name, name="fast")

    outcome = run_experiment(
        Experiment(source=source, config=config, run=run, n_clusters=3, seeds=(4,), device="cpu")
    )

    assert (outcome.n_obs, outcome.n_left_out, outcome.n_genes) == (45, 0, 60)
    assert outcome.seeds == [4]
    assert outcome.run.finished
    assert outcome.summary["protocol"].tolist() == ["label_free"]


def test_a_domain_that_the_nearest_spots_vote_away_is_gone() -> None:
    coords = np.column_stack([np.arange(9.0), np.zeros(9)])
    labels = np.array([0, 0, 0, 2, 0, 1, 1, 1, 1])
    found = Clustering(labels=labels, confidence=np.linspace(0, 0.8, 9), stability=np.ones(3))
    spots = Spots(coords=coords, slices=None)
    refined = refined_by_vote(found, 4, spots)
    np.testing.assert_array_equal(refined.labels, [0, 0, 0, 0, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(refined.stability, [0.15, 0.6])
    assert refined_by_vote(found, 0, spots) is found
    assert refined_by_vote(found, 4, None) is found


def test_domains_do_not_depend_on_the_order_of_spots(runner: Runner, adata_st: ad.AnnData) -> None:
    order = np.random.default_rng(0).permutation(adata_st.n_obs)
    found = []
    for name, adata in (("plain", adata_st), ("shuffled", adata_st[order].copy())):
        code, _, error = runner("st", "--input", runner.save(adata, name), "--n-clusters", 2)
        assert code == 0, error
        result = ad.read_h5ad(runner.out / "ST" / name / "default" / "result.h5ad")
        found.append(result.obs["scrcl"].astype(str))
    ours, theirs = found[0], found[1].reindex(found[0].index)
    assert pd.crosstab(ours, theirs).astype(bool).to_numpy().sum() == 2


def test_a_stored_graph_is_used_by_the_script(runner: Runner, adata_st: ad.AnnData) -> None:
    adata = adata_st.copy()
    options = ["--n-clusters", 2, "--set", "data.spatial_graph=stored"]
    code, _, error = runner("st", "--input", runner.save(adata, "without"), *options)
    assert code == 2
    assert "wanted a graph to reuse" in error
    adata.obsp["spatial_connectivities"] = sp.csr_matrix(np.eye(36, k=1))
    code, _, error = runner("st", "--input", runner.save(adata, "with"), *options)
    assert code == 0, error


def test_every_seed_leaves_a_model_that_knows_its_cells(
    runner: Runner, adata_sc: ad.AnnData
) -> None:
    run = runner.fast("sc", adata_sc, "--n-clusters", 3, "--set", "method=consensus")

    found = ScRCL.load(run / "seed_0" / "model").predict(adata_sc)

    clusters = RunFolder(run).load_clusters(0)["cluster"].loc[found.index]
    assert (found["nearest"].astype(int) == clusters).mean() > 0.9


def test_batches_are_named_on_the_command_line(runner: Runner, adata_sc: ad.AnnData) -> None:
    adata = adata_sc.copy()
    adata.obs["donor"] = ["a", "b", "c"] * 15
    settings = ("--n-clusters", 3, "--set", "method=consensus", "--seeds", 1)

    plain = runner.fast("sc", adata, *settings)
    without = RunFolder(plain).load_embedding(1)
    corrected = runner.fast("sc", adata, *settings, "--batch-key", "donor", "--overwrite")

    assert RunFolder(corrected).environment["settings"]["batch_key"] == "donor"
    assert not np.allclose(RunFolder(corrected).load_embedding(1), without)
    code, _, error = runner("sc", "--input", runner.save(adata), "--batch-key", "absent")
    assert code
    assert "no column 'absent'" in error


# ---------------------------------------------------------------- genes


MARKERS = "cell_type,gene\n" + "".join(
    f"type{group},gene{group + 3 * step}\n" for group in range(3) for step in range(5)
)


def test_a_run_writes_what_the_model_says_about_genes(runner: Runner, adata_sc: ad.AnnData) -> None:
    run = runner.fast("sc", adata_sc, "--n-clusters", 3)

    result = ad.read_h5ad(run / "result.h5ad")
    table = pd.read_csv(run / "seed_0" / "gene_associations.csv", dtype={"cluster": str})
    modules = pd.read_csv(run / "seed_0" / "gene_modules.csv")
    activity = pd.read_csv(run / "seed_0" / "module_activity.csv")
    assert list(result.uns["scrcl"]["association_clusters"]) == ["0", "1", "2"]
    for number in range(3):
        rows = table[table["cluster"] == str(number)].set_index("gene")
        column = result.varm["scrcl_association"][:, number]
        np.testing.assert_allclose(rows["association"].reindex(result.var_names), column, 1e-5)
    assert set(modules["gene"]) == set(adata_sc.var_names)
    assert list(activity.columns) == ["module", "n_genes", "0", "1", "2"]


def test_a_tissue_without_a_network_has_associations_too(
    runner: Runner, adata_st: ad.AnnData
) -> None:
    arguments = ("--set", "cluster.method=domains", "--n-clusters", 2)

    run = runner.fast("st", adata_st, *arguments)

    table = pd.read_csv(run / "seed_0" / "gene_associations.csv", dtype={"cluster": str})
    best = table[table["rank"] == 1]
    assert set(table["cluster"]) == {"0", "1"}
    assert (best["log2_fold_change"] > 0).all()


def test_marker_lists_suggest_names_and_change_nothing_else(
    runner: Runner, adata_sc: ad.AnnData, tmp_path: Path
) -> None:
    (tmp_path / "lists.csv").write_text(MARKERS)
    without = ad.read_h5ad(runner.fast("sc", adata_sc, "--n-clusters", 3) / "result.h5ad")

    run = runner.fast(
        "sc", adata_sc, "--n-clusters", 3, "--markers", tmp_path / "lists.csv", "--overwrite"
    )

    result = ad.read_h5ad(run / "result.h5ad")
    names = pd.read_csv(run / "cluster_names.csv", dtype={"cluster": str}).set_index("cluster")
    assert list(result.obs["scrcl"]) == list(without.obs["scrcl"])
    expected = result.obs["scrcl"].astype(str).map(names["name"])
    assert list(result.obs["scrcl_name"]) == list(expected)
    assert set(names["name"]) <= {"type0", "type1", "type2", "unclear"}


def test_a_bad_marker_file_is_refused_before_anything_is_written(
    runner: Runner, adata_sc: ad.AnnData, tmp_path: Path
) -> None:
    (tmp_path / "lists.csv").write_text("cell_type,gene\nbeta,INS\n")

    code, _, error = runner(
        "sc", "--input", runner.save(adata_sc), "--markers", tmp_path / "lists.csv"
    )

    assert code == 2
    assert "none of which is in the data" in error
    assert not runner.out.exists()
