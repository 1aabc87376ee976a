"""The one figure of a benchmark: ARI of every method on every set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.tables import by_ari, members, per_set
from scrcl.pl.style import FONT, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def draw(rows: pd.DataFrame, split: pd.DataFrame) -> Figure:
    """Heat map of ARI, mean over seeds: methods by mean ARI, sets by half, means at the right.

    Parameters
    ----------
    rows
        From `tables.results`.
    split
        From `tables.read_split`.
    """
    table = per_set(rows, "ari")[by_ari(rows)[::-1]]
    groups = members(list(table.index), split)
    halves = {name: groups[name] for name in ("tune", "report") if groups[name]}
    columns = [name for half in halves.values() for name in half]
    values = np.column_stack(
        [table.loc[columns].T, *(table.loc[half].mean() for half in halves.values())]
    )
    names = [*columns, *(f"mean: {name}" for name in halves)]
    fig = new_figure(2.5 + 0.42 * len(names), 1.6 + 0.24 * len(table.columns))
    ax = fig.add_subplot()
    image = ax.imshow(values, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=FONT)
    ax.set_yticks(range(len(table.columns)), list(table.columns), fontsize=FONT)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = f"{value:.2f}".lstrip("0")
            color = "white" if value < 0.6 else "black"
            ax.text(column, row, text, ha="center", va="center", fontsize=FONT - 1.5, color=color)
    edges = np.cumsum([len(half) for half in halves.values()])
    for edge in edges:
        ax.axvline(edge - 0.5, color="white", linewidth=2.5)
    ax.set_title("Adjusted Rand index, mean over seeds; tuning sets first", fontsize=FONT + 1)
    fig.colorbar(image, ax=ax, label="ARI", fraction=0.03)
    return fig
