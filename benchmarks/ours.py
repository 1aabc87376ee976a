"""The package's own methods: the default preset and its parts, and the paper's protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from benchmarks.common import Found
from benchmarks.machine import Stopwatch
from scrcl.clustering import cosine_kmeans
from scrcl.clustering.cells import partition_tree
from scrcl.clustering.partitions import partitions, spaces
from scrcl.config import configs_dir, load_config, override, paper_defaults, to_yaml
from scrcl.data.prepare import Prepared, prepare
from scrcl.experiment.protocols import Oracle
from scrcl.methods.consensus import expression_of
from scrcl.methods.network_based import joint_views
from scrcl.model import Spots, TrainingData, training_data
from scrcl.model.pipeline import run_seed, train
from scrcl.seed import resolve_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.common import Runner
    from scrcl.clustering import Expression
    from scrcl.config import Config, Task
    from scrcl.experiment.inputs import Dataset
    from scrcl.nn.network import Views

_TRAINING = (
    "scrcl/nn",
    "scrcl/train.py",
    *(f"scrcl/data/{name}.py" for name in ("genes", "graph", "prepare", "preprocess", "values")),
)
PAPER_CODE = (*_TRAINING, "scrcl/clustering/kmeans.py")
DOMAINS_CODE = (
    *(f"scrcl/data/{n}.py" for n in ("components", "genes", "graph", "prepare", "preprocess")),
    *(f"scrcl/data/{n}.py" for n in ("spatial", "values")),
    *(f"scrcl/clustering/{n}.py" for n in ("anchor", "consensus", "domains", "evidence")),
    *(f"scrcl/clustering/{n}.py" for n in ("lowpass", "n_clusters", "tissue_tree", "tree")),
    "scrcl/methods/domains.py",
    "scrcl/model/pipeline.py",
    "scrcl/methods/consensus.py",
    "scrcl/methods/network_based.py",
)
CELLS_CODE = (
    *PAPER_CODE,
    "scrcl/data/components.py",
    "scrcl/model/pipeline.py",
    "scrcl/methods/consensus.py",
    "scrcl/methods/network_based.py",
    *(
        f"scrcl/clustering/{n}.py"
        for n in ("cells", "consensus", "evidence", "n_clusters", "partitions", "tree")
    ),
)


def default_config(task: Task, changes: Mapping[str, object] | None = None) -> Config:
    """Return the shipped label-free configuration, with some values replaced."""
    return override(load_config(configs_dir() / f"default_{task}.yaml", task), changes or {})


def params(config: Config) -> dict[str, object]:
    """All that decides a run beside data, seed, code and number of clusters, for the cache."""
    return {"config": to_yaml(config)}


def prepared_setup(data: Dataset, config: Config, *, find_k: bool) -> tuple[Prepared, TrainingData]:
    """Prepare data without their labels; of these only the number of classes is used, if at all."""
    assert data.labels is not None  # sets without labels are not benchmarked
    keep = data.labels.notna().to_numpy() if config.data.drop_unlabelled else None
    prepared = prepare(data.without_labels(), config.data, keep=keep, slice_key=data.slice_key)
    spots = None
    if config.task == "st":
        coords = np.asarray(data.adata.obsm["spatial"], dtype=np.float64)[prepared.kept]
        spots = Spots(coords=coords, slices=None)
    return prepared, training_data(
        prepared,
        config,
        n_clusters=None if find_k else int(data.labels[prepared.kept].nunique()),
        device=resolve_device("auto"),
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


def clusterings(config: Config, variants: Mapping[str, Variant]) -> Runner:
    """Make a runner that trains and partitions once, and clusters in several ways.

    What is charged to each is all that they share, and its own clustering.

    Parameters
    ----------
    config
        With the consensus, the embedding ``e`` and a width of the refined views that does not
        depend on the number of clusters, which not all variants may know.
    variants
        By name of the method.
    """
    assert config.cluster.method == "consensus"
    assert config.cluster.embedding == "e"  # so that both views can be had from it
    assert config.model.n_latent is not None

    def run(data: Dataset, names: Sequence[str], seed: int) -> Iterator[Found]:
        clock = Stopwatch()
        prepared, setup = prepared_setup(data, config, find_k=False)
        learned = _learned(setup, seed)
        e1, e2 = np.hsplit(learned, 2)
        views = {"log": setup.components[0], "scaled": setup.components[1]}
        members = {
            name: partitions(spaces([view]), seed=seed)
            for name, view in {**views, "e1": e1, "e2": e2}.items()
        }
        expression = expression_of(setup)
        n_classes, shared = setup.n_clusters, clock()
        assert isinstance(n_classes, int)
        for name in names:
            clock = Stopwatch()
            labels = variants[name](Material(learned, members, expression, n_classes, seed))
            yield Found(name, labels, prepared.kept, shared + clock())

    return run


def _learned(setup: TrainingData, seed: int) -> NDArray[np.float32]:
    return joint_views(train(setup, seed).views, setup.config.cluster.embedding)


class Material(NamedTuple):
    """What a way to cluster can start from."""

    embedding: NDArray[np.float32]
    """Both learned views, (n_obs, 2 n_hidden)."""
    members: dict[str, list[NDArray[np.intp]]]
    """Partitions by view: ``log`` and ``scaled`` components, learned ``e1``, ``e2``."""
    expression: Expression
    """What the evidence for splits comes from."""
    n_classes: int
    seed: int


Variant: TypeAlias = "Callable[[Material], NDArray[np.integer]]"


def consensus_over(*views: str, find_k: bool = False) -> Variant:
    """Make the consensus of the partitions of some views."""

    def cluster(given: Material) -> NDArray[np.integer]:
        members = [part for view in views for part in given.members[view]]
        n_clusters = None if find_k else given.n_classes
        tree = partition_tree(members, given.expression, seed=given.seed)
        return tree.clusters(n_clusters).labels

    return cluster


def paper_kmeans(given: Material) -> NDArray[np.integer]:
    """Cluster the embedding as the paper does."""
    return cosine_kmeans(given.embedding, given.n_classes, seed=given.seed)


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
        last = run_seed(setup, seed, on_epoch=None if oracle is None else oracle).clustering.labels
        watching = 0.0 if oracle is None else oracle.seconds
        if "paper_last" in names:
            yield Found("paper_last", last, prepared.kept, clock() - watching)
        if oracle is not None:
            yield Found("paper_oracle", oracle.clusters(), prepared.kept, clock())

    return run
