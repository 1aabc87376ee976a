"""From the content of a report to one file that needs no other."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from scrcl.report.content import read_content
from scrcl.results import atomic_path

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2 import Template

    from scrcl.results import RunFolder

REPORT: Final = "report.html"
"""Name of the file in the folder of a run."""


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
    page = _template().render(content=read_content(run), **_style_and_script())
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


def _style_and_script() -> dict[str, Markup | str]:
    """Text of both, and the hash by which the page allows this script and no other."""
    folder = files("scrcl.report") / "templates"
    script = (folder / "report.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {
        "style": Markup((folder / "report.css").read_text("utf-8")),
        "script": Markup(script),
        "script_hash": f"sha256-{digest}",
    }
