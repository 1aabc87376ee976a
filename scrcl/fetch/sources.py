"""Where each registered data set comes from.

No source publishes a SHA-256 of these files. ``Remote.sha256`` is therefore empty, and `fetch`
records what it finds at the first download and asks for the same ever after.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from scrcl.datasets import DATASETS
from scrcl.fetch import place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """One file at its source.

    Attributes
    ----------
    name
        What it is called on this side.
    urls
        The same file at several places, tried in this order.
    sha256
        Checksum that the source publishes; ``None``: none is known.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How a data set is had.

    Attributes
    ----------
    files
        What to download; empty if that takes a browser.
    build
        Makes the data set, a file or the content of a folder, from the downloaded files by name.
    browser
        What to do in a browser, where there is no other way.
    """

    files: tuple[Remote, ...] = ()
    build: Callable[[Mapping[str, Path], Path], None] = place.single
    browser: str = ""


_S3_DLPFC = "https://spatial-dlpfc.s3.us-east-2.amazonaws.com"
_PILOT = "https://raw.githubusercontent.com/LieberInstitute/HumanPilot/master/10X"
_10X = "https://cf.10xgenomics.com/samples/spatial-exp/1.1.0/V1_Breast_Cancer_Block_A_Section_1"
_ZEISEL = "expression_mRNA_17-Aug-2014.txt"
_LINNARSSON = "https://storage.googleapis.com/linnarsson-lab-www-blobs/blobs/cortex"
_HEMBERG = "https://s3.amazonaws.com/scrnaseq-public-datasets/manual-data/zeisel"
_SEDR = "https://raw.githubusercontent.com/JinmiaoChenLab/SEDR_analyses/master"
_MOSTA = "https://ftp.cngb.org/pub/SciRAID/stomics/STDS0000058/stomics"


def _dlpfc(name: str) -> Origin:
    """One slice of the dorsolateral prefrontal cortex, from the authors' bucket and repository."""
    return Origin(
        files=(
            Remote(
                name="filtered_feature_bc_matrix.h5",
                urls=(f"{_S3_DLPFC}/h5/{name}_filtered_feature_bc_matrix.h5",),
            ),
            *(
                Remote(
                    name=f"tissue_{size}_image.png",
                    urls=(f"{_S3_DLPFC}/images/{name}_tissue_{size}_image.png",),
                )
                for size in ("hires", "lowres")
            ),
            Remote(
                name="tissue_positions_list.csv",
                urls=(f"{_PILOT}/{name}/tissue_positions_list.txt",),
            ),
            Remote(
                name="scalefactors_json.json", urls=(f"{_PILOT}/{name}/scalefactors_json.json",)
            ),
            Remote(name="layers.tsv", urls=(f"{_PILOT}/barcode_level_layer_map.tsv",)),
        ),
        build=partial(place.dlpfc, sample=name),
    )


def _browser(page: str, what: str) -> Origin:
    return Origin(browser=f"open {page} in a browser and download {what}")


def _cell_blast(name: str) -> Origin:
    return _browser(
        "https://cblast.gao-lab.org/download",
        f"{name} (its .h5 becomes an .h5ad by scrcl convert data.h5 {name}.h5ad)",
    )


def _hemberg(what: str) -> Origin:
    return _browser(
        "https://hemberg-lab.github.io/scRNA.seq.datasets",
        f"{what} (an .rds becomes an .h5ad by scrcl convert)",
    )


ORIGINS: dict[str, Origin] = {
    **{
        name: _cell_blast(name)
        for name, spec in DATASETS.items()
        if name.startswith("Quake_") or name == "Baron_human"
    },
    "Zeisel": Origin(
        files=(
            Remote(
                name=_ZEISEL,
                urls=(f"{_LINNARSSON}/{_ZEISEL}", f"{_HEMBERG}/{_ZEISEL}"),
            ),
        ),
        build=place.zeisel,
    ),
    "li_tumor": _hemberg("the tumour cells of Li et al. 2017"),
    "human_ESC": _hemberg("the embryonic stem cells of Chu et al. 2016"),
    **{name: _dlpfc(name) for name in DATASETS if name.startswith("151")},
    "Human_Breast_Cancer": Origin(
        files=(
            Remote(
                name="filtered_feature_bc_matrix.h5",
                urls=(f"{_10X}/V1_Breast_Cancer_Block_A_Section_1_filtered_feature_bc_matrix.h5",),
            ),
            Remote(
                name="spatial.tar.gz",
                urls=(f"{_10X}/V1_Breast_Cancer_Block_A_Section_1_spatial.tar.gz",),
            ),
            Remote(
                name="regions.tsv",
                urls=(f"{_SEDR}/data/BRCA1/metadata.tsv",),
            ),
        ),
        build=place.breast_cancer,
    ),
    "Mouse_Brain_Anterior": _browser(
        "https://zenodo.org/records/6925603",
        "the archive of the mouse brain, anterior section, and unpack it",
    ),
    "Mouse_Embryo_E9.5": Origin(
        files=(
            Remote(
                name="E9.5_E1S1.MOSTA.h5ad",
                urls=(f"{_MOSTA}/E9.5_E1S1.MOSTA.h5ad",),
            ),
        ),
    ),
}
"""How each registered set that needs a file is had, by name."""
