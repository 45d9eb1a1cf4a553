"""When the neurons of a population fire: arrival by arrival, the first crossing that comes before the next."""

from __future__ import annotations

import numba
import numpy as np

from trainers.methods.delgrad.arrivals import pop, push
from trainers.methods.delgrad.neuron import after_spike, crossing, fast_part
from trainers.methods.delgrad.records import SLICES

MOST = 1e290  # of exp(t), so that its products stay finite
TIE = 1e-12  # of u: a crossing within rounding of an arrival is at it, and does not get lost between two waits


@numba.njit(parallel=True, cache=True, error_model="numpy")
def fire(ratio, spikes, synapses, c, slow, last, n_late):
    """Spike times of a population.

    ``c`` is its thresholds (target); ``slow`` and ``last`` are as in `Fired`, infinite on entry; ``n_late`` counts, by slice,
    arrivals so late that their exponentials are no numbers any more, which are not heard.
    """
    n_sample, n_target, _ = slow.shape
    for part in numba.prange(SLICES):
        room = 1
        for sample in range(part, n_sample, SLICES):
            room = max(room, spikes.begin[sample + 1] - spikes.begin[sample])
        times, on_way = np.empty(room), np.empty(room, np.int64)
        for sample in range(part, n_sample, SLICES):
            for target in range(n_target):
                n_late[part] += _listen(ratio, spikes, synapses, c[target], sample, target, times, on_way, slow, last)


@numba.njit(cache=True, error_model="numpy", inline="always")
def _listen(ratio, spikes, synapses, c, sample, target, times, on_way, slow, last):
    """Let the spikes of a sample arrive at a neuron until it has fired as often as it may; return how many were too late."""
    following, end = spikes.begin[sample], spikes.begin[sample + 1]
    first = synapses.first[target]
    n, n_fired, n_late = 0, 0, 0
    p, q, start, arrived = 0.0, 0.0, 0.0, 0.0
    while True:
        # whatever could arrive before the first on its way sets out, too
        while following < end and (n == 0 or spikes.slow[following] * first <= times[0]):
            push(times, on_way, n, spikes.slow[following] * synapses.slow[target, spikes.source[following]], following)
            n += 1
            following += 1
        until = times[0] if n else np.inf
        while p > 0.0 and start < until:
            u = crossing(ratio, p, q, c, start, until * (1.0 + TIE))
            if not (start * (1.0 - TIE) <= u <= until * (1.0 + TIE) and u < np.inf):
                break
            start = min(max(u, start), until)
            slow[sample, target, n_fired], last[sample, target, n_fired] = start, arrived
            n_fired += 1
            if n_fired == slow.shape[2]:
                return n_late
            p, q = after_spike(ratio, p, q, c, start)
        if n == 0:
            return n_late
        spike, m = on_way[0], times[0]
        pop(times, on_way, n)
        n -= 1
        source = spikes.source[spike]
        s = fast_part(ratio, m, spikes.fast[spike], synapses.fast[target, source])
        if not (m < MOST and abs(s) < MOST):
            n_late += 1
            continue
        start, arrived = m, m
        p += synapses.weight[target, source] * m
        q += synapses.weight[target, source] * s
