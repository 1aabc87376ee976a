"""The pages that are made from the code say all that the code knows."""

import dataclasses
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import yaml

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
