"""Registered sets from a server on this machine, to their place and back through the readers."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scrcl import datasets
from scrcl._validate import InputError
from scrcl.cli import main, main_sc
from scrcl.data.read import read
from scrcl.fetch import ORIGINS, fetch
from tests.data.visium import BARCODES, COUNTS, write_visium

ZEISEL = "expression_mRNA_17-Aug-2014.txt"


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def publish(server, monkeypatch):
    """Put the files of a set on the server, as its only source."""

    def to_server(name: str, files: dict[str, bytes]) -> None:
        origin = ORIGINS[name]
        assert {remote.name for remote in origin.files} == set(files)
        at_server = [
            replace(remote, urls=(f"{server.url}/{remote.name}",)) for remote in origin.files
        ]
        monkeypatch.setitem(ORIGINS, name, replace(origin, files=tuple(at_server)))
        server.files.update({f"/{file}": content for file, content in files.items()})

    return to_server


@pytest.fixture
def visium_files(tmp_path):
    """Files of a small Visium slice by name, without a folder."""
    folder = write_visium(tmp_path / "slice")
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def zeisel_table(n_cells: int = 4) -> bytes:
    """The layout of the authors' table, with three genes, one of them twice."""
    cells = [f"1772_{i}" for i in range(n_cells)]
    about = {
        "tissue": ["sscortex"] * n_cells,
        "group #": [str(1 + i % 9) for i in range(n_cells)],
        "total mRNA mol": ["21580"] * n_cells,
        "well": ["11"] * n_cells,
        "sex": ["1"] * n_cells,
        "age": ["21"] * n_cells,
        "diameter": ["0"] * n_cells,
        "cell_id": cells,
        "level1class": ["interneurons"] * n_cells,
        "level2class": ["Int10"] * n_cells,
    }
    lines = ["\t".join(["", name, *values]) for name, values in about.items()]
    lines.append("\t" * (n_cells + 1))
    for gene, cluster in (("Tspan12", 1), ("Tshz1", 3), ("Tspan12", 2)):
        lines.append("\t".join([gene, str(cluster), *(str(cluster + i) for i in range(n_cells))]))
    return "\n".join(lines).encode()


# ---------------------------------------------------------------- where sets come from


def test_every_set_that_needs_a_file_has_an_origin_and_no_other():
    assert set(ORIGINS) == {name for name, spec in datasets.DATASETS.items() if spec.path}


@pytest.mark.parametrize("name", ORIGINS)
def test_an_origin_is_secure_addresses_or_words_about_a_browser(name):
    origin = ORIGINS[name]
    assert bool(origin.files) != bool(origin.browser)
    for remote in origin.files:
        assert remote.urls
        assert all(url.startswith("https://") for url in remote.urls)
        assert remote.sha256 is None or len(remote.sha256) == 64


