"""Model files hold numbers and text, are whole, and say what is wrong with them."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from scrcl import InputError, ScRCL
from tests.model.conftest import both, small, tissue, unseen


class Bomb:
    """Runs code if it is ever unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (Path.touch, (Path("exploded"),))  # type: ignore[return-value]


@pytest.fixture
def saved(consensus: ScRCL, tmp_path: Path) -> Path:
    consensus.save(tmp_path / "model")
    return tmp_path / "model"


def edit(path: Path, **changes: object) -> None:
    info = json.loads((path / "model.json").read_text())
    (path / "model.json").write_text(json.dumps(info | changes))


def test_a_loaded_model_predicts_what_the_saved_one_did(model: ScRCL, tmp_path: Path) -> None:
    new = unseen(model)

    model.save(tmp_path / "model")
    loaded = ScRCL.load(tmp_path / "model")

    pd.testing.assert_frame_equal(loaded.predict(new), model.predict(new))
    np.testing.assert_array_equal(loaded.embed(new), model.embed(new))
    pd.testing.assert_frame_equal(loaded.history, model.history)
    assert loaded.config == model.config
    assert repr(loaded) == repr(model)


def test_saving_twice_gives_the_same_bytes(saved: Path, consensus: ScRCL) -> None:
    consensus.save(saved.with_name("again"))
    for name in ("model.json", "model.safetensors"):
        assert (saved.with_name("again") / name).read_bytes() == (saved / name).read_bytes()


def test_a_model_is_not_overwritten_unless_asked(saved: Path, consensus: ScRCL) -> None:
    with pytest.raises(InputError, match="overwrite=True"):
        consensus.save(saved)
    consensus.save(saved, overwrite=True)
    assert ScRCL.load(saved).n_clusters_ == 3


