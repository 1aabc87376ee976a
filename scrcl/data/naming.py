"""What genes are called: names to join by, symbols to show, and how either is found in the data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scrcl._keys import SYMBOL
from scrcl._text import counted
from scrcl.data.validate import unique_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Columns of var with names that people know genes by, the usual ones first, letters alone.
_SYMBOLS = (
    "featurename", "genesymbol", "genesymbols", "symbol", "symbols", "genename", "genenames",
    "geneshortname", "hgncsymbol", "mgisymbol", "externalgenename", "genesym", "geneids", "gene",
    "genes", "index", "features", "feature", "name", "names", "varnames", "id", "ids", "geneid",
    "ensemblid", "ensembl", "ensemblids", "accession",
)  # fmt: skip
_MISSING = {"", "na", "nan", "none", "null", "<na>", "n/a", "-", "."}
# Ensembl (with the letters of a species), its plants, flies, worms, yeast; RefSeq; Entrez.
_ID = re.compile(
    r"^(ENS[A-Z]*[GTPE]R?\d{6,}(\.\d+)?(_PAR_Y)?|FBgn\d+|WBGene\d+|AT[1-5CM]G\d{5}"
    r"|N[MR]_\d+(\.\d+)?|MGI:\d+|HGNC:\d+|\d+)$",
    re.IGNORECASE,
)
_VERSION = re.compile(r"\.\d+$")


class Names(NamedTuple):
    """Names of all features of a matrix."""

    names: pd.Index  # (n_vars,) unique
    symbols: pd.Index  # (n_vars,) what to show; the name where there is nothing better
    notes: list[str]


def settle_names(var: pd.DataFrame, *, where: str, instead: pd.Index | None = None) -> Names:
    """Settle what genes are called.

    The index of ``var`` names them, unless it holds numbers of rows, as where R left the names in a
    column: then a column does, or ``instead``. Where the names are identifiers (Ensembl and the
    like), a column with symbols says what to show. Names that come again get a number.

    Parameters
    ----------
    var
        Features.
    where
        What it is called in notes: "var" or ".raw.var".
    instead
        Names of the same features from elsewhere in the data.
    """
    if SYMBOL in var:  # settled before
        return Names(var.index, pd.Index(var[SYMBOL].astype(str)), [])
    notes: list[str] = []
    names = pd.Index(var.index.astype(str))
    if _is_numbers_of_rows(names):
        names = _named(var, names, where, instead, notes=notes)
    without = names.str.strip().str.lower().isin(_MISSING)
    if without.any():
        number = counted(without.sum(), "features")
        notes.append(f"genes: {number} without a name in {where} ({names[without][0]!r})")
    names = unique_names(names, "gene", notes)
    symbols = _symbols(var, names)
    return Names(names, names if symbols is None else symbols, notes)


def shown_names(names: Iterable[Any], symbols: Iterable[Any]) -> pd.Index:
    """Names to show, each once: the symbol, with the name behind it where another gene has it, too."""
    ids, shown = pd.Series(list(names), dtype=object), pd.Series(list(symbols), dtype=object)
    again = shown.duplicated(keep=False) & (shown != ids)
    return pd.Index(shown.where(~again, shown + " (" + ids + ")"))


class Lookup:
    """Finds genes by name or symbol; then without the version of an identifier; then in any case.

    Parameters
    ----------
    names, symbols
        What genes are called, (n_genes,) each; symbols may be those of `shown_names`.
    """

    def __init__(self, names: Iterable[Any], symbols: Iterable[Any]) -> None:
        self.recased: dict[str, str] = {}
        """Genes that were found in another case only, and what they are called in the data."""
        self._pairs = [
            (str(name), str(symbol).removesuffix(f" ({name})"))
            for name, symbol in zip(names, symbols, strict=True)
        ]
        self._known: dict[Callable[[str], str], dict[str, list[str]]] = {}

    def find(self, gene: str) -> list[str]:
        """Names of the genes that are meant: several if they share a symbol, none if unknown."""
        for spell in _SPELLINGS:
            found = self._spelled(spell).get(spell(gene))
            if found is not None:
                if spell is _any_case:
                    self.recased[gene] = found[0]
                    return found[:1]
                return found
        return []

    def _spelled(self, spell: Callable[[str], str]) -> dict[str, list[str]]:
        """Genes by a spelling, made when the stricter ones have not found one: most never need it."""
        if spell not in self._known:
            known = self._known[spell] = {}
            for place in (0, 1):
                by_spelling: dict[str, list[str]] = {}
                for pair in self._pairs:
                    by_spelling.setdefault(spell(pair[place]), []).append(pair[0])
                for spelling, found in by_spelling.items():
                    known.setdefault(spelling, found)
        return self._known[spell]


def _without_version(name: str) -> str:
    return _VERSION.sub("", name) if _ID.match(name) else name


def _any_case(name: str) -> str:
    return _without_version(name).upper()


_SPELLINGS: tuple[Callable[[str], str], ...] = (str, _without_version, _any_case)


def _is_numbers_of_rows(names: pd.Index) -> bool:
    """Whether the names are 0, 1, 2, ... or 1, 2, 3, ..."""
    if not len(names) or names[0] not in {"0", "1"} or len(names) == 1:
        return False
    first = int(names[0])
    return bool((names == [str(first + i) for i in range(len(names))]).all())


def _named(
    var: pd.DataFrame, names: pd.Index, where: str, instead: pd.Index | None, *, notes: list[str]
) -> pd.Index:
    """Look for names that are no numbers of rows."""
    for column in _columns(var, _SYMBOLS):
        text = _clean(var[column])
        if text.notna().mean() > 0.5 and not _is_numbers_of_rows(pd.Index(text.fillna(""))):
            notes.append(f"genes: names taken from {where}[{str(column)!r}]")
            return pd.Index(np.where(text.notna(), text, names))
    if instead is not None and len(instead) == len(names) and not _is_numbers_of_rows(instead):
        notes.append(f"genes: {where} has numbers of rows for names; those of X are taken")
        return pd.Index(instead.to_numpy(dtype=object))
    notes.append(f"genes: {where} has numbers of rows for names, and no column with others")
    return names


def _symbols(var: pd.DataFrame, names: pd.Index) -> pd.Index | None:
    """Symbols where the names are identifiers and a column has what differs from them."""
    if _share_of_ids(names.to_series()) <= 0.5:
        return None
    for column in _columns(var, _SYMBOLS):
        text = _clean(var[column])
        known = text.dropna()
        if len(known) > 0.2 * len(names) and _share_of_ids(known) <= 0.5:
            return pd.Index(np.where(text.notna(), text, names))
    return None


def _columns(var: pd.DataFrame, wanted: tuple[str, ...]) -> list[Any]:
    found: dict[str, Any] = {}
    for name in var:
        found.setdefault("".join(c for c in str(name).lower() if c.isalpha()), name)
    return [found[letters] for letters in wanted if letters in found]


def _clean(column: pd.Series) -> pd.Series:
    """Names as text, missing where there is none."""
    text = column.astype(object).map(str, na_action="ignore").reset_index(drop=True)
    empty = text.isna() | text.astype(str).str.strip().str.lower().isin(_MISSING)
    text[empty] = None
    return text


def _share_of_ids(names: pd.Series) -> float:
    some = names.iloc[:: max(1, len(names) // 1000)].astype(str)
    return float(some.str.match(_ID).mean()) if len(some) else 0.0
