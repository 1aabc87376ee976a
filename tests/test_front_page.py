"""The front page is short, its picture small, its links lead somewhere and its commands exist."""

import re
import shlex
from pathlib import Path

import pytest

from scrcl.cli.arguments import degs_parser, run_parser
from scrcl.cli.program import program_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(
    path
    for pattern in ("*.md", ".github/**/*.md", "docs/**/*.md", "*/README.md")
    for path in ROOT.glob(pattern)
    if ".venv" not in path.parts
)
GENERATED = {
    ROOT / "docs" / f"{name}.md" for name in ("changelog", "commands", "configuration", "gallery")
}
PARSERS = {
    "runSC.py": run_parser("sc"),
    "runST.py": run_parser("st"),
    "draw_DEGs.py": degs_parser(),
}


def commands(page: str) -> list[str]:
    """Lines of the shell blocks, without comments."""
    blocks = re.findall(r"^```(?:sh|bash)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def is_there(link: str, page: Path) -> bool:
    target = (page.parent / link.partition("#")[0]).resolve()
    tutorial = target.with_suffix(".py")  # becomes a page when it is run
    return target.exists() or target in GENERATED or tutorial.exists()


def test_the_front_page_is_short():
    assert len(README.splitlines()) <= 150


def test_the_picture_is_small():
    (picture,) = re.findall(r"!\[[^\]]*\]\((.*?)\)", README)
    assert 0 < (ROOT / picture).stat().st_size < 300_000


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    text = re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    lost = [link for link in links if not re.match(r"#|\w+:", link) and not is_there(link, page)]
    assert not lost


@pytest.mark.parametrize("command", commands(README))
def test_every_command_of_the_front_page_parses(command):
    program, *arguments = shlex.split(command)
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program == "python":
        PARSERS[arguments[0]].parse_args(arguments[1:])
    else:
        assert program == "scrcl"
        program_parser().parse_args(arguments)


def test_the_example_of_the_front_page_is_python():
    for block in re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        compile(block, "README.md", "exec")


def test_a_lost_link_is_seen():
    assert not is_there("docs/nowhere.md", ROOT / "README.md")
    assert is_there("docs/commands.md#scrcl-run", ROOT / "README.md")
