r"""Delayed synapses as kernels over delay bins: the Gaussian of DCLS while training, one bin once deployed.

A synapse of weight w and delay d (in bins, any real number) has the taps

.. math:: k[n] = w\, g_n / (\sum_m g_m + 10^{-7}), \qquad g_n = \exp(-(n - d)^2 / 2 \sigma^2)

(Hammouamri et al. 2024, https://openreview.net/forum?id=4r2ybzJnmN). With sigma 0 it has one tap, at its delay rounded
half to even and clamped to the bins: that is what evaluation and fixed delays use.
"""

from __future__ import annotations

import numba
import numpy as np
from numba.extending import register_jitable

FLOOR = 1e-7  # keeps the normalisation finite where a narrow Gaussian misses every bin


@register_jitable
def reach(kind):
    """Distance, in sigma, beyond which a tap is below the resolution of the numbers, and would only cost time."""
    return np.sqrt(-2 * np.log(np.finfo(kind).eps))


@numba.njit(cache=True, error_model="numpy")
def kernel_taps(delay, sigma, n_bins, tap, slope):
    """Write the taps of a synapse of weight 1, and their derivatives by the delay; return the first bin and their number.

    Only the bins in reach are written. A single tap has no derivative.
    """
    if sigma == 0:
        tap[0], slope[0] = 1, 0
        return int(min(max(np.rint(delay), 0), n_bins - 1)), 1
    width = sigma * reach(tap.dtype)
    first, last = max(int(np.ceil(delay - width)), 0), min(int(np.floor(delay + width)), n_bins - 1)
    total, total_slope = tap.dtype.type(FLOOR), tap.dtype.type(0)
    for n in range(first, last + 1):
        x = (n - delay) / sigma
        g = np.exp(-x * x / 2)
        tap[n - first], slope[n - first] = g, g * x / sigma
        total += tap[n - first]
        total_slope += slope[n - first]
    for k in range(last + 1 - first):
        slope[k] = (slope[k] - tap[k] * total_slope / total) / total
        tap[k] /= total
    return first, last + 1 - first
