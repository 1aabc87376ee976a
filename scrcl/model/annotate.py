"""The one call for a notebook: `cluster`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import ImplicitModificationWarning

from scrcl._validate import InputError
from scrcl.clustering import tree_of
from scrcl.data.naming import settle_names
from scrcl.model.estimator import ScRCL, categorical, spread
from scrcl.model.settings import as_n_clusters

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from numpy.typing import NDArray

    from scrcl.clustering import ClusterTree
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
    copy: bool = False,
    **settings: object,
) -> AnnData | None:
    """Cluster cells, or the spots of a tissue, and write what was found into ``adata``.

    Written are ``obs[key]`` (categorical), ``obs[key + "_confidence"]``, ``obsm["X_" + key]``
    (n_obs, at most 50), ``varm[key + "_association"]`` (genes x clusters, see `scrcl.markers`),
    ``uns[key]`` and, where the method has a tree of clusters, ``obs[key + "_leaf"]`` and
    ``uns[key]["tree"]``, from which `cut` makes any other number. Nothing else is changed, and nothing at all if it fails. Cells without a count get
    no cluster, and NaN for the rest.

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
    target = adata if not copy else adata.to_memory() if adata.isbacked else adata.copy()
    write_result(target, model, key_added, links=links, keep_views=keep_views)
    return target if copy else None


def cut(
    adata: AnnData, n_clusters: object = "auto", *, key_added: str = "scrcl", copy: bool = False
) -> AnnData | None:
    """Write another number of clusters into data that `cluster` annotated, without training.

    The labels are those that `cluster` gives with that number, because both are cuts of the same
    tree. ``obs[key]`` and ``obs[key + "_confidence"]`` are replaced, and in ``uns[key]`` what is
    said of the clusters; what belongs to the earlier ones (``varm[key + "_association"]``,
    ``obs[key + "_name"]``) is removed.

    Parameters
    ----------
    adata
        What `cluster` annotated, or ``result.h5ad`` of a run: all of its cells, or some.
    n_clusters
        A number, a range ``(low, high)``, or ``"auto"``: as deep as the evidence goes.
    key_added
        Name under which `cluster` wrote.
    copy
        Return an annotated copy and leave ``adata`` as it is.

    Returns
    -------
    ``None``, or the copy.

    Raises
    ------
    InputError
        If there is no tree in ``adata``, or it cannot be cut so finely. Nothing is changed then.

    Examples
    --------
    >>> import scrcl
    >>> cells = scrcl.datasets.simulated_cells(n_obs=200, n_types=4)
    >>> scrcl.cluster(cells)
    >>> scrcl.cut(cells, 3)
    >>> cells.obs["scrcl"].nunique()
    3
    """
    key, leaves = key_added, _leaves(adata, key_added)
    took_part = leaves >= 0
    found = _tree(adata, key, leaves[took_part]).clusters(as_n_clusters(n_clusters))
    assert found.confidence is not None  # a tree tells
    labels = np.full(adata.n_obs, -1)
    labels[took_part] = found.labels
    target = adata if not copy else adata.to_memory() if adata.isbacked else adata.copy()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ImplicitModificationWarning)  # as below
        target.obs[key] = categorical(labels, [str(n) for n in range(found.n_clusters)])
    target.obs[f"{key}_confidence"] = spread(found.confidence, took_part)
    about = {
        name: value for name, value in target.uns[key].items() if name != "association_clusters"
    }
    target.uns[key] = about | {"n_clusters": found.n_clusters, "stability": found.stability}
    if f"{key}_association" in target.varm:
        del target.varm[f"{key}_association"]
    if f"{key}_name" in target.obs:
        del target.obs[f"{key}_name"]
    return target if copy else None


def _leaves(adata: AnnData, key: str) -> NDArray[np.integer]:
    """Leaf of each cell, (n_obs,)."""
    name = f"{key}_leaf"
    if name not in adata.obs or "tree" not in adata.uns.get(key, {}):
        msg = (
            f"adata: got no obs[{name!r}] with uns[{key!r}]['tree'], wanted data with a tree of "
            "clusters. Call scrcl.cluster first (not with the paper's k-means or on a tissue, which "
            "have no tree), or name its key_added."
        )
        raise InputError(msg)
    leaves: NDArray[np.integer] = adata.obs[name].fillna(-1).to_numpy().astype(np.intp)
    if not (leaves >= 0).any() or leaves.max() >= len(adata.uns[key]["tree"]["sizes"]):
        msg = (
            f"adata: got an obs[{name!r}] that does not fit the tree in uns[{key!r}], wanted that of "
            "one run. Call scrcl.cluster again."
        )
        raise InputError(msg)
    return leaves


def _tree(adata: AnnData, key: str, leaves: NDArray[np.integer]) -> ClusterTree:
    """Read the tree that `cluster` wrote; ``leaves`` are of the cells that took part."""
    try:
        return tree_of(adata.uns[key]["tree"], leaves)
    except (KeyError, TypeError, ValueError) as error:
        msg = (
            f"adata: got a tree in uns[{key!r}] that cannot be read ({error}), wanted what "
            "scrcl.cluster wrote. Call it again."
        )
        raise InputError(msg) from error


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
    if model.confidence_ is not None:
        adata.obs[f"{key}_confidence"] = model.confidence_
    if model.leaves_ is not None:
        adata.obs[f"{key}_leaf"] = model.leaves_
    adata.obsm[f"X_{key}"] = model.embedding_
    if keep_views and model.found_.network is not None:
        adata.obsm[f"X_{key}_views"] = model.views_
    adata.uns[key] = model.summary()
    if links is not None:
        association = pd.DataFrame(links.association.T, index=model.genes_)
        genes = settle_names(adata.var, where="var").names
        adata.varm[f"{key}_association"] = association.reindex(genes).to_numpy()
        adata.uns[key]["association_clusters"] = np.array(names, dtype=np.str_)
