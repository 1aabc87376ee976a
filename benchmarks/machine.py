"""The machine that a benchmark runs on: its clock, memory and threads.

Imports next to nothing, so that a process whose memory is measured holds what it measures.
"""

import os
import platform
import resource
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Stopwatch:
    """Wall-clock seconds since it was made."""

    def __init__(self) -> None:
        self.start = time.perf_counter()

    def __call__(self) -> float:
        """Read it."""
        return time.perf_counter() - self.start


def peak_gb() -> float:
    """Return the peak of the memory of this process, in GB of 2^30 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)  # bytes there, kilobytes elsewhere


def processor_name() -> str:
    """Return what the processor is sold as; its architecture where that is unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def limit_threads(n_threads: int) -> None:
    """Limit the threads of the processes to come."""
    for name in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = str(n_threads)
    os.environ["NUMBA_THREADING_LAYER"] = "workqueue"  # the one that survives a fork
