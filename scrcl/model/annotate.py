"""The one call for a notebook: `cluster`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import ImplicitModificationWarning

from scrcl._validate import InputError
from scrcl.data.earlier import forget_result
from scrcl.data.naming import settle_names
from scrcl.model.estimator import ScRCL, categorical
from scrcl.model.recut import target_of, write_levels
from scrcl.model.shown import add_colors, layout_of, write_layout

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

    from scrcl.config import Config, Task
    from scrcl.markers import GeneLinks


def cluster(  # noqa: PLR0913  (the one public door; all options go by name)
    adata: AnnData,
    n_clusters: object = None,
    *,
    spatial: bool = False,
    config: Config | str | Path = "default",
    layer: str | None = None,
    slice_key: str | None = None,
    batch_key: str | None = None,
    seed: int = 0,
    device: str = "auto",
    key_added: str = "scrcl",
    keep_views: bool = False,
    levels: bool = False,
    layout: bool = False,
    copy: bool = False,
    **settings: object,
) -> AnnData | None:
    """Cluster cells, or the spots of a tissue, and write what was found into ``adata``.

    Written are ``obs[key]`` (categorical), ``obs[key + "_confidence"]``, ``obsm["X_" + key]``
    (n_obs, at most 50), ``varm[key + "_association"]`` (genes x clusters, see `scrcl.markers`),
    ``uns[key]``, ``uns[key + "_colors"]``, which scanpy's figures take, and, where the method has a
    tree of clusters, ``uns[key]["tree"]`` and ``obs[key + "_leaf"]``, from which `scrcl.cut` makes
    any other number, and ``obs[key + "_outlier"]``: cells apart from all others, too few for a
    cluster of their own. What an earlier call wrote under this name is removed. Nothing else is
    changed, and nothing at all if it fails. Cells without a count get no cluster, and NaN for the
    rest.

    Parameters
    ----------
    adata
        Counts (preferred) or log-normalised values, sparse or dense, in ``X``,
        ``layers["counts"]`` or ``.raw``; in memory, a view (which becomes a copy, as everywhere) or
        backed. A tissue has positions in ``obsm["spatial"]``.
    n_clusters
        A number, a range ``(low, high)`` to find it in, or ``None`` or ``"auto"``: found.
    spatial
        Look for the domains of a tissue instead of cell types.
    config
        ``"default"``, ``"paper"``, a YAML file or a `scrcl.config.Config`.
    layer
        Layer to take instead of looking for the best matrix.
    slice_key
        Column of ``obs`` that tells the slices of a tissue apart.
    batch_key
        Column of ``obs`` with donors, technologies or the like, to be brought together.
    seed
        Seed of everything random: the same seed, the same result.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    key_added
        Name of what is written.
    keep_views
        Also write the learned views, side by side, into ``obsm["X_" + key + "_views"]``: 4 kB a
        cell with the defaults.
    levels
        Also write three levels of clusters with names that nest, see `scrcl.cut`.
    layout
        Also write a UMAP of the embedding into ``obsm["X_" + key + "_umap"]`` and, where the data
        have none, into ``obsm["X_umap"]``: ``sc.pl.umap(adata, color="scrcl")`` draws it.
    copy
        Return an annotated copy and leave ``adata`` as it is.
    **settings
        Any value of the configuration by its name, such as ``n_hvg=500``; see `scrcl.config`.

    Returns
    -------
    ``None``, or the copy.

    Raises
    ------
    InputError
        If the data or a setting cannot be used.

    Examples
    --------
    >>> import scrcl
    >>> cells = scrcl.datasets.simulated_cells(n_obs=200, n_types=4)
    >>> scrcl.cluster(cells, n_clusters=4)
    >>> cells.obs["scrcl"].cat.categories.tolist()
    ['0', '1', '2', '3']
    """
    task: Task = "st" if spatial else "sc"
    model = ScRCL(config, n_clusters, task=task, seed=seed, device=device, **settings)
    if model.config.task != task:
        msg = f"config: got one of task {model.config.task!r}, wanted {task!r}. Set spatial to fit it."
        raise InputError(msg)
    model.fit(adata, batch_key=batch_key, slice_key=slice_key, layer=layer, keep_views=keep_views)
    links = model.links_  # computed now: whatever fails does so before anything is written
    if levels and model.tree_ is None:
        msg = (
            f"levels: got cluster.method {model.config.cluster.method!r}, which has no tree of "
            "clusters, wanted one that has. Leave levels out, or choose another method."
        )
        raise InputError(msg)
    plane = layout_of(model.embedding_) if layout else None
    target = target_of(adata, copy=copy)
    write_result(target, model, key_added, links=links, keep_views=keep_views)
    if levels:
        write_levels(target, key_added)
    if plane is not None:
        write_layout(target, key_added, plane)
    return target if copy else None


def write_result(
    adata: AnnData, model: ScRCL, key: str, *, links: GeneLinks | None, keep_views: bool = False
) -> None:
    """Write what a model found for its training cells into their AnnData."""
    names = [str(number) for number in range(model.n_clusters_)]
    clusters = categorical(model.labels_, names)
    with warnings.catch_warnings():
        # A view becomes a copy, which is what whoever writes to a view wants.
        warnings.filterwarnings("ignore", category=ImplicitModificationWarning)
        adata.obs[key] = clusters
        forget_result(adata, key, model.embedding_)
    if model.confidence_ is not None:
        adata.obs[f"{key}_confidence"] = model.confidence_
    if model.leaves_ is not None:
        adata.obs[f"{key}_leaf"] = model.leaves_
        adata.obs[f"{key}_outlier"] = model.outliers_
    adata.obsm[f"X_{key}"] = model.embedding_
    if keep_views and model.found_.network is not None:
        adata.obsm[f"X_{key}_views"] = model.views_
    adata.uns[key] = model.summary()
    add_colors(adata, key)
    if links is not None:
        association = pd.DataFrame(links.association.T, index=model.genes_)
        genes = settle_names(adata.var, where="var").names
        adata.varm[f"{key}_association"] = association.reindex(genes).to_numpy()
        adata.uns[key]["association_clusters"] = np.array(names, dtype=np.str_)
