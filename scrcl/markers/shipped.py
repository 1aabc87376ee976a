"""Lists of marker genes that come with the package: blood, pancreas, cortex, of human and mouse."""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

from scrcl._validate import check_one_of

if TYPE_CHECKING:
    from collections.abc import Iterable

SHIPPED: Final = ("blood", "cortex", "pancreas")
"""Names of the lists, each a table in ``scrcl/markers/lists`` that names its sources."""


class MarkerLists(NamedTuple):
    """Cell types and their genes.

    Attributes
    ----------
    genes
        Cell type to genes.
    parents
        Cell type to what it is a kind of, where that has a name.
    species
        Whose genes these are.
    thin
        Cell types of which the data have one gene of several: too few to name a cluster by.
    """

    genes: dict[str, list[str]]
    parents: dict[str, str]
    species: str
    thin: frozenset[str] = frozenset()


def shipped_markers(name: str, names: Iterable[str]) -> MarkerLists:
    """Return a list that comes with the package, of the species of the data.

    Parameters
    ----------
    name
        ``"blood"``, ``"pancreas"`` or ``"cortex"``.
    names
        Names and symbols of the genes of the data: the species is the one with more genes among
        them, as they are spelt; human if there is nothing to choose.

    Raises
    ------
    InputError
        If there is no such list.
    """
    check_one_of(name, "markers", SHIPPED)
    table = (files("scrcl.markers") / "lists" / f"{name}.csv").read_text("utf-8")
    rows = list(csv.DictReader(table.splitlines()))
    there = set(names)
    n_there = {
        species: sum(gene in there for row in rows for gene in row[species].split())
        for species in ("human", "mouse")
    }
    species = "mouse" if n_there["mouse"] > n_there["human"] else "human"
    genes: dict[str, list[str]] = {}
    for row in rows:
        genes.setdefault(row["cell_type"], []).extend(row[species].split())
    parents = {row["cell_type"]: row["parent"] for row in rows if row["parent"]}
    return MarkerLists(genes, parents, species)
