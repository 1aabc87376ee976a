"""Results of three imaginary methods on three imaginary sets."""

from typing import Any

import pytest


def cell(name: str, method: str, seed: int, ari: float, **more: Any) -> dict[str, Any]:
    scores = {"acc": ari, "nmi": ari, "ari": ari, "f1": ari}
    sizes = {"n_clusters": 3, "n_classes": 3, "n_scored": 4, "n_unlabelled": 0}
    cost = {"seconds": 1.0 + seed, "peak_memory_mb": 100.0, "labels": "0 0 1 1"}
    return {"set": name, "method": method, "seed": seed, **scores, **sizes, **cost, **more}


@pytest.fixture
def cells() -> list[dict[str, Any]]:
    """Deng tunes, Pollen tunes, "new" is in no split; "good" beats the baselines on two of them."""
    found = [
        *(cell("Deng", "low", seed, 0.2) for seed in (0, 1)),
        *(cell("Deng", "high", seed, 0.6) for seed in (0, 1)),
        *(cell("Deng", "good", seed, 0.7 + seed / 5) for seed in (0, 1)),
        cell("Pollen", "low", 0, 0.5),
        cell("Pollen", "high", 0, 0.4),
        cell("Pollen", "good", 0, 0.49),
        cell("new", "low", 0, 0.1),
        cell("new", "high", 0, 0.3),
        cell("new", "good", 0, 0.2, n_clusters=6),
    ]
    found[1]["labels"] = "0 1 0 1"
    return found
