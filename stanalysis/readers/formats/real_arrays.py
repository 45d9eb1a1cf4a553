"""What a foreign file says is an array of numbers, before anybody computes with it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput

HUGE = np.float64(1e30)  # no weight and no delay; sums and squares of what is less stay finite


def real_array(value: Any, what: str, *, ndim: int) -> NDArray:
    """``value`` as it is, once it is known to be an array of finite real numbers.

    Parameters
    ----------
    value
        Anything that a file held.
    what
        Its name in the error, the beginning of a sentence in the plural.
    ndim
        How many axes it must have.

    Raises
    ------
    BadInput
        No array, an empty one, one of another shape, of other than real numbers, or with some that are not finite.
    """
    if not isinstance(value, np.ndarray):
        raise BadInput(f"{what} are no array but of the kind {type(value).__name__}; is the file of another format?")
    if value.dtype.kind not in "fiu" or value.dtype.itemsize > 8 or value.ndim != ndim or not value.size:
        raise BadInput(
            f"{what} have the shape {value.shape} and the type {value.dtype}; expected real numbers along {ndim} "
            f"{'axis' if ndim == 1 else 'axes'}, at least one of them."
        )
    with np.errstate(invalid="ignore"):  # signalling NaNs
        finite = (abs(value) < HUGE).all()
    if not finite:
        raise BadInput(f"{what} are not all finite numbers; mend them, or take a checkpoint from before the training diverged.")
    return value
