"""From expression values to the network's input: filter, normalise, choose genes, scale."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
import scipy.sparse as sp

from scrcl._keys import SYMBOL
from scrcl._text import counted
from scrcl._validate import InputError
from scrcl.data.bare import var_of
from scrcl.data.basis import MAX_SCALED, Basis
from scrcl.data.genes import select_genes
from scrcl.data.lazy import each_block, in_memory, is_lazy
from scrcl.data.prepared import marked_genes
from scrcl.data.quality import quality
from scrcl.data.validate import check_adata, grouping, unique_names
from scrcl.data.values import Values, find_values

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from scrcl.config import DataConfig

    CSR: TypeAlias = sp.csr_matrix

log = logging.getLogger(__name__)

TARGET_SUM = 1e4  # counts per cell after normalisation


class Preprocessed(NamedTuple):
    """Cells and genes that take part, and their values."""

    x: CSR  # (n_kept, n_genes) model input, float32
    log_norm: ad.AnnData  # (n_kept, n_genes) log-normalised; names only, no annotation
    kept: NDArray[np.bool_]  # (n_obs,) cells of the input that take part
    notes: list[str]  # what was found, dropped or done otherwise than asked
    basis: Basis  # how to bring other cells to the same values
    quality: pd.DataFrame | None  # (n_obs,) table of `scrcl.data.quality`; None: no counts


def preprocess(
    adata: ad.AnnData,
    cfg: DataConfig,
    *,
    keep: ArrayLike | None = None,
    usable: NDArray[np.bool_] | None = None,
    batch_key: str | None = None,
) -> Preprocessed:
    """Filter cells and genes, normalise, choose variable genes and make the model input.

    scRNA-seq, as in the paper: cells and genes without a count are dropped, each cell is brought to
    10,000 counts, log1p, ``cfg.n_hvg`` genes by ``cfg.hvg_flavor``. ``cfg.model_input`` says what of
    these genes is the input: the raw ``"counts"``, the ``"log"``-normalised values, or the latter
    divided by each gene's standard deviation without centring and cut at 10 (``"scaled"``).

    Data without counts go the same way from where they start: log values are used as they are,
    linear ones (RPKM) are normalised first, and ``"counts"`` falls back to log values.

    Matrices that do not fit into memory are read from disk in blocks, a few times; only the chosen
    genes are ever in memory.

    Parameters
    ----------
    adata
        Cells and genes; not changed. Counts are looked for as in
        :func:`scrcl.data.values.find_values`.
    cfg
        The ``data`` section of the configuration.
    keep
        Boolean mask, ``(n_obs,)``: the cells to use. The only way by which anything that is known
        about the cells (the official code drops those without a label) gets in.
    usable
        Boolean mask, ``(n_obs,)``: cells that can take part at all; that others cannot has been told.
    batch_key
        Column of ``obs``: choose genes that vary within these groups.

    Raises
    ------
    InputError
        If the matrix is empty, not finite, negative, or no cell or gene is left.
    """
    check_adata(adata)
    said = cfg.values  # noqa: PD011  (a setting, not a data frame's values)
    values, wanted = find_values(adata, said), cfg.model_input
    notes = _describe(values, cfg)
    if not any(values.line in note for note in notes):
        log.info("%s", values.line)
    kept, X, genes = _filter(values, keep, usable, notes)
    all_names = unique_names(adata.obs_names, "cell", notes)
    obs_names = all_names[kept]
    all_genes = unique_names(values.var_names, "gene", notes)
    shown = var_of(adata, values.source).set_axis(all_genes)
    var_names = all_genes[genes]

    full = ad.AnnData(X, pd.DataFrame(index=obs_names), pd.DataFrame(index=var_names))
    is_log = values.kind == "log"
    median, shares = _median_and_shares(X, is_log=is_log)
    total = median if is_log else cfg.target_sum or median
    # scanpy finds the median of the totals by itself, but not on disk.
    target = total if is_lazy(X) else cfg.target_sum
    log_norm = full if is_log else log_normalize(full, target)
    if batch_key is not None:
        log_norm.obs["batch"] = grouping(adata, batch_key)[kept]
    counts = X if values.kind == "counts" else None
    if cfg.use_highly_variable:
        chosen = marked_genes(adata, var_names)
    else:
        chosen = select_genes(log_norm, counts, n_hvg=cfg.n_hvg, flavor=cfg.hvg_flavor, notes=notes)
    log_norm = ad.AnnData(
        in_memory(log_norm.X[:, chosen]),
        pd.DataFrame(index=obs_names),
        shown.loc[var_names[chosen]],
    )
    table = None
    if counts is not None:
        variable = in_memory(counts[:, chosen]) if cfg.graph == "expression" else None
        table, found = quality(values.X, _symbols(shown), all_names, kept=kept, variable=variable)
        notes += found
    x = _model_input(log_norm.X, counts, chosen, wanted)
    deviations = gene_deviations(log_norm.X) if wanted == "scaled" else None
    return Preprocessed(
        x=x,
        log_norm=log_norm,
        kept=kept,
        notes=notes,
        basis=Basis(
            kind=values.kind,
            target_sum=total,
            median_total=None if is_log else median,
            all_genes=full.var_names,
            shares=shares,
            genes=log_norm.var_names,
            log_means=np.asarray(log_norm.X.mean(0), np.float32).ravel(),
            input_means=np.asarray(x.mean(0), np.float32).ravel(),
            model_input="log" if counts is None and wanted == "counts" else wanted,
            deviations=None if deviations is None else deviations.astype(np.float32),
        ),
        quality=table,
    )


def _symbols(var: pd.DataFrame) -> pd.Index:
    """Return what genes are called: where names are identifiers, that tells more of them."""
    return pd.Index(var[SYMBOL]) if SYMBOL in var else var.index


def log_normalize(adata: ad.AnnData, target_sum: float | None = TARGET_SUM) -> ad.AnnData:
    """Copy of ``adata`` with ``X = log1p(target_sum x / total of the cell)``.

    ``None`` stands for the median of the totals.
    """
    adata = adata.copy()
    sc.pp.normalize_total(adata, target_sum=target_sum)
    sc.pp.log1p(adata)
    return adata


def _median_and_shares(X: CSR, *, is_log: bool) -> tuple[float, NDArray[np.float64]]:
    """Median total of the cells, and share of each gene in the sum of all values, (n_genes,).

    Of logarithms: of what they were taken of.
    """

    def sums(rows: CSR) -> tuple[NDArray[np.float64], ...]:
        linear = rows.expm1() if is_log else rows
        return tuple(np.asarray(linear.sum(axis), np.float64).ravel() for axis in (0, 1))

    by_gene, by_cell = zip(*each_block(X, sums), strict=True)
    totals = np.concatenate(by_cell)
    return float(np.median(totals)), np.asarray(sum(by_gene) / totals.sum())


def scale_genes(X: CSR) -> CSR:
    """Each gene divided by its standard deviation, not centred (zeros stay zero), cut at 10.

    A gene that does not vary has nothing to be divided by and keeps its values.
    """
    scaled = sp.csr_matrix(X.astype(np.float64) @ sp.diags(1.0 / gene_deviations(X)))
    scaled.data = np.minimum(scaled.data, MAX_SCALED)
    return scaled.astype(np.float32)


def gene_deviations(X: CSR) -> NDArray[np.float64]:
    """Return the standard deviation of each gene, (n_genes,); 1 for a gene that does not vary."""
    n_obs = X.shape[0]
    X = X.astype(np.float64)
    mean = np.asarray(X.mean(0)).ravel()
    variance = np.asarray(X.multiply(X).mean(0)).ravel() - mean**2
    variance *= n_obs / max(n_obs - 1, 1)
    constant = variance <= 1e-12 * mean**2  # what rounding leaves of zero
    deviations: NDArray[np.float64] = np.sqrt(np.where(constant, 1.0, variance))
    return deviations


def _describe(values: Values, cfg: DataConfig) -> list[str]:
    """Say what is done with the values, unless they are counts in X, of which all is as expected."""
    notes = []
    is_plain = values.kind == "counts" and not (values.about.thin or values.about.said)
    if values.source != "X":
        notes.append(f"X is not used: {values.kind} values taken from {values.source}")
    if values.kind == "log":
        notes.append(f"{values.line}: not normalised again")
    elif values.kind == "linear":
        total = "the median" if cfg.target_sum is None else f"{cfg.target_sum:,.0f}"
        notes.append(f"{values.line}: normalised to {total} per cell, log1p")
    elif not is_plain:
        notes.append(values.line)
    if values.kind != "counts" and cfg.model_input == "counts":
        notes.append("model_input is counts, but there are none: log values are the model input")
    return notes


def _filter(
    values: Values,
    keep: ArrayLike | None,
    usable: NDArray[np.bool_] | None,
    notes: list[str],
) -> tuple[NDArray[np.bool_], CSR, NDArray[np.bool_]]:
    """Drop cells that are not asked for or have no count, then genes that no cell is left with."""
    X, n_obs = values.X, values.X.shape[0]
    wanted = np.ones(n_obs, dtype=bool) if keep is None else np.asarray(keep, dtype=bool)
    asked = wanted if usable is None else wanted & usable
    kept = asked & (np.concatenate(each_block(X, lambda rows: rows.getnnz(1))) > 0)
    n_empty = int(asked.sum() - kept.sum())
    if n_empty:
        notes.append(f"left out, without a cluster: {counted(n_empty, 'cells')} without a count")
    if n_left_out := int(n_obs - wanted.sum()):
        notes.append(f"left out as asked: {counted(n_left_out, 'cells')}")
    X = X if kept.all() else X[kept]
    genes = np.sum(each_block(X, lambda rows: rows.getnnz(0)), axis=0) > 0
    if not genes.any():
        msg = (
            f"{values.source}: got {counted(asked.sum(), 'cells')} of which none has a count, "
            "wanted at least one. Check that this is the expression matrix."
        )
        raise InputError(msg)
    return kept, X[:, genes], genes


def _model_input(log_norm: CSR, counts: CSR | None, chosen: NDArray[np.intp], wanted: str) -> CSR:
    if wanted == "counts" and counts is not None:
        chosen_counts: CSR = in_memory(counts[:, chosen])
        return chosen_counts
    return scale_genes(log_norm) if wanted == "scaled" else log_norm
