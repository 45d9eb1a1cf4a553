r"""Leaky integrators in the steps of the authors' code; see `trainers.methods.eventprop.published`.

Read is :math:`z_o = \sum_k c_k V_o(k)`, V at the end of step k: with :math:`c_k = \frac{\Delta t}{T} e^{-k \Delta t/T}` a mean,
else the maximum, c being 1 at its step. Backward, :math:`\frac{dL}{dz_o} c_k / \Delta t` acts on the adjoints all through step
k, held constant, and they move exactly under it: of the orders of decay and drive, this is the one that has the derivatives of
sequence detection (.01244 and -.01766, where an impulse before or after the decay has .0124 and -.0129, or .0125 and -.0228).

The authors' drive is larger by the factor :math:`\tau_{out} e^{-\Delta t/T}` for a mean; Adam does not see it but for its
epsilon, and a regulariser of theirs weighs less by it: the presets divide both by it.
"""

from __future__ import annotations

import numba
import numpy as np

from trainers.methods.eventprop.published import mean_drive
from trainers.methods.eventprop.records import SLICES


@numba.njit(cache=True, error_model="numpy")
def _voltage(spikes, sample, weight, hop, output, grid, v):
    """Write V of an output at the end of every step."""
    begin, step, drive = spikes.begin[sample], spikes.step[sample], mean_drive(grid)
    v[:] = 0
    for n in range(weight.shape[1]):
        for k in range(begin[n], begin[n + 1]):
            at = np.int64(step[k]) + 1 + hop[output, n]
            if at < len(v):
                v[at] += weight[output, n]
    potential, current = 0.0, 0.0
    for k in range(len(v)):
        current += v[k]
        potential = grid.keep_mem * potential + drive * current
        current *= grid.keep_syn
        v[k] = potential


@numba.njit(cache=True, error_model="numpy")
def _highest(v):
    """The first step at whose end V is highest, if above 0; else the first of all."""
    at, value = 0, 0.0
    for k in range(len(v)):
        if v[k] > value:
            at, value = k, v[k]
    return at


@numba.njit(cache=True, parallel=True, error_model="numpy")
def stepped_voltage(spikes, weight, hop, grid, share, z):
    """Write z, dims (sample, output).

    Parameters
    ----------
    weight, hop
        Of the synapses, and their delays in steps, dims (output, neuron).
    grid
        With the time constants of the integrators.
    share
        How much of V at the end of every step is read; of no size where its maximum is.
    """
    for part in numba.prange(SLICES):
        v = np.empty(grid.n_steps)
        for sample in range(len(z) * part // SLICES, len(z) * (part + 1) // SLICES):
            for o in range(len(weight)):
                _voltage(spikes, sample, weight, hop, o, grid, v)
                z[sample, o] = np.sum(share * v) if share.size else max(v[_highest(v)], 0.0)


@numba.njit(cache=True, parallel=True, error_model="numpy")
def stepped_voltage_adjoint(spikes, weight, hop, grid, share, z_bar, weight_bar, delay_bar, drive):
    """Add the gradients by weights and delays (slice, output, neuron), and write the loss's derivative by each spike's time."""
    n_steps, keep_mem, keep_syn = grid.n_steps, grid.keep_mem, grid.keep_syn
    spread = grid.tau_mem / (grid.tau_mem - grid.tau_syn)
    mix = spread * (keep_mem - keep_syn)
    for part in numba.prange(SLICES):
        v, along_v, along_i = np.empty(n_steps), np.zeros(n_steps + 1), np.zeros(n_steps + 1)
        for sample in range(len(z_bar) * part // SLICES, len(z_bar) * (part + 1) // SLICES):
            begin, step = spikes.begin[sample], spikes.step[sample]
            drive[sample] = 0
            for o in range(len(weight)):
                peak = -1
                if not share.size:
                    _voltage(spikes, sample, weight, hop, o, grid, v)
                    peak = _highest(v)
                for k in range(n_steps - 1, -1, -1):
                    pushed = -z_bar[sample, o] * (share[k] if share.size else np.float64(k == peak)) / grid.dt
                    along_i[k] = keep_syn * along_i[k + 1] + mix * along_v[k + 1] + (1.0 - keep_syn - mix) * pushed
                    along_v[k] = keep_mem * along_v[k + 1] + (1.0 - keep_mem) * pushed
                for n in range(weight.shape[1]):
                    for k in range(begin[n], begin[n + 1]):
                        at = np.int64(step[k]) + 1 + hop[o, n]
                        if at < n_steps:
                            owed = weight[o, n] * (along_v[at] - along_i[at])
                            weight_bar[part, o, n] -= grid.tau_syn * along_i[at]
                            delay_bar[part, o, n] += owed
                            drive[sample, k] += owed
