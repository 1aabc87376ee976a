"""Which of an AnnData's matrices to work on, and what its values are."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import scipy.sparse as sp

from scrcl._keys import PARAMS
from scrcl._validate import InputError
from scrcl.data.evidence import Conclusion, conclude
from scrcl.data.lazy import is_lazy, load
from scrcl.data.look import MAX_LOG, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from scrcl.config.sections import Said

    CSR: TypeAlias = sp.csr_matrix

# Where counts are kept beside X, in this order: before X is looked at, and after.
COUNT_LAYERS = ("counts", "count", "raw_counts")
"""Layers that come before ``X``: the scverse habit, and that of the MOSTA files."""
_OTHER_COUNTS = (
    "rawcounts", "raw", "umi", "umis", "umicounts", "umicount", "readcounts", "reads",
    "countmatrix", "molecules", "decontxcounts", "decontx", "soupxcounts", "soupx", "cellbender",
    "cellbendercounts",
)  # fmt: skip
_SAID: dict[str, tuple[Kind, float]] = {
    "counts": ("counts", math.e),
    "log": ("log", math.e),
    "log2": ("log", 2.0),
    "linear": ("linear", math.e),
}
_ANSWER = "Say what they are with values='counts', 'log', 'log2' or 'linear' (--values)"
_MAX_NAMES = 10  # of a column of obs that a message gives


class Values(NamedTuple):
    """The matrix to work on."""

    X: CSR  # (n_obs, n_vars), float32, sorted, without stored zeros; or lazy, of such blocks
    var_names: pd.Index
    kind: Kind  # logarithms are natural ones, whatever they were
    source: str  # for messages: "X", "layers['counts']", ".raw"
    about: Conclusion  # what was concluded of it

    @property
    def line(self) -> str:
        """What was concluded, in one line."""
        natural = ", brought to natural logs" if self.about.base != math.e else ""
        is_doubtful = self.about.thin and not self.about.said
        thin = " (there is little to tell them by; values=, --values overrules)"
        return f"{self.source}: {self.about.text}{natural}{thin if is_doubtful else ''}"


def find_values(adata: AnnData, values: Said = "auto") -> Values:
    """Choose counts if there are any, else logarithms, else other values that are not negative.

    Looked at in this order: layers ``"counts"``, ``"count"`` and ``"raw_counts"``; ``X``; layers of
    other names that counts go by, such as ``"umi"``; ``.raw``. Each matrix is looked at by
    :func:`scrcl.data.evidence.conclude`. Logarithms to another base are brought to natural ones.

    Parameters
    ----------
    adata
        Not changed.
    values
        What the values are, if it is known: ``"counts"``, ``"log"`` (natural), ``"log2"`` or
        ``"linear"``.

    Raises
    ------
    InputError
        If no matrix can be used: all hold negative values, several kinds of values, or values that
        cannot be told; or one of them holds NaN or infinite ones.
    """
    found: dict[str, Values] = {}
    refused: list[tuple[str, Conclusion]] = []
    for source, matrix, var_names in _matrices(adata):
        loaded = load(matrix)
        about = _about(loaded, source, adata, values)
        if about.kind is None:
            refused.append((source, about))
            continue
        rank = "doubtful" if about.kind == "counts" and about.thin else about.kind
        found.setdefault(rank, Values(loaded, var_names, about.kind, source, about))
        if rank == "counts" or (values != "auto" and rank != "doubtful"):
            break
    for rank in ("counts", "doubtful", "log", "linear"):
        if rank in found:
            chosen = found[rank]
            return chosen._replace(X=_natural(as_csr(chosen.X), chosen.about.base))
    raise InputError(_refusal(adata, refused))


def as_csr(X: Any) -> CSR:
    """``X`` as float32 CSR, sorted, without duplicates or stored zeros; ``X`` stays as it is.

    Memory is shared with ``X`` where nothing had to change. Indices are 32-bit where they fit: not
    every routine downstream takes 64-bit ones. A lazy matrix stays lazy; its blocks will be so.
    """
    if is_lazy(X):
        lazy: CSR = X.map_blocks(as_csr, dtype=np.float32, meta=sp.csr_matrix((0, 0)))
        return lazy
    csr = sp.csr_matrix(X, dtype=np.float32)
    if not csr.has_canonical_format:
        csr = csr.copy()
        csr.sum_duplicates()
    if csr.nnz and not csr.data.all():
        csr = csr.copy()
        csr.eliminate_zeros()
    if csr.indices.dtype == np.int64 and max(csr.nnz, csr.shape[1]) <= np.iinfo(np.int32).max:
        index = (csr.indices.astype(np.int32), csr.indptr.astype(np.int32))
        csr = sp.csr_matrix((csr.data, *index), shape=csr.shape)
    return csr


def _natural(X: CSR, base: float) -> CSR:
    natural: CSR = X if base == math.e else X * np.float32(np.log(base))
    return natural


def _matrices(adata: AnnData) -> Iterator[tuple[str, Any, pd.Index]]:
    # anndata 0.13 counts X among the layers, under None.
    others = {_plain(key): key for key in adata.layers if key and key not in COUNT_LAYERS}
    before = [key for key in COUNT_LAYERS if key in adata.layers]
    after = [others[name] for name in _OTHER_COUNTS if name in others]
    for key in before:
        yield f"layers[{key!r}]", adata.layers[key], adata.var_names
    if adata.X is not None:
        yield "X", adata.X, adata.var_names
    for key in after:
        yield f"layers[{key!r}]", adata.layers[key], adata.var_names
    if adata.raw is not None:
        yield ".raw", adata.raw.X, adata.raw.var_names


def _plain(key: str) -> str:
    return "".join(letter for letter in key.lower() if letter.isalnum())


def _about(X: Any, source: str, adata: AnnData, values: Said) -> Conclusion:
    """Conclude what a matrix holds, or take what was said of it if it can be so."""
    hint, base = _hint(adata, source)
    try:
        about = conclude(X, hint=hint, base=base)
    except InputError as error:
        msg = f"{source}: {error}"
        raise InputError(msg) from None
    if values == "auto" or about.low < 0:
        return about
    kind, base = _SAID[values]
    if values != "counts" and source.startswith("layers"):
        return Conclusion(kind=None, text="said to be counts by its name")
    is_counts = about.kind == "counts" and not about.thin
    if kind == "log" and (about.high > MAX_LOG or is_counts):
        msg = (
            f"{source}: got {about.text} of up to {about.high:,.0f}, wanted logarithms, as "
            f"values is {values!r}. Leave values out; what the network sees is data.model_input."
        )
        raise InputError(msg)
    agrees = about.kind == kind and about.base == base
    said = f"{about.text}, as said" if agrees else f"{values}, as said (looks like {about.text})"
    total = about.total if agrees else None
    return replace(about, kind=kind, text=said, base=base, total=total, said=True, thin=not agrees)


def _hint(adata: AnnData, source: str) -> tuple[Kind | None, float | None]:
    """Guess from name and history of a matrix what it holds, and the base of logarithms."""
    if source.startswith("layers"):
        return "counts", None
    said = adata.uns.get(PARAMS, {}).get("values", "auto")
    if said in _SAID:
        return _SAID[said]
    if "log1p" not in adata.uns:
        return None, None
    base = adata.uns["log1p"].get("base")
    return "log", math.e if base is None else float(base)


def _refusal(adata: AnnData, refused: list[tuple[str, Conclusion]]) -> str:
    """Say why no matrix can be used: the reason of the first that could have been, else of X."""
    mixed = [pair for pair in refused if pair[1].groups]
    is_open = [pair for pair in refused if pair[1].open]
    if not refused:
        return (
            f"data: got no X and layers of other names ({', '.join(map(repr, adata.layers))}), wanted "
            'counts. Put them into X or layers["counts"], or name their layer (layer= in Python).'
        )
    source, about = (mixed or is_open or refused)[0]
    if about.groups:
        rows = [own for _, own in about.groups]
        where = _by_column(adata, rows) or [
            f"cells such as {', '.join(map(repr, adata.obs_names[own[:2]]))}" for own in rows
        ]
        kinds = [name for name, _ in about.groups]
        parts = "; ".join(f"{k} in {w}" for k, w in zip(kinds, where, strict=True))
        return (
            f"{source}: got {about.text} ({parts}), wanted one kind. Bring all cells to counts, or "
            "cluster them apart."
        )
    wanted = "wanted counts or log-normalised expression"
    if about.open:
        return f"{source}: got {about.text}, {wanted}. {_ANSWER}."
    also = " and ".join(name for name, _ in refused[1:])
    what = f"{source} (and of no use: {also})" if also else source
    return f"{what}: got {about.text}, {wanted}. {about.advice}"


def _by_column(adata: AnnData, groups: list[NDArray[np.intp]]) -> list[str] | None:
    """Name groups of cells by a column of obs that keeps them apart, if there is one."""
    for key in adata.obs:
        column = adata.obs[key].astype(str).to_numpy()
        names = [np.unique(column[rows]) for rows in groups]
        together = np.concatenate(names)
        if len(together) <= _MAX_NAMES and len(np.unique(together)) == len(together):
            return [f"obs[{key!r}] {', '.join(own)}" for own in names]
    return None
