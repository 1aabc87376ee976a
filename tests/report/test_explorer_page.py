"""The explorer in a browser: what a user does with it, scripted; skipped where there is no Chromium."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.browser import CHROMIUM, chromium
from benchmarks.explorer import fabricate, measure
from scrcl.clustering import tree_of
from scrcl.report import write_report
from tests.report.made_up import made_up_cells

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

NASTY = "<img src=x onerror=alert(1)></script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose cells, groups and genes have names that would be markup."""
    adata = made_up_cells()
    adata.obs_names = [f"c{i},{NASTY}" if i == 3 else f"c{i}" for i in range(adata.n_obs)]
    adata.obs["donor"] = adata.obs["donor"].replace("a", NASTY)
    adata.var_names = [NASTY, *adata.var_names[1:]]
    run = fabricate(tmp_path_factory.mktemp("run"), adata, n_leaves=20)
    (run.path / "figures").mkdir()
    Image.new("RGB", (600, 300), "white").save(run.path / "figures" / "umap.png", dpi=(300, 300))
    write_report(run)
    return run


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def started(downloads):
    with chromium(downloads) as browser:
        yield browser


@pytest.fixture
def page(run, started):
    """The page, drawn, in a window of usual size."""
    started.told.clear()
    started.size(1280, 900)
    show(started, run)
    yield started
    assert started.told == []


def show(browser, run, fragment=""):
    browser.open(run.path / "report.html", fragment)
    browser.until(
        "typeof explorer === 'object' && Boolean(explorer.now && explorer.plots[0].words)"
    )


def colors_drawn(browser):
    """Pixels of each colour on the map, hexadecimal; the rim of points aside."""
    return set(
        browser.js(
            """(() => {
              const count = new Map();
              for (const word of explorer.plots[0].words) count.set(word, (count.get(word) || 0) + 1);
              const two = (n) => (n & 255).toString(16).padStart(2, "0");
              return [...count].filter(([word, n]) => word && n > 30)
                .map(([word]) => "#" + two(word) + two(word >> 8) + two(word >> 16));
            })()"""
        )
    )


def wait_for(path, browser):
    for _ in range(300):
        if path.exists() and path.stat().st_size:
            return
        browser.js("new Promise((r) => setTimeout(r, 20))")
    raise TimeoutError(str(list(path.parent.iterdir())))


def test_a_walk_search_a_gene_move_the_slider_encircle_download(page, run, downloads):
    adata = ad.read_h5ad(run.path / "result.h5ad")
    page.js("document.querySelector('[data-x=gene]').focus()")
    gene = adata.var_names[7]
    page.call("Input.insertText", text=gene)
    page.key("Enter")
    page.js("document.querySelector('[data-x=gene]').blur()")
    page.until(f"explorer.by === 'gene:{gene}' && explorer.now.gene !== undefined")

    page.js("document.querySelector('[data-x=cut]').focus()")
    before = page.js("explorer.cut")
    page.key("ArrowRight")
    page.until(f"explorer.cut === {before + 1} && explorer.by === 'cluster'")
    assert "The last split is that of" in page.js("explorer.at.split.textContent")

    page.js("explorer.colorBy('gene:' + explorer.data.genes[0].name)")
    page.js("document.querySelector('[data-x=lasso]').click()")
    page.js("explorer.at.plots.scrollIntoView()")
    box = page.js(
        "(({left, top, width, height}) => ({left, top, width, height}))"
        "(explorer.plots[0].over.getBoundingClientRect())"
    )
    left, top = box["left"] + 3, box["top"] + 3
    right, bottom = left + box["width"] / 2, min(box["top"] + box["height"], 890) - 3
    page.drag([(left, top), (right, top), (right, bottom), (left, bottom), (left, top + 9)])
    page.until("explorer.selected !== null")
    chosen = page.js("[...explorer.selected].flatMap((one, i) => one ? [explorer.cells[i]] : [])")
    assert 0 < len(chosen) < adata.n_obs
    assert page.js("explorer.at.count.textContent") == f"{len(chosen)} cells selected."

    path = downloads / "made_up_selection.csv"
    path.unlink(missing_ok=True)
    page.js("document.querySelector('[data-x=take]').click()")
    wait_for(path, page)
    table = pd.read_csv(path, index_col="cell")
    assert list(table.index) == chosen
    tree = run.load_tree(0)
    labels = tree_of(tree, tree["leaves"]).clusters(before + 1).labels
    expected = pd.Series(labels, index=tree["obs_names"])
    assert (table["cluster"] == expected[chosen]).all()
    assert (table["donor"] == adata.obs.loc[chosen, "donor"].astype(str)).all()
    composition = page.js("explorer.at.composition.textContent")
    assert all(
        str(name) in composition for name in adata.obs.loc[chosen, "cell_type"].dropna().unique()
    )


