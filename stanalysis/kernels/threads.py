"""Kernels that work on one item after another, in as many threads as numba is set to use."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import wraps
from itertools import pairwise
from typing import Any

import numba
import numpy as np

PIECES = 4  # of the work, per thread: some take longer than others


@contextmanager
def _without_collections() -> Iterator[None]:
    """No search for garbage: a compiler makes millions of objects that are none, and would spend a tenth of its time on it."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def in_threads(kernel: Callable[..., None]) -> Callable[..., None]:
    """Compile ``kernel(first, last, *arguments)``, which works on items of its last argument; the result works on all of them.

    Numba's own threads (``prange``) take twice as long to compile, and about as much longer to run, for what is between two
    draws is then no longer kept in registers.
    """
    compiled = numba.njit(cache=True, error_model="numpy", nogil=True)(kernel)

    @wraps(kernel)
    def run(*arguments: Any) -> None:
        if not getattr(compiled, "signatures", True):  # of no items, it is compiled only
            with _without_collections():
                compiled(0, 0, *arguments)
        n, n_thread = len(arguments[-1]), numba.get_num_threads()
        if n_thread == 1 or n < 2:
            compiled(0, n, *arguments)
            return
        limits = np.linspace(0, n, min(PIECES * n_thread, n) + 1).astype(int).tolist()
        pool = ThreadPoolExecutor(n_thread)
        try:
            for piece in [pool.submit(compiled, *ends, *arguments) for ends in pairwise(limits)]:
                piece.result()
        finally:  # after Ctrl-C, too: no further piece is begun
            pool.shutdown(cancel_futures=True)

    return run
