"""What is wrong with cells is seen, and nothing is said of good ones."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import roc_auc_score

from scrcl.config import paper_defaults
from scrcl.data.preprocess import preprocess
from scrcl.data.quality import batch_notes, doublet_scores, quality
from tests.conftest import counts


def names(n: int, prefix: str = "gene") -> pd.Index:
    return pd.Index([f"{prefix}{i}" for i in range(n)])


def look(X: sp.csr_matrix, genes: pd.Index | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Table and lines, without doublets."""
    kept = np.ones(X.shape[0], bool)
    genes = names(X.shape[1]) if genes is None else genes
    return quality(X, genes, names(X.shape[0], "cell"), kept=kept, variable=None)


def good(n_obs: int = 300, n_genes: int = 400, n_groups: int = 5) -> sp.csr_matrix:
    return counts(np.arange(n_obs) % n_groups, n_genes, seed=0)


def test_the_table_has_the_numbers_of_a_hand_made_cell():
    X = sp.csr_matrix([[6, 2, 1, 1], [0, 0, 0, 0], [0, 0, 3, 0]], dtype=np.float32)
    table, _ = look(X, pd.Index(["MT-CO1", "RPL7A", "MTOR", "RPS6KA1"]))
    assert table.index.name == "obs_name"
    assert table["n_counts"].tolist() == [10, 0, 3]
    assert table["n_genes"].tolist() == [4, 0, 1]
    np.testing.assert_allclose(table["mitochondrial"], [0.6, np.nan, 0])
    np.testing.assert_allclose(table["ribosomal"], [0.2, np.nan, 0])
    np.testing.assert_allclose(table["top_50_genes"], [1, np.nan, 1])


def test_the_share_of_the_strongest_genes_is_that_of_the_sorted_values():
    X = good(20)
    dense = np.sort(X.toarray(), axis=1)[:, ::-1]
    expected = dense[:, :50].sum(1) / dense.sum(1)
    np.testing.assert_allclose(look(X)[0]["top_50_genes"], expected)


@pytest.mark.parametrize("name", ["MT-ND1", "mt-Nd1", "mt:ND1", "MT.ND1", "GRCh38_MT-ND1"])
def test_mitochondrial_genes_are_known_by_their_names(name: str):
    assert look(sp.csr_matrix([[1.0, 1.0]]), pd.Index([name, "MT1A"]))[0][
        "mitochondrial"
    ].tolist() == [0.5]


def test_nothing_is_said_of_good_cells():
    X = good()
    table, notes = quality(
        X, names(400), names(300), kept=np.ones(300, bool), variable=sp.csr_matrix(X)
    )
    assert notes == []
    assert table["doublet_score"].between(0, 1).all()


@pytest.mark.parametrize("n_empty", [400, 3_000])
@pytest.mark.parametrize("mean", [0.0, 2.0, 60.0], ids=["nothing", "few", "ambient RNA"])
def test_raw_droplets_are_told_from_cells(n_empty: int, mean: float):
    rng = np.random.default_rng(0)
    cells = sp.csr_matrix(rng.poisson(rng.lognormal(1.5, 0.5, (200, 1)), (200, 400)))
    empty = sp.csr_matrix(rng.poisson(mean / 400, (n_empty, 400)))
    _, (note,) = look(sp.csr_matrix(sp.vstack([cells, empty]), dtype=np.float32))
    assert note.startswith(f"most barcodes look empty: {n_empty:,} of {n_empty + 200:,} have")


@pytest.mark.parametrize("depth", [0.02, 0.2, 20.0])
@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_cells_of_any_depth_are_not_taken_for_droplets(depth: float, spread: float):
    rng = np.random.default_rng(0)
    sizes = depth * rng.lognormal(0, spread, (600, 1))
    assert look(sp.csr_matrix(rng.poisson(sizes, (600, 300)), dtype=np.float32))[1] == []


def test_full_length_reads_of_two_depths_are_not_droplets():
    rng = np.random.default_rng(0)
    sizes = np.where(np.arange(300) < 160, 200.0, 9_000.0)[:, None]
    assert look(sp.csr_matrix(rng.poisson(sizes, (300, 300)), dtype=np.float32))[1] == []


def test_a_few_genes_with_most_counts_are_named():
    X = good().tolil()
    X[:, 7], X[:, 9] = 400, 300
    _, (note,) = look(sp.csr_matrix(X, dtype=np.float32))
    assert note.startswith("most counts come from a few genes: ")
    assert "(gene7" in note


def test_small_panels_are_not_blamed_for_being_small():
    assert look(good(n_genes=12))[1] == []


