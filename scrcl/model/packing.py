"""A model as named arrays and plain text, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from scrcl._validate import InputError
from scrcl.clustering.domains import Smoothing
from scrcl.data.basis import Basis
from scrcl.data.components import Axes
from scrcl.model.cells import CellMap, joined
from scrcl.model.network import Network
from scrcl.model.space import LabelledSpace
from scrcl.model.tissue import DomainMap, NetworkMap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Arrays: TypeAlias = dict[str, NDArray[Any]]

Map: TypeAlias = CellMap | DomainMap | NetworkMap
_KINDS = {CellMap: "cells", DomainMap: "domains", NetworkMap: "network"}


def pack(basis: Basis, mapping: Map) -> tuple[dict[str, Any], Arrays]:
    """Return text and arrays of all that new cells need."""
    info = {
        "map": _KINDS[type(mapping)],
        "kind": basis.kind,
        "target_sum": basis.target_sum,
        "median_total": basis.median_total,
        "model_input": basis.model_input,
        "threshold": mapping.space.threshold,
        "n_clusters": len(mapping.space.radii),
        "weights": sorted(_weights(mapping)),
        "genes": list(basis.genes),
        "all_genes": list(basis.all_genes),
    }
    arrays: Arrays = {
        "basis.shares": basis.shares,
        "basis.log_means": basis.log_means,
        "basis.input_means": basis.input_means,
        "space.labels": mapping.space.labels,
        "space.radii": mapping.space.radii,
    }
    if basis.deviations is not None:
        arrays["basis.deviations"] = basis.deviations
    arrays |= {f"weights.{name}": array for name, array in _weights(mapping).items()}
    if not isinstance(mapping, CellMap):  # whose points are its components and views
        arrays["space.points"] = mapping.space.points
    if isinstance(mapping, DomainMap):
        info["strength"] = mapping.smoothing.strength
        arrays |= _axes_arrays((mapping.axes,))
        arrays |= {
            "smoothing.mean": mapping.smoothing.mean,
            "smoothing.axes": mapping.smoothing.axes,
        }
    elif isinstance(mapping, NetworkMap):
        info |= {"embedding": list(mapping.embedding), "n_refine": mapping.n_refine}
        info["n_smooth"] = list(mapping.network.n_smooth)
    else:
        info |= {"embedding": list(mapping.embedding), "views": list(mapping.views)}
        info |= {"smoothed": mapping.smoothed, "axes_ratio": mapping.axes[0].ratio}
        arrays |= _axes_arrays(mapping.axes)
        arrays |= {f"components.{i}": scores for i, scores in enumerate(mapping.components)}
        arrays |= {f"views.{name}": array for name, array in mapping.views.items()}
        arrays["sizes"] = mapping.sizes
        if mapping.corrected is not None:
            arrays["corrected"] = mapping.corrected
    return info, arrays


def unpack(info: Mapping[str, Any], arrays: Arrays) -> tuple[Basis, Map]:
    """Undo `pack`.

    Raises
    ------
    InputError
        If something is missing.
    """
    try:
        return _basis(info, arrays), _map(info, arrays)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        msg = (
            f"model: got none or an unusable {error}, wanted a whole model. Copy or save it again."
        )
        raise InputError(msg) from error


def _basis(info: Mapping[str, Any], arrays: Arrays) -> Basis:
    return Basis(
        kind="linear" if info["kind"] == "other" else info["kind"],  # its former name
        target_sum=info["target_sum"],
        median_total=info.get("median_total"),
        model_input=info["model_input"],
        all_genes=pd.Index(info["all_genes"], dtype=object),
        genes=pd.Index(info["genes"], dtype=object),
        shares=arrays["basis.shares"],
        log_means=arrays["basis.log_means"],
        input_means=arrays["basis.input_means"],
        deviations=arrays.get("basis.deviations"),
    )


def _map(info: Mapping[str, Any], arrays: Arrays) -> Map:
    weights = _below("weights.", arrays)
    for name in info["weights"]:  # a missing one is noticed now, not at the first prediction
        weights[name]
    if info["map"] == "domains":
        found = Smoothing(
            strength=float(info["strength"]),
            mean=arrays["smoothing.mean"],
            axes=arrays["smoothing.axes"],
        )
        space = _space(info, arrays, arrays["space.points"])
        return DomainMap(axes=_axes(info, arrays)[0], smoothing=found, space=space)
    embedding = tuple(info["embedding"])
    if info["map"] == "network":
        first, second = map(int, info["n_smooth"])
        return NetworkMap(
            network=Network(weights=weights, n_smooth=(first, second)),
            embedding=embedding,
            n_refine=int(info["n_refine"]),
            space=_space(info, arrays, arrays["space.points"]),
        )
    axes = _axes(info, arrays)
    components = tuple(arrays[f"components.{i}"] for i in range(len(axes)))
    views = {str(name): arrays[f"views.{name}"] for name in info["views"]}
    blocks = [*components, *(view.astype(np.float32) for view in views.values())]
    return CellMap(
        axes=axes,
        components=components,
        weights=weights,
        views=views,
        embedding=embedding,
        smoothed=bool(info["smoothed"]),
        sizes=arrays["sizes"],
        space=_space(info, arrays, joined(blocks, arrays["sizes"])),
        corrected=arrays.get("corrected"),
    )


def _space(info: Mapping[str, Any], arrays: Arrays, points: NDArray[np.float32]) -> LabelledSpace:
    return LabelledSpace(
        points=points,
        labels=arrays["space.labels"],
        radii=arrays["space.radii"],
        threshold=float(info["threshold"]),
    )


def _weights(mapping: Map) -> Mapping[str, NDArray[np.float32]]:
    if isinstance(mapping, DomainMap):
        return {}
    return mapping.weights if isinstance(mapping, CellMap) else mapping.network.weights


def _axes_arrays(every: tuple[Axes, ...]) -> Arrays:
    arrays: Arrays = {}
    for i, axes in enumerate(every):
        arrays |= {f"axes.{i}.mean": axes.mean, f"axes.{i}.directions": axes.directions}
        if axes.deviations is not None:
            arrays[f"axes.{i}.deviations"] = axes.deviations
    return arrays


def _axes(info: Mapping[str, Any], arrays: Arrays) -> tuple[Axes, ...]:
    ratio = float(info.get("axes_ratio", 1.0))  # models of before it was had components at 1
    numbers = sorted(int(name.split(".")[1]) for name in arrays if name.endswith(".directions"))
    return tuple(
        Axes(
            mean=arrays[f"axes.{i}.mean"],
            directions=arrays[f"axes.{i}.directions"],
            deviations=arrays.get(f"axes.{i}.deviations"),
            ratio=ratio,
        )
        for i in numbers
    )


def _below(prefix: str, arrays: Arrays) -> dict[str, NDArray[np.float32]]:
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
