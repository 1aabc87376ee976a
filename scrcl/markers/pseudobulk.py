"""Differential expression between samples instead of cells, by DESeq2 on summed counts."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scrcl._keys import CLUSTERS
from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.data.expression import count_matrix, group_labels, group_sums, log_expression
from scrcl.markers.ranking import DOUBLE_DIPPING, REST, effect_sizes, testable_groups
from scrcl.markers.tables import Ranking, group_table

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

MIN_SAMPLES = 2
# A gene with fewer counts than this over all profiles cannot be tested and only slows the fit.
_MIN_COUNTS = 10


def pseudobulk(
    adata: ad.AnnData,
    groupby: str,
    sample_key: str,
    *,
    reference: str = REST,
    min_cells: int = 10,
) -> Ranking:
    """Rank the genes of every group with samples, not cells, as replicates.

    For each group, counts are summed per sample inside and outside (in what it is compared with);
    DESeq2 tests the one against the other, paired by sample if every sample is on both sides.

    Parameters
    ----------
    adata
        Counts, in ``X``, ``.raw`` or ``layers["counts"]``. Not changed.
    groupby
        Column of ``obs`` with the groups.
    sample_key
        Column of ``obs`` with the biological samples (donors, sections).
    reference
        ``"rest"`` or the group to compare with.
    min_cells
        A sample counts on a side from this many cells on.

    Returns
    -------
    As :func:`rank_genes`; ``score`` is the Wald statistic and ``log2_fold_change`` DESeq2's.
    Genes that DESeq2 does not test (few counts, outliers) score 0 and have no p-value. Groups with
    fewer than two samples on a side are left out, with a note.

    Raises
    ------
    InputError
        If there are no counts, a column or the reference is missing, or no group can be tested.
    ModuleNotFoundError
        If pydeseq2 is not installed.
    """
    labels, samples = group_labels(adata, groupby), group_labels(adata, sample_key)
    _require_pydeseq2()
    counts, genes = count_matrix(adata)
    used = (labels.codes >= 0) & (samples.codes >= 0)
    labels, samples, counts = labels[used], samples[used], counts[used]
    tested, notes = testable_groups(labels, groupby, reference, min_cells)
    if not used.all():
        notes.append(f"{counted((~used).sum(), 'cells')} without a group or a sample left out")
    effects = effect_sizes(log_expression(adata).X[used], labels, tested, reference)
    tables = []
    for group, effect in zip(tested, effects, strict=True):
        pair = (group, reference)
        profiles, design = _profiles(counts, labels, samples, pair=pair, min_cells=min_cells)
        n_in, n_out = (int((design["side"] == side).sum()) for side in ("inside", "outside"))
        if min(n_in, n_out) < MIN_SAMPLES:
            notes.append(_too_few(group, n_in, n_out, min_cells))
        else:
            tables.append(_group_ranking(group, genes, _deseq2(profiles, design), effect))
    if not tables:
        raise _no_group(groupby, sample_key)
    notes += [DOUBLE_DIPPING] * (groupby == CLUSTERS)
    return Ranking(pd.concat(tables, ignore_index=True), notes)


def _too_few(group: str, n_in: int, n_out: int, min_cells: int) -> str:
    return (
        f"group {group}: not tested, {n_in} samples inside and {n_out} outside have {min_cells} "
        f"cells or more, {MIN_SAMPLES} a side are needed"
    )


def _no_group(groupby: str, sample_key: str) -> InputError:
    return InputError(
        f"samples: got no group of obs[{groupby!r}] with {MIN_SAMPLES} samples of "
        f"obs[{sample_key!r}] a side, wanted at least one. Test by cell (wilcoxon) instead."
    )


def _group_ranking(
    group: str, genes: pd.Index, result: pd.DataFrame, effect: dict[str, NDArray[np.float64]]
) -> pd.DataFrame:
    """Rows of one group: the test and the fold change of DESeq2, the shares of cells."""
    return group_table(
        group,
        genes,
        score=result["stat"].to_numpy(),
        p_value=result["pvalue"].to_numpy(),
        effects=effect | {"log2_fold_change": result["log2FoldChange"].to_numpy()},
    )


def _profiles(
    counts: csr_matrix,
    labels: pd.Categorical,
    samples: pd.Categorical,
    *,
    pair: tuple[str, str],
    min_cells: int,
) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """Sum counts by sample and side.

    Returns
    -------
    Profiles (n_profiles, n_genes), and their ``sample`` and ``side`` (inside, outside).
    """
    group, reference = pair
    inside = np.asarray(labels == group)
    outside = ~inside if reference == REST else np.asarray(labels == reference)
    n_samples = len(samples.categories)
    # Profiles 0 .. n_samples - 1 are inside, the next n_samples outside.
    codes = np.where(inside, samples.codes, samples.codes.astype(int) + n_samples)
    codes[~(inside | outside)] = -1
    enough = np.bincount(codes[codes >= 0], minlength=2 * n_samples) >= min_cells
    sums = group_sums(counts, codes, 2 * n_samples)
    design = pd.DataFrame(
        {
            "sample": np.tile(np.arange(n_samples).astype(str), 2),
            "side": np.repeat(["inside", "outside"], n_samples),
        }
    )
    design.index = design["sample"] + design["side"]
    return np.rint(sums[enough]).astype(np.int64), design[enough]


def _deseq2(profiles: NDArray[np.int64], design: pd.DataFrame) -> pd.DataFrame:
    """Return ``log2FoldChange``, ``stat`` and ``pvalue`` of every gene, untested ones 0, 0, NaN."""
    from pydeseq2.dds import DeseqDataSet  # noqa: PLC0415  # optional
    from pydeseq2.default_inference import DefaultInference  # noqa: PLC0415
    from pydeseq2.ds import DeseqStats  # noqa: PLC0415

    testable = np.flatnonzero(profiles.sum(axis=0) >= _MIN_COUNTS)
    paired = bool((design["sample"].value_counts() == 2).all())
    inference = DefaultInference(n_cpus=1)
    table = pd.DataFrame(profiles[:, testable], index=design.index, columns=testable.astype(str))
    with warnings.catch_warnings():
        # Fits on few samples warn about the dispersion trend and fall back on the mean by themselves.
        warnings.filterwarnings("ignore", category=UserWarning)
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        data = DeseqDataSet(
            counts=table,
            metadata=design,
            design="~sample + side" if paired else "~side",
            inference=inference,
            quiet=True,
        )
        data.deseq2()
        stats = DeseqStats(data, ["side", "inside", "outside"], inference=inference, quiet=True)
        stats.summary()
    result = stats.results_df[["log2FoldChange", "stat", "pvalue"]]
    result.index = testable
    result = result.reindex(range(profiles.shape[1]))
    filled: pd.DataFrame = result.fillna({"log2FoldChange": 0.0, "stat": 0.0})
    return filled


def _require_pydeseq2() -> None:
    try:
        import pydeseq2  # noqa: F401, PLC0415
    except ModuleNotFoundError as error:
        msg = "pseudobulk needs pydeseq2: pip install 'scrcl[pseudobulk]'"
        raise ModuleNotFoundError(msg) from error
