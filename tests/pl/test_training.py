"""Training curves."""

import pandas as pd
import pytest

from scrcl._validate import InputError
from scrcl.pl import training_curve

HISTORY = [
    {"epoch": epoch, "hea": 1000.0 / epoch**3, "ndc": 1.0 - epoch / 100, "cvc": 0.1, "total": 9.0}
    for epoch in range(1, 11)
]


def test_every_part_of_the_loss_has_a_panel_with_all_epochs():
    fig = training_curve(HISTORY)
    assert [ax.get_title() for ax in fig.axes] == [
        "total loss",
        "hybrid embedding alignment",
        "neighbourhood contrast",
        "cross-view consistency",
    ]
    for ax in fig.axes:
        assert list(ax.lines[0].get_xdata()) == list(range(1, 11))


def test_a_part_that_shrinks_a_lot_is_drawn_on_a_logarithmic_axis():
    scales = [ax.get_yscale() for ax in training_curve(HISTORY).axes]
    assert scales == ["linear", "log", "linear", "linear"]


def test_the_best_epoch_is_marked_and_explained():
    fig = training_curve(HISTORY, best_epoch=4)
    assert all(list(ax.lines[1].get_xdata()) == [4, 4] for ax in fig.axes)
    assert fig.axes[0].get_legend().get_texts()[0].get_text() == "best epoch"


def test_a_table_of_some_parts_without_epochs_will_do():
    fig = training_curve(pd.DataFrame(HISTORY)[["total", "hea", "ndc"]])
    assert len(fig.axes) == 3
    assert list(fig.axes[0].lines[0].get_xdata()) == list(range(1, 11))


@pytest.mark.parametrize("history", [[], [{"epoch": 1, "other": 2.0}]])
def test_a_history_without_a_loss_is_refused(history):
    with pytest.raises(InputError, match="history: got"):
        training_curve(history)
