import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from scrcl.config import (
    configs_dir,
    files,
    load_config,
    paper_defaults,
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


def test_an_installed_package_brings_its_own_configurations(monkeypatch, tmp_path):
    (tmp_path / "scrcl" / "configs").mkdir(parents=True)
    monkeypatch.setattr(files, "__file__", str(tmp_path / "scrcl" / "config" / "files.py"))

    assert configs_dir() == tmp_path / "scrcl" / "configs"


def test_in_the_repository_the_configurations_are_at_the_top():
    assert configs_dir() == Path(__file__).parents[2] / "configs"