def test_every_cut_on_the_page_is_that_of_the_tree(page, run):
    arrays = run.load_tree(0)
    tree = tree_of(arrays, arrays["leaves"])
    for number in range(1, page.js("explorer.data.tree.cuts.length") + 1):
        page.js(f"explorer.cutAt({number})")
        shown = page.js(
            "[explorer.cells, [...explorer.clusters().codes], explorer.clusters().sizes]"
        )
        expected = pd.Series(tree.clusters(number).labels, index=arrays["obs_names"])
        assert expected[shown[0]].tolist() == shown[1]
        assert shown[2] == expected.value_counts().sort_index().tolist()
        assert set(page.js(f"explorer.data.tree.cuts[{number - 1}].colors")) >= colors_drawn(page)


def test_a_colour_on_the_map_is_that_of_the_table(page):
    colors = page.js("explorer.data.clusters.colors")
    marks = page.js(
        "[...document.querySelectorAll('#clusters > .wide td i')].map((i) => i.style.background)"
    )
    assert [mark.replace(" ", "") for mark in marks] == [
        f"rgb({int(c[1:3], 16)},{int(c[3:5], 16)},{int(c[5:], 16)})" for c in colors
    ]
    assert colors_drawn(page) == set(colors)


def test_names_stay_in_the_address_and_are_downloaded(page, run, downloads):
    page.js("document.querySelectorAll('.legend input')[1].focus()")
    page.call("Input.insertText", text=f"B, {NASTY}")
    page.key("Tab")
    page.until("explorer.names.size === 1")
    shown = page.js("explorer.labelOf(1)")
    assert shown == f"1 B, {NASTY}"[:82]
    fragment = page.js("location.hash")

    show(page, run, fragment)
    assert page.js("document.querySelectorAll('.legend input')[1].value") == shown[2:]
    path = downloads / "made_up_names.csv"
    path.unlink(missing_ok=True)
    page.js("document.querySelector('[data-x=take-names]').click()")
    wait_for(path, page)
    table = pd.read_csv(path, keep_default_na=False)
    assert table["name"].tolist()[:3] == ["", shown[2:], ""]
    assert (table["n_clusters"] == len(table)).all()
    assert table["cells_shown"].sum() == 240

    page.js("explorer.cutAt(explorer.cut + 1)")  # a name goes with its cluster, whatever its number
    node = page.js("explorer.data.tree.cuts[explorer.cut - 2].nodes[1]")
    again = page.js("explorer.data.tree.cuts[explorer.cut - 1].nodes")
    if node in again:
        assert page.js(f"explorer.nameOf({again.index(node)})") == shown[2:]


