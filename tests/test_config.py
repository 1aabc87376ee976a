import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from scrcl import config as config_module
from scrcl._validate import InputError
from scrcl.config import (
    SECTIONS,
    ClusterConfig,
    Config,
    DataConfig,
    ModelConfig,
    TrainConfig,
    configs_dir,
    load_config,
    override,
    paper_defaults,
    to_yaml,
)

# method: lr, dropout, weight decay, n_hvg, lambda_ndc, lambda_cvc, temperature, n_smooth
PAPER_SC = {
    "Quake_Smart-seq2_Diaphragm": (5e-4, 0.1, 0.001, 1500, 100, 0.01, 1.0, (0, 0)),
    "Quake_Smart-seq2_Lung": (5e-4, 0.1, 0.001, 1000, 100, 100, 1.0, (5, 0)),
    "Quake_Smart-seq2_Trachea": (5e-3, 0.1, 0.001, 500, 10, 0.01, 1.0, (0, 0)),
    "Quake_10x_Bladder": (5e-3, 0.5, 0.1, 1000, 10, 0.01, 0.1, (5, 0)),
    "Quake_10x_Limb_Muscle": (1e-4, 0.3, 0.1, 1000, 100, 0.1, 0.1, (5, 0)),
    "Quake_10x_Spleen": (5e-4, 0.1, 0.001, 500, 100, 1, 1.0, (0, 0)),
    "li_tumor": (1e-5, 0.3, 0.1, 2000, 100, 10, 0.1, (0, 0)),
    "human_ESC": (1e-5, 0.3, 0.01, 1000, 10, 100, 0.1, (4, 2)),
    "Zeisel": (5e-5, 0.3, 0.1, 1500, 100, 0.01, 0.1, (4, 2)),
    "Baron_human": (5e-5, 0.3, 0.1, 2000, 0.01, 0.1, 0.1, (5, 0)),
}
# n_hvg, lambda_ndc, lambda_cvc, n_neighbors, n_smooth, n_latent
PAPER_ST = {
    "151507": (3000, 200, 1, 15, (10, 8), None),
    "151508": (3000, 200, 0.01, 15, (10, 8), None),
    "151509": (3000, 50, 0.05, 15, (10, 8), None),
    "151510": (3000, 200, 0.5, 15, (10, 8), None),
    "151669": (3000, 100, 0.01, 15, (10, 8), None),
    "151670": (3000, 100, 0.1, 15, (10, 8), None),
    "151671": (3000, 100, 0.1, 15, (1, 5), None),
    "151672": (3000, 100, 0.01, 15, (5, 7), None),
    "151673": (3000, 100, 0.1, 5, (10, 8), None),
    "151674": (3000, 100, 0.1, 5, (10, 8), None),
    "151675": (3000, 100, 0.1, 5, (10, 8), None),
    "151676": (3000, 100, 0.1, 5, (10, 8), None),
    "Human_Breast_Cancer": (1000, 200, 1, 3, (5, 1), 100),
    "Mouse_Brain_Anterior": (1000, 100, 1, 3, (1, 0), 100),
    "Mouse_Embryo_E9.5": (1000, 200, 0.1, 3, (5, 1), 100),
}
SHIPPED = sorted(configs_dir().glob("*/*.yaml"))


