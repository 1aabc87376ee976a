"""What is in the wheel: the package, the configurations, and nothing else."""

import tomllib
import zipfile
from pathlib import Path

import pytest

from scrcl import __version__

ROOT = Path(__file__).parents[1]
wheel = pytest.importorskip("hatchling.builders.wheel")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = wheel.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_package_and_the_configurations_and_nothing_else(names):
    kinds = {".py", ".html", ".css", ".js"}  # code, and templates of pages
    own = {path for path in (ROOT / "scrcl").rglob("*") if path.suffix in kinds}
    expected = {str(path.relative_to(ROOT)) for path in own} | {"scrcl/py.typed"}
    expected |= {f"scrcl/markers/lists/{name}.csv" for name in ("blood", "cortex", "pancreas")}
    expected |= {f"scrcl/{p.relative_to(ROOT)}" for p in (ROOT / "configs").rglob("*.yaml")}
    about = {name for name in names if name.startswith(f"scrcl-{__version__}.dist-info/")}
    assert names - about == expected
    assert {Path(name).name for name in about} == {"METADATA", "RECORD", "WHEEL", "LICENSE", "entry_points.txt"}  # fmt: skip


def test_every_extra_that_a_message_names_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"])
    assert {"spatial", "faiss", "scvi", "docs", "dev", "convert", "pseudobulk"} <= extras
    for path in (ROOT / "scrcl").rglob("*.py"):
        for part in path.read_text().split("'scrcl[")[1:]:
            assert part.partition("]")[0] in extras, path
