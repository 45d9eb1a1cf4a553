"""On how many threads to compute: each number is computed by one of them in a fixed order, however many there are."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

import numba
from threadpoolctl import threadpool_limits

from stanalysis.errors import BadInput


@contextmanager
def single_threaded_blas(threads: int) -> Iterator[None]:
    """Let the kernels run on ``threads`` threads, each calling BLAS on its own."""
    importlib.import_module("scipy.linalg.cython_blas")  # the kernels' BLAS: it must be there to be limited
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        numba.set_num_threads(before)


def available(threads: int | None) -> int:
    """The number of threads asked for, or all that this process may use."""
    most = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    if threads is not None and not 1 <= threads <= most:
        raise BadInput(f"{threads} threads are asked for, this machine offers 1 to {most}; give --threads accordingly.")
    return threads or most
