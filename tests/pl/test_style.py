"""Saving, legends and labels."""

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

from scrcl._validate import InputError
from scrcl.pl import save, style


@pytest.fixture
def figure() -> Figure:
    fig = style.new_figure(2, 2)
    fig.subplots().plot([0, 1], label="line")
    return fig


@pytest.mark.parametrize(
    ("name", "start"), [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.SVG", b"<?xml")]
)
def test_the_suffix_is_the_format(figure, tmp_path, name, start):
    path = save(figure, tmp_path / "new folder" / name, dpi=50)
    assert path.read_bytes().startswith(start)
    assert [file.name for file in path.parent.iterdir()] == [name]


def test_an_unknown_format_is_refused_before_anything_is_written(figure, tmp_path):
    with pytest.raises(InputError, match="figure format: got 'jpg', wanted one of"):
        save(figure, tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


def test_a_resolution_of_zero_is_refused(figure, tmp_path):
    with pytest.raises(InputError, match="dpi"):
        save(figure, tmp_path / "a.png", dpi=0)


def test_a_failed_save_leaves_the_old_file(figure, tmp_path, monkeypatch):
    path = save(figure, tmp_path / "a.png", dpi=50)
    before = path.read_bytes()

    def fail(part, **_options):
        part.write_bytes(b"half")
        raise OSError

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError):  # noqa: PT011 - the one raised above
        save(figure, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_equal_figures_are_equal_files(tmp_path, suffix):
    contents = set()
    for name in ("one", "two"):
        fig = style.new_figure(2, 2)
        fig.subplots().plot([0, 1], label="line")
        contents.add(save(fig, tmp_path / f"{name}.{suffix}", dpi=50).read_bytes())
    assert len(contents) == 1


def test_a_few_names_are_their_own_labels():
    names = [f"a rather long name {i}" for i in range(20)]
    assert style.numbered(names) == (names, names)


def test_many_short_names_are_their_own_labels():
    names = [str(i) for i in range(52)]
    assert style.numbered(names) == (names, names)


def test_many_long_names_are_numbered():
    names = [f"Layer {i}" for i in range(21)]
    labels, entries = style.numbered(names)
    assert labels[:2] == ["1", "2"]
    assert entries[0] == "1  Layer 0"


def test_a_legend_takes_more_columns_where_its_names_do_not_fit_into_one():
    narrow = style.legend_width([str(i) for i in range(5)], 4.0)
    wide = style.legend_width([str(i) for i in range(52)], 4.0)
    assert wide > 2 * narrow
    assert style.legend_width([], 4.0) == 0


def test_a_central_point_is_a_member_even_of_a_ring():
    angle = np.linspace(0, 2 * np.pi, 50)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    xy = np.concatenate([ring, [[5.0, 5.0]]])
    centers = style.central_points(xy, np.array([0] * 50 + [1]), 2)
    assert np.linalg.norm(centers[0]) == pytest.approx(1)
    np.testing.assert_array_equal(centers[1], [5, 5])


def test_labels_at_one_place_are_moved_apart_and_lone_ones_stay():
    xy = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.9, 0.1]])
    boxes = np.full((4, 2), [0.1, 0.05])
    moved = style._apart(xy, boxes)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        distance = np.abs(moved[first] - moved[second])
        assert (distance >= boxes[0] - 1e-3).any()
    np.testing.assert_array_equal(moved[3], xy[3])


def test_a_line_leads_from_a_moved_label_to_its_point(figure):
    ax = style.new_figure(4, 4).subplots()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    xy = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.9, 0.1]])

    style.add_labels(ax, xy, ["10", "11", "12", "13"], (4, 4))

    assert [text.get_text() for text in ax.texts] == ["10", "11", "12", "13"]
    assert {tuple(np.column_stack(line.get_data())[0]) for line in ax.lines} == {(0.5, 0.5)}
    ends = {text.get_position() for text in ax.texts[:3]}
    assert {tuple(np.column_stack(line.get_data())[1]) for line in ax.lines} <= ends


def test_names_too_long_for_a_figure_are_cut_and_dollars_are_no_formula(tmp_path):
    fig = Figure(layout="constrained")
    ax = fig.subplots()
    ax.set_xticks([0, 1], ["x" * 10_000, "$\\frac{$"])
    ax.set_title("a $ b $\\nonsense$")

    save(fig, tmp_path / "figure.svg")

    drawn = (tmp_path / "figure.svg").read_text()
    assert f"{'x' * 80}\N{HORIZONTAL ELLIPSIS}" in drawn
    assert "x" * 81 not in drawn
    assert "$\\nonsense$" in drawn


def test_signs_that_no_font_has_are_replaced(tmp_path):
    fig = style.new_figure(2, 2)
    axes = fig.subplots()
    axes.set_title("a\tname\rof\x7fa gene\nand more")
    axes.set_xticks([0, 1], ["tab\there", "plain"])
    save(fig, tmp_path / "figure.svg")  # a warning is an error in tests
    text = (tmp_path / "figure.svg").read_text("utf-8")
    assert all(
        part in text
        for part in ("a\ufffdname\ufffdof\ufffda gene", "and more", "tab\ufffdhere", "plain")
    )


def test_signs_that_the_font_lacks_are_said_once(tmp_path, caplog):
    fig = style.new_figure(2, 2)
    fig.subplots().set(title="細胞 細", xlabel="胞")
    save(fig, tmp_path / "figure.png")  # a warning is an error in tests
    (message,) = caplog.messages
    assert "figure.png: the font has no sign for 細 胞" in message or "胞 細" in message


def test_other_warnings_of_a_figure_stay():
    with pytest.warns(UserWarning, match="another one"), style._missing_signs("figure.png"):
        warnings.warn("another one", stacklevel=1)
