"""Odd data drawn at random: what files of unknown origin hold, and what nobody would put into one.

The same generator gives the same data, so that a case that fails can be made again from its number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

N_OBS = (1, 2, 3, 4, 5, 8, 13, 20, 30, 45, 45, 60, 60)
N_VARS = (1, 2, 3, 5, 10, 20, 40, 40, 60, 60, 60)
DTYPES = (
    "float32",
    "float64",
    "float16",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
)
NAMES = (
    "Zelle-ÄÖÜß",
    "細胞",
    "😀",
    "e\u0301",
    "\u202eevil",
    "\ufeffbom",
    "a/b",
    "../../etc/passwd",
    "/absolute",
    "..",
    ".",
    "C:\\x",
    "two\nlines",
    "carriage\rreturn",
    "tab\there",
    "=1+1",
    "=cmd|' /C calc'!A0",
    "@SUM(A1)",
    "+1",
    "-1",
    "<script>alert(1)</script>",
    "</script><b>",
    "{{ 7 * 7 }}",
    "%s%n",
    "'quoted'",
    '"double"',
    "a,b;c",
    "",
    " ",
    " padded ",
    "NA",
    "nan",
    "None",
    "null",
    "True",
    "0",
    "-1.5e3",
    "1e999",
    "2023-01-01",
    "MT-ND1",
    "mt-nd1",
    "Sep-02",
    "x" * 10_000,
    "index",
    "_index",
    "cluster",
    "scrcl",
    "obs_name",
    "$HOME",
    "`id`",
    "a\\",
    "#comment",
    "\x01control",
    "__class__",
)
LABELS = ("cell_type1", "celltype", "ground_truth", "annotation", "label", "my types")


def odd_adata(rng: np.random.Generator, *, spatial: bool) -> tuple[ad.AnnData, dict[str, str]]:
    """Draw data, and say what was drawn."""
    n_obs, n_vars = int(rng.choice(N_OBS)), int(rng.choice(N_VARS))
    kind, dense = _values(rng, n_obs, n_vars)
    poison, dense = _poisoned(rng, dense)
    dtype, dense = _typed(rng, dense)
    layout, X = _laid_out(rng, dense)
    recipe = {
        "shape": f"{n_obs}x{n_vars}",
        "values": kind,
        "poison": poison,
        "dtype": dtype,
        "layout": layout,
    }
    recipe["cells"], cells = _names(rng, n_obs, "cell")
    recipe["genes"], genes = _names(rng, n_vars, "gene")
    adata = ad.AnnData(X, obs=pd.DataFrame(index=cells), var=pd.DataFrame(index=genes))
    recipe["obs"] = ",".join(_add_columns(rng, adata.obs))
    recipe["var"] = ",".join(_add_columns(rng, adata.var)) if rng.random() < 0.2 else ""
    recipe["beside"] = ",".join(_add_beside(rng, adata))
    if spatial:
        recipe["places"] = _add_places(rng, adata)
    return adata, recipe


def odd_name(rng: np.random.Generator) -> str:
    """Draw a name."""
    return str(NAMES[rng.integers(len(NAMES))])


def _values(rng: np.random.Generator, n_obs: int, n_vars: int) -> tuple[str, NDArray[Any]]:
    groups = np.arange(n_obs) % int(rng.integers(1, 5))
    high = np.arange(n_vars) % 4 == groups[:, None]
    means = rng.gamma(2.0, 0.4, n_vars) * np.where(high, 4.0, 1.0)
    counts = rng.poisson(means).astype(np.float64)
    kinds: dict[str, Callable[[], NDArray[Any]]] = {
        "counts": lambda: counts,
        "log": lambda: np.log1p(1e4 * counts / np.maximum(counts.sum(1, keepdims=True), 1)),
        "zeros": lambda: np.zeros_like(counts),
        "one value": lambda: np.full_like(counts, 3.0),
        "one count": lambda: np.eye(n_obs, n_vars),
        "uniform": lambda: rng.random(counts.shape),
        "scaled": lambda: (counts - counts.mean(0)) / (counts.std(0) + 1),
        "huge": lambda: counts * 1e6,
        "halves": lambda: counts / 2,
        "tiny": lambda: counts * 1e-30,
        "binary": lambda: (counts > 0).astype(np.float64),
        "same cells": lambda: np.tile(counts[:1], (n_obs, 1)),
    }
    share = [0.45, 0.12] + [0.43 / (len(kinds) - 2)] * (len(kinds) - 2)
    kind = str(rng.choice(list(kinds), p=share))
    return kind, kinds[kind]()


def _poisoned(rng: np.random.Generator, dense: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    kinds = (
        "nan",
        "inf",
        "-inf",
        "negative",
        "1e30",
        "1e6 in a gene",
        "empty genes",
        "empty cells",
    )
    kinds += ("1e308", "-0")
    if rng.random() < 0.65:
        return "", dense
    kind = str(rng.choice(kinds))
    dense = dense.copy()
    row, column = rng.integers(dense.shape[0]), rng.integers(dense.shape[1])
    values = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "negative": -1.0, "1e30": 1e30}
    values |= {"1e308": 1e308, "-0": -0.0}
    if kind in values:
        dense[row, column] = values[kind]
    elif kind == "1e6 in a gene":
        dense[:, column] = 1e6
    elif kind == "empty genes":
        dense[:, rng.random(dense.shape[1]) < 0.5] = 0
    else:
        dense[rng.random(dense.shape[0]) < 0.5] = 0
    return kind, dense


def _typed(rng: np.random.Generator, dense: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    dtype = "float32" if rng.random() < 0.5 else str(rng.choice(DTYPES))
    with np.errstate(all="ignore"):
        return dtype, dense.astype(dtype)


def _laid_out(rng: np.random.Generator, dense: NDArray[Any]) -> tuple[str, Any]:
    layouts: dict[str, Callable[[], Any]] = {
        "csr": lambda: sp.csr_matrix(dense),
        "csc": lambda: sp.csc_matrix(dense),
        "csr array": lambda: sp.csr_array(dense),
        "dense": lambda: dense,
        "fortran": lambda: np.asfortranarray(dense),
        "explicit zeros": lambda: _full(dense),
        "unsorted": lambda: _unsorted(dense),
        "int64 indices": lambda: _wide(dense),
    }
    if dense.dtype == np.float16:  # scipy has no sparse ones
        return "dense", dense
    layout = str(rng.choice(list(layouts)))
    return layout, layouts[layout]()


def _full(dense: NDArray[Any]) -> sp.csr_matrix:
    n_obs, n_vars = dense.shape
    indptr = np.arange(0, n_obs * n_vars + 1, n_vars)
    return sp.csr_matrix((dense.ravel(), np.tile(np.arange(n_vars), n_obs), indptr), dense.shape)


def _unsorted(dense: NDArray[Any]) -> sp.csr_matrix:
    X = sp.csr_matrix(dense)
    for start, end in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        X.indices[start:end] = X.indices[start:end][::-1]
        X.data[start:end] = X.data[start:end][::-1]
    X.has_sorted_indices = False
    return X


def _wide(dense: NDArray[Any]) -> sp.csr_matrix:
    X = sp.csr_matrix(dense)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def _names(rng: np.random.Generator, n: int, what: str) -> tuple[str, list[str]]:
    plain = [f"{what}{i}" for i in range(n)]
    kinds: dict[str, Callable[[], list[str]]] = {
        "plain": lambda: plain,
        "odd": lambda: [odd_name(rng) for _ in range(n)],
        "one odd": lambda: [odd_name(rng), *plain[1:]],
        "duplicate": lambda: [plain[i // 2] for i in range(n)],
        "all alike": lambda: [what] * n,
        "empty": lambda: [""] * n,
        "numbers": lambda: [str(i) for i in range(n)],
        "symbols": lambda: [("MT-", "RPL", "Ercc-", "mt-")[i % 4] + str(i) for i in range(n)],
    }
    kind = str(rng.choice(list(kinds))) if rng.random() < 0.5 else "plain"
    return kind, kinds[kind]()


def _column(rng: np.random.Generator, n: int) -> tuple[str, Any]:
    groups = np.arange(n) % 3
    some = rng.random(n) < 0.3
    odd = [odd_name(rng) for _ in range(3)]
    kinds: dict[str, Callable[[], Any]] = {
        "categories": lambda: pd.Categorical.from_codes(groups, ["a", "b", "c"]),
        "unused": lambda: pd.Categorical.from_codes(groups % 2, ["a", "b", "unused", "more"]),
        "odd categories": lambda: pd.Categorical(np.array(odd, dtype=object)[groups]),
        "missing": lambda: pd.Categorical.from_codes(np.where(some, -1, groups), ["a", "b", "c"]),
        "all missing": lambda: pd.Categorical.from_codes(np.full(n, -1), ["a"]),
        "no categories": lambda: pd.Categorical([None] * n, categories=[]),
        "ordered": lambda: pd.Categorical.from_codes(groups, ["c", "b", "a"], ordered=True),
        "numbers as categories": lambda: pd.Categorical(groups.astype(float)),
        "Int64": lambda: pd.array(
            [None if m else int(g) for m, g in zip(some, groups, strict=True)], "Int64"
        ),
        "boolean": lambda: pd.array(
            [None if m else bool(g) for m, g in zip(some, groups, strict=True)], "boolean"
        ),
        "text": lambda: np.array([f"t{g}" for g in groups], dtype=object),
        "odd text": lambda: np.array([odd_name(rng) for _ in range(n)], dtype=object),
        "text and None": lambda: np.array([None if m else "a" for m in some], dtype=object),
        "float": lambda: rng.normal(size=n),
        "NaN": lambda: np.full(n, np.nan),
        "inf": lambda: np.full(n, np.inf),
        "int": lambda: groups,
        "bool": lambda: groups > 0,
        "one each": lambda: np.array([f"u{i}" for i in range(n)], dtype=object),
        "one value": lambda: np.array(["same"] * n, dtype=object),
        "uint8": lambda: groups.astype(np.uint8),
    }
    kind = str(rng.choice(list(kinds)))
    return kind, kinds[kind]()


def _add_columns(rng: np.random.Generator, table: pd.DataFrame) -> list[str]:
    added = []
    for _ in range(int(rng.integers(0, 4))):
        kind, values = _column(rng, len(table))
        choices = (str(rng.choice(LABELS)), str(rng.choice(["batch", "sample", "donor"])))
        name = odd_name(rng) if rng.random() < 0.25 else choices[int(rng.integers(2))]
        table[name] = values
        added.append(f"{name[:20]!r} {kind}")
    return added


def _add_beside(rng: np.random.Generator, adata: ad.AnnData) -> list[str]:
    added = []
    if rng.random() < 0.15:
        adata.layers["counts" if rng.random() < 0.7 else "a layer"] = adata.X.copy()
        added.append("layer")
    if rng.random() < 0.1:
        adata.raw = adata.copy()
        added.append("raw")
    if rng.random() < 0.1:
        adata.obsm["X_pca"] = rng.normal(size=(adata.n_obs, 2))
        added.append("obsm")
    if rng.random() < 0.1:
        adata.uns["neighbors"] = {"params": {"n": 1}, "text": odd_name(rng), "list": [1, "a"]}
        added.append("uns")
    if rng.random() < 0.05:
        adata.obs.index.name = odd_name(rng)
        added.append("index name")
    if rng.random() < 0.05:
        adata.X = None
        added.append("no X")
    return added


def _add_places(rng: np.random.Generator, adata: ad.AnnData) -> str:
    n = adata.n_obs
    grid = np.column_stack(np.divmod(np.arange(n), max(int(np.sqrt(n)), 1))).astype(float)
    kinds: dict[str, Callable[[], Any]] = {
        "grid": lambda: grid,
        "random": lambda: rng.random((n, 2)) * 1e4,
        "int": lambda: (grid * 100).astype(np.int64),
        "same place": lambda: np.zeros((n, 2)),
        "pairs": lambda: grid // 2,
        "three axes": lambda: np.column_stack([grid, np.zeros(n)]),
        "one axis": lambda: grid[:, :1],
        "line": lambda: np.column_stack([grid[:, 0] * 0, np.arange(n)]),
        "NaN": lambda: np.where(rng.random((n, 2)) < 0.2, np.nan, grid),
        "all NaN": lambda: np.full((n, 2), np.nan),
        "inf": lambda: np.where(rng.random((n, 2)) < 0.1, np.inf, grid),
        "huge": lambda: grid * 1e300,
        "table": lambda: pd.DataFrame(grid, index=adata.obs_names, columns=["x", "y"]),
        "far apart": lambda: grid + 1e9 * (np.arange(n)[:, None] % 2),
    }
    kind = "grid" if rng.random() < 0.5 else str(rng.choice([*kinds, "none", "other key"]))
    if kind == "other key":
        adata.obsm["X_spatial"] = grid
    elif kind != "none":
        adata.obsm["spatial"] = kinds[kind]()
    return kind
