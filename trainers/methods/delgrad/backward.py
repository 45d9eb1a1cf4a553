r"""The gradients of spike times by weights and delays, and by the spikes that led to them.

At a spike, :math:`\partial t / \partial w_i = -k(t - T_i) / V'` and :math:`\partial t / \partial T_i = w_i k'(t - T_i) / V'`
for every arrival before it, and so for earlier spikes of the neuron, each an arrival of its own kind. V' is the slope of the
learned weights where the neuron did fire, be it by rounded weights or at another threshold.
"""

from __future__ import annotations

import numba
import numpy as np

from trainers.methods.delgrad.neuron import after_spike, fast_part, kernel, moment
from trainers.methods.delgrad.records import SLICES


@numba.njit(parallel=True, cache=True, error_model="numpy")
def adjoints(ratio, spikes, synapses, c, slow, last, bar, largest, weight, delay, by_spike, n_cut):
    """Add to a projection's gradients, and to the derivatives by the spikes that set out.

    ``slow`` and ``last`` are as in `Fired`, ``weight`` to ``n_cut`` as in `Owed`; ``bar`` is the loss's derivative by the time
    of each spike (sample, target, spike), and is used up. A spike with a gradient by a weight above ``largest`` moves none.
    """
    n_sample, n_target, most = slow.shape
    for part in numba.prange(SLICES):
        room = 1
        for sample in range(part, n_sample, SLICES):
            room = max(room, spikes.begin[sample + 1] - spikes.begin[sample])
        before, m, s = np.empty(room, np.int64), np.empty(room), np.empty(room)
        for sample in range(part, n_sample, SLICES):
            for target in range(n_target):
                for k in range(most - 1, -1, -1):
                    if bar[sample, target, k] != 0.0 and slow[sample, target, k] < np.inf:
                        n_cut[part] += _owe(
                            ratio, spikes, synapses, c, slow, last, bar, largest, weight, delay, by_spike,
                            part, sample, target, k, before, m, s,
                        )  # fmt: skip


@numba.njit(cache=True, error_model="numpy", inline="always")
def _owe(
    ratio, spikes, synapses, c, slow, last, bar, largest, weight, delay, by_spike, part, sample, target, k, before, m, s
):  # fmt: skip
    """Add what one spike asks of its arrivals and of the earlier spikes; return whether it was too much for the weights."""
    n, p, q = _sums(ratio, spikes, synapses, sample, target, last[sample, target, k], before, m, s)
    for i in range(k):
        p, q = after_spike(ratio, p, q, c[target], slow[sample, target, i])
    u, by_time = slow[sample, target, k], bar[sample, target, k]
    at = moment(ratio, u)
    slope = kernel(ratio, p, q, u, at)[1]
    if not slope > 0.0:  # it fired by rounded weights, or below the threshold, alone
        return 0
    highest = 0.0
    for i in range(n):
        highest = max(highest, abs(kernel(ratio, m[i], s[i], u, at)[0]))
    kept = abs(by_time) * highest / slope <= largest
    for i in range(n):
        height, rising = kernel(ratio, m[i], s[i], u, at)
        source = spikes.source[before[i]]
        by_arrival = by_time * synapses.weight[target, source] * rising / slope
        if kept:
            weight[part, target, source] -= by_time * height / slope
        delay[part, target, source] += by_arrival
        if by_spike.shape[1] > 0:
            by_spike[sample, spikes.slot[before[i]]] += by_arrival
    for i in range(k):
        bar[sample, target, i] += by_time * c[target] / ratio * slow[sample, target, i] / u / slope
    return 0 if kept else 1


@numba.njit(cache=True, error_model="numpy", inline="always")
def _sums(ratio, spikes, synapses, sample, target, last, before, m, s):
    """The arrivals of a sample up to the ``last`` one: which, how many, their numbers m and s, and the sums p and q."""
    n, p, q = 0, 0.0, 0.0
    for at in range(spikes.begin[sample], spikes.begin[sample + 1]):
        if spikes.slow[at] * synapses.first[target] > last:
            break
        source = spikes.source[at]
        arrival = spikes.slow[at] * synapses.slow[target, source]
        if arrival <= last:
            before[n], m[n] = at, arrival
            s[n] = fast_part(ratio, arrival, spikes.fast[at], synapses.fast[target, source])
            p += synapses.weight[target, source] * arrival
            q += synapses.weight[target, source] * s[n]
            n += 1
    return n, p, q
