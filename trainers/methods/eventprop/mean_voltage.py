r"""Leaky integrators read by a weighted mean of their voltage, in closed form.

.. math:: z_o = \frac1T \int_0^T V_o e^{-t/T} dt = \sum_k w_{ok} K(t_k + d_{ok}), \quad
    K(a) = \frac{c}{T} \sum_\pm \pm e^{-a/T} \frac{1 - e^{-r (T - a)}}{r}

with :math:`c = \tau_s / (\tau_o - \tau_s)`, :math:`r = 1/\tau + 1/T`; + for :math:`\tau_o`, - for :math:`\tau_s`. No time is
stepped through.
"""

from __future__ import annotations

import numba
import numpy as np

from trainers.methods.eventprop.records import SLICES


@numba.njit(cache=True, error_model="numpy")
def mean_kernel(a, end, tau_out, tau_syn):
    """K and its derivative, of an arrival at ``a`` ms of a trial that lasts ``end`` ms."""
    if not a < end:
        return 0.0, 0.0
    value, slope, factor = 0.0, 0.0, tau_syn / (tau_out - tau_syn) / end * np.exp(-a / end)
    for sign, tau in ((1.0, tau_out), (-1.0, tau_syn)):
        rate = 1.0 / tau + 1.0 / end
        fading = np.exp(-rate * (end - a))
        area = (1.0 - fading) / rate
        value += sign * area
        slope -= sign * (area / end + fading)
    return factor * value, factor * slope


@numba.njit(cache=True, parallel=True, error_model="numpy")
def mean_voltage(spikes, weight, delay, delayed, grid, tau_out, z):
    """Write z (sample, output); weight and delay in ms have dims (output, neuron), ``delayed`` says whether any is not 0."""
    n_output, n_neuron = weight.shape
    end = grid.n_steps * grid.dt
    for sample in numba.prange(len(z)):
        begin, step, fraction = spikes.begin[sample], spikes.step[sample], spikes.fraction[sample]
        z[sample] = 0
        for n in range(n_neuron):
            total = 0.0
            for k in range(begin[n], begin[n + 1]):
                at = (np.float64(step[k]) + fraction[k]) * grid.dt
                if not delayed:
                    total += mean_kernel(at, end, tau_out, grid.tau_syn)[0]
                    continue
                for o in range(n_output):
                    z[sample, o] += weight[o, n] * mean_kernel(at + delay[o, n], end, tau_out, grid.tau_syn)[0]
            for o in range(n_output):
                z[sample, o] += weight[o, n] * total


@numba.njit(cache=True, parallel=True, error_model="numpy")
def mean_voltage_adjoint(spikes, weight, delay, delayed, grid, tau_out, z_bar, weight_bar, delay_bar, drive):
    """Add the gradients by weights and delays (slice, output, neuron), and write the loss's derivative by each spike's time."""
    n_output, n_neuron = weight.shape
    end = grid.n_steps * grid.dt
    for part in numba.prange(SLICES):
        for sample in range(len(z_bar) * part // SLICES, len(z_bar) * (part + 1) // SLICES):
            begin, step, fraction = spikes.begin[sample], spikes.step[sample], spikes.fraction[sample]
            for n in range(n_neuron):
                total, total_slope, steepness = 0.0, 0.0, 0.0
                for o in range(n_output):
                    steepness += z_bar[sample, o] * weight[o, n]
                for k in range(begin[n], begin[n + 1]):
                    at = (np.float64(step[k]) + fraction[k]) * grid.dt
                    if not delayed:
                        value, slope = mean_kernel(at, end, tau_out, grid.tau_syn)
                        total += value
                        total_slope += slope
                        drive[sample, k] = steepness * slope
                        continue
                    drive[sample, k] = 0
                    for o in range(n_output):
                        value, slope = mean_kernel(at + delay[o, n], end, tau_out, grid.tau_syn)
                        pushed = z_bar[sample, o] * weight[o, n] * slope
                        weight_bar[part, o, n] += z_bar[sample, o] * value
                        delay_bar[part, o, n] += pushed
                        drive[sample, k] += pushed
                for o in range(n_output):
                    weight_bar[part, o, n] += z_bar[sample, o] * total
                    delay_bar[part, o, n] += z_bar[sample, o] * weight[o, n] * total_slope
