from collections.abc import Iterator

import pytest

from tests.fetch.server import Server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on this machine; downloads wait for nothing."""
    monkeypatch.setattr("scrcl.fetch.download._PAUSE", 0.0)
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with Server() as running:
        yield running
