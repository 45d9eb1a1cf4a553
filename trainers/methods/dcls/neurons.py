r"""One neuron driven by a current: batch-normalised leaky integrate-and-fire, leaky integrator; forward and adjoint.

Arrays are (time, batch). With latency :math:`\ell` (steps from current to membrane) a hidden neuron is

.. math::
    U[t] &= \beta\, U[t-1]\, (1 - S[t-1]) + X[t-\ell]\, (1 - e\,S[t-1]) \\
    S[t] &= H(U[t] - 1)

with X the normalised current and e = 1 where the reset also erases the current arriving in the step of a spike. The
surrogate of H' is :math:`(\alpha/2) / (1 + (\pi \alpha x / 2)^2)`; the reset is not differentiated. A leaky integrator is
the same without threshold. The functions work in place on what they are given, so that a neuron stays in the cache.
"""

from __future__ import annotations

import numba
import numpy as np

EPSILON = 1e-5  # added to the variance in the normalisation
TINY = 1e-20  # gradients below are flushed to 0: they move no parameter, and as subnormal numbers they cost 10 x the time


@numba.njit(cache=True, error_model="numpy")
def moments(current):
    """Mean and biased variance over time and batch."""
    n_time, n_batch = current.shape
    lane = np.zeros(n_batch, current.dtype)
    for t in range(n_time):
        for b in range(n_batch):
            lane[b] += current[t, b]
    mean = lane.sum() / current.dtype.type(current.size)
    lane[:] = 0
    for t in range(n_time):
        for b in range(n_batch):
            lane[b] += (current[t, b] - mean) ** 2
    return mean, lane.sum() / current.dtype.type(current.size)


@numba.njit(cache=True, error_model="numpy")
def _advance(before, current, scale, offset, beta, hold, potential):
    for b in range(len(potential)):
        x = scale * current[b] + offset
        u = beta * before[b] + x
        potential[b] = x * hold if before[b] >= 1 else u


@numba.njit(cache=True, error_model="numpy")
def membrane(current, scale, offset, beta, latency, erase, potential):
    """Write the potential U of a neuron driven by X = scale * current + offset."""
    zero = current.dtype.type(0)
    nothing = np.zeros(current.shape[1], current.dtype)
    hold = zero if erase else current.dtype.type(1)
    for t in range(len(current)):
        before = potential[t - 1] if t > 0 else nothing
        if t >= latency:
            _advance(before, current[t - latency], scale, offset, beta, hold, potential[t])
        else:
            _advance(before, nothing, zero, zero, beta, hold, potential[t])


@numba.njit(cache=True, error_model="numpy")
def transmit(potential, keep, spikes):
    """Write the spikes that leave the neuron, S times the dropout factor ``keep`` (batch); return how many it fired."""
    fired = 0
    for t in range(len(potential)):
        for b in range(potential.shape[1]):
            spikes[t, b] = keep[b] if potential[t, b] >= 1 else spikes.dtype.type(0)
            fired += potential[t, b] >= 1
    return fired


@numba.njit(cache=True, error_model="numpy")
def _through_threshold(spikes_bar, potential, keep, beta, half, bend, u_bar):
    kind = u_bar.dtype.type
    unit, zero, tiny = kind(1), kind(0), kind(TINY)
    for b in range(len(u_bar)):
        x = potential[b] - unit
        g = spikes_bar[b] * keep[b] * half / (unit + bend * x * x) + (zero if potential[b] >= unit else beta * u_bar[b])
        u_bar[b] = g if abs(g) > tiny else zero


@numba.njit(cache=True, error_model="numpy")
def _through_reset(u_bar, before, hold, x_bar):
    for b in range(len(x_bar)):
        x_bar[b] = u_bar[b] * hold if before[b] >= 1 else u_bar[b]


@numba.njit(cache=True, error_model="numpy")
def _accumulate(x_bar, current, mean, along_bias, along_gain):
    for b in range(len(x_bar)):
        along_bias[b] += x_bar[b]
        along_gain[b] += x_bar[b] * (current[b] - mean)


@numba.njit(cache=True, error_model="numpy")
def _through_normalisation(x_bar, current, mean, shift, slope, scale, current_bar):
    for b in range(len(current_bar)):
        current_bar[b] = scale * (x_bar[b] - shift - (current[b] - mean) * slope)


@numba.njit(cache=True, error_model="numpy")
def fire_adjoint(spikes_bar, potential, current, keep, mean, variance, gain, beta, latency, erase, alpha):
    """Turn the gradient of the transmitted spikes, in place, into that of the current before normalisation.

    ``mean`` and ``variance`` are the current's own moments. Returns the gradients of the normalisation's gain and bias.
    """
    n_time, n_batch = current.shape
    kind = current.dtype.type
    half, bend = kind(alpha / 2), kind((np.pi * alpha / 2) ** 2)
    hold = kind(0) if erase else kind(1)
    nothing = np.zeros(n_batch, current.dtype)
    u_bar = np.zeros(n_batch, current.dtype)
    along_gain = np.zeros(n_batch, current.dtype)
    along_bias = np.zeros(n_batch, current.dtype)
    x_bar = spikes_bar  # slot t, once read, holds the gradient of the normalised current that entered U[t]
    for t in range(n_time - 1, latency - 1, -1):
        _through_threshold(spikes_bar[t], potential[t], keep, beta, half, bend, u_bar)
        _through_reset(u_bar, potential[t - 1] if t > 0 else nothing, hold, x_bar[t])
        _accumulate(x_bar[t], current[t - latency], mean, along_bias, along_gain)
    rate = kind(1) / np.sqrt(variance + kind(EPSILON))
    bias_bar, gain_bar = along_bias.sum(), along_gain.sum() * rate
    shift, slope = bias_bar / kind(current.size), gain_bar * rate / kind(current.size)
    for t in range(n_time):
        arrived = x_bar[t + latency] if t + latency < n_time else nothing
        _through_normalisation(arrived, current[t], mean, shift, slope, gain * rate, spikes_bar[t])
    return gain_bar, bias_bar


@numba.njit(cache=True, error_model="numpy")
def integrate(current, beta, latency, potential):
    """Write the potential of a leaky integrator."""
    potential[:latency] = 0
    for t in range(latency, len(current)):
        for b in range(current.shape[1]):
            potential[t, b] = current[t - latency, b] + (beta * potential[t - 1, b] if t > 0 else current.dtype.type(0))


@numba.njit(cache=True, error_model="numpy")
def integrate_adjoint(potential_bar, beta, latency):
    """Turn the gradient of a leaky integrator's potential, in place, into that of its current."""
    n_time, n_batch = potential_bar.shape
    for t in range(n_time - 2, -1, -1):
        for b in range(n_batch):
            potential_bar[t, b] += beta * potential_bar[t + 1, b]
    potential_bar[: n_time - latency] = potential_bar[latency:].copy()
    potential_bar[n_time - latency :] = 0
