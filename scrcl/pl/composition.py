"""Shares of clusters in conditions, sample by sample, and how sure their differences are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import PercentFormatter

from scrcl._keys import CLUSTERS
from scrcl._validate import InputError
from scrcl.clustering.composition import LEVEL
from scrcl.pl.colors import MISSING, palette
from scrcl.pl.style import FONT, add_legend, legend_width, new_figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from scrcl.clustering.composition import Composition

_ROW = 0.15  # inches, of one condition
_PANEL = 3.0  # inches
_SPAN = 0.7  # of a cluster's row that its conditions fill


def composition(found: Composition, *, title: str = CLUSTERS) -> Figure:
    """Draw the share of every cluster in every sample, and beside it the ratios of the odds.

    Left: a dot a sample, a line at the mean of each condition. Right, where there was a test: the
    log odds ratio with its 95 % interval, filled if the adjusted p-value is below .05.

    Parameters
    ----------
    found
        What `scrcl.composition` returned.
    title
        What the clusters are called.

    Raises
    ------
    InputError
        If there is no cluster.
    """
    if found.table.empty:
        msg = "composition: got no cluster, wanted at least one."
        raise InputError(msg)
    clusters = list(dict.fromkeys(found.table["cluster"]))
    conditions = list(dict.fromkeys(found.samples["condition"]))
    colors = dict(zip(conditions, palette(len(conditions)), strict=True))
    has_test = bool(found.table["p_value"].notna().any())
    height = 1.0 + max(_ROW * len(conditions), 0.22) * len(clusters)
    side = legend_width(conditions, height) + 0.3
    fig = new_figure(_PANEL * (1 + has_test) + side + 0.6, height)
    panels = fig.subplots(1, 1 + has_test, sharey=True, squeeze=False)[0]
    offsets = (np.arange(len(conditions)) - (len(conditions) - 1) / 2) * _SPAN / len(conditions)
    places = {name: (float(at), colors[name]) for name, at in zip(conditions, offsets, strict=True)}
    _draw_shares(panels[0], found, clusters, places)
    if has_test:
        _draw_ratios(panels[1], found, clusters, places)
    panels[0].set_yticks(range(len(clusters)), clusters, fontsize=FONT)
    panels[0].set_ylim(len(clusters) - 0.4, -0.6)
    panels[0].set_ylabel(title)
    for ax in panels:
        ax.grid(axis="x", color=MISSING, linewidth=0.5)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=FONT)
    add_legend(panels[-1], colors, height)
    return fig


def _draw_shares(
    ax: Axes, found: Composition, clusters: list[str], places: Mapping[str, tuple[float, str]]
) -> None:
    """Spread the samples of a condition a little, for each to be seen."""
    width = _SPAN / len(places)
    for condition, (offset, color) in places.items():
        own = found.samples[found.samples["condition"] == condition]
        for row, cluster in enumerate(clusters):
            shares = own.loc[own["cluster"] == cluster, "share"].to_numpy()
            spread = (np.arange(len(shares)) - (len(shares) - 1) / 2) * width / (len(shares) + 1)
            at = row + offset
            ax.scatter(
                shares, at + spread, s=9, color=color, alpha=0.75, linewidths=0, clip_on=False
            )
            ax.vlines(shares.mean(), at - width / 2, at + width / 2, color=color, linewidth=1.6)
    for row in range(1, len(clusters)):
        ax.axhline(row - 0.5, color=MISSING, linewidth=0.5)
    ax.set_xlim(left=0)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    unit = "sample" if any(found.samples["sample"]) else "condition"
    ax.set_title(f"share of the cells of each {unit}", fontsize=FONT + 1)


def _draw_ratios(
    ax: Axes, found: Composition, clusters: list[str], places: Mapping[str, tuple[float, str]]
) -> None:
    compared = list(dict.fromkeys(found.table["condition"]))
    for row in found.table.dropna(subset=["p_value"]).to_dict("records"):
        offset, color = places[row["condition"]]
        at = clusters.index(row["cluster"]) + (offset if len(compared) > 1 else 0)
        sure = row["p_adjusted"] < LEVEL
        ax.hlines(at, row["ci_low"], row["ci_high"], color=color, linewidth=1.2)
        ax.scatter(
            row["log_odds_ratio"],
            at,
            s=22,
            color=color if sure else "white",
            edgecolors=color,
            zorder=3,
        )
    ax.axvline(0, color="0.3", linewidth=0.8)
    first = found.table.iloc[0]
    # Intervals of rare clusters can be many times as wide as what there is to see.
    reach = 1.6 * max(1.0, float(found.table["log_odds_ratio"].abs().max()))
    ax.set_xlim(-reach, reach)
    against = "the others" if len(compared) > 1 else first["against"]
    who = "each" if len(compared) > 1 else first["condition"]
    ax.set_title(f"log odds ratio, {who} against {against}", fontsize=FONT + 1)
    ax.set_xlabel("filled: adjusted p below .05", fontsize=FONT)
