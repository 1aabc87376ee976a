"""Gene associations: which genes tie the cells of a cluster together, as the model sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from sklearn.neighbors import NearestNeighbors

from scrcl._keys import CLUSTERS
from scrcl.data.components import components
from scrcl.data.expression import LogExpression, group_sums
from scrcl.markers.modules import gene_modules
from scrcl.markers.ranking import effect_sizes, rank_genes
from scrcl.nn.attribution import gene_attributions
from scrcl.nn.encode import embed_genes
from scrcl.nn.inputs import Inputs

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

    from scrcl.nn.attribution import GeneAttribution
    from scrcl.nn.minibatch import SparseInputs
    from scrcl.nn.network import ScRCLNet

_N_COMPONENTS = 100
_TESTED_FROM = 3  # cells
_MAX_ASKED = 20_000  # cells, where the inputs of all do not fit
# The gradient is averaged over a hundredth of the genes, 20 at most.
_GENES_PER_NEIGHBOR = 100
_MAX_NEIGHBORS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneLinks:
    """What a model says about genes.

    Attributes
    ----------
    association
        Share of each gene in what ties the cells of each cluster, (n_clusters, n_genes). Positive:
        the gene is higher in the cluster, and that pulls its cells towards it. Negative: it is
        lower, and that pulls them, too. 0: the model makes nothing of the difference. Absolute
        values add up to 1 at most.
    modules
        Module of each gene, (n_genes,), 0, 1, ... from the largest to the smallest.
    """

    association: NDArray[np.float64]
    modules: NDArray[np.intp]


def network_links(
    model: ScRCLNet, inputs: Inputs | SparseInputs, clusters: NDArray[np.integer]
) -> GeneLinks:
    """Ask a trained network.

    For each of the views e1, e2, z1 and z2, the gradient of the closeness of a cluster's cells to
    it (:func:`scrcl.nn.attribution.gene_attributions`) is averaged over the genes that the refinement
    module embeds alike, as one gene's gradient is noisy, and multiplied with the difference of the
    mean input. A gene whose gradient contradicts its difference gets 0. Linear in cells.

    Parameters
    ----------
    model, inputs
        A trained network and what it was trained on.
    clusters
        Cluster of each cell, (n_obs,), 0 to n_clusters - 1, at least two, none of them empty.
    """
    embedded = embed_genes(model, inputs).cpu().numpy().astype(np.float64)
    alike = _similar_genes(embedded)
    shares = [
        _share(
            (alike @ found.gradient.cpu().numpy().T.astype(np.float64)).T,
            found.difference.cpu().numpy().astype(np.float64),
        )
        for found in _attributions(model, inputs, np.asarray(clusters, dtype=np.int64))
    ]
    return GeneLinks(association=np.mean(shares, axis=0), modules=gene_modules(embedded))


def _attributions(
    model: ScRCLNet, inputs: Inputs | SparseInputs, clusters: NDArray[np.int64]
) -> list[GeneAttribution]:
    """Derive the views by every gene; of inputs that are not dense, for some cells of each cluster."""
    if isinstance(inputs, Inputs):
        return gene_attributions(model, inputs, torch.from_numpy(clusters))
    each = max(1, _MAX_ASKED // (int(clusters.max()) + 1))
    order = np.random.default_rng(0).permutation(len(clusters))
    rank = pd.Series(clusters[order]).groupby(clusters[order]).cumcount().to_numpy()
    cells = np.sort(order[rank < each])
    asked, numbers = inputs.batch(cells), torch.from_numpy(cells)
    return gene_attributions(model, asked, torch.from_numpy(clusters[cells]), numbers)


def embedding_links(
    x: sp.csr_matrix, embedding: NDArray[np.floating], clusters: NDArray[np.integer]
) -> GeneLinks:
    """Ask an embedding that no network made: smoothed components of a tissue.

    The embedding is read from the components of a spot's own expression by least squares, so it
    is linear in the genes, and its gradient is known. The rest is as in :func:`network_links`,
    without a gene graph; a gene is embedded by its gradient.

    Parameters
    ----------
    x
        Expression from which the embedding was made, (n_obs, n_genes).
    embedding
        (n_obs, n_features).
    clusters
        As in :func:`network_links`.
    """
    own = components(x, _N_COMPONENTS).astype(np.float64)
    variance = np.maximum((own**2).sum(0), 1e-12)
    points = embedding - embedding.mean(0, dtype=np.float64)
    gradient = (x.T @ (own / variance)) @ (own.T @ points / variance[:, None])
    towards = _contrast(sp.csr_matrix(points), clusters)
    towards /= np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-12)
    association = _share(towards @ gradient.T, _contrast(x, clusters))
    return GeneLinks(association=association, modules=gene_modules(gradient))


def association_table(
    links: GeneLinks, expression: ad.AnnData, clusters: NDArray[np.integer]
) -> pd.DataFrame:
    """Set associations beside differential expression.

    Parameters
    ----------
    links
        What the model says.
    expression
        Log-normalised expression of the genes that the model saw, (n_obs, n_genes).
    clusters
        Cluster of each cell.

    Returns
    -------
    One row for each cluster and gene, the strongest association first: ``cluster``, ``gene``,
    ``rank`` (from 1), ``association``; of one cluster against all other cells
    ``log2_fold_change``, ``wilcoxon_score``, ``p_adjusted`` (over these genes), ``fraction_in`` and
    ``fraction_out``. Clusters of fewer than three cells are not tested.
    """
    numbers = np.unique(clusters)
    names = [str(number) for number in numbers]
    labels = pd.Categorical(np.asarray(clusters).astype(str), categories=names)
    genes = expression.var_names
    effects = effect_sizes(expression.X, labels, names, "rest")
    tables = []
    tests = _tests(expression, labels)
    for name, scores, effect in zip(names, links.association, effects, strict=True):
        table = pd.DataFrame({"cluster": name, "gene": genes, "association": scores, **effect})
        table = table.merge(tests, how="left", on=["cluster", "gene"], sort=False)
        table = table.sort_values("association", ascending=False, kind="stable", ignore_index=True)
        table["rank"] = np.arange(1, len(table) + 1)
        tables.append(table)
    columns = ["cluster", "gene", "rank", "association", "log2_fold_change", "wilcoxon_score"]
    columns += ["p_adjusted", "fraction_in", "fraction_out"]
    return pd.concat(tables, ignore_index=True)[columns]


def _tests(expression: ad.AnnData, labels: pd.Categorical) -> pd.DataFrame:
    """Wilcoxon against the rest: ``cluster``, ``gene``, ``wilcoxon_score``, ``p_adjusted``."""
    columns = {"group": "cluster", "gene": "gene", "score": "wilcoxon_score"}
    columns["p_adjusted"] = "p_adjusted"
    if labels.value_counts().max() < _TESTED_FROM:
        return pd.DataFrame({name: [] for name in columns.values()}).astype({"cluster": str})
    obs = pd.DataFrame({CLUSTERS: labels}, index=expression.obs_names)
    tested = LogExpression(expression.X, obs=obs, var=expression.var)
    table = rank_genes(tested, CLUSTERS, min_cells=_TESTED_FROM).table
    return table[list(columns)].rename(columns=columns)


def _similar_genes(embedding: NDArray[np.float64]) -> sp.csr_matrix:
    """Mean over a gene and its nearest in direction, and those it is near to, (n_genes, n_genes)."""
    n_genes = len(embedding)
    if n_genes == 1:
        return sp.csr_matrix(np.ones((1, 1)))
    n_near = int(np.clip(n_genes // _GENES_PER_NEIGHBOR, 1, min(_MAX_NEIGHBORS, n_genes - 1)))
    unit = embedding / np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-12)
    nearest = NearestNeighbors(n_neighbors=n_near).fit(unit).kneighbors_graph()
    listed = nearest + nearest.T + sp.eye(n_genes)
    listed.data[:] = 1.0
    means: sp.csr_matrix = sp.csr_matrix(sp.diags(1 / listed.getnnz(1)) @ listed)
    return means


def _share(gradient: NDArray[np.float64], difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gradient times difference where they agree, with the sign of the difference, over the sum."""
    pull = difference * np.maximum(gradient * np.sign(difference), 0.0)
    total: NDArray[np.float64] = np.abs(pull).sum(1, keepdims=True)
    return pull / np.where(total > 0, total, 1.0)


def _contrast(values: sp.csr_matrix, clusters: NDArray[np.integer]) -> NDArray[np.float64]:
    """Mean over each cluster minus mean over all other cells, (n_clusters, n_columns)."""
    sizes = np.bincount(clusters)[:, None].astype(np.float64)
    sums = group_sums(values, clusters, len(sizes))
    contrast: NDArray[np.float64] = sums / sizes - (sums.sum(0) - sums) / (len(clusters) - sizes)
    return contrast
