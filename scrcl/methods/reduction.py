"""From the joint learned views to the embedding that users see: some 50 columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scrcl._pca import leading_axes
from scrcl._threads import one_core

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

N_COLUMNS = 50
"""Columns of ``X_scrcl``, at most; as many as users of ``X_pca`` expect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """Leading principal components of the joint views, for these cells or others.

    Attributes
    ----------
    mean
        Of the joint views, (width,).
    axes
        Orthonormal, (width, at most 50); the largest entry of each is positive.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    @one_core()
    def __call__(self, joint: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reduce joint views, (n_cells, width), to (n_cells, at most 50)."""
        # The mean is taken off after the product, which needs no copy of the views.
        return np.asarray(joint @ self.axes - self.mean @ self.axes, dtype=np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays of a model file."""
        return {"reduction.mean": self.mean, "reduction.axes": self.axes}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Reduction | None:
        """Undo `arrays`; ``None`` if there is none."""
        if "reduction.axes" not in arrays:
            return None
        return cls(mean=arrays["reduction.mean"], axes=arrays["reduction.axes"])


def fit_reduction(joint: NDArray[np.float32]) -> Reduction | None:
    """Find the axes of joint views, (n_obs, width); ``None`` if they are narrow enough as they are.

    Memory is linear in the number of cells: the covariance is decomposed, and the views are not
    copied.
    """
    if joint.shape[1] <= N_COLUMNS:
        return None
    n_columns = min(N_COLUMNS, max(joint.shape[0] - 1, 1))
    mean, axes = leading_axes(joint, n_columns)
    return Reduction(
        mean=np.asarray(mean, dtype=np.float32),
        axes=np.ascontiguousarray(axes.T, dtype=np.float32),
    )
