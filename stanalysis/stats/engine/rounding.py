"""Whether numbers differ by more than their rounding: asked before they are divided by a spread, binned, or given an axis."""

from __future__ import annotations

from typing import Final

import numpy as np

# Above what statistics lose, which are float64: a sum of a million that cancels to a ten-thousandth of its terms is off by
# 1e-16 * sqrt(1e6) * 1e4. Below what weights can differ by: float32 that are not equal differ by 6e-8, and whether that is
# meant, or what the program that wrote them lost, nobody can tell. So what is summed of weights is summed in float64.
ROUNDING: Final = 1e-9  # relative to the largest magnitude


def rounding_of(*values: np.ndarray) -> float:
    """The difference below which two of these numbers are equal, in their unit; 0 where none is finite.

    Examples
    --------
    >>> rounding_of(np.array([-2.0, np.nan]), np.array([0.5]))
    2e-09
    """
    return ROUNDING * max(float(np.abs(v[np.isfinite(v)]).max(initial=0)) for v in map(np.asarray, values))


def varies(
    values: np.ndarray, *, resolution: np.ndarray | float = 0.0, axis: int | tuple[int, ...] | None = None
) -> np.ndarray:
    """Whether the finite numbers along some axes, by default all, differ by more than rounding.

    Parameters
    ----------
    values
        Any shape and unit.
    resolution
        Their rounding error where it is known to be larger than `rounding_of` them, as where large terms cancel, in the same
        unit; of the shape of the result, or one for all.

    Returns
    -------
    bool, of the shape that is left. False where fewer than two numbers are finite.

    Examples
    --------
    >>> varies(np.array([[0.3, 0.1 + 0.2, np.nan], [0.3, 0.4, 0.5]]), axis=1)
    array([False,  True])
    >>> varies(np.array([-1e-17, 1e-17]), resolution=1e-15)
    array(False)
    """
    values = np.asarray(values)
    values = values if values.dtype.kind == "f" else values.astype(np.float64)
    told = np.isfinite(values)
    low = np.min(values, axis=axis, where=told, initial=np.inf)
    high = np.max(values, axis=axis, where=told, initial=-np.inf)
    return are_apart(low, high, resolution=resolution)


def are_apart(low: np.ndarray, high: np.ndarray, *, resolution: np.ndarray | float = 0.0) -> np.ndarray:
    """As `varies`, from the smallest and the largest of the finite numbers: infinities of the other sign where none is."""
    with np.errstate(over="ignore"):
        return np.asarray(high - low > np.maximum(resolution, ROUNDING * np.maximum(np.abs(low), np.abs(high))))
