"""How the training went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scrcl._validate import InputError
from scrcl.config import TrainConfig
from scrcl.pl.colors import palette
from scrcl.pl.style import FONT, new_figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

_TITLES = {
    "total": "total loss",
    "hea": "hybrid embedding alignment",
    "ndc": "neighbourhood contrast",
    "cvc": "cross-view consistency",
}
# A part that shrinks by more than this is a flat line on a linear axis.
_LOG_FROM = 100.0


def training_curve(
    history: pd.DataFrame | Sequence[Mapping[str, float]], *, best_epoch: int | None = None
) -> Figure:
    """Draw the loss and each of its parts over the epochs, unweighted, on scales of their own.

    Parameters
    ----------
    history
        One row per epoch: ``epoch`` (counted from 1 if absent) and any of ``total`` and the losses
        (``hea``, ``ndc``, ``cvc``).
    best_epoch
        Epoch to mark, for instance the one with the smallest loss.

    Raises
    ------
    InputError
        If there is no epoch or no known part.
    """
    table = pd.DataFrame(history)
    known = ["total", *TrainConfig().loss_weights]
    parts = [part for part in known if part in table]
    if table.empty or not parts:
        msg = (
            f"history: got {len(table)} epochs of {list(table)}, wanted at least one epoch of "
            f"some of {known}. Pass Fit.history or history.csv."
        )
        raise InputError(msg)
    epoch = table["epoch"] if "epoch" in table else pd.RangeIndex(1, len(table) + 1)
    n_columns = min(len(parts), 2)
    n_rows = -(-len(parts) // n_columns)
    fig = new_figure(3.6 * n_columns, 2.3 * n_rows)
    axes = fig.subplots(n_rows, n_columns, squeeze=False, sharex=True).ravel()
    for ax, part in zip(axes, parts, strict=False):
        values = table[part]
        ax.plot(epoch, values, color=palette(1)[0], linewidth=1.2)
        if values.min() > 0 and values.max() > _LOG_FROM * values.min():
            ax.set_yscale("log")
        if best_epoch is not None:
            ax.axvline(best_epoch, color="0.5", linestyle=":", linewidth=1, label="best epoch")
        ax.set_title(_TITLES.get(part, part), fontsize=FONT + 2)
        ax.tick_params(labelsize=FONT)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[len(parts) :]:
        ax.remove()
    for ax in axes[max(len(parts) - n_columns, 0) : len(parts)]:
        ax.set_xlabel("epoch", fontsize=FONT)
        ax.tick_params(labelbottom=True)
    if best_epoch is not None:
        axes[0].legend(fontsize=FONT, frameon=False)
    return fig
