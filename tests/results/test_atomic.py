"""A file is there as it was, or complete."""

import json
from pathlib import Path

import numpy as np
import pytest

from scrcl.results import atomic_path
from scrcl.results.atomic import write_json


def test_a_file_takes_its_place_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "figure.png"
    target.write_text("earlier")

    with atomic_path(target) as part:
        part.write_text("new")
        assert target.read_text() == "earlier"
        assert part.suffix == ".png"  # by which matplotlib chooses its format

    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_writer_that_fails_leaves_the_earlier_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "figure.png"
    target.write_text("earlier")

    def write_half() -> None:
        with atomic_path(target) as part:
            part.write_text("ha")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()

    assert target.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [target]


def test_json_takes_numpy_and_writes_what_is_not_a_number_as_null(tmp_path: Path) -> None:
    content = {
        5: [np.float32(0.5), float("inf"), np.bool_(1)],
        "sizes": np.array([1, 2]),
        "at": Path("a/b"),
        "nested": {"none": None, "range": (1, 2)},
    }

    write_json(tmp_path / "content.json", content)

    assert json.loads((tmp_path / "content.json").read_text()) == {
        "5": [0.5, None, True],
        "sizes": [1, 2],
        "at": "a/b",
        "nested": {"none": None, "range": [1, 2]},
    }
