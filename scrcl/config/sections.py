"""The sections of a configuration: frozen and typed. The types carry the bounds."""

from dataclasses import dataclass, field, fields
from typing import Annotated, Literal, TypeAlias, get_args

from scrcl._typed import Bound, coerce_fields
from scrcl._validate import InputError, check_one_of, check_range, shown
from scrcl.config.methods import METHODS

Task: TypeAlias = Literal["sc", "st"]
Said: TypeAlias = Literal["auto", "counts", "log", "log2", "linear"]
Count: TypeAlias = Annotated[int, Bound(low=0)]
Size: TypeAlias = Annotated[int, Bound(low=1)]
Amount: TypeAlias = Annotated[float, Bound(low=0)]
Positive: TypeAlias = Annotated[float, Bound(low=0, open_low=True)]
Granularity: TypeAlias = Annotated[float, Bound(low=0.25, high=4)]
Probability: TypeAlias = Annotated[float, Bound(low=0, high=1, open_high=True)]


LEVELS = {"coarse": 0.5, "default": 1.0, "fine": 2.0}
"""Granularities that have names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """From counts to the model's input.

    Attributes
    ----------
    n_hvg
        Number of highly variable genes; 0 keeps all genes.
    hvg_flavor
        How scanpy ranks them: ``seurat`` on log values, ``seurat_v3`` on counts.
    target_sum
        Total that the counts of every cell are brought to before the logarithm; None: the median
        of the cells' totals.
    features
        What takes part: ``genes``; ``all`` that was measured; or a type of features as the data or
        scrcl call it (``antibodies``, ``Antibody Capture``), several joined by ``+``.
    values
        What the matrix holds: ``counts``, ``log`` (natural), ``log2`` or ``linear`` values (RPKM and
        the like); ``auto``: told from the numbers.
    model_input
        Model input X: raw ``counts``, ``log`` (log1p of counts per ``target_sum``) or ``scaled``
        (log divided by each gene's SD, clipped at 10).
    graph
        Cells are neighbours in ``expression`` or in ``spatial`` position.
    graph_metric
        Distance of the expression graph.
    neighbor_search
        How nearest cells are found where comparing all pairs would take too long: by ``descent``, or
        with ``faiss`` (the extra of this name).
    n_neighbors
        Neighbours of a cell: counting itself in the expression graph (as the paper does), not
        counting itself in the spatial graph.
    spatial_graph
        How a spatial graph links spots: the ``n_neighbors`` ``nearest`` ones, all within a
        ``radius``, ``delaunay`` triangles (with ``radius``: without longer edges), or as ``stored``
        in ``obsp["spatial_connectivities"]``.
    radius
        Longest edge of the spatial graph, in the unit of the positions.
    n_pcs
        Number of principal components for a graph on components.
    pca_from
        Number of cells from which the expression graph is built on components; 0 = always.
    n_gene_neighbors
        Neighbours of a gene, counting itself.
    n_smooth
        How often each view (MLP, GCN) is smoothed over the cell graph.
    use_highly_variable
        Take the genes that ``var["highly_variable"]`` marks instead of choosing ``n_hvg``.
    neighbors_key
        Take a stored graph as the cell graph, weights dropped: what ``sc.pp.neighbors`` wrote under
        this key (``"neighbors"`` if it was given none), or a matrix in ``obsp``.
    use_rep
        Name of an embedding in ``obsm``, such as ``X_scVI``, to be clustered as one more view.
    drop_unlabelled
        Leave unannotated spots out before anything else, as the official code does.
    """

    n_hvg: Count = 2000
    hvg_flavor: Literal["seurat", "seurat_v3"] = "seurat"
    target_sum: Positive | None = 10_000.0
    features: str = "genes"
    values: Said = "auto"
    model_input: Literal["counts", "log", "scaled"] = "counts"
    graph: Literal["expression", "spatial"] = "expression"
    graph_metric: Literal["cosine", "euclidean"] = "cosine"
    neighbor_search: Literal["descent", "faiss"] = "descent"
    n_neighbors: Size = 15
    spatial_graph: Literal["nearest", "radius", "delaunay", "stored"] = "nearest"
    radius: Positive | None = None
    n_pcs: Size = 50
    pca_from: Count = 10_000
    n_gene_neighbors: Size = 5
    n_smooth: tuple[Count, Count] = (0, 0)
    use_highly_variable: bool = False
    neighbors_key: str | None = None
    use_rep: str | None = None
    drop_unlabelled: bool = False

    def __post_init__(self) -> None:
        coerce_fields(self, "data")
        if self.neighbors_key is not None and self.graph == "spatial":
            msg = (
                f"data.neighbors_key: got {self.neighbors_key!r} for a graph of positions, wanted none. "
                "Set data.spatial_graph to stored instead."
            )
            raise InputError(msg)
        if self.graph == "expression" and self.spatial_graph != "nearest":
            msg = (
                f"data.spatial_graph: got {self.spatial_graph!r} for a graph of expression, wanted "
                "data.graph to be spatial. Set both, or leave it out."
            )
            raise InputError(msg)
        if (
            (self.radius is None)
            if self.spatial_graph == "radius"
            else (self.radius is not None and self.spatial_graph != "delaunay")
        ):
            msg = (
                f"data.radius: got {self.radius} for spatial_graph {self.spatial_graph!r}, wanted a "
                "length for 'radius', one or none for 'delaunay', and none for the others. "
                "Set data.spatial_graph and data.radius together."
            )
            raise InputError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The network.

    Attributes
    ----------
    n_hidden
        Width H of the encoders.
    n_latent
        Width K of the gene-refined views; None: the number of clusters.
    dropout
        Probability of dropout in the GCN view and before the projector.
    temperature
        Temperature of the two alignment losses.
    """

    n_hidden: Size = 1500
    n_latent: Size | None = None
    dropout: Probability = 0.3
    temperature: Positive = 0.1

    def __post_init__(self) -> None:
        coerce_fields(self, "model")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Optimisation: Adam.

    Attributes
    ----------
    n_epochs
        Number of steps; each sees all cells, or a mini-batch of them.
    lr
        Learning rate.
    weight_decay
        L2 penalty inside Adam.
    lambda_hea, lambda_ndc, lambda_cvc
        Weights of the three losses, not all 0; a loss of weight 0 is not evaluated.
    selection
        Epoch whose embedding is used: the ``last`` one, or ``min_loss``, the one with the smallest
        training loss.
    batch_size
        Cells of a mini-batch, at most; None: all cells at once where memory allows, else 8,192.
    precision
        Of the encoders during training: ``float32`` or ``bfloat16``. Weights, losses and the final
        embedding are float32 in both.
    fast_step
        Evaluate each step by passes over blocks of cells with their backward passes written out;
        false: by the plain network and autograd, equal up to rounding, slower and larger.
    """

    n_epochs: Size = 500
    lr: Positive = 1e-4
    weight_decay: Amount = 0.1
    lambda_hea: Amount = 1.0
    lambda_ndc: Amount = 100.0
    lambda_cvc: Amount = 1.0
    selection: Literal["last", "min_loss"] = "last"
    batch_size: Size | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    fast_step: bool = True

    def __post_init__(self) -> None:
        coerce_fields(self, "train")
        if not any(self.loss_weights.values()):
            msg = "train.lambda_*: got 0 for all three, wanted at least one loss above 0."
            raise InputError(msg)
        if self.precision != "float32" and not self.fast_step:
            msg = (
                f"train.precision: got {self.precision!r} without the fast step, wanted 'float32'. "
                "Set train.fast_step to true, or leave precision out."
            )
            raise InputError(msg)

    @property
    def loss_weights(self) -> dict[str, float]:
        """Weight of each loss by its name: ``lambda_hea`` is that of ``hea``."""
        names = [item.name for item in fields(self) if item.name.startswith("lambda_")]
        return {name.removeprefix("lambda_"): getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """From embedding to clusters.

    Attributes
    ----------
    method
        One of `scrcl.config.METHODS`: ``kmeans`` is the paper's, ``consensus`` the default for
        single cells, ``domains`` that for spots.
    embedding
        What is clustered: ``z`` = [z1, z2], ``e1``, ``e2`` or ``e`` = [e1, e2].
    granularity
        How deep the tree of clusters is cut where their number is to be found: ``coarse``,
        ``default``, ``fine`` (.5, 1 and 2), or a number from .25 to 4. More asks for less evidence
        and gives more clusters. Domains are those that the vote finds, joined below 1 where a split
        has less evidence than is asked for, and divided above 1 where one has as much.
    n_refine
        Number of nearest spots whose majority replaces a spot's cluster; 0 = off.
    """

    method: str = "kmeans"
    embedding: Literal["z", "e1", "e2", "e"] = "z"
    granularity: Granularity = 1.0
    n_refine: Count = 0

    def __post_init__(self) -> None:
        check_one_of(self.method, "cluster.method", list(METHODS))
        object.__setattr__(self, "granularity", as_granularity(self.granularity))
        coerce_fields(self, "cluster")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that decides a run, apart from data set, seed, device and number of clusters."""

    task: Task = "sc"
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)

    def __post_init__(self) -> None:
        check_one_of(self.task, "task", TASKS)


