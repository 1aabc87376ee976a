"""How training cells were brought to log values, and how other cells are brought to the same."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd

from scrcl._keys import SYMBOL
from scrcl._validate import InputError
from scrcl.data.bare import settled, var_of
from scrcl.data.features import GENES
from scrcl.data.lazy import each_block, in_memory
from scrcl.data.validate import unique_names
from scrcl.data.values import find_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    import scipy.sparse as sp
    from anndata import AnnData
    from numpy.typing import NDArray

    from scrcl.config.sections import Said
    from scrcl.data.look import Kind
    from scrcl.data.values import Values

    CSR: TypeAlias = sp.csr_matrix

log = logging.getLogger(__name__)

MAX_SCALED = 10.0  # in standard deviations
MIN_FOUND = 0.4
"""Smallest share of the model's genes that new cells must have; docs/new_cells.md has the figures."""
_MANY_FOUND = 0.9
_BLOCK = 4_096  # cells
# Factor between the totals of new and training cells from which on they are brought together.
_SAME_TOTAL, _OTHER_TOTAL = 1.5, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What is to be known of the training cells to treat others in the same way.

    Attributes
    ----------
    kind
        What the training values were.
    target_sum
        Total that every cell was brought to; of logarithms: the median total of what they were taken
        of, ``None`` in models of before it was kept.
    median_total
        Of the cells, before that; ``None``: the values were logarithms.
    all_genes, shares
        Every gene that was counted, and its share of all counts.
    genes
        Genes that the model uses.
    log_means, input_means
        Their mean log values and mean model input, (n_genes,): they stand in for missing genes.
    model_input
        What of these genes the network sees.
    deviations
        By which it was divided, (n_genes,), if the input is ``"scaled"``.
    """

    kind: Kind
    target_sum: float | None
    median_total: float | None
    all_genes: pd.Index
    shares: NDArray[np.float64]
    genes: pd.Index
    log_means: NDArray[np.float32]
    input_means: NDArray[np.float32]
    model_input: Literal["counts", "log", "scaled"]
    deviations: NDArray[np.float32] | None = None

    @property
    def to_median(self) -> float:
        """Median total of the cells over the total that they were brought to; 1 for logarithms.

        At totals far above those that were counted, such as 10,000 for cells of a few hundred, one
        count weighs nearly as much as many: how many genes a cell shows at all, which is its depth,
        then leads the principal components (docs/research.md).
        """
        if self.target_sum is None or self.median_total is None:
            return 1.0
        return self.median_total / self.target_sum


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneMatch:
    """Which of the model's genes new cells have.

    Attributes
    ----------
    share
        Of the model's genes, 0 to 1.
    missing
        The others.
    """

    share: float
    missing: list[str]

    def __str__(self) -> str:
        """Say it in one line."""
        if not self.missing:
            return "genes: all of the model's are there"
        some = ", ".join(self.missing[:5]) + (", ..." if len(self.missing) > 5 else "")
        return (
            f"genes: {self.share:.0%} of the model's are there; {len(self.missing):,} lack ({some})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCells:
    """Cells that the model has not seen, in the values that it knows."""

    log: CSR  # (n_kept, n_found) log values of the model's genes that are there
    counts: CSR  # (n_kept, n_found) the values as they came
    places: NDArray[np.intp]  # (n_found,) which genes of the model these are
    kept: NDArray[np.bool_]  # (n_obs,) cells of the input with a count
    basis: Basis
    match: GeneMatch

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float32]]]:
        """Yield rows, log values and model input, both (n_rows, n_genes), some cells at a time."""
        basis = self.basis
        for start in range(0, self.log.shape[0], _BLOCK):
            rows = slice(start, min(start + _BLOCK, self.log.shape[0]))
            log_values = self._filled(self.log[rows], basis.log_means)
            if basis.model_input == "counts":
                yield rows, log_values, self._filled(self.counts[rows], basis.input_means)
            elif basis.deviations is not None:
                scaled = np.minimum(
                    self.log[rows].toarray() / basis.deviations[self.places], MAX_SCALED
                )
                yield rows, log_values, self._filled(scaled, basis.input_means)
            else:
                yield rows, log_values, log_values

    def _filled(
        self, values: CSR | NDArray[np.floating], means: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Put the values in their places; a gene that is missing has its mean."""
        dense = np.tile(means, (values.shape[0], 1))
        dense[:, self.places] = values if isinstance(values, np.ndarray) else values.toarray()
        return dense