def test_a_set_that_takes_a_browser_says_what_to_do(tmp_path):
    expected = (
        f"open https://cblast.* download Baron_human.*put it at {tmp_path}/scdata/Baron_human"
    )
    with pytest.raises(InputError, match=expected):
        fetch("Baron_human", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_set_that_needs_no_file_is_not_fetched(tmp_path):
    with pytest.raises(InputError, match="It is there: the scanpy package"):
        fetch("pbmc68k_reduced", tmp_path)


# ---------------------------------------------------------------- fetching


def test_zeisel_becomes_an_h5ad_with_the_nine_types(tmp_path, publish):
    publish("Zeisel", {ZEISEL: zeisel_table(n_cells=9)})
    path = fetch("Zeisel", tmp_path)
    assert path == tmp_path / "scdata" / "Zeisel.h5ad"
    adata = read(path)
    assert adata.obs["cell_type1"].nunique() == 9
    assert adata.obs["cell_type1"].tolist()[:3] == ["interneurons", "s1pyramidal", "ca1pyramidal"]
    assert list(adata.obs_names[:2]) == ["1772_0", "1772_1"]
    assert list(adata.var_names) == ["Tspan12", "Tshz1"]
    assert adata.X.toarray()[:2].tolist() == [[1, 3], [2, 4]]
    assert tree(tmp_path) == {"scdata/Zeisel.h5ad", "scdata/Zeisel.h5ad.sources.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["scdata"]


def test_a_table_that_is_not_zeisels_leaves_nothing_at_its_place(tmp_path, publish):
    publish("Zeisel", {ZEISEL: b"\n".join([b"a\tb\tc"] * 20)})
    with pytest.raises(InputError, match="wanted 'group #' and 'cell_id'"):
        fetch("Zeisel", tmp_path)
    assert not (tmp_path / "scdata" / "Zeisel.h5ad").exists()


def test_a_slice_is_laid_out_with_its_own_layers(tmp_path, publish, visium_files):
    layers = [f"{barcode}\t{sample}\t{layer}" for sample, layer in (("151673", "L3"), ("151674", "WM"))
              for barcode in BARCODES[:4]]  # fmt: skip
    publish("151673", visium_files | {"layers.tsv": "\n".join(layers).encode()})
    adata = read(fetch("151673", tmp_path), task="st")
    assert np.array_equal(adata.X.toarray(), COUNTS)
    assert adata.obs["layer_guess"].tolist()[:4] == ["Layer3"] * 4
    assert adata.obs["layer_guess"].isna().tolist() == [False] * 4 + [True]
    assert set(adata.uns["spatial"]["151673"]["images"]) == {"hires", "lowres"}


def test_the_breast_cancer_comes_unpacked_with_its_regions(tmp_path, publish, visium_files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(tmp_path / "slice" / "spatial", "spatial")
    regions = pd.DataFrame(
        {"ID": BARCODES, "annot_type": "Tumor", "fine_annot_type": list("ababa")}
    )
    matrix = "filtered_feature_bc_matrix.h5"
    files = {
        matrix: visium_files[matrix],
        "spatial.tar.gz": packed.getvalue(),
        "regions.tsv": regions.to_csv(sep="\t", index=False).encode(),
    }
    publish("Human_Breast_Cancer", files)
    adata = read(fetch("Human_Breast_Cancer", tmp_path), task="st")
    assert adata.obs["ground_truth"].tolist() == list("ababa")


@pytest.fixture
def embryo(adata_st, tmp_path, publish):
    adata = adata_st.copy()
    adata.obs["annotation"] = adata.obs["ground_truth"]
    adata.write_h5ad(tmp_path / "embryo.h5ad")
    content = (tmp_path / "embryo.h5ad").read_bytes()
    (tmp_path / "embryo.h5ad").unlink()
    publish("Mouse_Embryo_E9.5", {"E9.5_E1S1.MOSTA.h5ad": content})
    return content


def test_data_unlike_the_papers_are_said_to_be_so(tmp_path, embryo, caplog):
    fetch("Mouse_Embryo_E9.5", tmp_path)
    assert "got 36 annotated cells in 2 classes, the paper has 5,913 in 12" in caplog.text


def test_the_first_checksum_is_recorded_and_asked_for_ever_after(tmp_path, embryo, server, caplog):
    path = fetch("Mouse_Embryo_E9.5", tmp_path)
    assert "publishes no checksum" in caplog.text
    record = path.with_name("E9.5_E1S1.MOSTA.h5ad.sources.json")
    noted = json.loads(record.read_text())["E9.5_E1S1.MOSTA.h5ad"]
    assert len(noted["sha256"]) == 64
    assert noted["source"] == f"{server.url}/E9.5_E1S1.MOSTA.h5ad"

    server.files["/E9.5_E1S1.MOSTA.h5ad"] = embryo + b"more"
    with pytest.raises(InputError, match=f"wrong checksum.*meant to have changed, remove {record}"):
        fetch("Mouse_Embryo_E9.5", tmp_path, overwrite=True)
    assert path.read_bytes() == embryo  # what was there is left


def test_what_cannot_be_read_does_not_take_its_place(tmp_path, embryo, server):
    path = fetch("Mouse_Embryo_E9.5", tmp_path)
    path.with_name(f"{path.name}.sources.json").unlink()
    server.files["/E9.5_E1S1.MOSTA.h5ad"] = embryo[:1000]
    with pytest.raises(InputError, match=r"cannot be read as an AnnData.*in .*: remove it to"):
        fetch("Mouse_Embryo_E9.5", tmp_path, overwrite=True)
    assert path.read_bytes() == embryo


def test_what_is_there_is_left_alone(tmp_path, server):
    path = tmp_path / "scdata" / "Zeisel.h5ad"
    path.parent.mkdir()
    path.write_bytes(b"mine")
    assert fetch("Zeisel", tmp_path) == path
    assert path.read_bytes() == b"mine"
    assert server.asked == []


def test_a_mirror_is_asked_first(tmp_path, server):
    server.files[f"/copy/Zeisel/{ZEISEL}"] = zeisel_table()
    fetch("Zeisel", tmp_path, mirror=f"{server.url}/copy/")
    assert [path for path, _ in server.asked] == [f"/copy/Zeisel/{ZEISEL}"]


def test_a_file_put_there_by_hand_is_used(tmp_path, publish, server):
    publish("Zeisel", {ZEISEL: b"not asked for"})
    by_hand = tmp_path / ".download" / "Zeisel" / ZEISEL
    by_hand.parent.mkdir(parents=True)
    by_hand.write_bytes(zeisel_table())
    assert read(fetch("Zeisel", tmp_path)).n_obs == 4
    assert server.asked == []


def test_a_slice_of_which_one_file_is_missing_is_not_there_at_all(
    tmp_path, publish, visium_files, server
):
    publish("151673", visium_files | {"layers.tsv": b"x"})
    del server.files["/layers.tsv"]
    with pytest.raises(InputError, match=r"layers\.tsv.*404 Not Found"):
        fetch("151673", tmp_path / "data")
    assert not (tmp_path / "data/stdata/DLPFC/151673").exists()
    asked = len(server.asked)
    server.files["/layers.tsv"] = f"{BARCODES[0]}\t151673\tL1".encode()
    fetch("151673", tmp_path / "data")
    assert len(server.asked) == asked + 1  # the others had come


# ---------------------------------------------------------------- commands


def test_the_command_fetches(tmp_path, publish, capsys):
    publish("Zeisel", {ZEISEL: zeisel_table()})
    assert main(["fetch", "Zeisel", "--data-dir", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert f"Zeisel: {tmp_path}/scdata/Zeisel.h5ad" in told.err
    assert told.out == ""


def test_quiet_says_nothing(tmp_path, publish, capsys):
    publish("Zeisel", {ZEISEL: zeisel_table()})
    assert main(["fetch", "Zeisel", "--data-dir", str(tmp_path), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_name_that_is_wrong_gets_a_hint(capsys):
    assert main(["fetch", "Zeisl"]) == 2
    assert "got 'Zeisl', wanted Zeisel" in capsys.readouterr().err


def test_a_run_downloads_a_set_that_is_missing(tmp_path, publish, server, monkeypatch):
    publish("Zeisel", {ZEISEL: zeisel_table()})
    seen = []

    def looks(experiment: object) -> object:
        seen.append((tmp_path / "data/scdata/Zeisel.h5ad").is_file())
        msg = "stop here"
        raise InputError(msg)

    monkeypatch.setattr("scrcl.experiment.run_experiment", looks)
    given = ["--dataset", "Zeisel", "--data-dir", str(tmp_path / "data")]
    assert main_sc([*given, "--download"]) == 2
    assert seen == [True]


def test_download_needs_the_name_of_a_set(capsys):
    assert main_sc(["--download"]) == 2
    assert "download: got no data set, wanted --dataset NAME" in capsys.readouterr().err


def test_download_of_what_needs_no_file_just_runs(tmp_path, monkeypatch):
    def stop(experiment: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("scrcl.experiment.run_experiment", stop)
    given = ("--dataset", "pbmc68k_reduced", "--out", str(tmp_path))
    assert main_sc(["--download", *given]) == 130
