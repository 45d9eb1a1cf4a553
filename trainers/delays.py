r"""Delayed synapses as kernels over delay bins: the Gaussian of DCLS while training, one bin once deployed.

A synapse of weight w and delay d (in bins, any real number) has the taps

.. math:: k[n] = w\, g_n / (\sum_m g_m + 10^{-7}), \qquad g_n = \exp(-(n - d)^2 / 2 \sigma^2)

(Hammouamri et al. 2024, https://openreview.net/forum?id=4r2ybzJnmN). With sigma 0 it has one tap, at its delay rounded
half to even and clamped to the bins: that is what evaluation and fixed delays use. Functions see one target neuron:
``weight`` and ``delay`` (source, contact), ``taps`` (bin, source).
"""

from __future__ import annotations

import numba
import numpy as np

REACH = 9.0  # in sigma: farther taps are below 1e-17, and as subnormal numbers they would cost 10 x the time
FLOOR = 1e-7  # keeps the normalisation finite where a narrow Gaussian misses every bin


@numba.njit(cache=True, error_model="numpy")
def delay_taps(weight, delay, sigma, taps):
    """Write into ``taps`` the summed kernels of a target's synapses."""
    n_bins = len(taps)
    g = np.empty(n_bins, taps.dtype)
    taps[:] = 0
    for i in range(weight.shape[0]):
        for c in range(weight.shape[1]):
            if sigma == 0:
                n = int(min(max(np.rint(delay[i, c]), 0), n_bins - 1))
                taps[n, i] += weight[i, c]
                continue
            total = taps.dtype.type(FLOOR)
            for n in range(n_bins):
                x = (n - delay[i, c]) / sigma
                g[n] = np.exp(-x * x / 2) if abs(x) < REACH else 0
                total += g[n]
            for n in range(n_bins):
                taps[n, i] += weight[i, c] * g[n] / total


@numba.njit(cache=True, error_model="numpy")
def delay_taps_adjoint(taps_bar, weight, delay, sigma, weight_bar, delay_bar):
    """Write the gradients of ``weight`` and ``delay`` from that of the taps; a single tap has no delay gradient."""
    n_bins = len(taps_bar)
    for i in range(weight.shape[0]):
        for c in range(weight.shape[1]):
            if sigma == 0:
                n = int(min(max(np.rint(delay[i, c]), 0), n_bins - 1))
                weight_bar[i, c] = taps_bar[n, i]
                delay_bar[i, c] = 0
                continue
            total, slope, along, along_slope = FLOOR, 0.0, 0.0, 0.0
            for n in range(n_bins):
                x = (n - delay[i, c]) / sigma
                g = np.exp(-x * x / 2) if abs(x) < REACH else 0.0
                dg = g * x / sigma
                total += g
                slope += dg
                along += taps_bar[n, i] * g
                along_slope += taps_bar[n, i] * dg
            weight_bar[i, c] = along / total
            delay_bar[i, c] = weight[i, c] * (along_slope - along * slope / total) / total