def test_a_name_on_both_sides_of_a_split_is_that_of_what_was_split(page):
    split = page.js("explorer.data.tree.cuts[2].split")
    page.js("explorer.cutAt(3)")
    for side, name in zip(split["sides"], ("B cell", "T cell"), strict=True):
        page.js(f"explorer.names.set(explorer.keys()[{side}], '{name}')")
    assert page.js("explorer.inherited().size") == 0
    page.js(f"explorer.names.set(explorer.keys()[{split['sides'][1]}], 'B cell')")
    page.js("explorer.update()")
    assert "which together are B cell. " in page.js("explorer.at.split.textContent")
    page.js("explorer.cutAt(2)")
    at = page.js("explorer.data.tree.cuts[1].nodes").index(split["of"])
    assert page.js(f"explorer.labelOf({at})") == f"{at} B cell"
    typed = f"document.querySelectorAll('.legend input')[{at}]"
    assert page.js(f"[{typed}.value, {typed}.placeholder]") == ["", "B cell"]
    page.js(f"explorer.names.set(explorer.keys()[{at}], 'lymphocyte')")
    page.js("explorer.cutAt(3)")
    assert "which together are lymphocyte. " in page.js("explorer.at.split.textContent")


def test_long_names_lie_within_the_map_and_not_over_one_another(page):
    page.js(
        "explorer.keys().forEach((key) => explorer.names.set(key, 'a name as long as this one'))"
    )
    page.js("explorer.update()")
    places, width, n_clusters = page.js(
        "[explorer.plots[0].placesOfLabels(explorer.plots[0].over.getContext('2d')),"
        " explorer.plots[0].over.width, explorer.keys().length]"
    )
    assert len(places) == n_clusters
    for at, one in enumerate(places):
        assert one["half"] <= one["x"] <= width - one["half"]
        for other in places[:at]:
            is_beside = abs(one["x"] - other["x"]) >= one["half"] + other["half"]
            assert is_beside or abs(one["y"] - other["y"]) >= 14


def test_the_address_brings_back_colour_and_cut_and_nothing_else(page, run):
    show(page, run, "#k=3&by=obs:donor&n99999=x&zz=%3Cimg%20src=x%3E&c0=y")
    assert page.js("[explorer.cut, explorer.data.columns[explorer.by.slice(7)].name]") == [
        3,
        "donor",
    ]
    show(page, run, "#k=999&by=gene:none")
    assert page.js("[explorer.cut, explorer.by]") == page.js("[explorer.data.tree.own, 'cluster']")


def test_markup_in_names_is_text(page):
    page.js("explorer.colorBy('gene:' + explorer.data.genes.find((g) => g.name[0] === '<').name)")
    page.js("explorer.select([...explorer.cells.keys()])")
    cell = page.js("explorer.cells.findIndex((name) => name.includes('<'))")
    page.js(f"explorer.hover({cell}, 200, 200)")
    tip = page.js("explorer.at.tip.textContent")
    assert tip.count(NASTY) >= 2
    page.js(
        "explorer.colorBy('column:' + explorer.data.columns.findIndex((c) => c.name === 'donor'))"
    )
    assert NASTY in page.js("explorer.at.legend.textContent")
    assert page.js("document.querySelectorAll('img[src=x], script').length") == 2


def test_keys_move_zoom_and_select(page):
    page.js("explorer.plots[0].over.focus()")
    start = page.js("[explorer.plots[0].left, explorer.plots[0].scale]")
    page.key("ArrowLeft")
    page.key("+")
    moved = page.js("[explorer.plots[0].left, explorer.plots[0].scale]")
    assert moved[1] == pytest.approx(start[1] * 1.3)
    for _ in range(6):
        page.key("+")
    page.key("Enter")
    assert 0 < page.js("explorer.selected.reduce((a, b) => a + b, 0)") < 240
    page.key("Escape")
    page.key("0")
    assert page.js("[explorer.selected, explorer.plots[0].left, explorer.plots[0].scale]") == [
        None,
        *start,
    ]


