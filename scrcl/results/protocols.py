"""The protocols that a run is scored by, and what each of them means, in words."""

from typing import Final

PROTOCOLS: Final = {"label_free": "clusters.csv", "oracle": "clusters_oracle.csv"}
"""Protocol to the file of a seed that has its clusters."""

PUBLISHED, GIVEN, FOUND = "published", "default_k_given", "default_k_found"
"""Further rows of the table of a set that the paper has."""
PICKED: Final = (PUBLISHED, "oracle")
"""Protocols whose epoch was picked with the labels."""

TITLES: Final = {
    PUBLISHED: "published (oracle)",
    "oracle": "oracle (epoch picked with the labels: an upper bound)",
    "label_free": "label-free (what a user gets)",
    GIVEN: "default preset, k given (label-free)",
    FOUND: "default preset, k found (label-free)",
}
"""Protocol to the head of its column in a report."""


def explained(protocol: str, published: str | None = None, *, paper: bool = False) -> str:
    """Say in a sentence how the scores of a protocol came about.

    Parameters
    ----------
    protocol
        One of `TITLES`.
    published
        Where the published scores are from.
    paper
        Whether the run is of the paper's preset, whose label-free row is that of its last epoch.
    """
    if protocol == PUBLISHED:
        return (
            f"{published or 'scores of the paper'}; its epoch was picked with the labels (oracle)"
        )
    if protocol == "label_free" and paper:
        return "the paper's training and k-means at its last epoch; nothing was picked with labels"
    return {
        "oracle": "the paper's protocol: the best of all epochs, picked with the labels",
        "label_free": "nothing was picked with labels",
        GIVEN: "our default, cut at the number of classes; nothing else was taken from labels",
        FOUND: "our default; nothing was taken from labels",
    }[protocol]
