"""What surrounds the package names what the package names."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CONDA = {
    "igraph": "python-igraph",
    "matplotlib": "matplotlib-base",
    "torch": "pytorch",
    "torch_geometric": "pytorch_geometric",
}


def test_the_conda_recipe_asks_for_what_the_package_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    recipe = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text())
    listed = {line.replace(" ", "", 1) for line in recipe["requirements"]["run"]}
    for wanted in project["dependencies"]:
        [(name, limits)] = re.findall(r"^([\w-]+)(?:\[\w+\])?(.*)$", wanted.replace(" ", ""))
        assert f"{CONDA.get(name, name)}{limits}" in listed


def test_the_workflows_test_the_versions_that_are_promised():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = re.findall(r"Python :: (\d\.\d+)", " ".join(project["classifiers"]))
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())["jobs"]
    assert jobs["newest"]["strategy"]["matrix"]["python"] == promised


def test_the_image_copies_what_is_there():
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY"):
            assert all((ROOT / path).exists() for path in line.split()[1:-1])
