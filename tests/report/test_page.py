"""The page about a run: what it says, that it needs no other file, that data stay data."""

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from scrcl._validate import InputError
from scrcl.report import write_report
from scrcl.results import RunFolder
from tests.running import Runner

NASTY = "<script>alert(1)<", '"onload=alert(1) x="', "'><img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.source = path.read_text("utf-8")
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["td"] or self.tags[-1:] == ["th"] or self.tags[-1:] == ["i"]:
            self.rows[-1][-1] += data.strip()
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


def markers(genes: list[str], groups: list[str]) -> pd.DataFrame:
    """A table as draw_DEGs writes it."""
    rows = [(group, rank, gene) for group in groups for rank, gene in enumerate(genes, 1)]
    table = pd.DataFrame(rows, columns=["group", "rank", "gene"])
    numbers = {"score": 3.0, "log2_fold_change": 2.0, "p_value": 0.01, "p_adjusted": 0.0}
    return table.assign(**numbers, fraction_in=0.9, fraction_out=0.1, kept=table["rank"] > 1)


def picture(path: Path) -> None:
    """A figure of 600 x 300 pixels."""
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (600, 300), "white").save(path, dpi=(300, 300))


@pytest.fixture
def run(runner: Runner, adata_sc: ad.AnnData, kept: Path) -> Path:
    """Two seeds with labels and the oracle, three marker genes, two figures."""
    run = runner.shared(kept, "sc", adata_sc, "--seeds", "0,1", "--oracle")
    (run / "markers").mkdir()
    markers(["INS", "NA", "1e5"], ["0", "1", "2"]).to_csv(run / "markers/markers.csv", index=False)
    (run / "markers" / "notes.txt").write_text("double dipping: take care\n")
    picture(run / "markers" / "dotplot.png")
    picture(run / "figures" / "umap.png")
    return run


@pytest.fixture
def page(run: Path) -> Callable[[], Page]:
    return lambda: Page(write_report(RunFolder(run)))


def test_a_report_says_what_was_run(run: Path, page: Callable[[], Page]) -> None:
    text = page().text

    assert text.startswith("cells, fast - scrcl")
    assert "45 clustered, 0 left out" in text
    assert "60 in the data, 60 used for the clusters" in text
    assert "obs['cell_type1'], for scores only" in text
    assert "n_hidden: 16" in text
    assert "torch 2" in text
    assert "double dipping: take care" in text


def test_cells_that_were_left_out_are_counted_and_the_reason_is_told(
    runner: Runner, adata_sc: ad.AnnData
) -> None:
    adata = adata_sc.copy()
    adata.X = adata.X.multiply(np.arange(45)[:, None] > 1).tocsr()
    text = Page(write_report(RunFolder(runner.fast("sc", adata)))).text

    assert "43 clustered, 2 left out" in text
    assert re.search("Notes and warnings .*2 cells", text)


def test_protocols_have_columns_of_their_own_with_plain_names(page: Callable[[], Page]) -> None:
    rows = page().rows
    head = next(row for row in rows if row[0] == "score")

    assert head[1:] == [
        "label-free (what a user gets)",
        "oracle (epoch picked with the labels: an upper bound)",
    ]
    (ari,) = [row for row in rows if row[0] == "ARI"]
    assert all(re.fullmatch(r"-?\d\.\d{3} ± \d\.\d{3}", cell) for cell in ari[1:])
    assert [row[:2] for row in rows if row[1:2] in (["label-free"], ["oracle"])] == [
        ["0", "label-free"],
        ["0", "oracle"],
        ["1", "label-free"],
        ["1", "oracle"],
    ]


def test_without_labels_there_are_no_scores(runner: Runner, adata_sc: ad.AnnData) -> None:
    del adata_sc.obs["cell_type1"]
    page = Page(write_report(RunFolder(runner.fast("sc", adata_sc, "--n-clusters", 3))))

    assert "#scores" not in page.values("href")
    assert "3 clusters were asked for; the run ended with 3." in page.text


def test_names_of_genes_that_look_like_numbers_stay_names(page: Callable[[], Page]) -> None:
    genes = [row[2] for row in page().rows if len(row) == 9 and row[0] == "1"]

    assert genes[:3] == ["INS", "NA", "1e5"]


def test_genes_that_pass_the_filter_come_first_in_the_table_of_clusters(
    page: Callable[[], Page],
) -> None:
    first = next(row for row in page().rows if row[0] == "0")

    assert first[-1] == "NA, 1e5, INS"


def test_the_page_needs_no_other_file_and_runs_no_script_but_its_own(
    page: Callable[[], Page],
) -> None:
    found = page()

    assert found.tags.count("img") == 2
    assert all(source.startswith("data:image/png;base64,") for source in found.values("src"))
    assert all(address.startswith("#") for address in found.values("href"))
    assert "link" not in found.tags
    assert "@import" not in found.source
    assert "url(" not in found.source
    script = found.source.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (value for value in found.values("content") if "default-src" in value)
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("nasty", NASTY)
def test_what_comes_from_the_data_is_never_markup(
    runner: Runner, adata_sc: ad.AnnData, nasty: str
) -> None:
    adata = adata_sc.copy()
    adata.obs[nasty] = adata.obs["cell_type1"]
    path = runner.save(adata, nasty)
    code, _, error = runner(
        *("sc", "--input", path, "--config", runner.config, "--label-key", nasty, "--quiet")
    )
    assert code == 0, error
    run = runner.run_of("sc", nasty)
    (run / "markers").mkdir()
    markers([nasty], ["0", "1"]).to_csv(run / "markers" / "markers.csv", index=False)
    (run / "markers" / "notes.txt").write_text(f"{nasty}\n")
    odd = pd.DataFrame({"cluster": ["0"], "name": [nasty], nasty: [nasty]})
    odd.to_csv(run / "cluster_names.csv", index=False)
    picture(run / "figures" / f"{nasty}.png")

    page = Page(write_report(RunFolder(run)))

    assert page.tags.count("script") == 2  # data and the one that runs
    assert ("script", "type", "application/json") in page.attributes
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert all(source.startswith("data:image/png") for source in page.values("src"))
    assert nasty in page.text


