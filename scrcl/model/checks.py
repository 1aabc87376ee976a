"""What does not fit together is refused before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from scrcl._validate import InputError, check_range

if TYPE_CHECKING:
    from scrcl.config import Config
    from scrcl.model.learn import NClusters


def check_config(config: Config) -> None:
    """Refuse methods for a tissue where there is none.

    Raises
    ------
    InputError
        If single cells are to be clustered by their neighbours on a tissue.
    """
    if config.task == "st":
        return
    if config.cluster.method == "domains":
        msg = "cluster.method: got 'domains', wanted spots. Choose --preset paper."
        raise InputError(msg)
    if config.cluster.n_refine:
        msg = (
            f"cluster.n_refine: got {config.cluster.n_refine} for single cells, wanted 0. "
            "Only spots have neighbours on a tissue."
        )
        raise InputError(msg)


def check_n_clusters(wanted: NClusters | Literal["auto"], config: Config, n_obs: int) -> NClusters:
    """Return the number, range or ``None`` (to be found) that is wanted.

    Raises
    ------
    InputError
        If it is not from 1 to the number of cells, or has to be found by a method that cannot.
    """
    is_kmeans = config.cluster.method == "kmeans"
    bounds = wanted if isinstance(wanted, tuple) else (wanted,) if isinstance(wanted, int) else ()
    for bound in bounds:
        check_range(bound, "n_clusters", 1, n_obs, hint="There are no more cells than that.")
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        msg = f"n_clusters: got {bounds[0]}:{bounds[1]}, wanted the smaller number first."
        raise InputError(msg)
    if is_kmeans and len(bounds) != 1:
        msg = (
            f"n_clusters: got {wanted or 'none, and no labels to count'}, wanted a number, because "
            "cluster.method is kmeans, which cannot find one. Give --n-clusters K."
        )
        raise InputError(msg)
    return None if wanted == "auto" else wanted
