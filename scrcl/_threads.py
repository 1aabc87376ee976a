"""Sums in one order: what is computed does not depend on how many threads there are.

Libraries of linear algebra divide a product among their threads, and its sums then end in other bits. Here
they compute on one core, and what is independent of each other takes the other cores.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar

from threadpoolctl import threadpool_info, threadpool_limits

_n_threads: ContextVar[int] = ContextVar("_n_threads", default=0)
"""Threads outside of the outermost `one_core`; 0: there is none."""


@contextmanager
def one_core() -> Iterator[None]:
    """Let numpy, scipy and scikit-learn compute on one core inside. Also a decorator: ``@one_core()``."""
    if _n_threads.get():
        yield
        return
    outside = _n_threads.set(max((pool["num_threads"] for pool in threadpool_info()), default=1))
    try:
        with threadpool_limits(1):
            yield
    finally:
        _n_threads.reset(outside)


@contextmanager
def workers(*, beside: int = 0) -> Iterator[ThreadPoolExecutor]:
    """Give threads of which each computes on one core, as does the caller; as many as libraries had.

    Parameters
    ----------
    beside
        Threads of the caller's own that are busy at the same time.
    """
    with one_core():
        n_threads = max(1, _n_threads.get() - beside)
        with ThreadPoolExecutor(n_threads, initializer=_on_one_core) as threads:
            yield threads


def _on_one_core() -> None:
    threadpool_limits(1)  # of this thread, for good: OpenMP counts for each of its own
