"""A file is there as it was, or complete."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scrcl.results import atomic_path, kept_on_failure, write_csv
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


@pytest.mark.parametrize("linked", [True, False])
def test_files_are_put_back_together_if_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, linked: bool
) -> None:
    if not linked:

        def refuse(*_: object) -> None:
            raise OSError

        monkeypatch.setattr(Path, "hardlink_to", refuse)
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("earlier")

    def write_both(*, fail: bool) -> None:
        with kept_on_failure([first, second]):
            for path in (first, second):
                with atomic_path(path) as part:
                    part.write_text("new")
            if fail:
                raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        write_both(fail=True)
    assert first.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [first]

    write_both(fail=False)
    assert (first.read_text(), second.read_text()) == ("new", "new")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_name_with_a_carriage_return_is_read_back(tmp_path: Path) -> None:
    table = pd.DataFrame({"obs_name": ["a\rb", "NA"], "cluster": pd.array([1, None], "Int64")})

    write_csv(table, tmp_path / "odd.csv")
    write_csv(table[1:], tmp_path / "plain.csv")

    missing = {"cluster": [""]}
    read = pd.read_csv(tmp_path / "odd.csv", keep_default_na=False, na_values=missing)
    assert read["obs_name"].tolist() == ["a\rb", "NA"]
    assert read["cluster"].tolist()[0] == 1
    assert read["cluster"].isna().tolist() == [False, True]
    assert (tmp_path / "plain.csv").read_text() == "obs_name,cluster\nNA,\n"
