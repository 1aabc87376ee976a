"""Benchmark sets of the paper, by name, and data that need no download.

>>> from scrcl import datasets
>>> datasets.find("151673").n_classes
7
>>> datasets.simulated_tissue(n_obs=200).uns["provenance"]
'Simulated by scrcl.datasets.simulated_tissue: not measured on any tissue.'
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scrcl._keys import SPATIAL
from scrcl._validate import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import anndata as ad
    import numpy as np
    from numpy.typing import NDArray

_CELL_BLAST = "Cell BLAST's download page, https://cblast.gao-lab.org/download"
_HEMBERG = "the Hemberg lab's collection, https://hemberg-lab.github.io/scRNA.seq.datasets"
_GRAPHST = "the GraphST record, https://zenodo.org/records/6925603"
_MOSTA = "MOSTA at CNGB STOmics, https://db.cngb.org/stomics/mosta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Scores of the paper for a set, 0 to 1; its epochs were picked with the labels.

    Attributes
    ----------
    acc
        Accuracy: as the paper prints it, or of the shipped predictions where it prints none.
    nmi, ari, f1
        Of the predictions that the authors ship; ``None``: they ship none that can be scored.
    source
        Where each of them is from, in words.
    """

    acc: float | None = None
    nmi: float | None = None
    ari: float | None = None
    f1: float | None = None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """One data set.

    Attributes
    ----------
    name
        What ``--dataset`` takes.
    task
        ``"sc"``: dissociated cells; ``"st"``: spots of a tissue.
    n_obs, n_classes
        Annotated cells or spots, and classes among them, as the paper counts them.
    label_keys
        Columns of ``obs`` to look for the classes in, in this order.
    source
        Where to get it.
    path
        File or folder under the data folder; ``None`` if nothing has to be placed there.
    load
        Makes or unpacks the data that need no file.
    published
        What the paper reports for it; ``None``: nothing that could be read.
    """

    name: str
    task: Literal["sc", "st"]
    n_obs: int
    n_classes: int
    label_keys: tuple[str, ...]
    source: str
    path: str | None = None
    load: Callable[[], ad.AnnData] | None = None
    published: Published | None = None

    def is_there(self, data_dir: str | os.PathLike[str]) -> bool:
        """Whether the data can be used right away."""
        return self.path is None or (Path(data_dir) / self.path).exists()


def find(name: str) -> DatasetSpec:
    """Look a data set up by name.

    Raises
    ------
    InputError
        If there is none of that name; the message has the names that are close.
    """
    if name in DATASETS:
        return DATASETS[name]
    close = difflib.get_close_matches(name, DATASETS, n=3, cutoff=0.5)
    wanted = f"{' or '.join(close)}" if close else f"one of {list(DATASETS)}"
    msg = f"dataset: got {name!r}, wanted {wanted}. --list shows all; other data go to --input."
    raise InputError(msg)


def locate(spec: DatasetSpec, data_dir: str | os.PathLike[str]) -> Path:
    """Path of a data set that lies under the data folder.

    Raises
    ------
    InputError
        If it is not there; the message says where it was looked for and where to get it.
    """
    assert spec.path is not None  # what needs no file is loaded, not located
    path = Path(data_dir).expanduser() / spec.path
    if not path.exists():
        msg = (
            f"dataset: got {spec.name}, which is not at {path.absolute()}. Run scrcl fetch "
            f"{spec.name}, or get it from {spec.source} and put it there, or pass --data-dir."
        )
        raise InputError(msg)
    return path


def pbmc68k_reduced() -> ad.AnnData:
    """Load 700 blood cells with 765 genes that come with scanpy.

    ``X`` is scaled and ``.raw`` log-normalised; ``obs["bulk_labels"]`` has 10 classes.
    """
    import scanpy as sc  # noqa: PLC0415  (seconds, and --list does not need it)

    return sc.datasets.pbmc68k_reduced()


def simulated_tissue(
    *, n_obs: int = 600, n_genes: int = 1000, n_domains: int = 5, seed: int = 0
) -> ad.AnnData:
    """Simulate a tissue: wavy bands of spots on a hexagonal grid, 100 units apart.

    Returns
    -------
    Counts, ``(n_obs, n_genes)``; ``obs["domain"]``: the band of each spot, all of one size;
    ``obsm["spatial"]``: x and y; ``uns["provenance"]``: that it is simulated.
    """
    import numpy as np  # noqa: PLC0415  (slow, and names of sets need none)

    rng = np.random.default_rng(seed)
    n_cols = int(np.ceil(np.sqrt(n_obs)))
    row, col = np.divmod(np.arange(n_obs), n_cols)
    x, y = col + 0.5 * (row % 2), row * np.sqrt(0.75)
    depth = y + 0.08 * n_cols * np.sin(2 * np.pi * x / n_cols)
    domain = np.argsort(np.argsort(depth, kind="stable")) * n_domains // n_obs
    adata = _simulate(domain, n_genes, rng, group="domain")
    adata.obsm[SPATIAL] = 100.0 * np.column_stack([x, y])
    adata.uns["provenance"] = (
        "Simulated by scrcl.datasets.simulated_tissue: not measured on any tissue."
    )
    return adata