def match_genes(
    adata: AnnData, basis: Basis, *, values: Said = "auto", features: str = GENES
) -> GeneMatch:
    """Find the model's genes by name, in the matrix that `new_cells` would take."""
    return _match(basis, _values_and_names(adata, basis, values, features)[1])


def new_cells(
    adata: AnnData,
    basis: Basis,
    usable: NDArray[np.bool_] | None = None,
    *,
    values: Said = "auto",
    features: str = GENES,
) -> NewCells:
    """Bring new cells to the values of the training cells; all of them, or the usable, (n_obs,).

    Counts are brought to the training's total. If the new data do not have all the genes that were
    counted there, to the share of that total which the common genes had: a panel of genes then gives
    the same log values as the whole transcriptome. Logarithms of cells that were brought to another
    total than the training's are undone, and made anew; to another base they are brought to its own.

    Raises
    ------
    InputError
        If too few of the model's genes are there, or the values are of a kind that cannot be
        brought to those of the training cells.
    """
    found, names = _values_and_names(adata, basis, values, features)
    log.info("%s", found.line)
    _check_kind(found, basis)
    match = _match(basis, names)
    if match.share < MIN_FOUND:
        msg = (
            f"{match}, wanted at least {MIN_FOUND:.0%}. The data have names such as {names[0]!r}, the "
            f"model such as {basis.genes[0]!r}: bring them to the same kind of name."
        )
        raise InputError(msg)
    log.log(logging.INFO if match.share >= _MANY_FOUND else logging.WARNING, "%s", match)
    columns = names.get_indexer(basis.genes)
    places = np.flatnonzero(columns >= 0)
    common = names.get_indexer(basis.all_genes)
    counted = common >= 0
    is_log = found.kind == "log"
    by_cell = each_block(
        found.X[:, common[counted]],
        lambda rows: np.asarray((rows.expm1() if is_log else rows).sum(1), np.float64).ravel(),
    )
    totals = np.concatenate(by_cell)
    kept = totals > 0 if usable is None else (totals > 0) & usable
    chosen = in_memory(found.X[:, columns[places]])[kept]
    target = (basis.target_sum or 1e4) * basis.shares[counted].sum()
    if is_log and not _is_other_total(found, totals[kept], target, basis):
        logs = chosen
    else:
        logs = chosen.expm1() if is_log else chosen.copy()
        per_value = np.repeat(target / totals[kept], np.diff(logs.indptr))
        logs.data = np.log1p(logs.data * per_value).astype(np.float32)
    return NewCells(log=logs, counts=chosen, places=places, kept=kept, basis=basis, match=match)


def _values_and_names(
    adata: AnnData, basis: Basis, values: Said, features: str
) -> tuple[Values, pd.Index]:
    """Matrix of new cells, and names of its genes: by symbols where the model knows more of these."""
    cells = settled(adata, features=features)
    found = find_values(cells, values)
    names = unique_names(found.var_names, "gene", [])
    symbols = unique_names(pd.Index(var_of(cells, found.source)[SYMBOL]), "gene", [])
    return found, max(names, symbols, key=lambda known: int(basis.genes.isin(known).sum()))


def _match(basis: Basis, names: pd.Index) -> GeneMatch:
    found = basis.genes.isin(names)
    return GeneMatch(share=float(found.mean()), missing=[str(g) for g in basis.genes[~found]])


def _check_kind(values: Values, basis: Basis) -> None:
    if basis.model_input == "counts" and values.kind != "counts":
        msg = (
            f"{values.source}: got {values.kind} values, wanted counts, because the model was trained "
            f"on counts ({values.line}). Keep them in X, .raw or layers['counts']."
        )
        raise InputError(msg)


def _is_other_total(
    values: Values, totals: NDArray[np.float64], target: float, basis: Basis
) -> bool:
    """Tell whether logarithms are of cells that were brought to another total than the training's.

    Where every cell has the same total, a few per cent count; where not all genes are there, cells
    differ anyway, and only a factor does.
    """
    if basis.target_sum is None or not totals.size:
        return False
    ratio = float(np.median(totals)) / target
    factor = _SAME_TOTAL if values.about.total is not None else _OTHER_TOTAL
    if 1 / factor < ratio < factor:
        return False
    log.warning(
        "%s: logarithms of cells of %s in all, the model's are of %s: brought to these",
        values.source,
        f"{np.median(totals):,.4g}",
        f"{target:,.4g}",
    )
    return True
