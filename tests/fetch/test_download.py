"""Downloads from a server on this machine that cuts, lies and refuses."""

import hashlib
import json
from collections.abc import Iterator

import numpy as np
import pytest
import requests

from scrcl._validate import InputError
from scrcl.fetch.download import download

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def place(tmp_path, server):
    """Address of a file on the server, and where it shall go."""
    server.files["/a.bin"] = CONTENT
    return f"{server.url}/a.bin", tmp_path / "sub" / "a.bin"


@pytest.mark.parametrize("sha256", [None, SHA])
def test_a_file_comes_whole_with_its_checksum(place, sha256):
    url, target = place
    assert download([url], target, sha256=sha256) == SHA
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["a.bin"]


def test_a_file_that_is_there_is_not_asked_for_again(place, server):
    url, target = place
    download([url], target)
    asked = len(server.asked)
    assert download([url], target, sha256=SHA) == SHA
    assert len(server.asked) == asked


def test_a_cut_download_goes_on_where_it_stopped(place, server, caplog):
    url, target = place
    server.cuts = [100_000, 50_000]
    assert download([url], target, sha256=SHA) == SHA
    first, second, third = (asked for _, asked in server.asked)
    assert first is None
    assert int(second.removeprefix("bytes=").rstrip("-")) == 100_000
    assert int(third.removeprefix("bytes=").rstrip("-")) == 150_000
    assert "cut after 100,000 bytes" in caplog.text


def test_a_later_call_goes_on_too(place, server):
    url, target = place
    server.cuts = [10_000] * 5
    with pytest.raises(InputError, match=r"cut 5 times, 50,000 bytes are kept.*Run again"):
        download([url], target, sha256=SHA)
    assert not target.exists()
    assert target.with_name("a.bin.part").stat().st_size == 50_000
    assert download([url], target, sha256=SHA) == SHA
    assert server.asked[-1] == ("/a.bin", "bytes=50000-")


def test_halves_of_two_versions_are_not_joined(place, server):
    url, target = place
    server.cuts = [10_000] * 5
    with pytest.raises(InputError):
        download([url], target)
    server.files["/a.bin"] = other = CONTENT[::-1]
    assert download([url], target) == hashlib.sha256(other).hexdigest()
    assert target.read_bytes() == other


@pytest.mark.parametrize("can", ["with_version", "with_ranges"])
def test_without_versions_or_ranges_it_begins_anew(place, server, can):
    url, target = place
    setattr(server, can, False)
    server.cuts = [100_000]
    assert download([url], target, sha256=SHA) == SHA
    assert target.read_bytes() == CONTENT


def test_a_connection_that_breaks_between_pieces_goes_on(place, monkeypatch):
    url, target = place
    real = requests.Response.iter_content
    broken = iter([True])

    def breaks_once(response: requests.Response, size: int) -> Iterator[bytes]:
        for piece in real(response, size):
            yield piece
            if next(broken, False):
                raise requests.exceptions.ChunkedEncodingError("reset by peer")  # noqa: EM101

    monkeypatch.setattr(requests.Response, "iter_content", breaks_once)
    assert download([url], target, sha256=SHA) == SHA


def test_a_part_that_is_too_long_is_thrown_away(place, server):
    url, target = place
    target.parent.mkdir()
    part = target.with_name("a.bin.part")
    part.write_bytes(CONTENT * 2)
    tag = {"url": url, "version": f'"{SHA[:8]}"'}
    part.with_name("a.bin.part.json").write_text(json.dumps(tag))
    with pytest.raises(InputError, match="does not belong to this file"):
        download([url], target)
    assert download([url], target) == SHA


def test_a_part_of_unknown_origin_is_not_used(place, server):
    url, target = place
    target.parent.mkdir()
    target.with_name("a.bin.part").write_bytes(b"something else")
    assert download([url], target) == SHA


def test_a_wrong_checksum_leaves_nothing(place):
    url, target = place
    with pytest.raises(InputError, match=rf"a\.bin: wrong checksum, {SHA}"):
        download([url], target, sha256="0" * 64)
    assert list(target.parent.iterdir()) == []


def test_a_missing_file_is_said_with_its_address(server, tmp_path):
    with pytest.raises(InputError, match=rf"{server.url}/b: 404 Not Found.*put it at {tmp_path}/b"):
        download([f"{server.url}/b"], tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_the_next_place_is_tried_when_one_fails(place, server, caplog):
    url, target = place
    server.files["/bad.bin"] = b"<html>sign in</html>"
    places = [f"{server.url}/none", f"{server.url}/bad.bin", url]
    assert download(places, target, sha256=SHA) == SHA
    assert [path for path, _ in server.asked] == ["/none", "/bad.bin", "/a.bin"]
    assert "404" in caplog.text
    assert "wrong checksum" in caplog.text


def test_an_address_that_is_none_is_said(tmp_path):
    with pytest.raises(InputError, match="there/a: Invalid URL"):
        download(["there/a"], tmp_path / "a")


def test_no_network_is_said_at_once(tmp_path):
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9/a: no connection"):
        download(["http://127.0.0.1:9/a"], tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_bar_shows_how_much_has_come(place, capsys):
    url, target = place
    download([url], target, progress=True)
    assert "300k/300k" in capsys.readouterr().err
