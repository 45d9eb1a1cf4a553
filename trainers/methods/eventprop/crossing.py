r"""When a neuron fires: the first upward crossing of the threshold 1 in a stretch of time without arrivals.

There :math:`V(s) = (V_0 + c I_0) e^{-s/\tau_m} - c I_0 e^{-s/\tau_s}` with :math:`c = \tau_s / (\tau_m - \tau_s)`. A neuron
below threshold crosses it only while I > 1, and V then rises until its only peak: the crossing lies between, and is bracketed.
"""

from __future__ import annotations

import numba
import numpy as np

CLOSE = 1e-7  # steps: after so short a step of Newton's the next would be about its square
MOST_STEPS = 60  # of the search, which bisects where Newton leaves the bracket


@numba.njit(cache=True, error_model="numpy")
def first_crossing(v, i, length, grid):
    """Time in ms until the neuron at (v < 1, i) crosses the threshold, at most ``length``; -1 if it does not."""
    if not i > 1.0:
        return -1.0
    if v >= 1.0:  # by the rounding of the step before
        return 0.0
    if v + (i - v) * length / grid.tau_mem < 1.0:  # V rises towards I, which falls
        return -1.0
    a, b = v + grid.ratio * i, grid.ratio * i
    low, high = 0.0, length
    if not _potential(a, b, high, grid) >= 1.0:
        turning = (b + i) / a if a != 0.0 else np.inf
        if not turning > 0.0:
            return -1.0
        high = np.log(turning) / (1.0 / grid.tau_syn - 1.0 / grid.tau_mem)  # of the peak
        if not (0.0 < high < length and _potential(a, b, high, grid) >= 1.0):
            return -1.0
    slope, bend = (i - v) / grid.tau_mem, (-i / grid.tau_syn - (i - v) / grid.tau_mem) / grid.tau_mem
    s = 2.0 * (1.0 - v) / (slope + np.sqrt(max(slope * slope + 2.0 * bend * (1.0 - v), 0.0)))  # of the parabola
    s = min(max(s, low), high)
    for _ in range(MOST_STEPS):
        along_mem, along_syn = a * np.exp(-s / grid.tau_mem), b * np.exp(-s / grid.tau_syn)
        missing = 1.0 - (along_mem - along_syn)
        if missing > 0.0:
            low = s
        else:
            high = s
        slope = along_syn / grid.tau_syn - along_mem / grid.tau_mem
        following = s + missing / slope if slope > 0.0 else low
        if not low <= following <= high:
            following = 0.5 * (low + high)
        if abs(following - s) <= CLOSE * grid.dt:
            return following
        s = following
    return s


@numba.njit(cache=True, error_model="numpy")
def _potential(a, b, s, grid):
    return a * np.exp(-s / grid.tau_mem) - b * np.exp(-s / grid.tau_syn)


@numba.njit(cache=True, error_model="numpy")
def free(v, i, length, grid):
    """V and I after ``length`` ms without arrivals."""
    e_mem, e_syn = np.exp(-length / grid.tau_mem), np.exp(-length / grid.tau_syn)
    return v * e_mem + grid.ratio * i * (e_mem - e_syn), i * e_syn


@numba.njit(cache=True, error_model="numpy")
def advance(s, v, i, arrivals, weights, n_arrivals, k, grid):
    """Go from time ``s`` ms in a step, past its arrivals from number ``k`` on, to the next spike or the end of the step.

    Arrivals come before a spike of the same time. Returns whether the neuron fired, and the new s, v, i and k.
    """
    while True:
        end = arrivals[k] if k < n_arrivals else grid.dt
        wait = first_crossing(v, i, end - s, grid)
        if wait >= 0.0:
            return True, s + wait, 0.0, i * np.exp(-wait / grid.tau_syn), k
        v, i = free(v, i, end - s, grid)
        s = end
        if k == n_arrivals:
            return False, s, v, i, k
        i += weights[k]
        k += 1
