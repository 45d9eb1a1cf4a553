"""The arrivals of a sample at a neuron, by time: a heap of those on their way, first the earliest."""

from __future__ import annotations

import numba
import numpy as np

from trainers.methods.delgrad.neuron import moment
from trainers.methods.delgrad.records import SLICES


@numba.njit(cache=True, error_model="numpy")
def push(times, spikes, n, time, spike):
    """Add a spike on its way to the ``n`` there are."""
    while n > 0:
        parent = (n - 1) >> 1
        if times[parent] <= time:
            break
        times[n], spikes[n] = times[parent], spikes[parent]
        n = parent
    times[n], spikes[n] = time, spike


@numba.njit(cache=True, error_model="numpy")
def pop(times, spikes, n):
    """Take the first of the ``n`` there are away."""
    n -= 1
    time, spike = times[n], spikes[n]
    place = 0
    while 2 * place + 1 < n:
        child = 2 * place + 1
        if child + 1 < n and times[child + 1] < times[child]:
            child += 1
        if times[child] >= time:
            break
        times[place], spikes[place] = times[child], spikes[child]
        place = child
    times[place], spikes[place] = time, spike


@numba.njit(parallel=True, cache=True, error_model="numpy")
def in_order(ratio, fired, begin, source, slot, slow, fast):
    """The spikes of a population (sample, neuron, spike), infinite where there are none, sample by sample and by time."""
    n_sample, n_neuron, most = fired.shape
    for part in numba.prange(SLICES):
        times, spikes = np.empty(n_neuron * most), np.empty(n_neuron * most, np.int64)
        for sample in range(part, n_sample, SLICES):
            n = 0
            for neuron in range(n_neuron):
                for k in range(most):
                    if fired[sample, neuron, k] < np.inf:
                        push(times, spikes, n, fired[sample, neuron, k], neuron * most + k)
                        n += 1
            for at in range(begin[sample], begin[sample + 1]):
                slow[at], slot[at] = times[0], spikes[0]
                source[at] = spikes[0] // most
                if ratio != 2.0:
                    fast[at] = moment(ratio, times[0])
                pop(times, spikes, n)
                n -= 1
