r"""The discretisation of the authors' code: a population in whole steps, forward and backward. Its gradients are approximate.

In step k, :math:`I \leftarrow I + \text{arrivals}`, then :math:`V \leftarrow a V + (1 - a) \frac{\tau_s}{\Delta t} (1 - b) I`
with :math:`a = e^{-\Delta t/\tau_m}, b = e^{-\Delta t/\tau_s}`: the mean of I over the step, held constant; where
:math:`V \ge 1` the neuron fires at the end of the step and :math:`V \leftarrow 0`; then :math:`I \leftarrow b I`. A spike of
step k arrives at the beginning of step k + 1 + delay, also within the population. Adjoints decay exactly, so that they are not
those of these steps; a spike's jump comes after the decay over its step, which is one step late, and divides by I from the
beginning of the step minus V at its end.

Spikes and arrays are those of `trainers.methods.eventprop.forward` and `trainers.methods.eventprop.backward`, with all
fractions 1. A timeline read from its second row on is one in which every spike comes a step later.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from trainers.methods.eventprop.arrivals import enter_on_grid, leave_on_grid
from trainers.methods.eventprop.passing import begin_back, descend, keep_spikes, landed, meet_next
from trainers.methods.eventprop.records import LANES, SLICES, Afferents, Fired, Owed


class Room(NamedTuple):
    """What a group of blocks needs while it runs through a sample: the timeline, states, spikes by lane."""

    impulses: NDArray[np.float32]
    v: NDArray[np.float32]
    i: NDArray[np.float32]
    i_before: NDArray[np.float32]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    step: NDArray[np.uint32]
    fraction: NDArray[np.float32]
    slope: NDArray[np.float32]


@numba.njit(cache=True, error_model="numpy")
def mean_drive(grid):
    """What an I at the beginning of a step adds to V in it, as its mean over the step is held constant."""
    return (1.0 - grid.keep_mem) * (grid.tau_syn / grid.dt) * (1.0 - grid.keep_syn)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def _step(block, place, impulses, v, i, i_before, keep_mem, keep_syn, drive):
    """Move a block a step on; return whether a neuron fires at its end."""
    one, hit, lanes = np.float32(1), np.uint32(0), np.uint32(LANES)
    for lane in range(lanes):
        j = np.uint32(block) * lanes + lane
        current = i[j] + impulses[np.uint32(place) * lanes + lane]
        reached = keep_mem * v[j] + drive * current
        i_before[j], i[j], v[j] = current, keep_syn * current, reached
        hit |= np.uint32(reached >= one)
    return hit != 0


@numba.njit(cache=True, error_model="numpy")
def _send(j, n, within, rows, impulses):
    """Enter a spike of step ``n`` within its population; it arrives in the next step or later."""
    lanes = np.uint32(LANES)
    first = np.uint32(j) * lanes
    for block in range(within.weight.shape[0]):
        weight, hop, place = within.weight[block], within.hop[block], np.uint32(block * rows + n + 1) * lanes
        for lane in range(lanes):
            impulses[place + hop[first + lane]] += weight[first + lane]


@numba.njit(cache=True, error_model="numpy")
def _run(head, sample, feed, within, rest, room, rows, grid):
    """Run a group of blocks through a sample."""
    single = np.float32
    keep_mem, keep_syn, drive = single(grid.keep_mem), single(grid.keep_syn), single(mean_drive(grid))
    n_block = room.v.size // LANES
    room.impulses[:] = 0
    room.v[:] = 0
    room.i[:] = 0
    for j in range(min(room.v.size, rest.shape[1] - head * LANES)):
        room.v[j] = rest[sample, head * LANES + j]
    room.last[:] = room.first
    for block in range(n_block):
        later = room.impulses[(block * rows + 1) * LANES : (block + 1) * rows * LANES]
        weight, hop = feed.blocks.weight[head + block], feed.blocks.hop[head + block]
        enter_on_grid(feed.spikes.begin[sample], feed.spikes.step[sample], weight, hop, later)
    for n in range(grid.n_steps):
        for block in range(n_block):
            if not _step(block, block * rows + n, room.impulses, room.v, room.i, room.i_before, keep_mem, keep_syn, drive):
                continue
            for j in range(block * LANES, (block + 1) * LANES):
                if room.v[j] >= single(1):
                    at = room.last[j]
                    room.step[at], room.fraction[at], room.slope[at] = n, 1.0, room.i_before[j] - room.v[j]
                    room.last[j] += 1
                    room.v[j] = 0
                    if within.weight.shape[0] > 0:
                        _send(j, n, within, rows, room.impulses)


@numba.njit(cache=True, parallel=True, error_model="numpy")
def fire(sent, blocks, between, within, grid, rest, spikes, n_spikes):
    """Write the spikes of a population, at most one of a neuron in a step; see `trainers.methods.eventprop.forward.fire`."""
    n_sample, n_block = sent.begin.shape[0], blocks.weight.shape[0]
    rows = grid.n_steps + max(blocks.longest, within.longest) + 1
    group = n_block if within.weight.shape[0] > 0 else 1
    lanes, most, single = group * LANES, grid.n_steps, np.float32
    for part in numba.prange(SLICES):
        start, stop = n_sample * part // SLICES, n_sample * (part + 1) // SLICES
        if start == stop:
            continue
        room = Room(
            np.empty(rows * lanes, single),
            np.empty(lanes, single),
            np.empty(lanes, single),
            np.empty(lanes, single),
            np.arange(lanes) * most,
            np.empty(lanes, np.int64),
            np.empty(lanes * most, np.uint32),
            np.empty(lanes * most, single),
            np.empty(lanes * most, single),
        )
        n_spikes[start:stop] = 0
        spikes.begin[start:stop, 0] = 0
        for head in range(0, n_block, group):
            for sample in range(start, stop):
                _run(head, sample, Afferents(sent, blocks, between), within, rest, room, rows, grid)
                keep_spikes(head, sample, room, spikes, n_spikes)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def _owed(place, weight, hop, first, adjoint):
    """What a spike owes to its arrivals in a block, the sum of w (lambda_V - lambda_I)."""
    lanes, two, total = np.uint32(LANES), np.uint32(2), np.float32(0)
    for lane in range(lanes):
        at = two * (np.uint32(place) * lanes + hop[first + lane])
        total += weight[first + lane] * (adjoint[at + np.uint32(1)] - adjoint[at])
    return total


@numba.njit(cache=True, error_model="numpy")
def _sweep(head, sample, part, within, grid, fired, guards, adjoint, rows, next_step, left):
    """Fill the adjoint timelines of a group of blocks."""
    lanes = np.uint32(LANES)
    n_block, drive, pull = next_step.size // LANES, fired.drive[sample], fired.pull[head * LANES :]
    begin, step, slope = fired.spikes.begin[sample, head * LANES :], fired.spikes.step[sample], fired.spikes.slope[sample]
    adjoint[:] = 0
    begin_back(begin, step, next_step, left)
    n = grid.n_steps - 1
    while n >= 0:
        n = descend(n, n_block, rows, adjoint, next_step, grid)
        if n < 0:
            break
        for j in range(next_step.size):
            if next_step[j] != n:
                continue
            k, at = left[j], 2 * ((j // LANES * rows + n) * LANES + j % LANES) + 1
            push = np.float64(drive[k])
            for block in range(within.weight.shape[0]):
                push += _owed(block * rows + n + 1, within.weight[block], within.hop[block], np.uint32(j) * lanes, adjoint)
            adjoint[at] = landed(np.float64(adjoint[at]), push, slope[k], pull[j], part, guards)
            meet_next(j, begin, step, next_step, left)
        n -= 1


@numba.njit(cache=True, error_model="numpy")
def _owe(begin, step, weight, hop, adjoint, drive):
    """Add what every spike of a source owes to its arrivals in a block."""
    lanes = np.uint32(LANES)
    for i in range(len(begin) - 1):
        for k in range(begin[i], begin[i + 1]):
            drive[k] += _owed(step[k], weight, hop, np.uint32(i) * lanes, adjoint)


@numba.njit(cache=True, error_model="numpy")
def _gather(head, sample, part, feed, within, grid, fired, owed, adjoint, rows, group):
    """Add the gradients of the synapses that lead to a group of blocks."""
    begin, step, ours = feed.spikes.begin[sample], feed.spikes.step[sample], fired.spikes
    for block in range(group):
        there = head + block
        weight, hop = feed.blocks.weight[there], feed.blocks.hop[there]
        later = adjoint[(block * rows + 1) * 2 * LANES : (block + 1) * rows * 2 * LANES]
        leave_on_grid(begin, step, weight, hop, later, grid, owed.feed.weight[part, there], owed.feed.delay[part, there])
        if owed.drive.size:
            _owe(begin, step, weight, hop, later, owed.drive[sample])
        if within.weight.shape[0] > 0:
            weight_bar, delay_bar = owed.within.weight[part, block], owed.within.delay[part, block]
            leave_on_grid(
                ours.begin[sample],
                ours.step[sample],
                within.weight[block],
                within.hop[block],
                later,
                grid,
                weight_bar,
                delay_bar,
            )


@numba.njit(cache=True, parallel=True, error_model="numpy")
def adjoints(sent, blocks, between, within, grid, spikes, drive, pull, guards, feed_bar, within_bar, sent_drive):
    """Add the gradients of the synapses that lead to a population; see `trainers.methods.eventprop.backward.adjoints`."""
    n_sample, n_block = sent.begin.shape[0], blocks.weight.shape[0]
    rows = grid.n_steps + max(blocks.longest, within.longest) + 1
    group = n_block if within.weight.shape[0] > 0 else 1
    for part in numba.prange(SLICES):
        start, stop = n_sample * part // SLICES, n_sample * (part + 1) // SLICES
        if start == stop:
            continue
        adjoint = np.empty(group * rows * 2 * LANES, np.float32)
        next_step, left = np.empty(group * LANES, np.int32), np.zeros(group * LANES, np.int64)
        for head in range(0, n_block, group):
            for sample in range(start, stop):
                feed, fired = Afferents(sent, blocks, between), Fired(spikes, drive, pull)
                _sweep(head, sample, part, within, grid, fired, guards, adjoint, rows, next_step, left)
                owed = Owed(feed_bar, within_bar, sent_drive)
                _gather(head, sample, part, feed, within, grid, fired, owed, adjoint, rows, group)
