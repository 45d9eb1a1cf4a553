"""Kernels that work on one item after another, in as many threads as numba is set to use."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from itertools import pairwise
from typing import Any

import numba
import numpy as np

PIECES = 4  # of the work, per thread: some take longer than others


def in_threads(kernel: Callable[..., None]) -> Callable[..., None]:
    """Compile ``kernel(first, last, *arguments)``, which works on items of its last argument; the result works on all of them.

    Numba's own threads (``prange``) take twice as long to compile, and about as much longer to run, for what is between two
    draws is then no longer kept in registers.
    """
    compiled = numba.njit(cache=True, error_model="numpy", nogil=True, no_cfunc_wrapper=True)(kernel)

    @wraps(kernel)
    def run(*arguments: Any) -> None:
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
