"""What draws of a statistic say of its distribution."""

from __future__ import annotations

import math

import numba
import numpy as np

from stanalysis.kernels.threads import in_threads

LOW, HIGH, MEAN, SPREAD, MAKERS = range(5)
N_MOMENTS = 5
_IN_ANY_ORDER = {"reassoc", "contract", "nsz"}


@numba.njit(cache=True, error_model="numpy", fastmath=_IN_ANY_ORDER)
def _range_of(draws):
    """How many are numbers, and the smallest and largest that are finite."""
    n, low, high = 0, np.inf, -np.inf
    for v in draws:
        n += v == v
        low = v if v < low and v > -np.inf else low
        high = v if v > high and v < np.inf else high
    return n, low, high


@numba.njit(cache=True, error_model="numpy", fastmath=_IN_ANY_ORDER)
def _powers_of(draws, n, scale):
    """Mean, and sums of second and fourth powers of deviations from it, of draws times a scale."""
    total, squares, fourth = 0.0, 0.0, 0.0
    for v in draws:
        total += v * scale if v == v else 0.0
    mean = total / max(n, 1)
    for v in draws:
        apart = v * scale - mean if v == v else 0.0
        square = apart * apart
        squares += square
        fourth += square * square
    return mean, squares, fourth


@in_threads
def draw_moments(begin, end, draws, n, moments):
    """Write of draws (field, draw) into ``n`` (field,) how many are numbers, and of these into ``moments`` (field, moment) the
    smallest and the largest, mean, standard deviation, and how many of them make it: n / kurtosis.

    Powers are taken of draws times a power of two, which is exact: none may over- or underflow.
    """
    for f in range(begin, end):
        n[f], low, high = _range_of(draws[f])
        exponent = max(math.frexp(max(abs(low), abs(high)))[1], -1000) if low <= high else 0
        mean, squares, fourth = _powers_of(draws[f], n[f], math.ldexp(1.0, -exponent))
        moments[f, LOW], moments[f, HIGH], moments[f, MEAN] = low, high, math.ldexp(mean, exponent)
        moments[f, SPREAD] = math.ldexp(np.sqrt(squares / max(n[f] - 1, 1)), exponent)
        moments[f, MAKERS] = squares * squares / (fourth if fourth > 0 else 1.0)
