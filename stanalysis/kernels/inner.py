"""Functions that only kernels call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba import types
from numba.core.registry import CPUDispatcher


class _Inner(CPUDispatcher):
    """Compiled for kernels; called from Python it is Python, for what would take its arguments is left out."""

    def __call__(self, *arguments: Any) -> Any:
        return self.py_func(*arguments)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Numba would compile it once more for every number that a kernel writes out."""
        return super().get_call_template(tuple(types.unliteral(a) for a in args), kws)


def inner(function: Callable[..., Any]) -> Any:
    """Compile ``function`` for the kernels that call it, without what takes arguments from Python: a fifth of the time.

    Kernels that Python calls are `numba.njit`, or `stanalysis.kernels.threads.in_threads`.
    """
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined] # numba sets it from the environment
        return function
    options = {"nopython": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    compiled = _Inner(function, targetoptions=options)
    compiled.enable_caching()
    return compiled
