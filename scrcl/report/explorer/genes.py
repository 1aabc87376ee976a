"""Which genes the explorer holds, and their expression."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from scrcl._keys import SYMBOL
from scrcl.data.naming import Lookup
from scrcl.data.preprocess import gene_deviations
from scrcl.report.explorer.pack import packed_sparse, steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anndata import AnnData

MAX_GENES = 500
"""Genes that a page holds, those that were asked for aside."""
MAX_TEXT = 12_000_000
"""Characters that all genes may take: with them, a page of 50,000 cells has 15 MB at most."""
STEPS = (255, 63, 31, 15, 7)
"""Values of a gene that are told apart beside 0: the first that fits. An eye tells some 30."""
_EVERY, _SAFE = 10, 0.97  # one gene of so many tells the size of all, nearly


def choose_genes(
    expression: AnnData, asked: Sequence[str], told: Iterable[str]
) -> tuple[list[str], list[str]]:
    """Choose the genes that the page holds.

    Parameters
    ----------
    expression
        What `scrcl.data.expression.log_expression` returned.
    asked
        Genes that are held in any case, by name or symbol.
    told
        Further genes, the most wanted first; the most variable ones follow, up to `MAX_GENES`.

    Returns
    -------
    Names of genes; and those that were asked for and are not there.
    """
    lookup = Lookup(expression.var_names, expression.var[SYMBOL])
    unknown = [gene for gene in asked if not lookup.find(gene)]
    ahead = list(dict.fromkeys(name for gene in asked for name in lookup.find(gene)))
    order = np.argsort(-gene_deviations(expression.X), kind="stable")[:MAX_GENES]
    named = (name for gene in told for name in lookup.find(gene))
    others = dict.fromkeys(chain(named, expression.var_names[order]))
    wanted = [name for name in others if name not in set(ahead)]
    return ahead + wanted[: max(MAX_GENES - len(ahead), 0)], unknown


def turns(lists: Mapping[str, Sequence[str]]) -> list[str]:
    """Take the first of every list, then the second of every list, and so on."""
    return [gene for row in zip_longest(*lists.values()) for gene in row if gene is not None]


def read_expression(expression: AnnData, names: Sequence[str]) -> tuple[list[dict[str, Any]], int]:
    """Quantise genes, as finely as `MAX_TEXT` allows, and as many of the first as fit into it.

    Returns
    -------
    One entry a gene: ``name``; ``top``, its greatest value; ``bright``, the value from which on it
    has the brightest colour, as in the figures; and ``values``, see `packed_sparse`. And the number
    of steps from 0 to the greatest value of each.
    """
    columns = expression.X[:, expression.var_names.get_indexer(list(names))].tocsc()
    shown = expression.var[SYMBOL].reindex(names)
    some = range(0, len(names), _EVERY)

    def told(number: int, n_steps: int) -> dict[str, Any]:
        values = columns[:, [number]].toarray().ravel()
        codes, top = steps(values, n_steps)
        bright = float(np.percentile(values[values > 0], 99)) if top else 1.0
        return {
            "name": str(shown.iloc[number]),
            "top": round(top, 4),
            "bright": round(bright, 4),
            "values": packed_sparse(codes),
        }

    for n_steps in STEPS:
        size = sum(len(told(number, n_steps)["values"]) for number in some)
        if size / max(len(some), 1) * len(names) <= MAX_TEXT * _SAFE:
            break
    found, room = [], MAX_TEXT
    for number in range(len(names)):
        entry = told(number, n_steps)
        room -= len(entry["values"])
        if room < 0:
            break
        found.append(entry)
    return found, n_steps
