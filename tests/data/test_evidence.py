"""What the numbers of a matrix say of themselves, on small simulated data."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from scrcl._validate import InputError
from scrcl.data import look
from scrcl.data.evidence import conclude


def counts(n_obs: int = 80, n_vars: int = 200, depth: float = 1.0, seed: int = 0) -> np.ndarray:
    """Cells of different depth, genes of very different means."""
    rng = np.random.default_rng(seed)
    means = rng.lognormal(0, 1.2, n_vars) * rng.lognormal(0, 0.4, (n_obs, 1)) * depth
    X = rng.poisson(means).astype(float)
    X[:, 0] += 1  # no empty cell
    return X


def per_cell(X: np.ndarray, total: float = 1e4) -> np.ndarray:
    return X / X.sum(1, keepdims=True) * total


def few() -> np.ndarray:
    return counts(depth=0.2)


def fewer(X: np.ndarray, total: int = 150) -> np.ndarray:
    """At most so many counts a cell; one in ten has less, as it had before."""
    rng = np.random.default_rng(6)
    small = [i % 12 == 0 for i in range(len(X))]
    rows = [
        rng.multivariate_hypergeometric(row.astype(int), total - 50 * less)
        for row, less in zip(X, small, strict=True)
    ]
    return np.array(rows, dtype=float)


COUNTS = counts()
SHARED = np.random.default_rng(4).random(COUNTS.shape) < 0.03
LENGTHS = np.random.default_rng(1).lognormal(0, 1, 200)
TPM = per_cell(COUNTS / LENGTHS, 1e6)
CORRECTED = COUNTS * np.random.default_rng(2).uniform(0.7, 1, COUNTS.shape)
LOG = np.log1p(per_cell(COUNTS))
KINDS = {
    "counts": (COUNTS, "counts"),
    "zeros": (np.zeros((3, 4)), "counts"),
    "booleans": (COUNTS > 0, "counts"),
    "unsigned": (COUNTS.astype(np.uint16), "counts"),
    "from logs": (np.expm1(np.log1p(COUNTS).astype(np.float32)), "counts"),
    "corrected": (CORRECTED, "counts"),
    "corrected, 3 decimals": (CORRECTED.round(3), "counts"),
    "halves": (COUNTS / 2, "counts"),
    "300 counts a cell": (np.random.default_rng(3).multinomial(300, np.full(200, 1 / 200), 50), "counts"),
    "log1p": (LOG, "log"),
    "log1p, half precision": (LOG.astype(np.float16), "log"),
    "log1p, 3 decimals": (LOG.round(3), "log"),
    "log1p of counts": (np.log1p(COUNTS), "log"),
    "log1p at the median": (np.log1p(per_cell(COUNTS, np.median(COUNTS.sum(1)))), "log"),
    "log1p of TPM": (np.log1p(TPM), "log"),
    "log1p, panel": (LOG[:, :50], "log"),
    "log2": (np.log2(per_cell(COUNTS) + 1), "log"),
    "log10": (np.log10(per_cell(COUNTS) + 1), "log"),
    "CPM": (per_cell(COUNTS, 1e6), "linear"),
    "CPM, rounded": (per_cell(COUNTS, 1e6).round(), "linear"),
    "CPM, panel": (per_cell(COUNTS, 1e6)[:, :50], "linear"),
    "proportions": (per_cell(COUNTS, 1), "linear"),
    "TPM": (TPM, "linear"),
    "RPKM": (TPM[:, :120], "linear"),
    "scaled": ((COUNTS - COUNTS.mean(0)) / COUNTS.std(0), None),
    "not centred": (LOG / LOG.std(0, ddof=1), None),
    "square root": (np.sqrt(per_cell(COUNTS)), None),
    "square root of counts": (np.sqrt(COUNTS), None),
    "arcsinh": (np.arcsinh(COUNTS / 5), None),
    "shifted": (LOG + 3.3, None),
    "ranks": (np.argsort(np.argsort(LOG, 1), 1), None),
    "bins": (np.ceil(10 * LOG / LOG.max(1, keepdims=True)), None),
    "scaled to the largest": (COUNTS / COUNTS.max(0), None),
    "log1p twice": (np.log1p(LOG), None),
    "shared reads": (COUNTS + SHARED * np.random.default_rng(4).uniform(0, 1, COUNTS.shape), "counts"),
    "halves and thirds": (few() + (SHARED & (few() > 0)) / 2, "counts"),
    "made fewer": (fewer(counts(depth=3)), "counts"),
    "smooth proportions": (per_cell(np.random.default_rng(5).gamma(1, size=(40, 900)), 1), "linear"),
    "rounded logs": (np.rint(np.log1p(per_cell(counts(depth=5)))), None),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_known(name):
    X, kind = KINDS[name]
    about = conclude(X)
    assert about.kind == kind, about.text


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix, sp.csc_matrix, sp.csr_array])
@pytest.mark.parametrize("name", ["counts", "booleans", "log2", "CPM", "corrected", "scaled"])
def test_containers_make_no_difference(name, container):
    X, kind = KINDS[name]
    assert conclude(container(X)).kind == kind


@pytest.mark.parametrize("name", ["counts", "log1p", "log2", "corrected", "scaled"])
def test_blocks_on_disk_are_looked_at_together(name, monkeypatch):
    X, kind = KINDS[name]
    blocks = da.from_array(X, chunks=(17, X.shape[1])).map_blocks(sp.csr_matrix)
    whole = conclude(sp.csr_matrix(X))
    assert conclude(blocks).kind == kind
    monkeypatch.setattr(look, "_CHUNK", 300)
    assert (conclude(X).kind, conclude(X).text) == (whole.kind, whole.text)


@pytest.mark.parametrize(
    ("X", "base", "total", "text"),
    [
        pytest.param(LOG, np.e, 1e4, "log1p of counts per 10,000, natural log", id="natural"),
        pytest.param(LOG / np.log(2), 2, 1e4, "log2(x + 1) of counts per 10,000", id="binary"),
        pytest.param(LOG / np.log(10), 10, 1e4, "log10(x + 1) of counts per 10,000", id="decimal"),
        pytest.param(np.log2(TPM + 1), 2, 1e6, "log2(x + 1) of values per 1,000,000", id="TPM"),
        pytest.param(np.log1p(COUNTS), np.e, None, "log1p of counts as they are, not brought to one total, natural log", id="counts"),
        pytest.param(LOG[:, :40] / np.log(2), 2, None, "log2(x + 1) of counts, each cell divided by a number of its own", id="panel"),
    ],
)  # fmt: skip
def test_base_and_total_of_logarithms_are_found(X, base, total, text):
    about = conclude(X.astype(np.float32))
    assert (about.kind, about.base, about.text) == ("log", base, text)
    assert about.total == (None if total is None else pytest.approx(total, rel=1e-3))


@settings(max_examples=25)
@given(
    base=st.sampled_from([np.e, 2.0, 10.0]),
    total=st.sampled_from([1e3, 1e4, 1e6, None]),
    depth=st.floats(0.1, 5),
    n_genes=st.integers(40, 200),
    seed=st.integers(0, 999),
)
def test_logarithms_of_normalised_counts_are_known_at_any_base_total_depth_and_panel(
    base, total, depth, n_genes, seed
):
    X = counts(30, depth=depth, seed=seed)
    X = per_cell(X, float(np.median(X.sum(1))) if total is None else total)[:, :n_genes]
    about = conclude((np.log1p(X) / np.log(base)).astype(np.float32))
    assert (about.kind, about.base) == ("log", base)


@settings(max_examples=25)
@given(depth=st.floats(0.05, 20), seed=st.integers(0, 999), n_genes=st.integers(20, 200))
def test_counts_are_counts_at_any_depth(depth, seed, n_genes):
    assert conclude(counts(depth=depth, seed=seed)[:, :n_genes]).kind == "counts"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(COUNTS, LOG, id="counts and logs"),
        pytest.param(COUNTS, per_cell(COUNTS, 1e6), id="counts and CPM"),
        pytest.param(LOG, LOG / np.log(2), id="two bases"),
        pytest.param(LOG, np.log1p(per_cell(COUNTS, 1e6)), id="two totals"),
        pytest.param(LOG, per_cell(COUNTS, 1e6), id="logs and CPM"),
        pytest.param(TPM, np.log1p(TPM), id="TPM and its logs"),
        pytest.param(CORRECTED, LOG, id="corrected counts and logs"),
        pytest.param(np.log1p(COUNTS), LOG, id="logs of counts and of counts per 10,000"),
        pytest.param(few(), per_cell(COUNTS, 1e6).round(), id="counts and rounded CPM"),
    ],
)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_rows_of_two_kinds_are_told_apart(first, second, share):
    n = int(share * len(first))
    about = conclude(np.vstack([first[:n], second[n:]]))
    assert about.kind is None
    groups = [set(rows) for _, rows in about.groups]
    assert len(groups) == 2
    assert all(max(own) < n or min(own) >= n for own in groups)


def test_thin_evidence_is_called_so_and_a_name_settles_it():
    panel = CORRECTED[:, :40]
    assert conclude(panel).thin
    assert not conclude(panel, hint="counts").thin
    smooth = np.random.default_rng(0).normal(4, 0.5, (30, 40))
    assert (conclude(smooth).kind, conclude(smooth).thin) == ("log", True)


def test_a_name_does_not_overrule_the_numbers():
    assert conclude(LOG, hint="counts").kind == "log"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
def test_a_value_that_is_not_finite_is_refused(bad, container):
    X = LOG.copy()
    X[3, 2] = bad
    with pytest.raises(InputError, match="got 1 value NaN or infinite"):
        conclude(container(X))


def test_a_matrix_of_text_is_refused():
    with pytest.raises(InputError, match="wanted numbers"):
        conclude(np.array([["a", "b"]]))


def test_nothing_is_changed():
    X = sp.csr_matrix(LOG)
    X.data.flags.writeable = False
    conclude(X)


def test_empty_rows_at_the_end_hide_nothing():
    X = np.vstack([COUNTS[:40], np.zeros((5, 200))])
    X[39, -1] += 0.5
    assert not look.look_at(sp.csr_matrix(X)).is_whole[39]
    assert look.look_at(sp.csr_matrix(X)).is_whole.sum() == 44


def test_a_total_that_nothing_makes_is_none():
    """Scaled values, cut at 10: 10 to their power is the same in all cells, and means nothing."""
    scaled = np.minimum(LOG / LOG.std(0, ddof=1), 10)
    scaled[:, :5] = 10
    assert conclude(scaled).kind is None


def test_droplets_of_few_corrected_counts_are_no_logarithms_of_others():
    rng = np.random.default_rng(0)
    empty = (rng.random((120, 200)) < 0.02) * rng.uniform(0.5, 1, (120, 200))
    empty[:, 0] = 0.7
    cells = counts(depth=8)[:40] * rng.uniform(0.7, 1, (40, 200))
    assert conclude(np.vstack([cells, empty])).kind == "counts"


def test_two_inverses_that_each_give_half_of_the_cells_one_total_are_two_kinds():
    """Also where cells have too few different values to speak for themselves."""
    rng = np.random.default_rng(0)
    single = np.array(
        [rng.multinomial(n, np.full(2_000, 1 / 2_000)) for n in rng.integers(3, 9, 60)]
    )
    logs = np.log1p(per_cell(single))
    about = conclude(np.vstack([logs[:30], logs[30:] / np.log(2)]))
    assert about.kind is None
    assert [set(rows) for _, rows in about.groups] == [set(range(30)), set(range(30, 60))]


def test_a_few_genes_may_have_the_same_largest_count_in_all_cells():
    X = np.random.default_rng(0).poisson(3, (40, 20))
    X[:, 7] = 13
    assert conclude(X).kind == "counts"


@pytest.mark.parametrize(("value", "expected"), [(1e30, "can square"), (90.0, "beyond all counts")])
def test_a_value_that_would_overflow_is_not_taken_for_expression(value, expected):
    logs = np.log1p(per_cell(counts()))
    logs[3, 4] = value
    about = conclude(logs)
    assert about.kind is None
    assert expected in about.text
