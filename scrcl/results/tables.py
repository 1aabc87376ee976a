"""What a run comes down to: a table of scores, and the data with its clusters."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from scrcl._keys import CLUSTERS, CONFIDENCE, EMBEDDING, PARAMS
from scrcl._validate import InputError
from scrcl.results.folder import Metrics, SeedResult

if TYPE_CHECKING:
    from anndata import AnnData

SUMMARIZED = ("acc", "nmi", "ari", "f1", "n_clusters")


def summarize(metrics: Mapping[int, Metrics], agreement: Mapping[str, ArrayLike]) -> pd.DataFrame:
    """Mean and standard deviation over seeds, one row a protocol.

    Parameters
    ----------
    metrics
        Seed to protocol to score to value. Scores that are not there (no labels) stay empty.
    agreement
        Protocol to the ARI of every pair of seeds.

    Returns
    -------
    ``protocol``, ``n_seeds``, ``<score>_mean`` and ``<score>_sd`` (of the sample: over n - 1,
    empty for one seed), ``seed_ari_mean`` and ``seed_ari_min``.
    """
    protocols = list(
        dict.fromkeys(name for by_protocol in metrics.values() for name in by_protocol)
    )
    rows = []
    for protocol in protocols:
        scores = [
            by_protocol[protocol] for by_protocol in metrics.values() if protocol in by_protocol
        ]
        table = pd.DataFrame(scores, columns=list(SUMMARIZED), dtype=float)
        pairs = pd.Series(np.asarray(agreement.get(protocol, ())), dtype=float)
        rows.append(
            {"protocol": protocol, "n_seeds": len(table)}
            | {
                f"{score}_{name}": value
                for score in SUMMARIZED
                for name, value in (("mean", table[score].mean()), ("sd", table[score].std()))
            }
            | {"seed_ari_mean": pairs.mean(), "seed_ari_min": pairs.min()}
        )
    return pd.DataFrame(rows)


def annotated(adata: "AnnData", result: SeedResult, params: Mapping[str, object]) -> "AnnData":
    """Copy of the clustered cells with everything that a seed found, ready for scanpy.

    Parameters
    ----------
    adata
        The input, (n_all, n_vars), in memory or backed. It is not changed.
    result
        Clusters of n_obs of its cells; cells that preprocessing dropped are left out of the copy.
    params
        What goes into ``uns["scrcl"]``; values that an h5ad file can hold.

    Returns
    -------
    (n_obs, n_vars), rows in the order of ``result.obs_names``, with ``obs["scrcl"]``
    (categorical), ``obsm["X_scrcl"]``, ``uns["scrcl"]`` and, if there is one,
    ``obs["scrcl_confidence"]``.

    Raises
    ------
    InputError
        If a clustered cell is not in ``adata``.
    """
    names = pd.Index(np.asarray(result.obs_names, dtype=np.str_))
    rows = adata.obs_names.get_indexer(names)
    if (rows < 0).any():
        missing = names[rows < 0]
        msg = (
            f"cells: got {len(missing)} clustered ones that the data does not have (the first: "
            f"{missing[0]!r}), wanted none. Take the data that was clustered."
        )
        raise InputError(msg)
    view = adata[rows]
    copy = view.to_memory() if adata.isbacked else view.copy()
    categories = [str(cluster) for cluster in np.unique(result.clusters)]
    copy.obs[CLUSTERS] = pd.Categorical(result.clusters.astype(str), categories=categories)
    if result.confidence is not None:
        copy.obs[CONFIDENCE] = result.confidence
    copy.obsm[EMBEDDING] = np.asarray(result.embedding)
    copy.uns[PARAMS] = {"seed": result.seed, **params}
    return copy
