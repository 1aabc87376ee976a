"""What a run comes down to: a table of scores, and the data with its clusters."""

import logging
from collections.abc import Mapping

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from scrcl._keys import ASSOCIATION, CLUSTERS, CONFIDENCE, EMBEDDING, LEAF, OUTLIER, PARAMS
from scrcl._validate import InputError
from scrcl.data.earlier import forget_result
from scrcl.data.naming import settle_names
from scrcl.results.folder import Metrics, SeedResult

log = logging.getLogger(__name__)

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


def annotated(adata: ad.AnnData, result: SeedResult, params: Mapping[str, object]) -> ad.AnnData:
    """All cells with everything that a seed found, ready for scanpy.

    To write it, see `scrcl.results.storable`.

    Parameters
    ----------
    adata
        The input, (n_obs, n_vars), in memory or backed. It is not changed.
    result
        Clusters of its cells, of all or of some.
    params
        What goes into ``uns["scrcl"]``; values that an h5ad file can hold.

    Returns
    -------
    (n_obs, n_vars), with ``obs["scrcl"]`` (categorical), ``obsm["X_scrcl"]``, ``uns["scrcl"]`` and,
    if there is one, ``obs["scrcl_confidence"]``; missing where a cell got no cluster. With a tree,
    ``obs["scrcl_leaf"]`` (-1 where a cell got no cluster), ``obs["scrcl_outlier"]`` and
    ``uns["scrcl"]["tree"]``. With gene
    associations, ``varm["scrcl_association"]`` (n_vars, n_clusters), missing for genes that the
    model did not see; ``uns["scrcl"]["association_clusters"]`` names its columns. What an earlier
    result wrote is removed. Matrices are shared with the input: copy before you write to them.

    Raises
    ------
    InputError
        If a clustered cell is not in ``adata``.
    """
    names = pd.Index(np.asarray(result.obs_names, dtype=np.str_))
    unknown = names[~names.isin(adata.obs_names)]
    if len(unknown):
        msg = (
            f"cells: got {len(unknown)} clustered ones that the data does not have (the first: "
            f"{unknown[0]!r}), wanted none. Take the data that was clustered."
        )
        raise InputError(msg)
    rows = names.get_indexer(adata.obs_names)
    has_cluster = rows >= 0
    result_of = np.where(has_cluster, rows, 0)

    shared = _shallow(adata)
    embedding = np.asarray(result.embedding)
    if not np.array_equal(rows, np.arange(len(names))):  # else it is used as it is: it may be large
        embedding = embedding[result_of]
        embedding[~has_cluster] = np.nan
    forget_result(shared, CLUSTERS, embedding)
    shared.obs[CLUSTERS] = _categorical(result.clusters[result_of], has_cluster)
    if result.confidence is not None:
        confidence = np.asarray(result.confidence, dtype=np.float32)[result_of]
        shared.obs[CONFIDENCE] = np.where(has_cluster, confidence, np.float32("nan"))
    if result.leaves is not None:
        leaves = np.asarray(result.leaves, dtype=np.int32)[result_of]
        shared.obs[LEAF] = np.where(has_cluster, leaves, np.int32(-1))
    if result.outliers is not None:
        shared.obs[OUTLIER] = has_cluster & result.outliers[result_of]
    shared.obsm[EMBEDDING] = embedding
    shared.uns[PARAMS] = {"seed": result.seed, **params}
    if result.tree is not None:
        shared.uns[PARAMS]["tree"] = dict(result.tree)
    if result.associations is not None:
        _add_associations(shared, result.associations)
    return shared


def _add_associations(adata: ad.AnnData, associations: pd.DataFrame) -> None:
    """Write the associations of genes with clusters, missing for genes that the model did not see."""
    genes = associations.pivot_table("association", "gene", "cluster", sort=False)
    genes = genes[sorted(genes.columns, key=lambda name: int(str(name)))]
    names = settle_names(adata.var, where="var").names
    if not genes.index.isin(names).any():
        log.warning("varm: no gene of the model is in var by name, so all associations are missing")
    adata.varm[ASSOCIATION] = genes.reindex(names).to_numpy(np.float32)
    adata.uns[PARAMS]["association_clusters"] = np.array(genes.columns, dtype=np.str_)


def without_expression(adata: ad.AnnData) -> ad.AnnData:
    """Cells and genes with everything but matrices of both: no ``X``, layers or ``.raw``."""
    return ad.AnnData(
        obs=adata.obs,
        var=adata.var,
        uns=dict(adata.uns),
        obsm=dict(adata.obsm),
        varm=dict(adata.varm),
        obsp=dict(adata.obsp),
        varp=dict(adata.varp),
    )


def _categorical(clusters: NDArray[np.integer], has_cluster: NDArray[np.bool_]) -> pd.Categorical:
    """Name clusters by their numbers and order them by these; missing for cells without one."""
    numbers = np.unique(clusters[has_cluster])
    names = pd.Series(clusters).astype(str).where(has_cluster)
    return pd.Categorical(names, categories=[str(number) for number in numbers])


def _shallow(adata: ad.AnnData) -> ad.AnnData:
    """Copy of the containers of an AnnData that shares its matrices."""
    if adata.isbacked:
        return adata.to_memory()
    raw = adata.raw
    return ad.AnnData(
        adata.X,
        obs=adata.obs.copy(),
        var=adata.var.copy(),
        uns=dict(adata.uns),
        obsm=dict(adata.obsm),
        varm=dict(adata.varm),
        layers=dict(adata.layers),
        obsp=dict(adata.obsp),
        varp=dict(adata.varp),
        raw=None if raw is None else {"X": raw.X, "var": raw.var, "varm": dict(raw.varm)},
    )