def test_what_the_model_says_about_genes_is_shown_if_it_is_there(
    run: Path, page: Callable[[], Page]
) -> None:
    for path in (run / "seed_0").glob("*.csv"):
        if path.name.startswith(("gene_", "module_")):
            path.unlink()
    assert "#associations" not in page().values("href")
    table = pd.DataFrame({"cluster": 0, "gene": [f"G{i}" for i in range(20)]})
    table["rank"] = np.arange(1, 21)
    table["score"] = 1 / table["rank"]
    table.to_csv(run / "seed_0" / "gene_associations.csv", index=False)
    names = pd.DataFrame({"cluster": [0, 1], "name": ["beta", "unclear"], "score": [0.9, 0.1]})
    names.to_csv(run / "cluster_names.csv", index=False)
    picture(run / "figures" / "gene_associations.png")

    found = page()

    assert "#associations" in found.values("href")
    assert [row[1] for row in found.rows if row[1:2] and row[1].startswith("G")] == [
        f"G{i}" for i in range(10)
    ]
    of_clusters = next(row for row in found.rows if row[0] == "0")
    assert "beta" in of_clusters
    assert found.tags.count("img") == 3


def test_a_cluster_without_a_clear_name_is_called_by_its_number(
    run: Path, page: Callable[[], Page]
) -> None:
    names = pd.DataFrame({"cluster": [0, 1, 2], "name": ["unclear"] * 3})
    names.to_csv(run / "cluster_names.csv", index=False)

    found = page()

    assert sum("unclear" in row for row in found.rows) >= 3  # the table of clusters says so
    assert "The largest is 0 (" in found.text or "The largest is 1 (" in found.text
    assert ", unclear" not in found.text


def test_the_page_holds_the_files_of_the_figures_as_they_are(
    run: Path, page: Callable[[], Page]
) -> None:
    wide = run / "figures" / "umap.png"
    Image.new("RGB", (4000, 300), "white").save(wide, dpi=(300, 300))

    encoded = [source.partition("base64,")[2] for source in page().values("src")]

    assert wide.read_bytes() in map(base64.b64decode, encoded)


def test_a_report_of_equal_files_is_equal(run: Path) -> None:
    first = write_report(RunFolder(run)).read_bytes()

    assert write_report(RunFolder(run)).read_bytes() == first


def test_figures_that_cannot_be_read_are_named(run: Path, page: Callable[[], Page]) -> None:
    (run / "figures" / "domains.png").write_bytes(b"half an im")
    (run / "figures" / "extra.svg").write_text("<svg onload='alert(1)'/>")

    found = page()

    assert "figure domains.png: cannot be read, so it is not shown" in found.text
    assert any(source.startswith("data:image/svg+xml;base64,") for source in found.values("src"))
    assert "<svg" not in found.source


def test_fifty_two_clusters_are_all_there(
    runner: Runner, run: Path, page: Callable[[], Page]
) -> None:
    for seed in (0, 1):
        path = run / f"seed_{seed}" / "clusters.csv"
        table = pd.concat([pd.read_csv(path)] * 2, ignore_index=True)[:52]
        table.assign(obs_name=[f"c{i}" for i in range(52)], cluster=range(52)).to_csv(
            path, index=False
        )
        names = np.array([f"c{i}" for i in range(52)])
        np.savez(path.with_name("embedding.npz"), obs_names=names, embedding=np.eye(52))
        (run / f"seed_{seed}" / "clusters_oracle.csv").unlink()

    rows = page().rows

    start = next(i for i, row in enumerate(rows) if row[:2] == ["cluster", "size"])
    assert [row[0] for row in rows[start + 1 : start + 53]] == [str(i) for i in range(52)]


def test_a_folder_that_is_no_finished_run_is_refused(tmp_path: Path, run: Path) -> None:
    with pytest.raises(InputError, match=r"report: got .*, where no finished run is"):
        write_report(RunFolder(tmp_path / "nothing"))
    (run / "result.h5ad").unlink()
    with pytest.raises(InputError, match=r"report: got .*--resume"):
        write_report(RunFolder(run))


def test_a_run_that_was_cut_off_after_its_results_is_called_unfinished(
    run: Path, page: Callable[[], Page]
) -> None:
    path = run / "env.json"
    path.write_text(re.sub(r'"finished": ".*"', '"finished": null', path.read_text()))

    assert "not finished: --resume goes on" in page().text


def test_cells_too_much_alike_for_other_numbers_have_none(
    run: Path, page: Callable[[], Page]
) -> None:
    (run / "seed_0" / "n_clusters.csv").write_text("n_clusters,criterion\n")

    assert "too much alike to try other numbers" in page().text