@pytest.fixture
def write(tmp_path):
    def write_file(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return write_file


def test_defaults_of_the_paper_for_single_cells():
    assert paper_defaults("sc") == Config(
        task="sc",
        data=DataConfig(n_hvg=2000, values="counts", graph="expression", n_neighbors=15),
        model=ModelConfig(n_hidden=1500, dropout=0.3, temperature=0.1),
        train=TrainConfig(n_epochs=500, lr=1e-4, weight_decay=0.1, lambda_ndc=100, lambda_cvc=1),
        cluster=ClusterConfig(method="kmeans", embedding="z", n_refine=0),
    )


def test_defaults_of_the_paper_for_spatial_data():
    spatial = paper_defaults("st")

    assert spatial.data.n_hvg == 3000
    assert spatial.data.hvg_flavor == "seurat_v3"
    assert spatial.data.values == "scaled"
    assert spatial.data.graph == "spatial"
    assert spatial.data.drop_unlabelled
    assert spatial.cluster.n_refine == 50
    assert (spatial.model, spatial.train) == (ModelConfig(), TrainConfig())


@pytest.mark.parametrize("name", PAPER_SC)
def test_single_cell_sets_have_the_values_of_the_paper(name):
    cfg = load_config(configs_dir() / "sc" / f"{name}.yaml", "sc")
    data, model, train = cfg.data, cfg.model, cfg.train

    assert PAPER_SC[name] == (
        train.lr,
        model.dropout,
        train.weight_decay,
        data.n_hvg,
        train.lambda_ndc,
        train.lambda_cvc,
        model.temperature,
        data.n_smooth,
    )


@pytest.mark.parametrize("name", PAPER_ST)
def test_spatial_sets_have_the_values_of_the_paper(name):
    cfg = load_config(configs_dir() / "st" / f"{name}.yaml", "st")
    data, model, train = cfg.data, cfg.model, cfg.train

    assert PAPER_ST[name] == (
        data.n_hvg,
        train.lambda_ndc,
        train.lambda_cvc,
        data.n_neighbors,
        data.n_smooth,
        model.n_latent,
    )
    assert (train.lr, train.weight_decay, model.dropout, model.temperature) == (1e-4, 0.1, 0.3, 0.1)


def test_the_sets_of_the_paper_are_all_there_and_no_others():
    names = {(path.parent.name, path.stem) for path in SHIPPED}

    assert names == {("sc", name) for name in PAPER_SC} | {("st", name) for name in PAPER_ST}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_file_holds_only_what_differs_from_the_defaults(path):
    base = paper_defaults(path.parent.name)

    for section, values in yaml.safe_load(path.read_text()).items():
        unchanged = dataclasses.asdict(getattr(base, section))
        for key, value in values.items():
            assert value != unchanged[key], f"{section}.{key}"
            assert re.search(rf"^  {key}: .*# \w", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("task", ["sc", "st"])
def test_the_label_free_defaults_load(task):
    cfg = load_config(configs_dir() / f"default_{task}.yaml", task)

    assert cfg.task == task
    assert not cfg.data.drop_unlabelled


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
        "data: {values: raw}",
        "data.values: got 'raw', wanted one of ['counts', 'log', 'scaled']",
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


def test_an_unknown_task_is_refused():
    with pytest.raises(InputError, match=r"task: got 'bulk', wanted one of \['sc', 'st'\]"):
        paper_defaults("bulk")
    with pytest.raises(InputError, match="task: got 'bulk'"):
        Config(task="bulk")


def test_values_given_in_python_are_checked_like_those_of_a_file():
    with pytest.raises(InputError, match=r"model.dropout: got 1.5"):
        ModelConfig(dropout=1.5)
    with pytest.raises(InputError, match=r"data.n_hvg: got '2000', wanted an integer"):
        DataConfig(n_hvg="2000")
    assert DataConfig(n_smooth=[5, 0]).n_smooth == (5, 0)


def test_a_configuration_cannot_be_changed_in_place():
    cfg = paper_defaults("sc")

    with pytest.raises(dataclasses.FrozenInstanceError):
        cfg.train.lr = 1.0


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
        ("values", "log", "log"),
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
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class TwoSections:
        train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
        model: TrainConfig = dataclasses.field(default_factory=TrainConfig)

    monkeypatch.setattr(config_module, "Config", TwoSections)
    monkeypatch.setattr(config_module, "SECTIONS", ("train", "model"))

    with pytest.raises(InputError, match=r"ambiguous key: got 'lr', .*\['train.lr', 'model.lr'\]"):
        override(TwoSections(), {"lr": "1"})


def test_an_installed_package_brings_its_own_configurations(monkeypatch, tmp_path):
    (tmp_path / "scrcl" / "configs").mkdir(parents=True)
    monkeypatch.setattr(config_module, "__file__", str(tmp_path / "scrcl" / "config.py"))

    assert configs_dir() == tmp_path / "scrcl" / "configs"


def test_in_the_repository_the_configurations_are_at_the_top():
    assert configs_dir() == Path(__file__).parents[1] / "configs"
