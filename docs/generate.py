"""Pages that are made from the code, and the tutorials, which are run; a hook of mkdocs."""

from __future__ import annotations

import argparse
import dataclasses
import html
import inspect
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin
from unittest import mock

import jupytext
import picture
from commands import warm_commands  # mkdocs looks beside a hook
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import ExecutePreprocessor

from scrcl._typed import Bound
from scrcl.cli.program import COMMANDS, program_parser
from scrcl.config import METHODS, SECTIONS, Config, configs_dir, load_config, paper_defaults
from scrcl.methods import get_method

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mkdocs.config.defaults import MkDocsConfig

ROOT = Path(__file__).parents[1]
TUTORIAL_SECONDS = 1800  # on a busy machine

SAME = """\
`runSC.py`, `runST.py` and `draw_DEGs.py` are `scrcl run`, `scrcl spatial` and `scrcl degs`;
`python -m scrcl` is `scrcl`. Exit codes: 0, or 2 after one line that says what is wrong."""

KEYS = """\
`--set key=value` overrides one value. `--config FILE` gives a YAML file that holds only what differs
from the paper's values of its task. A key that is unknown or out of range is an error that names the
file, the key and what is allowed. The columns "paper" and "default" have the values of the presets,
those of cells before those of tissue where they differ; the paper's sets have files of their own in
`configs/`."""


GALLERY = """\
Every figure is a function of `scrcl.pl` that takes your data and returns a matplotlib figure. `cells`
are 700 blood cells that come with scanpy, `tissue` is simulated, and both are clustered with
`scrcl.cluster`; `markers` is `scrcl.markers.rank_genes(cells).table`."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that have no file of their own."""
    pages = {
        "commands.md": commands_page(),
        "configuration.md": configuration_page(),
        "gallery.md": gallery_page(),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text("utf-8"),
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    tutorials = sorted((ROOT / "docs" / "tutorials").glob("*.py"))
    with ThreadPoolExecutor(max_workers=1) as beside:
        drawn = beside.submit(gallery)  # while the tutorials run
        for name, content in run_tutorials(tutorials).items():
            files.append(File.generated(config, f"tutorials/{name}", content=content))
    for name, image in drawn.result().items():
        files.append(File.generated(config, f"gallery/{name}", content=image))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the architecture, the clustering methods and the gallery where a page asks for them."""
    markdown = markdown.replace("<!-- architecture -->", architecture())
    markdown = markdown.replace("<!-- methods -->", methods())
    return markdown.replace("<!-- gallery -->", thumbnails())


def on_page_content(text: str, **_: Any) -> str:
    """Leave out the roles of docstrings, which only Sphinx knows."""
    return re.sub(r":(math|func|meth|class|mod):(?=<code>)", "", text)


# ---------------------------------------------------------------- pages


def commands_page() -> str:
    """Every command with its flags, as the parser has them."""
    parts = [
        "# Command line",
        SAME,
    ]
    commands = next(
        action
        for action in program_parser()._actions  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
    )
    for name, parser in commands.choices.items():
        parts += [f"## scrcl {name}", html.escape(COMMANDS[name].about, quote=False)]
        rows = [_flag(action) for action in parser._actions if action.dest != "help"]  # noqa: SLF001
        if rows:
            parts.append("\n".join(["| flag | meaning |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _flag(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else action.metavar or "|".join(action.choices or ())
    text = html.escape(f"{', '.join(action.option_strings)} {value}".strip())
    text = text.replace("|", "&#124;")  # a bar would end the cell
    return f"| <code>{text}</code> | {html.escape(action.help or '', quote=False)} |"


def configuration_page() -> str:
    """Every key: what is allowed, its value in each preset, and what it means."""
    presets = {
        "paper": (paper_defaults("sc"), paper_defaults("st")),
        "default": (
            load_config(configs_dir() / "default_sc.yaml", "sc"),
            load_config(configs_dir() / "default_st.yaml", "st"),
        ),
    }
    parts = ["---\nhide: [toc]\n---", "# Configuration", KEYS]
    for section in SECTIONS:
        kind = type(getattr(presets["paper"][0], section))
        parts += [f"## {section}", (inspect.getdoc(kind) or "").partition("\n")[0]]
        parts.append(_keys(section, kind, presets))
    return "\n\n".join(parts) + "\n"


def _keys(section: str, kind: type, presets: dict[str, tuple[Config, Config]]) -> str:
    meanings = _attributes(inspect.getdoc(kind) or "")
    hints = inspect.get_annotations(kind, eval_str=True)
    lines = [f"| key | allowed | {' | '.join(presets)} | meaning |", "|---|---|---|---|---|"]
    for item in dataclasses.fields(kind):
        values = [
            [f"`{getattr(getattr(config, section), item.name)}`" for config in of_tasks]
            for of_tasks in presets.values()
        ]
        told = [cells if cells == tissue else f"{cells} / {tissue}" for cells, tissue in values]
        parts = [f"`{item.name}`", _allowed(hints[item.name]), *told, meanings[item.name]]
        lines.append(f"| {' | '.join(parts)} |")
    return "\n".join(lines)


def _attributes(docstring: str) -> dict[str, str]:
    """Meaning of each attribute of a numpy docstring."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in docstring.partition("----------\n")[2].splitlines():
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.split(",")]
            found |= dict.fromkeys(names, "")
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return {name: text.replace("``", "`").replace("|", "&#124;") for name, text in found.items()}


