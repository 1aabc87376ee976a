"""The pages that are made from the code say all that the code knows."""

import dataclasses
import importlib.util
import os
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import scrcl
from scrcl.cli.program import COMMANDS
from scrcl.config import SECTIONS, paper_defaults

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    for name in ("mkdocs", "jupytext", "nbconvert"):
        pytest.importorskip(name)
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")  # as mkdocs does for a hook
        spec.loader.exec_module(module)
    return module


def test_every_command_is_on_the_page_with_its_flags(generate):
    page = generate.commands_page()
    for name in COMMANDS:
        assert f"## scrcl {name}\n" in page
    for flag in ("--dataset NAME", "--n-clusters K&#124;auto&#124;A:B", "--sample-key KEY", "IN"):
        assert f"| <code>{flag}</code> |" in page


def test_every_key_is_on_the_page_with_its_meaning(generate):
    page = generate.configuration_page()
    rows = {
        line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| `")
    }
    for section in SECTIONS:
        for item in dataclasses.fields(getattr(paper_defaults("sc"), section)):
            cells = [cell.strip() for cell in rows[f"`{item.name}`"].strip("|").split("|")]
            assert len(cells) == 5
            assert all(cells), cells
    assert "float ≥ 0, < 1 | `0.3`" in rows["`dropout`"]


def test_the_picture_has_every_layer(generate):
    picture = generate.architecture()
    for part in ("cli", "experiment", "fetch", "clustering", "nn", "_validate"):
        assert f">{part}</text>" in picture


def test_every_page_and_tutorial_is_in_the_menu():
    class Loader(yaml.SafeLoader):
        """Takes the menu; the tags of plugins are of no interest."""

    Loader.add_multi_constructor("", lambda *_: None)
    menu = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"]
    text = yaml.safe_dump(menu)
    for path in (ROOT / "docs").rglob("*.md"):
        assert str(path.relative_to(ROOT / "docs")) in text
    for path in (ROOT / "docs" / "tutorials").glob("*.py"):
        assert f"tutorials/{path.stem}.md" in text


@pytest.mark.parametrize("part", ["model", "pl", "markers", "metrics", "datasets"])
def test_every_public_name_is_on_the_page_of_the_api(part):
    page = (ROOT / "docs" / "api.md").read_text()
    entry = re.search(rf"^::: scrcl\.{part}\n((?: +.*\n)*)", page, re.MULTILINE)
    assert entry is not None
    listed = re.search(r"members: \[(.*)\]", entry[1])
    alone = re.findall(rf"heading: scrcl\.{part}\.(\w+)", page)
    if listed is not None:  # else all that has a docstring is shown
        assert {*listed[1].split(", "), *alone} == set(getattr(scrcl, part).__all__)


def test_commands_of_a_tutorial_are_answered_as_by_the_program(generate, tmp_path):
    with generate.warm_commands(tmp_path):
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        told = subprocess.run(
            ["bash", "-c", "scrcl list | head -n 1; scrcl --version; scrcl run --input gone.h5ad"],
            env={**os.environ, "PATH": path},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert told.returncode == 2
    assert told.stdout.splitlines()[1] == f"scrcl {scrcl.__version__}"
    assert told.stderr.startswith(
        f"error: input: got gone.h5ad, which does not exist (looked for {tmp_path}"
    )
    assert len(told.stderr.splitlines()) == 1


def test_every_figure_of_the_gallery_stands_below_the_line_that_makes_it(generate):
    page = generate.gallery_page()
    figures = generate.picture.FIGURES
    assert page.count("```python\nscrcl.pl.") == len(figures) == page.count("](gallery/")
    small = generate.thumbnails()
    assert all(f"(gallery/{figure.__name__}.png)](gallery.md#" in small for figure in figures)


def test_figures_are_given_the_results_that_they_ask_for_by_name(generate):
    picture = generate.picture
    found = picture.Results(cells=1, tissue=2, markers=3)
    assert picture.draw(lambda markers, cells: (markers, cells), found) == (3, 1)
