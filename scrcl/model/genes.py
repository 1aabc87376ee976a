"""What a fitted model says about genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrcl.markers import embedding_links, network_links

if TYPE_CHECKING:
    from scrcl.markers import GeneLinks
    from scrcl.model.learn import LabelFree, Setup


def gene_links(setup: Setup, found: LabelFree) -> GeneLinks | None:
    """Ask the network, or the embedding where none was trained; ``None`` for a single cluster."""
    labels = found.clustering.labels
    if found.clustering.n_clusters == 1:
        return None
    if found.fitted is None:
        return embedding_links(setup.prepared.x, found.embedding, labels)
    assert setup.inputs is not None  # it was trained on them
    return network_links(found.fitted.model, setup.inputs, labels)