def simulated_cells(
    *, n_obs: int = 600, n_genes: int = 1000, n_types: int = 6, seed: int = 0
) -> ad.AnnData:
    """Simulate dissociated cells of types that differ in size, the first being the largest.

    Returns
    -------
    Counts, ``(n_obs, n_genes)``; ``obs["cell_type1"]``: the type of each cell, ``n_types`` of
    them; ``uns["provenance"]``: that it is simulated.
    """
    import numpy as np  # noqa: PLC0415  (slow, and names of sets need none)

    rng = np.random.default_rng(seed)
    share = 1.0 / np.arange(1, n_types + 1)
    edges = np.cumsum(share / share.sum()) * n_obs
    cell_type = rng.permutation(np.searchsorted(edges, np.arange(n_obs), side="right"))
    adata = _simulate(cell_type, n_genes, rng, group="cell_type1")
    adata.uns["provenance"] = (
        "Simulated by scrcl.datasets.simulated_cells: not measured on any cell."
    )
    return adata


def _simulate(
    groups: NDArray[np.integer], n_genes: int, rng: np.random.Generator, *, group: str
) -> ad.AnnData:
    """Overdispersed counts in which each group raises a fortieth of the genes three- to sixfold.

    Spots and cells differ in depth by a factor of about two, as in droplet data.
    """
    import anndata as ad  # noqa: PLC0415  (as above)
    import numpy as np  # noqa: PLC0415  (as above)
    import pandas as pd  # noqa: PLC0415  (as above)
    import scipy.sparse as sp  # noqa: PLC0415  (as above)

    n_obs, n_groups = groups.size, int(groups.max()) + 1
    n_markers = max(1, min(n_genes // 40, n_genes // n_groups))
    profile = np.tile(rng.lognormal(-1.0, 1.0, n_genes), (n_groups, 1))
    markers = rng.permutation(n_genes)[: n_groups * n_markers].reshape(n_groups, n_markers)
    folds = rng.uniform(3.0, 6.0, markers.shape)
    profile[np.arange(n_groups)[:, None], markers] *= folds
    depth = rng.lognormal(0.0, 0.35, (n_obs, 1))
    noise = rng.gamma(4.0, 0.25, (n_obs, n_genes))  # mean 1: counts vary more than Poisson
    counts = rng.poisson(profile[groups] * depth * noise)
    labels = pd.Categorical([f"{group}_{i}" for i in groups])
    obs = pd.DataFrame({group: labels}, index=[f"{group[0]}{i:05d}" for i in range(n_obs)])
    var = pd.DataFrame(index=[f"gene{i:05d}" for i in range(n_genes)])
    return ad.AnnData(sp.csr_matrix(counts, dtype=np.float32), obs, var)


_PRINTED = "ACC as the paper prints it"
_SHIPPED = "of the predictions that the authors ship"
_PUBLISHED = {
    "li_tumor": Published(acc=0.7967, source=_PRINTED),
    "Quake_Smart-seq2_Diaphragm": Published(acc=0.9963, source=_PRINTED),
    "Quake_Smart-seq2_Lung": Published(acc=0.8647, source=_PRINTED),
    "Quake_Smart-seq2_Trachea": Published(acc=0.98, source=_PRINTED),
    "human_ESC": Published(
        acc=0.9969, nmi=0.9868, ari=0.9862, f1=0.9954, source=f"{_PRINTED}, the rest {_SHIPPED}"
    ),
    "Zeisel": Published(
        acc=0.8353, nmi=0.7349, ari=0.7543, f1=0.6659, source=f"{_PRINTED}, the rest {_SHIPPED}"
    ),
    "Quake_10x_Bladder": Published(
        acc=0.9968, nmi=0.9771, ari=0.9916, f1=0.9846, source=f"{_PRINTED}, the rest {_SHIPPED}"
    ),
    "Quake_10x_Limb_Muscle": Published(
        acc=0.9941, nmi=0.9744, ari=0.9890, f1=0.9880, source=f"{_PRINTED}, the rest {_SHIPPED}"
    ),
    "Quake_10x_Spleen": Published(
        acc=0.9708, nmi=0.8581, ari=0.9369, f1=0.7418, source=f"{_PRINTED}, the rest {_SHIPPED}"
    ),
    "Baron_human": Published(
        acc=0.9002,
        nmi=0.8615,
        ari=0.9016,
        f1=0.6282,
        source=f"{_PRINTED}, the rest {_SHIPPED}, on 2,142 of the cells",
    ),
    "151507": Published(acc=0.8311, nmi=0.7562, ari=0.6892, f1=0.8140, source=_SHIPPED),
    "Human_Breast_Cancer": Published(
        acc=0.6590, nmi=0.6963, ari=0.6530, f1=0.4986, source=_SHIPPED
    ),
    "Mouse_Brain_Anterior": Published(ari=0.51, source="title of a figure that the authors ship"),
    "Mouse_Embryo_E9.5": Published(ari=0.43, source="title of a figure that the authors ship"),
}


def _sc(name: str, n_obs: int, n_classes: int, source: str) -> DatasetSpec:
    return DatasetSpec(
        published=_PUBLISHED.get(name),
        name=name,
        task="sc",
        n_obs=n_obs,
        n_classes=n_classes,
        label_keys=("cell_type1", "celltype"),
        source=source,
        path=f"scdata/{name}.h5ad",
    )


def _dlpfc(name: str, n_obs: int, n_classes: int) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        task="st",
        n_obs=n_obs,
        n_classes=n_classes,
        label_keys=("layer_guess",),
        source=_GRAPHST,
        published=_PUBLISHED.get(name),
        path=f"stdata/DLPFC/{name}",
    )


_ALL = (
    _sc("Quake_Smart-seq2_Diaphragm", 870, 5, _CELL_BLAST),
    _sc("Quake_Smart-seq2_Lung", 1676, 11, _CELL_BLAST),
    _sc("Quake_Smart-seq2_Trachea", 1350, 4, _CELL_BLAST),
    _sc("Quake_10x_Bladder", 2500, 4, _CELL_BLAST),
    _sc("Quake_10x_Limb_Muscle", 3909, 6, _CELL_BLAST),
    _sc("Quake_10x_Spleen", 9552, 5, _CELL_BLAST),
    _sc("li_tumor", 363, 6, _HEMBERG),
    _sc("human_ESC", 1018, 7, _HEMBERG),
    _sc("Zeisel", 3005, 9, _HEMBERG),
    _sc("Baron_human", 8569, 14, _CELL_BLAST),
    _dlpfc("151507", 4221, 7),
    _dlpfc("151508", 4381, 7),
    _dlpfc("151509", 4788, 7),
    _dlpfc("151510", 4595, 7),
    _dlpfc("151669", 3636, 5),
    _dlpfc("151670", 3484, 5),
    _dlpfc("151671", 4093, 5),
    _dlpfc("151672", 3888, 5),
    _dlpfc("151673", 3611, 7),
    _dlpfc("151674", 3635, 7),
    _dlpfc("151675", 3566, 7),
    _dlpfc("151676", 3431, 7),
    DatasetSpec(
        name="Human_Breast_Cancer",
        published=_PUBLISHED["Human_Breast_Cancer"],
        task="st",
        n_obs=3798,
        n_classes=20,
        label_keys=("ground_truth",),
        source=_GRAPHST,
        path="stdata/Human_Breast_Cancer",
    ),
    DatasetSpec(
        name="Mouse_Brain_Anterior",
        published=_PUBLISHED["Mouse_Brain_Anterior"],
        task="st",
        n_obs=2695,
        n_classes=52,
        label_keys=("ground_truth",),
        source=_GRAPHST,
        path="stdata/Mouse_Brain_Anterior",
    ),
    DatasetSpec(
        name="Mouse_Embryo_E9.5",
        published=_PUBLISHED["Mouse_Embryo_E9.5"],
        task="st",
        n_obs=5913,
        n_classes=12,
        label_keys=("annotation",),
        source=_MOSTA,
        path="stdata/Mouse_Embryo_E9.5/E9.5_E1S1.MOSTA.h5ad",
    ),
    DatasetSpec(
        name="pbmc68k_reduced",
        task="sc",
        n_obs=700,
        n_classes=10,
        label_keys=("bulk_labels",),
        source="the scanpy package",
        load=pbmc68k_reduced,
    ),
    DatasetSpec(
        name="simulated_tissue",
        task="st",
        n_obs=600,
        n_classes=5,
        label_keys=("domain",),
        source="simulated by this package: not measured on any tissue",
        load=simulated_tissue,
    ),
)

DATASETS: dict[str, DatasetSpec] = {spec.name: spec for spec in _ALL}
"""All data sets by name: 10 of single cells and 15 of tissue from the paper, then the built-in."""

DEFAULTS: dict[Literal["sc", "st"], str] = {"sc": "pbmc68k_reduced", "st": "simulated_tissue"}
"""What a script runs on if it is not told."""
