"""Leaky integrators read by the maximum of their voltage, found exactly: at a peak between two arrivals, or at an arrival."""

from __future__ import annotations

import numba
import numpy as np

from trainers.methods.eventprop.records import SLICES


@numba.njit(cache=True, error_model="numpy")
def _arrivals(spikes, sample, weight, delay, output, grid):
    """What arrives at an output before the end: times in ms, in order; the neuron and the spike of each."""
    begin, end = spikes.begin[sample], grid.n_steps * grid.dt
    n_spikes = np.int64(begin[-1])
    time, neuron, spike = np.empty(n_spikes), np.empty(n_spikes, np.int64), np.empty(n_spikes, np.int64)
    n_arrivals = 0
    for n in range(weight.shape[1]):
        for k in range(begin[n], begin[n + 1]):
            at = (np.float64(spikes.step[sample, k]) + spikes.fraction[sample, k]) * grid.dt + delay[output, n]
            if at < end:
                time[n_arrivals], neuron[n_arrivals], spike[n_arrivals] = at, n, k
                n_arrivals += 1
    order = np.argsort(time[:n_arrivals], kind="mergesort")
    return time[order], neuron[order], spike[order]


@numba.njit(cache=True, error_model="numpy")
def _rise(v, i, tau, tau_syn):
    """How long V rises, without further arrivals, in ms."""
    ratio = tau_syn / (tau - tau_syn)
    turning = (1.0 + ratio) * i / (v + ratio * i) if v + ratio * i != 0.0 else np.inf
    if not i > v:
        return 0.0
    return np.log(turning) / (1.0 / tau_syn - 1.0 / tau) if turning > 0.0 else np.inf


@numba.njit(cache=True, error_model="numpy")
def _peak(time, neuron, weight, output, end, tau, tau_syn):
    """The highest V, when it is, and the arrival that ends the rise there; -1 where it is a smooth peak."""
    ratio = tau_syn / (tau - tau_syn)
    v, i, since, value, at, mover = 0.0, 0.0, 0.0, 0.0, 0.0, -1
    for k in range(len(time) + 1):
        now = time[k] if k < len(time) else end
        rise = _rise(v, i, tau, tau_syn)
        length = min(rise, now - since)
        e_mem, e_syn = np.exp(-length / tau), np.exp(-length / tau_syn)
        top = v * e_mem + ratio * i * (e_mem - e_syn)
        if length > 0.0 and top > value:  # without a rise only rounding would make it higher
            value, at, mover = top, since + length, k if rise >= now - since and k < len(time) else -1
        e_mem, e_syn = np.exp(-(now - since) / tau), np.exp(-(now - since) / tau_syn)
        v, i, since = v * e_mem + ratio * i * (e_mem - e_syn), i * e_syn, now
        if k < len(time):
            i += weight[output, neuron[k]]
    return value, at, mover


@numba.njit(cache=True, parallel=True, error_model="numpy")
def peak_voltage(spikes, weight, delay, grid, tau_out, z):
    """Write the highest V of every output, dims (sample, output); weight and delay in ms have dims (output, neuron)."""
    for sample in numba.prange(len(z)):
        for o in range(weight.shape[0]):
            time, neuron, _ = _arrivals(spikes, sample, weight, delay, o, grid)
            z[sample, o] = _peak(time, neuron, weight, o, grid.n_steps * grid.dt, tau_out, grid.tau_syn)[0]


@numba.njit(cache=True, parallel=True, error_model="numpy")
def peak_voltage_adjoint(spikes, weight, delay, grid, tau_out, z_bar, weight_bar, delay_bar, drive):
    """Add the gradients by weights and delays (slice, output, neuron), and write the loss's derivative by each spike's time.

    A peak at an arrival moves with it.
    """
    ratio, tau_syn = grid.tau_syn / (tau_out - grid.tau_syn), grid.tau_syn
    for part in numba.prange(SLICES):
        for sample in range(len(z_bar) * part // SLICES, len(z_bar) * (part + 1) // SLICES):
            drive[sample] = 0
            for o in range(weight.shape[0]):
                time, neuron, spike = _arrivals(spikes, sample, weight, delay, o, grid)
                _, at, mover = _peak(time, neuron, weight, o, grid.n_steps * grid.dt, tau_out, tau_syn)
                slope = 0.0
                for k in range(len(time)):
                    if not time[k] < at:
                        break
                    e_mem, e_syn = np.exp(-(at - time[k]) / tau_out), np.exp(-(at - time[k]) / tau_syn)
                    weight_bar[part, o, neuron[k]] += z_bar[sample, o] * ratio * (e_mem - e_syn)
                    lifted = weight[o, neuron[k]] * ratio * (e_syn / tau_syn - e_mem / tau_out)  # slope of V at the peak
                    slope += lifted
                    delay_bar[part, o, neuron[k]] -= z_bar[sample, o] * lifted
                    drive[sample, spike[k]] -= z_bar[sample, o] * lifted
                if mover >= 0:
                    delay_bar[part, o, neuron[mover]] += z_bar[sample, o] * slope
                    drive[sample, spike[mover]] += z_bar[sample, o] * slope
