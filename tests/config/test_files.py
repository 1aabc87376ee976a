import dataclasses
from types import SimpleNamespace

import pytest

from scrcl._validate import InputError
from scrcl.config import (
    SECTIONS,
    TrainConfig,
    config_from_text,
    files,
    load_config,
    override,
    paper_defaults,
    to_yaml,
)


@pytest.fixture
def write(tmp_path):
    def write_file(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return write_file


@pytest.mark.parametrize("task", ["sc", "st"])
def test_a_written_configuration_reads_back_the_same(task, write):
    cfg = override(
        paper_defaults(task), {"n_smooth": [5, 1], "n_latent": 7, "lr": 1e-5, "n_pcs": 30}
    )

    assert load_config(write(to_yaml(cfg)), task) == cfg


def test_an_empty_file_and_an_empty_section_mean_the_defaults(write):
    assert load_config(write("# nothing\n"), "st") == paper_defaults("st")
    assert load_config(write("train:\n"), "sc") == paper_defaults("sc")


def test_numbers_without_a_dot_before_the_exponent_are_numbers(write):
    # YAML 1.1 calls 1e-3 a string.
    assert load_config(write("train: {lr: 1e-3}"), "sc").train.lr == 1e-3


def test_whole_numbers_become_floats_where_floats_belong(write):
    train = load_config(write("train: {lambda_cvc: 3}"), "sc").train

    assert type(train.lambda_cvc) is float


BAD_FILES = {
    "unknown section": ("trian: {lr: 1}", "unknown section: got ['trian'], wanted some of"),
    "unknown key": (
        "train: {lamda1: 1}",
        "unknown key in section 'train': got ['lamda1'], wanted some of ['n_epochs', 'lr'",
    ),
    "section not a mapping": ("train: 3", "train: got 3, wanted a mapping with keys among"),
    "file not a mapping": ("- 3", "content: got [3], wanted sections such as"),
    "not YAML": ("train: {lr: 1", "is not valid YAML"),
    "double key": ("train: {lr: 1, lr: 2}", "got ['lr'] more than once"),
    "made for the other task": ("task: st", "task: got 'st', wanted 'sc'"),
    "text for an integer": ("train: {n_epochs: many}", "train.n_epochs: got 'many', wanted an int"),
    "fraction for an integer": ("train: {n_epochs: 1.5}", "train.n_epochs: got 1.5, wanted an int"),
    "truth for an integer": ("train: {n_epochs: true}", "train.n_epochs: got True, wanted an int"),
    "text for a number": ("train: {lr: fast}", "train.lr: got 'fast', wanted a number"),
    "truth for a number": ("train: {lr: false}", "train.lr: got False, wanted a number"),
    "nothing for a number": ("train: {lr: null}", "train.lr: got None, wanted a number"),
    "number for a truth": ("data: {drop_unlabelled: 1}", "got 1, wanted true or false"),
    "name not allowed": (
        "data: {model_input: raw}",
        "data.model_input: got 'raw', wanted one of ['counts', 'log', 'scaled']",
    ),
    "list too short": ("data: {n_smooth: [1]}", "data.n_smooth: got [1], wanted a list of 2"),
    "number for a list": ("data: {n_smooth: 1}", "data.n_smooth: got 1, wanted a list of 2"),
    "bad item in a list": ("data: {n_smooth: [1, x]}", "data.n_smooth[1]: got 'x', wanted an int"),
    "negative count": (
        "data: {n_hvg: -1}",
        "data.n_hvg: got -1, wanted a finite number at least 0",
    ),
    "zero size": ("model: {n_latent: 0}", "model.n_latent: got 0, wanted a finite number at least"),
    "dropout of one": ("model: {dropout: 1}", "at least 0 and below 1"),
    "zero learning rate": ("train: {lr: 0}", "train.lr: got 0.0, wanted a finite number above 0"),
    "infinite number": ("train: {lr: .inf}", "train.lr: got inf, wanted a finite number"),
    "not a number": ("train: {lr: .nan}", "train.lr: got nan, wanted a finite number"),
    "no loss left": (
        "train: {lambda_hea: 0, lambda_ndc: 0, lambda_cvc: 0}",
        "train.lambda_*: got 0 for all three",
    ),
}


@pytest.mark.parametrize(("text", "expected"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_refused_by_name_key_and_what_is_allowed(write, text, expected):
    path = write(text)

    with pytest.raises(InputError) as caught:
        load_config(path, "sc")

    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert "\n" not in message


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"absent.yaml: cannot be read .*No such file"):
        load_config(tmp_path / "absent.yaml", "sc")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "data.h5ad"
    path.write_bytes(b"\x89HDF\xff\xfe")

    with pytest.raises(InputError, match="cannot be read"):
        load_config(path, "sc")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("train.lr", "0.001", 1e-3),
        ("lr", "1e-3", 1e-3),
        ("n_smooth", "[5, 0]", (5, 0)),
        ("data.n_smooth", "5,0", (5, 0)),
        ("n_latent", "32", 32),
        ("n_latent", "none", None),
        ("model.n_latent", "null", None),
        ("model_input", "log", "log"),
        ("drop_unlabelled", "true", True),
    ],
)
def test_a_command_line_value_is_read_as_its_type(key, text, value):
    base = override(paper_defaults("sc"), {"n_latent": 4})

    cfg = override(base, {key: text})

    name = key.rsplit(".", maxsplit=1)[-1]
    found = {
        name: item
        for section in SECTIONS
        for name, item in dataclasses.asdict(getattr(cfg, section)).items()
    }
    assert found[name] == value
    assert type(found[name]) is type(value)
    assert base.train.lr == 1e-4


def test_several_overrides_of_one_section_all_count():
    train = override(paper_defaults("sc"), {"lr": "1", "train.n_epochs": "2"}).train

    assert (train.lr, train.n_epochs) == (1.0, 2)


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("lamda", "1", r"unknown key: got 'lamda', wanted one of \['data.n_hvg', .*'train.lr'"),
        ("model.lr", "1", "unknown key: got 'model.lr'"),
        ("task", "st", "unknown key: got 'task'"),
        ("lr", "fast", "train.lr: got 'fast', wanted a number"),
        ("lr", "[1", "lr: got '.1', wanted a single YAML value"),
    ],
)
def test_a_bad_override_is_refused(key, text, expected):
    with pytest.raises(InputError, match=expected):
        override(paper_defaults("sc"), {key: text})


def test_a_bare_key_that_two_sections_share_must_be_dotted(monkeypatch):
    monkeypatch.setattr(files, "SECTIONS", ("train", "model"))
    two_alike = SimpleNamespace(train=TrainConfig(), model=TrainConfig())

    with pytest.raises(InputError, match=r"ambiguous key: got 'lr', .*\['train.lr', 'model.lr'\]"):
        override(two_alike, {"lr": "1"})


@pytest.mark.parametrize("old", ["counts", "log", "scaled"])
def test_a_text_from_before_the_input_of_the_network_had_its_name_is_understood(old):
    data = config_from_text(f"task: sc\ndata: {{values: {old}, n_hvg: 7}}\n", "sc").data
    assert (data.values, data.model_input, data.n_hvg) == ("auto", old, 7)


def test_what_the_values_are_is_kept_in_the_text():
    config = override(paper_defaults("sc"), {"data.values": "log2"})
    assert config_from_text(to_yaml(config), "sc") == config
