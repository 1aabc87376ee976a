"""Small data with a known structure."""

from dataclasses import replace

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scrcl.clustering import Anchor, ClusterTree, Expression
from scrcl.clustering.consensus import sums_below


def blobs(sizes, *, n_dims=8, spread=0.3, seed=0):
    """Round clouds of the given sizes around random centres; also their numbers."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(sizes), n_dims)) * 3
    truth = np.repeat(np.arange(len(sizes)), sizes)
    points = centres[truth] + rng.normal(size=(len(truth), n_dims)) * spread
    points = points.astype(np.float32)
    points.flags.writeable = False
    return points, truth


def expression(truth, *, components, n_genes=60, n_markers=8, covariates=None, seed=0):
    """Expression in which each group has markers of its own; the other genes are noise."""
    rng = np.random.default_rng(seed)
    log_norm = rng.poisson(0.4, (len(truth), n_genes)) * 0.7
    for group in range(truth.max() + 1):
        own = slice(group * n_markers, (group + 1) * n_markers)
        log_norm[truth == group, own] += rng.normal(2.0, 0.3, log_norm[truth == group, own].shape)
    return Expression(
        components=components,
        log_norm=sp.csr_matrix(log_norm),
        genes=np.array([f"g{number}" for number in range(n_genes)], dtype=object),
        covariates=pd.DataFrame(covariates),
    )


def hand_made(merges, heights, sizes, **columns):
    """Build a tree whose splits are all supported, but for what `columns` say."""
    n_leaves, merges = len(sizes), np.array(merges, dtype=np.intp).reshape(-1, 2)
    below = np.eye(2 * n_leaves - 1, n_leaves, dtype=np.intp)
    together = np.eye(n_leaves, dtype=np.float32)
    for step, (left, right) in enumerate(merges):
        below[n_leaves + step] = below[left] + below[right]
        pairs = np.outer(below[left], below[right])
        together += (1 - heights[step]) * (pairs + pairs.T)
    counts = below @ np.array(sizes)
    evidence = {
        "n_left": counts[merges[:, 0]],
        "n_right": counts[merges[:, 1]],
        "height": heights,
        "mixing": 0.1,
        "distance": 7.0,
        "null_distance": 2.6,
        "p_value": 0.0,
        "level": 0.01,
        "n_genes": 20,
        "genes": "+here -there",
        **columns,
    }
    return ClusterTree(
        leaves=np.repeat(np.arange(n_leaves), sizes),
        merges=merges,
        heights=np.array(heights, dtype=float),
        sizes=np.array(sizes, dtype=np.intp),
        together=together,
        splits=pd.DataFrame(evidence, index=pd.RangeIndex(n_leaves, 2 * n_leaves - 1, name="node")),
    )


def anchored(tree, *, found, share=0.8):
    """Anchor a tree at its last merges: its cells give their own cluster of it so much."""
    nodes, n_leaves = [2 * len(tree.sizes) - 2], len(tree.sizes)
    for _ in range(found - 1):
        node = nodes.pop(int(np.argmax(nodes)))
        nodes += tree.merges[node - n_leaves].tolist()
    below = sums_below(tree.merges, np.eye(n_leaves, dtype=int))[nodes]
    clusters = below.argmax(axis=0)
    shares = np.where(np.eye(found)[clusters] > 0, share, (1 - share) / max(found - 1, 1))
    curve = pd.DataFrame({"n_clusters": np.arange(2, 8), "criterion": [3.0, 1, 2, 5, 4, 0]})
    return replace(tree, anchor=Anchor(clusters=clusters, shares=shares, curve=curve))


def random_tree(seed, *, n_leaves=25):
    """Build a tree of random shape, sizes and support."""
    rng = np.random.default_rng(seed)
    nodes, merges = list(range(n_leaves)), []
    for step in range(n_leaves - 1):
        pair = rng.choice(len(nodes), 2, replace=False)
        merges.append([nodes[place] for place in pair])
        nodes = [node for node in nodes if node not in merges[-1]] + [n_leaves + step]
    return hand_made(
        merges,
        np.sort(rng.random(n_leaves - 1)),
        rng.choice([1, 2, 3, 4, 8, 30, 90], n_leaves),
        mixing=rng.random(n_leaves - 1),
        distance=rng.uniform(2, 9, n_leaves - 1),
    )
