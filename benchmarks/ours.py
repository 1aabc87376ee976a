"""The package's own methods: the default preset and its parts, and the paper's protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common import Found, Stopwatch
from scrcl.clustering import Clustering, consensus_clusters, cosine_kmeans
from scrcl.config import configs_dir, load_config, override, paper_defaults, to_yaml
from scrcl.data.components import expression_components
from scrcl.data.prepare import Prepared, prepare
from scrcl.experiment.protocols import Oracle, Setup, Spots, run_seed
from scrcl.experiment.run import _material
from scrcl.seed import resolve_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.common import Runner
    from scrcl.config import Config, Task
    from scrcl.experiment.source import Dataset
    from scrcl.nn.model import Views

    Views_ = tuple[NDArray[np.float32], ...]

_TRAINING = (
    "scrcl/nn",
    "scrcl/train.py",
    *(f"scrcl/data/{name}.py" for name in ("genes", "graph", "prepare", "preprocess", "values")),
)
PAPER_CODE = (*_TRAINING, "scrcl/clustering/kmeans.py")
DOMAINS_CODE = (
    *(f"scrcl/data/{n}.py" for n in ("components", "genes", "graph", "prepare", "preprocess")),
    *(f"scrcl/data/{n}.py" for n in ("spatial", "values")),
    *(f"scrcl/clustering/{n}.py" for n in ("consensus", "domains", "lowpass", "n_clusters")),
    "scrcl/experiment/protocols.py",
)
CELLS_CODE = (
    *PAPER_CODE,
    "scrcl/data/components.py",
    "scrcl/experiment/protocols.py",
    *(f"scrcl/clustering/{n}.py" for n in ("cells", "consensus", "n_clusters", "partitions")),
)


def default_config(task: Task, changes: Mapping[str, object] | None = None) -> Config:
    """Return the shipped label-free configuration, with some values replaced."""
    return override(load_config(configs_dir() / f"default_{task}.yaml", task), changes or {})


def params(config: Config) -> dict[str, object]:
    """All that decides a run beside data, seed, code and number of clusters, for the cache."""
    return {"config": to_yaml(config)}


def prepared_setup(data: Dataset, config: Config, *, find_k: bool) -> tuple[Prepared, Setup]:
    """Prepare data without their labels; of these only the number of classes is used, if at all."""
    assert data.labels is not None  # sets without labels are not benchmarked
    keep = data.labels.notna().to_numpy() if config.data.drop_unlabelled else None
    prepared = prepare(data.without_labels(), config.data, keep=keep, slice_key=data.slice_key)
    spots = None
    if config.task == "st":
        coords = np.asarray(data.adata.obsm["spatial"], dtype=np.float64)[prepared.kept]
        spots = Spots(coords=coords, slices=None)
    return prepared, Setup(
        config=config,
        n_clusters=None if find_k else int(data.labels[prepared.kept].nunique()),
        device=resolve_device("auto"),
        **_material(prepared, config.cluster.method),  # what a script gives to that method
        spots=spots,
    )


def run_config(config: Config, *, find_k: bool = False) -> Runner:
    """Make a runner that does what the scripts do with a configuration, without figures."""

    def run(data: Dataset, names: Sequence[str], seed: int) -> Iterator[Found]:
        clock = Stopwatch()
        prepared, setup = prepared_setup(data, config, find_k=find_k)
        labels = run_seed(setup, seed).clustering.labels
        for name in names:
            yield Found(name, labels, prepared.kept, clock())

    return run


def without_network(config: Config) -> Runner:
    """Make a runner of the consensus of plain components: nothing is learned."""

    def run(data: Dataset, names: Sequence[str], seed: int) -> Iterator[Found]:
        clock = Stopwatch()
        prepared = prepare(data.without_labels(), config.data)
        assert data.labels is not None  # sets without labels are not benchmarked
        components = expression_components(prepared.log_norm.X)
        n_clusters = int(data.labels[prepared.kept].nunique())
        labels = consensus_clusters(components, n_clusters, seed=seed).labels
        for name in names:
            yield Found(name, labels, prepared.kept, clock())

    return run


def clusterings(config: Config, own: str, variants: Mapping[str, Variant]) -> Runner:
    """Make a runner that trains once with the true k and clusters in several ways.

    Parameters
    ----------
    config
        With the consensus, and the embedding ``e``.
    own
        Name of the method that is the configuration as it is.
    variants
        By name: from plain components, learned e1 and e2, number of clusters and seed to clusters.
    """
    assert config.cluster.embedding == "e"  # so that both views can be had from it

    def run(data: Dataset, names: Sequence[str], seed: int) -> Iterator[Found]:
        clock = Stopwatch()
        prepared, setup = prepared_setup(data, config, find_k=False)
        found = run_seed(setup, seed)
        if own in names:
            yield Found(own, found.clustering.labels, prepared.kept, clock())
        e1, e2 = np.hsplit(found.embedding, 2)
        n_clusters, shared = setup.n_clusters, clock()
        assert isinstance(n_clusters, int)
        for name in names:
            if name != own:
                clock = Stopwatch()
                labels = variants[name](setup.components, (e1, e2), n_clusters, seed)
                yield Found(name, labels, prepared.kept, shared + clock())

    return run


if TYPE_CHECKING:
    Variant = Callable[[Views_, Views_, int, int], NDArray[np.integer]]

CLUSTERING_VARIANTS: dict[str, Variant] = {
    "ours_e1": lambda plain, own, k, seed: _consensus([*plain, own[0]], k, seed),
    "ours_e2": lambda plain, own, k, seed: _consensus([*plain, own[1]], k, seed),
    "ours_net_only": lambda _, own, k, seed: _consensus([*own, np.hstack(own)], k, seed),
    "ours_kmeans": lambda _, own, k, seed: cosine_kmeans(np.hstack(own), k, seed=seed),
}


def _consensus(
    views: Sequence[NDArray[np.float32]], n_clusters: int, seed: int
) -> NDArray[np.integer]:
    found: Clustering = consensus_clusters(views, n_clusters, seed=seed)
    return found.labels


class _TimedOracle(Oracle):
    """An oracle that knows how long it took, which is none of the label-free method's time."""

    seconds = 0.0

    def watch(self, epoch: int, views: Views) -> None:
        clock = Stopwatch()
        super().watch(epoch, views)
        self.seconds += clock()


def run_paper(task: Task) -> Runner:
    """Make a runner of the paper's protocol: the last epoch, and the one that labels pick."""
    config = paper_defaults(task)

    def run(data: Dataset, names: Sequence[str], seed: int) -> Iterator[Found]:
        clock = Stopwatch()
        assert data.labels is not None  # sets without labels are not benchmarked
        prepared, setup = prepared_setup(data, config, find_k=False)
        oracle = None
        if "paper_oracle" in names:
            truth = data.labels[prepared.kept]
            oracle = _TimedOracle(truth, seed=seed, spots=setup.spots)
        last = run_seed(setup, seed, oracle=oracle).clustering.labels
        watching = 0.0 if oracle is None else oracle.seconds
        if "paper_last" in names:
            yield Found("paper_last", last, prepared.kept, clock() - watching)
        if oracle is not None:
            yield Found("paper_oracle", oracle.clusters(), prepared.kept, clock())

    return run