def _allowed(hint: Any) -> str:
    """Put the type of a key in words."""
    args = get_args(hint)
    if get_origin(hint) is Literal:
        return ", ".join(f"`{value}`" for value in args)
    if hasattr(hint, "__metadata__"):
        (bound,) = (extra for extra in hint.__metadata__ if isinstance(extra, Bound))
        low = (
            "" if bound.low == -float("inf") else f" {'>' if bound.open_low else '≥'} {bound.low:g}"
        )
        high = (
            ""
            if bound.high == float("inf")
            else f", {'<' if bound.open_high else '≤'} {bound.high:g}"
        )
        return f"{hint.__origin__.__name__}{low}{high}"
    if args:
        return (" or " if get_origin(hint) is not tuple else ", ").join(map(_allowed, args))
    return "`None`" if hint is type(None) else getattr(hint, "__name__", str(hint))


# ---------------------------------------------------------------- gallery


def gallery() -> dict[str, bytes]:
    """Draw the figures of docs/picture.py in a process of its own; their images by name."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "docs" / "picture.py"), "--gallery", folder]
        settings = {**os.environ, "MPLBACKEND": "Agg"}
        subprocess.run(command, check=True, cwd=folder, env=settings, stderr=subprocess.DEVNULL)
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def gallery_page() -> str:
    """Every figure of the gallery below the line that makes it."""
    parts = ["# Gallery", GALLERY]
    for figure in picture.FIGURES:
        parts.append(f"## {picture.title(figure)}")
        parts.append(f"```python\n{picture.code(figure)}\n```")
        parts.append(f"![{picture.title(figure)}](gallery/{figure.__name__}.png)")
    return "\n\n".join(parts) + "\n"


def thumbnails() -> str:
    """Small figures, each a link to its code."""
    links = [
        f"[![{picture.title(figure)}](gallery/{figure.__name__}.png)]"
        f"(gallery.md#{picture.title(figure).lower().replace(',', '').replace(' ', '-')})"
        for figure in picture.FIGURES
    ]
    return "\n".join(['<div class="thumbnails" markdown>', "", *links, "", "</div>"])


# ---------------------------------------------------------------- tutorials


def run_tutorials(paths: Iterable[Path]) -> dict[str, str | bytes]:
    """Run scripts in percent format, two at a time; their pages and images by name.

    Raises
    ------
    nbconvert.preprocessors.CellExecutionError
        If a cell fails: a tutorial that does not work stops the build.
    """
    found: dict[str, str | bytes] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        warm_commands(Path(folder)),
        _environment(folder),
        ThreadPoolExecutor(max_workers=2) as pool,
    ):
        for pages in pool.map(_run_tutorial, paths):
            found |= pages
    return found


def _run_tutorial(path: Path) -> dict[str, str | bytes]:
    notebook = jupytext.read(path)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    with tempfile.TemporaryDirectory() as folder:
        runner = ExecutePreprocessor(
            timeout=TUTORIAL_SECONDS,
            coalesce_streams=True,  # a shell's output comes in pieces of 100 characters
            extra_arguments=["--log-level=ERROR"],
        )
        runner.preprocess(notebook, {"metadata": {"path": folder}})
    resources = {"unique_key": path.stem, "output_files_dir": f"{path.stem}_files"}
    body, made = MarkdownExporter().from_notebook_node(notebook, resources=resources)
    body = body.replace("```bash\n%%bash\n", "```bash\n")  # to be copied into a shell
    return {f"{path.stem}.md": body, **made["outputs"]}


@contextmanager
def _environment(scripts: str) -> Iterator[None]:
    """Let tutorials find the commands, this checkout, and the interpreter that builds the pages."""
    settings = {
        "PATH": os.pathsep.join([scripts, str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    with mock.patch.dict(os.environ, settings):
        os.environ.pop("MPLBACKEND", None)  # the notebook's own, which shows figures
        yield


# ---------------------------------------------------------------- methods


def methods() -> str:
    """List the clustering methods as a table."""
    rows = ["| method | for | trains a network | finds the number | how |", "|---|---|---|---|---|"]
    for name in METHODS:
        method = get_method(name)
        marks = ["yes" if has else "no" for has in (method.needs_network, method.finds_k)]
        rows.append(
            f"| `{name}` | {', '.join(method.tasks)} | {' | '.join(marks)} | {method.about} |"
        )
    return "\n".join(rows)


# ---------------------------------------------------------------- architecture


def architecture() -> str:
    """Draw the layers of the import contract, upper layers on top."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = {c["id"]: c for c in project["tool"]["importlinter"]["contracts"]}
    layers = [
        [part.strip(" ()").removeprefix("scrcl.") for part in layer.split("|")]
        for layer in contracts["layers"]["layers"]
    ]
    width, height, gap = 760, 44, 10
    shapes = []
    for row, parts in enumerate(layers):
        each = (width - gap * (len(parts) - 1)) / len(parts)
        for column, part in enumerate(parts):
            x, y = column * (each + gap), row * (height + gap)
            shapes.append(
                f'<rect x="{x:.0f}" y="{y}" width="{each:.0f}" height="{height}" rx="6"/>'
                f'<text x="{x + each / 2:.0f}" y="{y + height / 2 + 5:.0f}">{part}</text>'
            )
    style = (
        "<style>.layers rect{fill:#5c6bc0}.layers text{fill:#fff;text-anchor:middle;"
        "font:15px sans-serif}</style>"
    )
    total = len(layers) * (height + gap)
    return (
        f'<svg class="layers" viewBox="0 0 {width} {total}" role="img" '
        f'aria-label="Layers of the package, the command line on top">{style}{"".join(shapes)}</svg>'
    )
