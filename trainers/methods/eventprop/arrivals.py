r"""Spikes on their way: forward into timelines of what arrives, backward out of timelines of adjoints; for a block of neurons.

A timeline is flat, with a row of `LANES` for each step. Arrivals on the grid are impulses of I at the beginning of their step.
Those between the grid points are entered by what they are worth at the end of their step, as three numbers: I, V of positive
weights, V of negative weights. A spike of fraction f whose delay has the rest g arrives at f + g, one step later where that
reaches 1; its :math:`e^{(f + g) \Delta t / \tau}` is the product of a number of the spike and one of the synapse, so that no
event takes an exponential. Places are unsigned: numbers that could be negative take twice the time.
"""

from __future__ import annotations

import numba
import numpy as np

from trainers.methods.eventprop.records import LANES

WORD = 64  # bits


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def enter_on_grid(begin, step, weight, hop, timeline):
    """Add the arrivals of the spikes of a sample to the ``timeline``."""
    lanes = np.uint32(LANES)
    for i in range(len(begin) - 1):
        first = np.uint32(i) * lanes
        for k in range(begin[i], begin[i + 1]):
            place = step[k] * lanes
            for lane in range(lanes):
                timeline[place + hop[first + lane]] += weight[first + lane]


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def leave_on_grid(begin, step, weight, hop, adjoint, grid, weight_bar, delay_bar):
    """Add the gradients of the synapses (source x lane) from the ``adjoint`` timeline of pairs (I, V)."""
    lanes = np.uint32(LANES)
    zero, tau_syn = np.float32(0), np.float32(grid.tau_syn)
    for i in range(len(begin) - 1):
        if begin[i] == begin[i + 1]:
            continue
        first = np.uint32(i) * lanes
        for lane in range(lanes):
            along_i, along_v = zero, zero
            ahead = hop[first + lane]
            for k in range(begin[i], begin[i + 1]):
                place = np.uint32(2) * (step[k] * lanes + ahead)
                along_i += adjoint[place]
                along_v += adjoint[place + np.uint32(1)]
            weight_bar[first + lane] -= tau_syn * along_i
            delay_bar[first + lane] -= weight[first + lane] * (along_i - along_v)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def enter_between(n, fraction, source, synapses, block, grid, timeline):
    """Add the arrivals of one spike of ``source`` in step ``n``; return whether some come in that very step."""
    lanes = np.uint32(LANES)
    one, zero = np.float32(1), np.float32(0)
    keep_mem, keep_syn, ratio = np.float32(grid.keep_mem), np.float32(grid.keep_syn), np.float32(grid.ratio)
    rise_mem = np.float32(np.exp((fraction - 1.0) * grid.dt / grid.tau_mem))
    rise_syn = np.float32(np.exp((fraction - 1.0) * grid.dt / grid.tau_syn))
    weight, hop, rest = synapses.weight[block], synapses.hop[block], synapses.rest[block]
    synapse_mem, synapse_syn = synapses.rise_mem[block], synapses.rise_syn[block]
    first, place = np.uint32(source) * lanes, np.uint32(n) * lanes
    at_once = False
    for lane in range(lanes):
        j = first + lane
        later = rest[j] + fraction >= one
        row = (place + hop[j]) // lanes + np.uint32(later)
        along_syn = weight[j] * rise_syn * synapse_syn[j] * (keep_syn if later else one)
        along_mem = weight[j] * rise_mem * synapse_mem[j] * (keep_mem if later else one)
        at = row * (np.uint32(3) * lanes) + lane
        timeline[at] += along_syn
        timeline[at + (lanes if weight[j] >= zero else np.uint32(2) * lanes)] += ratio * (along_mem - along_syn)
        at_once |= row == np.uint32(n)
    return at_once


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def leave_between(n, fraction, source, synapses, block, grid, adjoint, weight_bar, delay_bar):
    """Add the gradients of the synapses of one spike; return what it owes to them, the sum of w (lambda_V - lambda_I)."""
    lanes = np.uint32(LANES)
    one, total, tau_syn = np.float32(1), np.float32(0), np.float32(grid.tau_syn)
    keep_mem, keep_syn = np.float32(grid.keep_mem), np.float32(grid.keep_syn)
    spread = np.float32(grid.tau_mem / (grid.tau_mem - grid.tau_syn))
    rise_mem = np.float32(np.exp((fraction - 1.0) * grid.dt / grid.tau_mem))
    rise_syn = np.float32(np.exp((fraction - 1.0) * grid.dt / grid.tau_syn))
    weight, hop, rest = synapses.weight[block], synapses.hop[block], synapses.rest[block]
    synapse_mem, synapse_syn = synapses.rise_mem[block], synapses.rise_syn[block]
    first, place = np.uint32(source) * lanes, np.uint32(n) * lanes
    for lane in range(lanes):
        j = first + lane
        later = rest[j] + fraction >= one
        row = (place + hop[j]) // lanes + np.uint32(later)
        at = np.uint32(2) * ((row + np.uint32(1)) * lanes + lane)
        left_syn = rise_syn * synapse_syn[j] * (keep_syn if later else one)
        left_mem = rise_mem * synapse_mem[j] * (keep_mem if later else one)
        along_v = adjoint[at + np.uint32(1)]
        along_i = adjoint[at] * left_syn + along_v * spread * (left_mem - left_syn)
        along_v *= left_mem
        weight_bar[j] -= tau_syn * along_i
        delay_bar[j] -= weight[j] * (along_i - along_v)
        total += weight[j] * (along_v - along_i)
    return total


@numba.njit(cache=True, error_model="numpy")
def mark(bits, source, n):
    """Note that a source fires in step ``n``: ``bits`` has dims (source, word)."""
    bits[source, n // WORD] |= np.uint64(1) << np.uint64(n % WORD)


@numba.njit(cache=True, error_model="numpy")
def arriving(n, block, lane, synapses, bits, first, last, step, fraction, since, count, time, weight, source, spike, grid):
    """List what arrives at a neuron in step ``n``, at ``since`` ms of it or later; in order of time, behind ``count`` others.

    Parameters
    ----------
    bits
        In which steps each source fires, as `mark` notes it.
    first, last
        Where the spikes of each source begin and end in ``step`` and ``fraction``.
    time, weight, source, spike
        Written: times within the step in ms, weights, and which source and spike it is.

    Returns
    -------
    int
        How many are listed.
    """
    hop, rest, weights = synapses.hop[block], synapses.rest[block], synapses.weight[block]
    for j in range(len(hop) // LANES):
        at = j * LANES + lane
        whole = np.int64(hop[at] // np.uint32(LANES))
        for sent in range(max(n - whole - 1, 0), n - whole + 1):
            if not bits[j, sent // WORD] >> np.uint64(sent % WORD) & np.uint64(1):
                continue
            k, high = np.int64(first[j]), np.int64(last[j])
            while k < high:  # the first spike of that step
                middle = (k + high) // 2
                if step[middle] < sent:
                    k = middle + 1
                else:
                    high = middle
            while k < last[j] and step[k] == sent:
                later = rest[at] + fraction[k] >= np.float32(1)
                when = max(np.float64(rest[at]) + np.float64(fraction[k]) - later, 0.0) * grid.dt
                if sent + whole + later == n and when >= since:
                    place = count
                    while place > 0 and time[place - 1] > when:
                        time[place], weight[place] = time[place - 1], weight[place - 1]
                        source[place], spike[place] = source[place - 1], spike[place - 1]
                        place -= 1
                    time[place], weight[place], source[place], spike[place] = when, weights[at], j, k
                    count += 1
                k += 1
    return count
