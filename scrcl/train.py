"""Training: Adam on the three losses, all cells at a time or some. Sees no labels."""

import copy
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NoReturn, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor
from tqdm import tqdm

from scrcl._validate import InputError
from scrcl.checkpoint import Checkpoint, identify
from scrcl.config import ModelConfig, TrainConfig
from scrcl.distributed import current_processes
from scrcl.nn import fast
from scrcl.nn.adam import Adam
from scrcl.nn.batches import Batches, FullBatch, MiniBatches
from scrcl.nn.encode import encode
from scrcl.nn.inputs import Inputs
from scrcl.nn.losses import combine, needs_refinement
from scrcl.nn.minibatch import SparseInputs
from scrcl.nn.network import ScRCLNet, Views
from scrcl.nn.pairwise import compare
from scrcl.seed import isolated, random_state, seeded, set_random_state

log = logging.getLogger(__name__)

EpochHook: TypeAlias = Callable[[int, Views], None]


@runtime_checkable
class StatefulHook(Protocol):
    """A hook that can be saved with the training, of plain values and tensors."""

    def __call__(self, epoch: int, views: Views, /) -> None:
        """Look at an epoch."""

    def state_dict(self) -> dict[str, Any]:
        """All that it has seen."""

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Take back what `state_dict` gave."""


MIN_CELLS = 2
FUSED_DEVICES = ("cpu", "cuda")
"""Where torch's one-pass Adam is tested."""
DEFAULT_BATCH_SIZE = 8_192
"""Cells of a mini-batch where none is asked for."""
FLUSH_EVERY = 10
"""Epochs between two looks at the losses: each look waits for the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What training leaves behind.

    Attributes
    ----------
    model
        The network after the last epoch, in evaluation mode, on the training device.
    history
        One dict per epoch with ``epoch`` (from 1), each of `scrcl.nn.losses.LOSSES` and ``total``,
        as they were before that epoch's step.
    views
        Embeddings after the last epoch, evaluation mode, on the CPU.
    best_views, best_epoch, best_parameters
        The same for the parameters with the smallest training loss, the epoch that measured it, and
        these parameters; None unless asked for.
    """

    model: ScRCLNet
    history: list[dict[str, float]]
    views: Views
    best_views: Views | None = None
    best_epoch: int | None = None
    best_parameters: dict[str, Tensor] | None = None

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Parameters of the epoch that was asked for: the best, else the last."""
        if self.best_parameters is not None:
            return self.best_parameters
        return {name: value.detach() for name, value in self.model.named_parameters()}

    @property
    def chosen(self) -> ScRCLNet:
        """The network with these `parameters`, in evaluation mode."""
        return _with(self.model, self.best_parameters)


def fit(  # noqa: PLR0913 - the one public door; all options go by name
    inputs: Inputs | SparseInputs,
    model_cfg: ModelConfig,
    train_cfg: TrainConfig,
    *,
    n_latent: int,
    seed: int,
    device: torch.device,
    keep: Literal["last", "min_loss"] = "last",
    on_epoch: EpochHook | None = None,
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
) -> Fit:
    """Train a network from scratch, or from where an interrupted training was saved.

    The random numbers are its own: the same seed gives the same result (bit for bit on the CPU),
    whatever was drawn before, and torch's global state is left as it was.

    Parameters
    ----------
    inputs
        What the network sees, never changed. Dense ones are moved to ``device`` and each step sees
        them all; their dtype is the network's. Of sparse ones, each step sees a mini-batch.
    model_cfg, train_cfg
        Sizes, and how to train.
    n_latent
        Width K of the refined views where ``model_cfg`` leaves it open: the number of clusters.
    seed
        Seed of the initial weights and of dropout.
    device
        Where to train, from `scrcl.seed.resolve_device`.
    keep
        ``min_loss`` also keeps the views at the epoch with the smallest training loss. Costs
        a copy of the parameters in memory and a wait for the device per epoch.
    on_epoch
        Called after each epoch's step with its number (from 1) and the views in evaluation mode
        on the CPU. Costs a forward pass per epoch; cannot disturb the training.
    progress
        Show a bar with the losses on stderr.
    checkpoint
        Where to save the training now and then. If the file is there, training goes on from it,
        with the same outcome as if it had not been interrupted: bit for bit on the CPU. It stays
        when training is done. Together with ``on_epoch`` only if that is a `StatefulHook`.

    Returns
    -------
    The trained network, its history and its views.

    Raises
    ------
    InputError
        If there are fewer than two cells, the loss stops being finite, or the checkpoint is not one
        of this training.
    """
    watcher = on_epoch if isinstance(on_epoch, StatefulHook) else None
    if checkpoint is not None and on_epoch is not None and watcher is None:
        msg = (
            "checkpoint: got an on_epoch that cannot be saved with it, wanted one with state_dict "
            "and load_state_dict. Leave one of the two out."
        )
        raise InputError(msg)
    n_obs, n_genes = inputs.x.shape
    if n_obs < MIN_CELLS:
        msg = f"cells: got {n_obs}, wanted at least {MIN_CELLS} to contrast with each other."
        raise InputError(msg)
    dtype = inputs.x.dtype if isinstance(inputs, Inputs) else torch.float32
    with seeded(seed, device):
        model = ScRCLNet(
            n_obs,
            n_genes,
            n_hidden=model_cfg.n_hidden,
            n_latent=model_cfg.n_latent or n_latent,
            dropout=model_cfg.dropout,
        ).to(device, dtype)
        batches = batches_of(inputs, train_cfg, seed, device)
        trainer = Trainer(model, batches, train_cfg, model_cfg.temperature)
        saver = None
        if checkpoint is not None:
            what = (model_cfg, train_cfg, n_latent, seed, keep, device.type)
            saver = _Saver(checkpoint, identify(*what, *_fingerprint(inputs)), watcher)
        return trainer.run(keep=keep, on_epoch=on_epoch, progress=progress, saver=saver)


def batches_of(
    inputs: Inputs | SparseInputs, cfg: TrainConfig, seed: int, device: torch.device
) -> Batches:
    """All cells at once if they are dense, some in each process if there are several, else batches.

    Raises
    ------
    InputError
        If several processes are to train without the fast step, or batches are of one cell.
    """
    processes = current_processes(inputs.x.shape[0])
    if processes.size > 1:
        if not cfg.fast_step:
            msg = (
                f"train.fast_step: got false for {processes.size} processes, wanted true. Only the "
                "fast step sends gradients between processes."
            )
            raise InputError(msg)
        return FullBatch(inputs.rows(processes.rows), device, processes)
    if isinstance(inputs, Inputs):
        return FullBatch(inputs, device)
    size = cfg.batch_size or DEFAULT_BATCH_SIZE
    return MiniBatches(inputs, size, n_steps=cfg.n_epochs, seed=seed, device=device)


class Trainer:
    """A training run in progress; with torch's random state, all that a checkpoint needs.

    Parameters
    ----------
    model
        The network to train.
    batches
        Gives each step its cells, on the device and of the dtype of the network.
    cfg
        How to train.
    temperature
        Temperature of the two alignment losses.
    """

    def __init__(
        self, model: ScRCLNet, batches: Batches, cfg: TrainConfig, temperature: float
    ) -> None:
        self.model = model
        self.batches = batches
        self.cfg = cfg
        self.temperature = temperature
        self.history: list[dict[str, float]] = []
        self.optimizer = Adam(
            model.parameters(),
            lr=cfg.lr,
            weight_decay=cfg.weight_decay,
            fused=batches.device.type in FUSED_DEVICES,
        )

    def run(
        self,
        *,
        keep: Literal["last", "min_loss"],
        on_epoch: EpochHook | None,
        progress: bool,
        saver: "_Saver | None" = None,
    ) -> Fit:
        """Train for all epochs that are left; the arguments are those of `fit`."""
        best = _Best(self.model) if keep == "min_loss" else None
        if saver is not None:
            saver.resume(self, best)
        pending: list[dict[str, Tensor]] = []
        done, n_epochs = len(self.history), self.cfg.n_epochs
        self.batches.skip(done)
        with tqdm(total=n_epochs, initial=done, desc="train", disable=not progress) as bar:
            for epoch in range(done + 1, n_epochs + 1):
                losses = self.losses()
                if best is not None:
                    best.offer(epoch, self._total(losses["total"].detach()))
                self.update(losses["total"])
                pending.append({name: value.detach() for name, value in losses.items()})
                if epoch % FLUSH_EVERY == 0 or epoch == n_epochs:
                    self._log(pending, bar)
                    pending.clear()
                if on_epoch is not None:
                    with isolated(self.batches.device):
                        on_epoch(epoch, self.views())
                if saver is not None and not pending:
                    saver.offer(self, best)
        return Fit(
            model=self.model,
            history=self.history,
            views=self.views(),
            best_views=None if best is None else self.views(best.parameters),
            best_epoch=None if best is None else best.epoch,
            best_parameters=None if best is None else best.parameters,
        )

    def losses(self) -> dict[str, Tensor]:
        """Evaluate the losses of the current parameters on the next step's cells, dropout on.

        Of several processes, each gets its share.
        """
        self.model.train()
        cfg, processes = self.cfg, self.batches.processes
        inputs, cells = self.batches.step()
        half = torch.autocast(
            self.batches.device.type, torch.bfloat16, enabled=cfg.precision == "bfloat16"
        )
        forward = partial(fast.forward, self.model) if cfg.fast_step else self.model
        with half:
            views = forward(
                inputs, cells, refine=needs_refinement(cfg.loss_weights), processes=processes
            )
        return combine(
            views,
            inputs.adj,
            temperature=self.temperature,
            weights=cfg.loss_weights,
            processes=processes,
            compare=fast.compare if cfg.fast_step else compare,
        )

    def update(self, total: Tensor) -> None:
        """Take one optimiser step down the gradient of the total loss."""
        self.optimizer.zero_grad()
        torch.autograd.backward(total)
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad = self._total(parameter.grad)
        self.optimizer.step()

    def _total(self, share: Tensor) -> Tensor:
        """Add up what each process has."""
        return share if self.batches.processes is None else self.batches.processes.total(share)

    def views(self, parameters: dict[str, Tensor] | None = None) -> Views:
        """Embed all cells in evaluation mode, on the CPU; by default with the current parameters."""
        model = _with(self.model, parameters)
        return encode(model, self.batches.inputs, self.batches.processes)

    def _log(self, pending: list[dict[str, Tensor]], bar: "tqdm[NoReturn]") -> None:
        """Move the pending losses from the device to the history; refuse those not finite."""
        shares = torch.stack([torch.stack(list(losses.values())) for losses in pending])
        for row in self._total(shares).tolist():
            epoch = len(self.history) + 1
            values = dict(zip(pending[0], row, strict=True))
            if not math.isfinite(values["total"]):
                raise InputError(_not_finite(epoch, values, self.cfg))
            self.history.append({"epoch": epoch, **values})
        bar.update(len(pending))
        bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()})


def _with(model: ScRCLNet, parameters: dict[str, Tensor] | None) -> ScRCLNet:
    """Give the model, or a copy of it with other parameters."""
    if parameters is None:
        return model
    model = copy.deepcopy(model)
    model.load_state_dict(parameters)
    return model.eval()


def _not_finite(epoch: int, values: dict[str, float], cfg: TrainConfig) -> str:
    """Say where a training went wrong, in which term, and what to try."""
    wrong = [
        name
        for name, weight in cfg.loss_weights.items()
        if weight > 0 and not math.isfinite(values[name])
    ]
    return (
        f"train: got a loss of {values['total']} at epoch {epoch} (from {', '.join(wrong)}), wanted a "
        f"finite one. Try a smaller train.lr (now {cfg.lr:g}), a higher model.temperature or "
        "data.model_input: log; if it is the first epoch, look for values that are not finite or huge."
    )


class _Best:
    """The parameters with the smallest training loss so far."""

    def __init__(self, model: ScRCLNet) -> None:
        self.model = model
        self.epoch = 0
        self.loss = math.inf
        self.parameters: dict[str, Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        """All that it holds, for a checkpoint."""
        return {"epoch": self.epoch, "loss": self.loss, "parameters": self.parameters}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Take back what `state_dict` gave."""
        self.epoch, self.loss = state["epoch"], state["loss"]
        self.parameters = {name: value.to(device) for name, value in state["parameters"].items()}

    def offer(self, epoch: int, total: Tensor) -> None:
        """Keep a copy of the model's parameters if ``total``, their loss, is the smallest yet."""
        loss = total.item()
        if loss < self.loss:
            self.loss, self.epoch = loss, epoch
            current = self.model.named_parameters()
            self.parameters = {name: value.detach().clone() for name, value in current}