@pytest.mark.parametrize(("share", "n_notes"), [(0.2, 0), (0.3, 1)])
def test_a_quarter_of_dying_cells_is_told(share: float, n_notes: int):
    X = good().tolil()
    X[: int(300 * share), 0] = 2_000
    notes = look(
        sp.csr_matrix(X, dtype=np.float32), names(400).where(names(400) != "gene0", "MT-1")
    )
    told = [note for note in notes[1] if "mitochondrial" in note]
    assert len(told) == n_notes
    assert not told or told[0].startswith("90 of 300 cells (30%)")


# ---------------------------------------------------------------- doublets


def with_doublets(share: float, n_obs: int = 400) -> tuple[sp.csr_matrix, np.ndarray]:
    """Five types, and cells that are two at once; True for those of two types."""
    groups = np.arange(n_obs) % 5
    X = counts(groups, 200, seed=0)
    n_doublets = int(n_obs * share / (1 - share))
    one, other = np.random.default_rng(1).choice(n_obs, (2, n_doublets))
    mixed = np.concatenate([np.zeros(n_obs, bool), groups[one] != groups[other]])
    return sp.csr_matrix(sp.vstack([X, X[one] + X[other]])), mixed


@pytest.mark.parametrize(("share", "told"), [(0.0, False), (0.03, False), (0.2, True)])
def test_doublets_score_high_and_are_told_when_they_are_many(share: float, told: bool):  # noqa: FBT001
    X, mixed = with_doublets(share)
    scores, note = doublet_scores(X)
    assert bool(note) == told
    if share:
        assert roc_auc_score(mixed, scores) > 0.98
    if told:
        assert note.startswith("doublets suspected: ")


def test_the_same_cells_get_the_same_scores():
    X, _ = with_doublets(0.1)
    np.testing.assert_array_equal(doublet_scores(X)[0], doublet_scores(X)[0])


def test_of_many_cells_a_part_is_enough(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("scrcl.data.quality._MAX_SIMULATED_FROM", 150)
    X, mixed = with_doublets(0.2)
    assert roc_auc_score(mixed, doublet_scores(X)[0]) > 0.95


def test_nothing_is_said_of_doublets_where_nothing_can_be():
    assert doublet_scores(good(100)) is None
    assert doublet_scores(good(300, n_genes=2, n_groups=2)) is None
    same = sp.csr_matrix(np.ones((300, 50), np.float32))
    assert doublet_scores(same) is None


# ---------------------------------------------------------------- batches


def annotation(**columns: object) -> tuple[pd.DataFrame, np.ndarray]:
    clusters = np.repeat([0, 1, 2, 3], 50)
    return pd.DataFrame(columns), clusters


@pytest.mark.parametrize(
    "name", ["batch", "donor_id", "Sample", "orig.ident", "plate 1", "SampleID"]
)
@pytest.mark.parametrize("values", [[0, 1, 2, 3], ["a", "a", "b", "b"]], ids=["same", "coarser"])
def test_a_batch_that_explains_the_clusters_is_told(name: str, values: list):
    obs, clusters = annotation(**{name: np.repeat(values, 50)})
    (note,) = batch_notes(obs, clusters)
    assert f"obs[{name!r}]" in note
    assert "--batch-key" in note
    (note,) = batch_notes(obs, clusters, batch_key=name)
    assert "although they were brought together" in note


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("batch", np.tile([0, 1], 100)),
        ("cell_type", np.repeat([0, 1, 2, 3], 50)),
        ("description", np.repeat([0, 1, 2, 3], 50)),
        ("donor", np.zeros(200)),
        ("sample", np.arange(200)),
        ("batch", [None] * 200),
    ],
)
def test_other_columns_are_not(name: str, values: object):
    obs, clusters = annotation(**{name: values})
    assert batch_notes(obs, clusters) == []


def test_labels_are_not_looked_at():
    obs, clusters = annotation(sample=np.repeat([0, 1, 2, 3], 50))
    assert batch_notes(obs, clusters, ignore="sample") == []


# ---------------------------------------------------------------- in preprocessing


def test_preprocessing_hands_on_the_table_of_all_cells(adata_sc):
    adata = adata_sc.copy()
    adata.X = sp.csr_matrix(adata.X.multiply(np.arange(45)[:, None] != 3))
    found = preprocess(adata, paper_defaults("sc").data)
    assert found.quality.index.tolist() == adata.obs_names.tolist()
    assert found.quality["n_counts"].iloc[3] == 0


def test_values_that_are_not_counts_have_no_quality(adata_sc):
    adata = adata_sc.copy()
    adata.X = adata.X.log1p()
    assert preprocess(adata, paper_defaults("sc").data).quality is None