def test_a_cell_is_named_when_it_is_pointed_at(page):
    page.js("explorer.at.plots.scrollIntoView()")
    cell, x, y = page.js(
        """(() => {
          const plot = explorer.plots[0], box = plot.over.getBoundingClientRect();
          for (let i = 0; i < explorer.n; i++) {
            const [x, y] = plot.onScreen(i).map((place) => place / plot.ratio);
            if (y + box.top < 800) return [i, x + box.left, y + box.top];
          }
        })()"""
    )
    page.mouse("Moved", x, y)
    page.until("!explorer.at.tip.hidden")
    found = page.js("explorer.plots[0].hovered")
    assert page.js(f"explorer.plots[0].x[{found}] === explorer.plots[0].x[{cell}]")
    assert page.js("explorer.at.tip.firstChild.textContent") == page.js(f"explorer.cells[{found}]")
    page.mouse("Moved", 1, 1)
    page.until("explorer.at.tip.hidden")


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_nothing_is_wider_than_the_window_or_lies_over_another(run, started, width):
    started.size(width, 900, touch=width < 800)
    show(started, run)
    assert started.js("document.documentElement.scrollWidth") <= width
    overlaps = started.js(
        """(() => {
          const boxes = [...document.querySelectorAll("#explorer .tools > *, #explorer .plot, #explorer .legend li > *, #explorer > p")]
            .map((node) => [node, node.getBoundingClientRect()]).filter(([, box]) => box.width && box.height);
          const inside = (list) => !list.classList.contains("plot");
          const legend = document.querySelector(".legend").getBoundingClientRect();
          const seen = boxes.filter(([node, box]) => !node.closest(".legend") || box.bottom <= legend.bottom);
          const found = [];
          seen.forEach(([a, x], i) => seen.slice(i + 1).forEach(([b, y]) => {
            if (a.contains(b) || b.contains(a)) return;
            const width = Math.min(x.right, y.right) - Math.max(x.left, y.left);
            const height = Math.min(x.bottom, y.bottom) - Math.max(x.top, y.top);
            if (width > 1 && height > 1) found.push(a.outerHTML.slice(0, 80) + b.outerHTML.slice(0, 80));
          }));
          return found;
        })()"""
    )
    assert overlaps == []


SCROLLERS = """[...document.querySelectorAll(".wide")].filter((node) => node.clientWidth).map((node) => ({
  hidden: node.scrollWidth - node.clientWidth > 1,
  before: getComputedStyle(node.nextElementSibling, "::before").content !== "none",
  after: getComputedStyle(node.nextElementSibling, "::after").content !== "none",
  shade: getComputedStyle(node.nextElementSibling, "::after").backgroundImage,
  reached: node.tabIndex === 0 && node.getAttribute("role") === "region",
  called: node.getAttribute("aria-label"),
}))"""


@pytest.mark.parametrize("dark", [False, True])
def test_what_is_wider_than_a_phone_shows_where_there_is_more_and_keys_reach_it(run, started, dark):
    started.size(390, 900, dark=dark, touch=True)
    show(started, run)
    found = started.js(SCROLLERS)
    wide = [one for one in found if one["hidden"]]
    assert wide
    assert all(one["after"] and one["reached"] and one["called"] for one in wide)
    assert not any(one["before"] for one in found)
    assert not any(one["after"] for one in found if not one["hidden"])
    color = "rgba(139, 152, 168, 0.69)" if dark else "rgba(27, 31, 36, 0.333)"
    assert all(color in one["shade"] for one in wide)
    started.js("document.querySelectorAll('.wide').forEach((node) => node.scrollBy(9999, 0))")
    started.js("new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")
    moved = [one for one in started.js(SCROLLERS) if one["hidden"]]
    assert all(one["before"] and not one["after"] for one in moved)

    started.size(3000, 900, dark=dark)
    started.until(f"!{SCROLLERS}.some((one) => one.after || one.before)")
    assert not any(one["hidden"] for one in started.js(SCROLLERS))


def test_a_figure_stands_in_where_scripts_are_off_and_in_print(run, page):
    shown = "[...document.querySelectorAll('.drawn, .explorer')].map((node) => getComputedStyle(node).display)"
    assert page.js(shown) == ["block", "none"]
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.js(shown) == ["none", "block"]
    page.call("Emulation.setEmulatedMedia", media="")
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(run.path / "report.html")
        assert page.js(shown) == ["none", "block"]
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)


def test_a_page_is_measured(run):
    found = measure(run.path / "report.html", n_frames=5)
    assert found["size_mb"] < 1
    assert found["first_paint_s"] > 0
    assert np.isfinite(list(found.values())).all()
