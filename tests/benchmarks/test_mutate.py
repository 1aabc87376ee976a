"""A few hundred of the damaged files that benchmarks/mutate.py makes."""

import warnings

import pytest

from benchmarks.mutate import HOSTILE, SHARES, Readers, run
from scrcl import InputError
from scrcl._typed import read_yaml
from scrcl.config import config_from_text


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Readers:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore")
        return Readers(tmp_path_factory.mktemp("readers"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(SHARES))
def test_damaged_files_are_read_or_refused_in_one_line(readers: Readers, name: str) -> None:
    n_inputs = 20 if name in {"model", "h5ad", "checkpoint"} else 60
    assert [why for number in range(n_inputs) if (why := run(readers, name, number, 7)[1])] == []


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_yaml_is_a_plain_value_or_one_line(number: int) -> None:
    text = HOSTILE[number].decode("utf-8", "replace")
    try:
        config_from_text(text, "sc")
    except InputError as error:
        assert len(str(error)) < 3000  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &x 1\nb: *x", "got an alias"),
        ("a: !!python/name:os.system", "is not valid YAML"),
        ("a: !!int word", "is not valid YAML"),
        ("a: !!timestamp word", "is not valid YAML"),
        ("[" * 5000, "is not valid YAML"),
        (["a"], "wanted a text"),
    ],
    ids=["alias", "code", "word", "time", "deep", "no text"],
)
def test_what_yaml_may_hold_is_plain(text: object, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        read_yaml(text)