class _Saver:
    """Saves a training and takes it up again."""

    def __init__(
        self, checkpoint: Checkpoint, identity: str, watcher: StatefulHook | None = None
    ) -> None:
        self.checkpoint = checkpoint
        self.identity = identity
        self.watcher = watcher
        self.refused = False

    def resume(self, trainer: Trainer, best: _Best | None) -> None:
        """Put the trainer where the checkpoint left it, if there is one."""
        state = self.checkpoint.load(self.identity)
        if state is None:
            return
        if self.watcher is not None:
            if state.get("watcher") is None:
                msg = (
                    f"checkpoint: got {self.checkpoint.path} of a training that nobody watched, "
                    "wanted one with what its watcher saw. Remove it to train from the start."
                )
                raise InputError(msg)
            self.watcher.load_state_dict(state["watcher"])
        device = trainer.batches.device
        trainer.model.load_state_dict(state["model"])
        trainer.optimizer.load_state_dict(state["optimizer"])
        trainer.history = state["history"]
        if best is not None:
            best.load_state_dict(state["best"], device)
        set_random_state(state["random"], device)

    def offer(self, trainer: Trainer, best: _Best | None) -> None:
        """Save the trainer as it is if it is time to; of several processes, the first does.

        A training is worth more than its checkpoint: one that cannot be written is said, once.
        """
        processes = trainer.batches.processes
        if not self.checkpoint.due() or (processes is not None and processes.rank > 0):
            return
        state = {
            "model": trainer.model.state_dict(),
            "optimizer": trainer.optimizer.state_dict(),
            "history": trainer.history,
            "best": None if best is None else best.state_dict(),
            "watcher": None if self.watcher is None else self.watcher.state_dict(),
            "random": random_state(trainer.batches.device),
        }
        try:
            self.checkpoint.save(self.identity, state)
        except OSError as error:
            if not self.refused:
                log.warning(
                    "checkpoint: %s cannot be written (%s); training goes on without",
                    self.checkpoint.path,
                    error.strerror or error,
                )
            self.refused = True


def _fingerprint(inputs: Inputs | SparseInputs) -> tuple[Any, ...]:
    """Tell data apart at a small cost: the graph, and the sums over cells and genes."""
    if isinstance(inputs, SparseInputs):
        adj, x = inputs.adj, inputs.x
        return (adj.indptr, adj.indices, x.sum(0), x.sum(1), inputs.n_smooth)
    links = (inputs.adj.crow_indices(), inputs.adj.col_indices())
    return (*links, inputs.x.sum(0), inputs.x.sum(1), inputs.ax.sum(1))
