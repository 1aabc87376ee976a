"""Model files of format 1, as version 0.1 wrote them, still predict what they did."""

import json
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl import InputError, ScRCL

FILES = Path(__file__).parent / "format1"


def cells(n_obs: int, first: int = 0) -> ad.AnnData:
    """Cells of three types over 20 genes, the same for the same numbers."""
    number, gene = np.arange(first, first + n_obs), np.arange(20)
    X = 1 + (7 * number[:, None] + 5 * gene) % 4 + 9 * (gene % 3 == (number % 3)[:, None])
    return _named(X, number)


def tissue() -> ad.AnnData:
    """Two halves of a square of 36 spots."""
    number, gene = np.arange(36), np.arange(20)
    row, col = np.divmod(number, 6)
    X = 1 + (7 * number[:, None] + 5 * gene) % 4 + 9 * (gene % 2 == (col >= 3)[:, None])
    spots = _named(X, number)
    spots.obsm["spatial"] = np.column_stack([col, row]).astype(float)
    return spots


def _named(X: np.ndarray, number: np.ndarray) -> ad.AnnData:
    var = pd.DataFrame(index=[f"gene{i}" for i in range(20)])
    return ad.AnnData(X.astype(np.float32), pd.DataFrame(index=[f"cell{i}" for i in number]), var)


@pytest.mark.parametrize("name", ["consensus", "kmeans", "domains", "network"])
def test_a_model_of_format_1_predicts_as_before(name: str) -> None:
    model = ScRCL.load(FILES / name)
    new = tissue() if model.config.task == "st" else cells(12, 36)
    expected = json.loads((FILES / name / "expected.json").read_text())

    found = model.predict(new)

    assert found["nearest"].astype(int).tolist() == expected["nearest"]
    assert found["cluster"].astype(str).tolist() == expected["cluster"]
    np.testing.assert_allclose(found["confidence"], expected["confidence"], atol=2e-5)
    np.testing.assert_allclose(model.embed(new)[:3], expected["embedding"], atol=2e-5)


@pytest.mark.parametrize("name", ["consensus", "domains"])
def test_it_has_no_tree_to_cut(name: str) -> None:
    fitted = ScRCL.load(FILES / name)._fitted.fitted
    assert fitted.tree is None
    with pytest.raises(InputError, match="older format"):
        fitted.cut(fitted.clustering.n_clusters + 1)


def test_domains_of_it_are_those_of_their_own_number() -> None:
    fitted = ScRCL.load(FILES / "domains")._fitted.fitted
    assert fitted.cut(fitted.clustering.n_clusters) is fitted


@pytest.mark.parametrize("name", ["consensus", "domains"])
def test_it_can_be_saved_anew(name: str, tmp_path: Path) -> None:
    model = ScRCL.load(FILES / name)
    new = tissue() if model.config.task == "st" else cells(12, 36)
    model.save(tmp_path / "model")
    again = ScRCL.load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.predict(new), model.predict(new))
