"""Functions that draw one panel draw it where they are told to, too."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from scrcl import pl
from scrcl._keys import CLUSTERS, EMBEDDING
from scrcl._validate import InputError
from tests.clustering.planted import random_tree

CURVE = pd.DataFrame({"n_clusters": [2, 3, 4], "criterion": [0.1, 0.5, 0.2]})
COUNTS = pd.DataFrame([[5, 1], [0, 7]], index=["a", "b"], columns=["0", "1"])
ACTIVITY = pd.DataFrame({"module": [1, 2], "n_genes": [5, 6], "0": [0.5, -1.0], "1": [0.0, 1.0]})


DRAW = {
    "umap": lambda cells, **more: pl.umap(cells, coordinates=cells.obsm[EMBEDDING][:, :2], **more),
    "paga": pl.paga,
    "n_clusters": lambda _, **more: pl.n_clusters_curve(CURVE, **more),
    "cluster_tree": lambda _, **more: pl.cluster_tree(random_tree(0), **more),
    "confusion": lambda _, **more: pl.confusion(COUNTS, **more),
    "modules": lambda _, **more: pl.module_heatmap(ACTIVITY, **more),
}


@pytest.mark.parametrize("name", DRAW)
def test_one_panel_is_drawn_in_the_axes_that_are_given_and_they_are_returned(name, result):
    fig = Figure(figsize=(8, 4), layout="constrained")
    left, right = fig.subplots(1, 2)

    found = DRAW[name](result, ax=right)

    assert found is right
    assert not left.has_data()
    assert right.collections or right.images or right.lines
    fig.canvas.draw()


@pytest.mark.parametrize("name", DRAW)
def test_without_axes_there_is_a_figure(name, result):
    assert isinstance(DRAW[name](result), Figure)


def test_several_colourings_do_not_fit_one_panel(result):
    ax = Figure().subplots()
    with pytest.raises(InputError, match="color: got 2 colourings for one panel"):
        pl.umap(result, [CLUSTERS, "labels"], coordinates=np.zeros((result.n_obs, 2)), ax=ax)
