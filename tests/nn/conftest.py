"""Data of the tests are small; blocks of rows and columns are smaller still."""

import pytest

from scrcl.nn import sparse
from scrcl.nn.fast import blocks


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "CPU_BLOCK", 5)
    monkeypatch.setattr(sparse, "CPU_COLUMNS", 4)