def as_granularity(value: object) -> float:
    """Return a granularity as a number; it may have the name of a level.

    Raises
    ------
    InputError
        If it is neither one of `LEVELS` nor a number from .25 to 4.

    Examples
    --------
    >>> as_granularity("fine")
    2.0
    """
    if isinstance(value, str) and value in LEVELS:
        return LEVELS[value]
    number = value if isinstance(value, str | float | int) and not isinstance(value, bool) else ""
    try:
        return check_range(float(number), "cluster.granularity", 0.25, 4)
    except (ValueError, OverflowError):
        msg = (
            f"cluster.granularity: got {shown(value)}, wanted coarse, default, fine, or a number from "
            "0.25 to 4 (more: more clusters)."
        )
        raise InputError(msg) from None


Section: TypeAlias = DataConfig | ModelConfig | TrainConfig | ClusterConfig

TASKS = get_args(Task)
SECTIONS = ("data", "model", "train", "cluster")


def paper_defaults(task: Task) -> Config:
    """Return the paper's defaults for single cells (``sc``) or spatial data (``st``)."""
    if check_one_of(task, "task", TASKS) == "sc":
        return Config()
    return Config(
        task="st",
        data=DataConfig(
            n_hvg=3000,
            hvg_flavor="seurat_v3",
            model_input="scaled",
            graph="spatial",
            graph_metric="euclidean",
            drop_unlabelled=True,
        ),
        cluster=ClusterConfig(n_refine=50),
    )
