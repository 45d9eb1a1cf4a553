"""The process that trains one run of a sweep, ``python -m trainers.sweep.one_run``: it does not outlive its parent."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """Not even where a library waits for memory for ever and lets no other thread run, as OpenBLAS does while it is loaded."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    _end_with_parent()
    from trainers.sweep.training_process import main

    main()
