"""Training: full-batch Adam on the three losses. Sees no labels."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias

import torch
from torch import Tensor
from tqdm import tqdm

from scrcl._validate import InputError
from scrcl.config import ModelConfig, TrainConfig
from scrcl.nn.inputs import Inputs
from scrcl.nn.losses import Losses, combine
from scrcl.nn.model import ScRCLNet, Views
from scrcl.seed import isolated, seeded

EpochHook: TypeAlias = Callable[[int, Views], None]

MIN_CELLS = 2
FUSED_DEVICES = ("cpu", "cuda")
"""Where torch's one-pass Adam is tested."""
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
        One dict per epoch with ``epoch`` (from 1), ``hea``, ``ndc``, ``cvc`` and ``total``, as
        they were before that epoch's step.
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


def fit(  # noqa: PLR0913 - the one public door; all options go by name
    inputs: Inputs,
    model_cfg: ModelConfig,
    train_cfg: TrainConfig,
    *,
    n_latent: int,
    seed: int,
    device: torch.device,
    keep: Literal["last", "min_loss"] = "last",
    on_epoch: EpochHook | None = None,
    progress: bool = False,
) -> Fit:
    """Train a network from scratch.

    The random numbers are its own: the same seed gives the same result (bit for bit on the CPU),
    whatever was drawn before, and torch's global state is left as it was.

    Parameters
    ----------
    inputs
        What the network sees; moved to ``device``, never changed. Their dtype is the network's.
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

    Returns
    -------
    The trained network, its history and its views.

    Raises
    ------
    InputError
        If there are fewer than two cells or the loss stops being finite.
    """
    n_obs, n_genes = inputs.x.shape
    if n_obs < MIN_CELLS:
        msg = f"cells: got {n_obs}, wanted at least {MIN_CELLS} to contrast with each other."
        raise InputError(msg)
    with seeded(seed, device):
        model = ScRCLNet(
            n_obs,
            n_genes,
            n_hidden=model_cfg.n_hidden,
            n_latent=model_cfg.n_latent or n_latent,
            dropout=model_cfg.dropout,
        ).to(device, inputs.x.dtype)
        trainer = Trainer(model, inputs.to(device), train_cfg, model_cfg.temperature)
        return trainer.run(keep=keep, on_epoch=on_epoch, progress=progress)


class Trainer:
    """A training run in progress; with torch's random state, all that a checkpoint needs.

    Parameters
    ----------
    model
        The network to train, on the device and of the dtype of ``inputs``.
    inputs
        What it sees.
    cfg
        How to train.
    temperature
        Temperature of the two alignment losses.
    """

    def __init__(
        self, model: ScRCLNet, inputs: Inputs, cfg: TrainConfig, temperature: float
    ) -> None:
        self.model = model
        self.inputs = inputs
        self.cfg = cfg
        self.temperature = temperature
        self.history: list[dict[str, float]] = []
        self.optimizer = torch.optim.Adam(
            model.parameters(),
            lr=cfg.lr,
            weight_decay=cfg.weight_decay,
            fused=inputs.x.device.type in FUSED_DEVICES,
        )

    def run(
        self, *, keep: Literal["last", "min_loss"], on_epoch: EpochHook | None, progress: bool
    ) -> Fit:
        """Train for all epochs; the arguments are those of `fit`."""
        best = _Best(self.model) if keep == "min_loss" else None
        pending: list[Losses] = []
        with tqdm(total=self.cfg.n_epochs, desc="train", disable=not progress) as bar:
            for epoch in range(1, self.cfg.n_epochs + 1):
                losses = self.losses()
                if best is not None:
                    best.offer(epoch, losses.total)
                self.update(losses.total)
                pending.append(Losses(*(term.detach() for term in losses)))
                if epoch % FLUSH_EVERY == 0 or epoch == self.cfg.n_epochs:
                    self._log(pending, bar)
                    pending.clear()
                if on_epoch is not None:
                    with isolated(self.inputs.x.device):
                        on_epoch(epoch, self.views())
        return Fit(
            model=self.model,
            history=self.history,
            views=self.views(),
            best_views=None if best is None else self.views(best.parameters),
            best_epoch=None if best is None else best.epoch,
            best_parameters=None if best is None else best.parameters,
        )

    def losses(self) -> Losses:
        """Evaluate the losses of the current parameters, dropout on."""
        self.model.train()
        cfg = self.cfg
        return combine(
            self.model(self.inputs, refine=cfg.lambda_cvc > 0),
            self.inputs.adj,
            temperature=self.temperature,
            weights=(cfg.lambda_hea, cfg.lambda_ndc, cfg.lambda_cvc),
        )

    def update(self, total: Tensor) -> None:
        """Take one optimiser step down the gradient of the total loss."""
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        self.optimizer.step()

    @torch.no_grad()
    def views(self, parameters: dict[str, Tensor] | None = None) -> Views:
        """Embed all cells in evaluation mode, on the CPU; by default with the current parameters."""
        self.model.eval()
        views = torch.func.functional_call(self.model, parameters or {}, (self.inputs,))
        return Views(*(view.cpu() for view in views))

    def _log(self, pending: list[Losses], bar: "tqdm[NoReturn]") -> None:
        """Move the pending losses from the device to the history; refuse those not finite."""
        for row in torch.stack([torch.stack(losses) for losses in pending]).tolist():
            epoch = len(self.history) + 1
            values = dict(zip(Losses._fields, row, strict=True))
            if not math.isfinite(values["total"]):
                msg = (
                    f"train: got a loss of {values['total']} at epoch {epoch} ({values}), wanted "
                    f"a finite one. Try a smaller train.lr (now {self.cfg.lr:g}), a higher "
                    "model.temperature or data.values: log."
                )
                raise InputError(msg)
            self.history.append({"epoch": epoch, **values})
        bar.update(len(pending))
        bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()})


class _Best:
    """The parameters with the smallest training loss so far."""

    def __init__(self, model: ScRCLNet) -> None:
        self.model = model
        self.epoch = 0
        self.loss = math.inf
        self.parameters: dict[str, Tensor] = {}

    def offer(self, epoch: int, total: Tensor) -> None:
        """Keep a copy of the model's parameters if ``total``, their loss, is the smallest yet."""
        loss = total.item()
        if loss < self.loss:
            self.loss, self.epoch = loss, epoch
            current = self.model.named_parameters()
            self.parameters = {name: value.detach().clone() for name, value in current}
