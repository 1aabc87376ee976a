"""How much evidence a split of the tree of clusters needs."""

from dataclasses import dataclass

import numpy as np

# Of halves and doubles of the default, which was chosen on the tuning half of the labelled sets.
_OCTAVES = (-2.0, -1.0, 0.0, 1.0, 2.0)
_MIXING = (0.15, 0.35, 0.55, 0.7, 0.85)
_DISTANCE = (7.5, 6.0, 4.5, 3.5, 2.65)
_N_GENES = (20.0, 10.0, 5.0, 3.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What a split needs to be believed.

    Attributes
    ----------
    mixing
        The most that the partitions may mix its sides: 0 if no partition ever puts cells of
        different sides together, 1 if they do so as often as with cells of the same side.
    distance
        The least distance between the sides along the line that tells them apart best, in standard
        deviations within them. Cutting one Gaussian in halves gives 2.65.
    n_genes
        Genes that have to tell the sides apart.
    """

    mixing: float
    distance: float
    n_genes: float


def bar_of(granularity: float) -> Bar:
    """Return the bar of a granularity, .25 to 4: more is less to ask for, and more clusters.

    Examples
    --------
    >>> bar_of(1.0)
    Bar(mixing=0.55, distance=4.5, n_genes=5.0)
    """
    octave = np.log2(granularity)
    return Bar(
        mixing=float(np.interp(octave, _OCTAVES, _MIXING)),
        distance=float(np.interp(octave, _OCTAVES, _DISTANCE)),
        n_genes=float(np.interp(octave, _OCTAVES, _N_GENES)),
    )
