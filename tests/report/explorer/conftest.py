from pathlib import Path

import pytest

from scrcl.results import RunFolder
from tests.report.made_up import made_up_run, made_up_tissue


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return made_up_run(tmp_path)


@pytest.fixture
def tissue_run(tmp_path: Path) -> RunFolder:
    return made_up_tissue(tmp_path)
