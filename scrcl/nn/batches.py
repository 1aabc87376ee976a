"""Where training gets its cells from: all at once, or some at a time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from scrcl._memory import fits
from scrcl._validate import check_range
from scrcl.distributed import Processes
from scrcl.nn.minibatch import SparseInputs, sample_batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from scrcl.nn.inputs import Inputs


log = logging.getLogger(__name__)


class Batches(Protocol):
    """Gives the steps of a training their inputs."""

    @property
    def inputs(self) -> Inputs | SparseInputs:
        """All that there is."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the network is trained."""
        ...

    @property
    def processes(self) -> Processes | None:
        """The processes that train together; ``None``: this one sees some cells, nobody others."""
        ...

    def step(self) -> tuple[Inputs, Tensor | None]:
        """Make the inputs of the next step, and tell which cells they are (None: all)."""
        ...

    def skip(self, n_steps: int) -> None:
        """Leave out steps that were made before."""
        ...


class FullBatch:
    """Every step sees all cells.

    Parameters
    ----------
    inputs
        Of all cells, or of those of this process.
    device
        Where to train.
    processes
        The processes that have the other cells; ``None``: there are no others.
    """

    def __init__(
        self, inputs: Inputs, device: torch.device, processes: Processes | None = None
    ) -> None:
        self.inputs = inputs.to(device)
        self.device = device
        self.processes = processes or Processes(n_obs=len(inputs.x))

    def step(self) -> tuple[Inputs, None]:
        """Give all cells."""
        return self.inputs, None

    def skip(self, n_steps: int) -> None:
        """Do nothing: all steps are alike."""


class MiniBatches:
    """Every step sees some cells and their neighbours.

    Parameters
    ----------
    inputs
        Of all cells; they stay on the CPU.
    batch_size
        Cells of a batch, at most.
    n_steps
        Number of batches that there will be. If these have more cells than there are, what the
        network sees of each is made once, where three arrays of cells x genes fit into memory.
    seed
        Of the order of the cells; apart from the seed of the network, whose draws do not change.
    device
        Where the network is.
    """

    def __init__(
        self,
        inputs: SparseInputs,
        batch_size: int,
        *,
        n_steps: int,
        seed: int,
        device: torch.device,
    ) -> None:
        # A cell alone has none to be contrasted with.
        check_range(batch_size, "train.batch_size", 2)
        self.inputs = inputs
        self.device = device
        self.processes: Processes | None = None
        log.info(
            "mini-batches: a step sees %s of %s cells", f"{batch_size:,}", f"{inputs.x.shape[0]:,}"
        )
        self.batches: Iterator[NDArray[np.intp]] = sample_batches(inputs.adj, batch_size, seed=seed)
        n_obs, n_genes = inputs.x.shape
        again = n_obs < n_steps * batch_size and fits(3 * 4 * n_obs * n_genes)
        self._rows = inputs.dense_rows() if again else None

    def step(self) -> tuple[Inputs, Tensor]:
        """Make the inputs of the next batch."""
        cells = next(self.batches)
        inputs = self.inputs.batch(cells, self._rows)
        return inputs.to(self.device), torch.from_numpy(cells).to(self.device)

    def skip(self, n_steps: int) -> None:
        """Draw the batches of earlier steps without making them."""
        for _ in range(n_steps):
            next(self.batches)
