"""Adam by torch's function instead of its class.

To make the class, torch imports its compiler, of which nothing is used here: some 2 s of every run.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim.adam import adam

_BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8  # as in the class


class Adam:
    """As ``torch.optim.Adam`` of one group of parameters, bit for bit.

    Parameters
    ----------
    parameters
        What to optimise, in an order that stays.
    lr
        Step size.
    weight_decay
        Added to the gradient, times the parameter.
    fused
        Do each step in one pass.
    """

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        *,
        lr: float,
        weight_decay: float,
        fused: bool,
    ) -> None:
        self.parameters = list(parameters)
        self.lr, self.weight_decay, self.fused = lr, weight_decay, fused
        self.means = [torch.zeros_like(value) for value in self.parameters]
        self.squares = [torch.zeros_like(value) for value in self.parameters]
        self.steps = [
            torch.zeros((), dtype=torch.float32, device=value.device if fused else "cpu")
            for value in self.parameters
        ]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for value in self.parameters:
            value.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take a step down the gradients; parameters without one stay as they are."""
        with_gradient = [
            (value, value.grad, *moments)
            for value, *moments in zip(
                self.parameters, self.means, self.squares, self.steps, strict=True
            )
            if value.grad is not None
        ]
        if not with_gradient:
            return
        values, gradients, means, squares, steps = map(list, zip(*with_gradient, strict=True))
        adam(
            values,
            gradients,
            means,
            squares,
            [],
            steps,
            foreach=False if self.fused else None,
            fused=self.fused,
            amsgrad=False,
            beta1=_BETA1,
            beta2=_BETA2,
            lr=self.lr,
            weight_decay=self.weight_decay,
            eps=_EPS,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return both moments and the counts of steps, in the order of the parameters."""
        return {"means": self.means, "squares": self.squares, "steps": self.steps}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` returned, of parameters of the same shapes."""
        for name, own in self.state_dict().items():
            for mine, stored in zip(own, state[name], strict=True):
                mine.copy_(stored)
