"""From the content of a report to one file that needs no other."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from scrcl.report.content import read_content
from scrcl.results import atomic_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jinja2 import Template

    from scrcl.results import RunFolder

REPORT: Final = "report.html"
"""Name of the file in the folder of a run."""
_STYLES = ("report.css", "explorer.css")
_SCRIPTS = ("report.js", "unpack.js", "plot.js", "explorer.js")


def write_report(run: RunFolder) -> Path:
    """Write ``report.html`` of a run from what its folder holds; an earlier one is replaced.

    The page is a function of the files: call it again when there are more of them.

    Parameters
    ----------
    run
        A run with at least one finished seed.

    Returns
    -------
    The path of the page.

    Raises
    ------
    InputError
        If the folder is not that of a run, no seed is finished, or it cannot be written to.
    """
    target = run.path / REPORT
    content = read_content(run)
    data = None if content.explorer is None else _as_json(content.explorer.data)
    page = _template().render(content=content, explorer=data, **_style_and_script())
    with atomic_path(target) as part:
        part.write_text(page, encoding="utf-8")
    return target


def _template() -> Template:
    """Everything that is put into the page is escaped, whether it looks harmless or not."""
    environment = Environment(
        loader=PackageLoader("scrcl.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def _as_json(data: Mapping[str, object]) -> Markup:
    """Write JSON that no browser takes for markup, whatever is in it."""
    return Markup(json.dumps(data, allow_nan=False).replace("<", "\\u003c"))


def _style_and_script() -> dict[str, Markup | str]:
    """Text of both, and the hash by which the page allows this script and no other."""
    folder = files("scrcl.report") / "templates"
    style, script = (
        "\n".join((folder / name).read_text("utf-8") for name in names)
        for names in (_STYLES, _SCRIPTS)
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {
        "style": Markup(style),
        "script": Markup(script),
        "script_hash": f"sha256-{digest}",
    }