def test_what_is_no_model_is_never_replaced(tmp_path: Path, consensus: ScRCL) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="no model"):
        consensus.save(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_save_that_fails_leaves_the_old_model(
    saved: Path, consensus: ScRCL, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (saved / "model.safetensors").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scrcl.model.files.save_file", full)
    with pytest.raises(InputError, match="No space left"):
        consensus.save(saved, overwrite=True)

    assert (saved / "model.safetensors").read_bytes() == before
    assert sorted(path.name for path in saved.parent.iterdir()) == ["model"]


def test_a_full_disk_is_no_fault_of_ours(
    tmp_path: Path, consensus: ScRCL, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        msg = "Error while serializing: I/O error: No space left on device (os error 28)"
        raise SafetensorError(msg)

    monkeypatch.setattr("scrcl.model.files.save_file", full)
    with pytest.raises(InputError, match=r"cannot write .*No space left"):
        consensus.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_a_pickle_in_place_of_a_file_is_refused_and_not_run(
    saved: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (saved / name).write_bytes(pickle.dumps(Bomb()))

    with pytest.raises(InputError, match="cannot be read"):
        ScRCL.load(saved)

    assert not Path("exploded").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_refused(saved: Path, name: str, share: float) -> None:
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match="cannot be read"):
        ScRCL.load(saved)


def test_a_missing_folder_or_file_is_named(saved: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        ScRCL.load(saved.with_name("nowhere"))
    (saved / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors"):
        ScRCL.load(saved)


@pytest.mark.parametrize(
    ("version", "hint"), [(0, "Train the model again"), (3, "Update scrcl")], ids=["older", "newer"]
)
def test_another_version_says_why_it_cannot_be_read(saved: Path, version: int, hint: str) -> None:
    edit(saved, version=version)
    with pytest.raises(InputError, match=rf"format version {version}.*{hint}"):
        ScRCL.load(saved)


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": "other", "version": 1}'])
def test_other_json_is_refused(saved: Path, content: str) -> None:
    (saved / "model.json").write_text(content)
    with pytest.raises(InputError, match="wanted"):
        ScRCL.load(saved)


@pytest.mark.parametrize("key", ["genes", "map", "config", "threshold", "views", "history", "kind"])
def test_a_missing_entry_is_refused(saved: Path, key: str) -> None:
    info = json.loads((saved / "model.json").read_text())
    del info[key]
    (saved / "model.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match="wanted"):
        ScRCL.load(saved)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"space.labels": np.zeros(5, np.int32)}, id="too few labels"),
        pytest.param({"space.labels": np.full(90, 7, np.int32)}, id="a cluster too many"),
        pytest.param({"components.0": np.zeros((90, 3, 2), np.float32)}, id="a dimension too many"),
        pytest.param({"weights.mlp.bias": np.zeros(16, np.int64)}, id="another kind of number"),
        pytest.param({"weights.mlp.bias": np.full(16, np.nan, np.float32)}, id="not finite"),
        pytest.param({"basis.log_means": np.zeros(59, np.float32)}, id="a gene short"),
        pytest.param({"evil": np.zeros(1, np.float32)}, id="an unknown array"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(saved: Path, changes: dict[str, np.ndarray]) -> None:
    arrays = load_file(saved / "model.safetensors")
    save_file(arrays | changes, saved / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors: got"):
        ScRCL.load(saved)


@pytest.mark.parametrize("name", ["weights.mlp.weight", "views.e1", "sizes", "axes.0.mean"])
def test_a_missing_array_is_refused(saved: Path, name: str) -> None:
    arrays = load_file(saved / "model.safetensors")
    del arrays[name]
    save_file(arrays, saved / "model.safetensors")
    with pytest.raises(InputError, match="wanted a whole model"):
        ScRCL.load(saved)


def test_no_expression_of_a_training_cell_is_in_the_file(saved: Path) -> None:
    genes = both()[0].n_vars
    arrays = load_file(saved / "model.safetensors")
    assert not [name for name, a in arrays.items() if a.ndim == 2 and a.shape == (90, genes)]


@pytest.mark.parametrize(
    ("key", "value"),
    [("genes", 5), ("genes", [["a"]]), ("target_sum", -1), ("model_input", []), ("all_genes", [])],
)
def test_text_that_no_model_has_is_refused(saved: Path, key: str, value: object) -> None:
    edit(saved, **{key: value})
    with pytest.raises(InputError, match="wanted"):
        ScRCL.load(saved)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("embedding", []),
        ("embedding", ["x"]),
        ("embedding", [{}]),
        ("embedding", 5),
        ("views", ["e1"]),
        ("weights", ["mlp.weight"]),
        ("map", "network"),
    ],
)
def test_a_part_that_is_named_and_not_there_is_refused_before_new_cells_need_it(
    saved: Path, key: str, value: object
) -> None:
    edit(saved, **{key: value})
    with pytest.raises(InputError, match="wanted a whole model"):
        ScRCL.load(saved)


@pytest.mark.parametrize("change", [lambda sizes: sizes[1:], np.zeros_like])
def test_sizes_by_which_nothing_could_be_compared_are_refused(
    saved: Path, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    arrays = load_file(saved / "model.safetensors")
    save_file(arrays | {"sizes": change(arrays["sizes"]).copy()}, saved / "model.safetensors")
    with pytest.raises(InputError, match="unusable sizes"):
        ScRCL.load(saved)


@pytest.mark.parametrize(
    ("key", "value"), [("embedding", ["x"]), ("embedding", []), ("weights", []), ("map", "cells")]
)
def test_a_network_that_lacks_a_part_is_refused(tmp_path: Path, key: str, value: object) -> None:
    settings = small("paper", "st", n_epochs=1)
    ScRCL(settings, 2, task="st").fit(tissue(side=6)).save(tmp_path / "model")
    edit(tmp_path / "model", **{key: value})
    with pytest.raises(InputError, match="wanted a whole model"):
        ScRCL.load(tmp_path / "model")
