"""Gene modules: groups of genes that a model embeds alike."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scrcl.markers import gene_modules, module_activity


def test_genes_of_one_direction_are_one_module_however_strong() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(5), [40, 30, 20, 15, 10])
    strength = rng.uniform(0.1, 50, len(truth))[:, None]
    embedding = (np.eye(5)[truth] + rng.normal(0, 0.02, (len(truth), 5))) * strength

    modules = gene_modules(embedding)

    np.testing.assert_array_equal(modules, truth)  # numbered from the largest


def test_modules_are_the_same_again() -> None:
    embedding = np.random.default_rng(1).normal(size=(120, 8))

    np.testing.assert_array_equal(gene_modules(embedding), gene_modules(embedding))


@pytest.mark.parametrize("n_genes", [1, 3])
def test_a_handful_of_genes_is_one_module(n_genes: int) -> None:
    assert list(gene_modules(np.eye(n_genes, 4))) == [0] * n_genes


def test_activity_is_the_mean_over_genes_in_units_of_their_deviation() -> None:
    values = np.array([[0, 0, 1], [0, 2, 1], [4, 2, 1], [4, 4, 1]], dtype=np.float32)
    expression = ad.AnnData(sp.csr_matrix(values))

    found = module_activity(expression, np.array([0, 0, 1]), np.array([0, 0, 1, 1]))

    expected = pd.DataFrame(
        {
            "module": [0, 1],
            "n_genes": [2, 1],
            "0": [(-1 - 1 / np.sqrt(2)) / 2, 0.0],
            "1": [(1 + 1 / np.sqrt(2)) / 2, 0.0],
        }
    )
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_names=False)
