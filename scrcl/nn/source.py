"""Where training gets its cells from: all at once, or some at a time."""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from scrcl.nn.minibatch import SparseInputs, blocks, sample_batches
from scrcl.nn.model import ScRCLNet, Views
from scrcl.nn.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from scrcl.nn.inputs import Inputs


log = logging.getLogger(__name__)


class Source(Protocol):
    """Gives the steps of a training their inputs."""

    @property
    def device(self) -> torch.device:
        """Where the network is trained."""
        ...

    @property
    def world(self) -> World | None:
        """The processes that train together; ``None``: this one sees some cells, nobody others."""
        ...

    def step(self) -> tuple[Inputs, Tensor | None]:
        """Make the inputs of the next step, and tell which cells they are (None: all)."""
        ...

    def skip(self, n_steps: int) -> None:
        """Leave out steps that were made before."""
        ...

    def views(self, model: ScRCLNet, parameters: dict[str, Tensor]) -> Views:
        """Embed all cells, on the CPU; ``parameters`` take the place of the model's."""
        ...


class FullBatch:
    """Every step sees all cells.

    Parameters
    ----------
    inputs
        Of all cells, or of those of this process.
    device
        Where to train.
    world
        The processes that have the other cells; ``None``: there are no others.
    """

    def __init__(self, inputs: Inputs, device: torch.device, world: World | None = None) -> None:
        self.inputs = inputs.to(device)
        self.device = device
        self.world = world or World(n_obs=len(inputs.x))

    def step(self) -> tuple[Inputs, None]:
        """Give all cells."""
        return self.inputs, None

    def skip(self, n_steps: int) -> None:
        """Do nothing: all steps are alike."""

    def views(self, model: ScRCLNet, parameters: dict[str, Tensor]) -> Views:
        """Embed all cells in one go."""
        world = self.world
        own = torch.func.functional_call(model, parameters, (self.inputs,), {"world": world})
        return Views(*(world.gather(view).cpu() for view in own))


class MiniBatches:
    """Every step sees some cells and their neighbours.

    Parameters
    ----------
    inputs
        Of all cells; they stay on the CPU.
    batch_size
        Cells of a batch, at most.
    seed
        Of the order of the cells; apart from the seed of the network, whose draws do not change.
    device
        Where the network is.
    """

    def __init__(
        self, inputs: SparseInputs, batch_size: int, *, seed: int, device: torch.device
    ) -> None:
        self.inputs = inputs
        self.device = device
        self.world: World | None = None
        log.info(
            "mini-batches: a step sees %s of %s cells", f"{batch_size:,}", f"{inputs.x.shape[0]:,}"
        )
        self.batches: Iterator[NDArray[np.intp]] = sample_batches(inputs.adj, batch_size, seed=seed)

    def step(self) -> tuple[Inputs, Tensor]:
        """Make the inputs of the next batch."""
        cells = next(self.batches)
        return self.inputs.batch(cells).to(self.device), torch.from_numpy(cells).to(self.device)

    def skip(self, n_steps: int) -> None:
        """Draw the batches of earlier steps without making them."""
        for _ in range(n_steps):
            next(self.batches)

    def views(self, model: ScRCLNet, parameters: dict[str, Tensor]) -> Views:
        """Embed all cells, layer by layer and block by block: the same as in one go."""
        if parameters:
            model = copy.deepcopy(model)
            model.load_state_dict(parameters, strict=False)
        with torch.no_grad():
            return self._embed(model)

    def _embed(self, model: ScRCLNet) -> Views:
        inputs, refine, gcn = self.inputs, model.refine, model.gcn
        n_obs, n_hidden = inputs.x.shape[0], refine.projector.in_features
        alone = World(n_obs=n_obs)
        # Halves of one array, so that [e1, e2] needs no second one.
        e1, e2 = torch.empty(n_obs, 2 * n_hidden).tensor_split(2, dim=1)
        lengths = torch.empty(2, n_obs, 1)
        hidden = torch.empty(n_obs, n_hidden)
        for cells in blocks(n_obs):
            x0 = torch.from_numpy(inputs.smoothed(cells, inputs.n_smooth[0])).to(self.device)
            ax = torch.from_numpy(inputs.smoothed(cells, inputs.n_smooth[1] + 1)).to(self.device)
            e1[cells], lengths[0, cells] = (part.cpu() for part in model.mlp(x0))
            hidden[cells] = gcn.before_mixing(ax).cpu()
        genes = inputs.mix(refine.conv.weight.cpu()).to(self.device)
        genes = F.relu_(genes + refine.conv.bias)
        table = hidden.numpy()
        for cells in blocks(n_obs):
            around = torch.from_numpy(inputs.norm_adj[cells] @ table).to(self.device)
            e2[cells], lengths[1, cells] = (part.cpu() for part in gcn.after_mixing(around))
        del hidden, table  # as large as a view
        weight, bias = refine.fold(genes)
        z1, z2 = torch.empty(2, n_obs, genes.shape[1])
        for cells in blocks(n_obs):
            for view, length, z in zip((e1, e2), lengths, (z1, z2), strict=True):
                encoded = view[cells].to(self.device), length[cells].to(self.device)
                z[cells] = refine.apply_to(encoded, weight, bias, alone).cpu()
        return Views(e1, e2, z1, z2)
