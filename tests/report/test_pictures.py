"""Figures within the page."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from scrcl.report import pictures
from scrcl.report.pictures import embed


@pytest.fixture
def path(tmp_path):
    """Noise as of a photograph, and a flat colour of the palette."""
    pixels = np.random.default_rng(0).integers(90, 160, (200, 300, 3)).astype(np.uint8)
    pixels[:, :50] = (213, 94, 0)
    path = tmp_path / "domains.png"
    Image.fromarray(pixels).save(path, dpi=(300, 300))
    return path


def content_of(picture):
    return base64.b64decode(picture.source.removeprefix("data:image/png;base64,"))


def test_a_figure_is_held_as_it_is(path):
    found = embed(path)
    assert content_of(found) == path.read_bytes()
    assert found.width == 96


def test_a_large_one_is_made_smaller_and_keeps_its_size_and_flat_colours(path, monkeypatch):
    monkeypatch.setattr(pictures, "_LARGE", 1000)
    found = embed(path)
    content = content_of(found)
    assert len(content) < len(path.read_bytes()) / 2
    image = Image.open(BytesIO(content)).convert("RGB")
    assert (image.size, found.width) == ((300, 200), 96)
    assert np.abs(np.array(image.getpixel((20, 100))) - (213, 94, 0)).max() <= 1
