r"""The adjoints of a population, backward in time, and the gradients of the synapses that lead to it.

:math:`\lambda_V, \lambda_I` move freely between the population's own spikes, where :math:`\lambda_V` jumps. Adjoints at an
arrival between two grid points come from those at the later one, as if no spike of its neuron lay between: what such spikes add
to the arrivals of their step is added where they are settled. So no event looks a spike up. See
`trainers.methods.eventprop.forward` for blocks and groups.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from trainers.methods.eventprop.arrivals import WORD, arriving, leave_between, leave_on_grid, mark
from trainers.methods.eventprop.passing import begin_back, descend, landed, meet_next
from trainers.methods.eventprop.records import LANES, SLICES, Afferents, Fired, Owed


class Room(NamedTuple):
    """What a group of blocks needs on its way back: adjoints, spikes not yet met, states in a step, arrivals of a neuron."""

    rows: int
    adjoint: NDArray[np.float32]
    next_step: NDArray[np.int32]
    left: NDArray[np.int64]
    since: NDArray[np.float64]
    v_since: NDArray[np.float64]
    i_since: NDArray[np.float64]
    source_bits: NDArray[np.uint64]
    bits: NDArray[np.uint64]
    time: NDArray[np.float64]
    weight: NDArray[np.float64]
    source: NDArray[np.int64]
    spike: NDArray[np.int64]


@numba.njit(cache=True, error_model="numpy")
def _back(along_v, along_i, length, grid):
    """The adjoints ``length`` ms earlier, without spikes in between."""
    e_mem, e_syn = np.exp(-length / grid.tau_mem), np.exp(-length / grid.tau_syn)
    spread = grid.tau_mem / (grid.tau_mem - grid.tau_syn)
    return along_v * e_mem, along_i * e_syn + along_v * spread * (e_mem - e_syn)


@numba.njit(cache=True, error_model="numpy")
def _room(feed, within, grid, fired):
    n_block, n_source = feed.blocks.weight.shape[0], feed.spikes.begin.shape[1] - 1
    recurrent = within.weight.shape[0] > 0
    rows, words = grid.n_steps + max(feed.blocks.longest, within.longest) + 3, grid.n_steps // WORD + 1
    group = n_block if recurrent else 1
    lanes = group * LANES
    n_listed = feed.spikes.step.shape[1] * feed.between + fired.spikes.step.shape[1] * recurrent
    return Room(
        rows,
        np.empty(group * rows * 2 * LANES, np.float32),
        np.empty(lanes, np.int32),
        np.zeros(lanes, np.int64),
        np.empty(lanes),
        np.empty(lanes),
        np.empty(lanes),
        np.empty((n_source if feed.between else 0, words), np.uint64),
        np.empty((lanes if recurrent else 0, words), np.uint64),
        np.empty(n_listed),
        np.empty(n_listed),
        np.empty(n_listed, np.int64),
        np.empty(n_listed, np.int64),
    )


@numba.njit(cache=True, error_model="numpy")
def _mark_all(bits, begin, step):
    bits[:] = 0
    for j in range(len(begin) - 1):
        for k in range(begin[j], begin[j + 1]):
            mark(bits, j, step[k])


@numba.njit(cache=True, error_model="numpy")
def _add_jump(count, s, jump, lane, room, grid, weight_bar, delay_bar, drive):
    """Add what a jump of lambda_V at ``s`` ms of a step owes to the arrivals before it."""
    spread = grid.tau_mem / (grid.tau_mem - grid.tau_syn)
    for number in range(count):
        lag = s - room.time[number]
        if lag <= 0.0:
            break
        e_mem, e_syn = np.exp(-lag / grid.tau_mem), np.exp(-lag / grid.tau_syn)
        along_v, along_i = jump * e_mem, jump * spread * (e_mem - e_syn)
        at = room.source[number] * LANES + lane
        weight_bar[at] -= grid.tau_syn * along_i
        delay_bar[at] -= room.weight[number] * (along_i - along_v)
        if drive.size:
            drive[room.spike[number]] += room.weight[number] * (along_v - along_i)


@numba.njit(cache=True, error_model="numpy")
def _add_to_earlier(j, n, s, jump, head, sample, part, feed, within, grid, fired, owed, room):
    """Add what a jump owes to what arrived earlier in its step, from elsewhere and from the population itself."""
    block, lane = j // LANES, j % LANES
    if feed.between:
        sent, first = feed.spikes, feed.spikes.begin[sample]
        count = arriving(
            n, head + block, lane, feed.blocks, room.source_bits, first[:-1], first[1:], sent.step[sample],
            sent.fraction[sample], 0.0, 0, room.time, room.weight, room.source, room.spike, grid,
        )  # fmt: skip
        bars = owed.feed.weight[part, head + block], owed.feed.delay[part, head + block]
        _add_jump(count, s, jump, lane, room, grid, bars[0], bars[1], owed.drive[sample])
    if within.weight.shape[0] > 0:
        sent, first = fired.spikes, fired.spikes.begin[sample]
        count = arriving(
            n, block, lane, within, room.bits, first[:-1], first[1:], sent.step[sample],
            sent.fraction[sample], 0.0, 0, room.time, room.weight, room.source, room.spike, grid,
        )  # fmt: skip
        bars = owed.within.weight[part, block], owed.within.delay[part, block]
        _add_jump(count, s, jump, lane, room, grid, bars[0], bars[1], fired.drive[sample])


@numba.njit(cache=True, error_model="numpy")
def _owed_within(j, n, fraction, within, part, grid, owed, room):
    """What a spike owes to its arrivals within the population, whose gradients are added to."""
    total, size = 0.0, room.rows * 2 * LANES
    for block in range(within.weight.shape[0]):
        timeline = room.adjoint[block * size : (block + 1) * size]
        weight_bar, delay_bar = owed.within.weight[part, block], owed.within.delay[part, block]
        total += leave_between(n, fraction, j, within, block, grid, timeline, weight_bar, delay_bar)
    return total


@numba.njit(cache=True, error_model="numpy")
def _latest(n, next_step, left, fraction):
    """The neuron whose spike is the latest of step ``n`` that is left; -1 for none."""
    j = -1
    for other in range(next_step.size):
        if next_step[other] == n and (j < 0 or fraction[left[other]] > fraction[left[j]]):
            j = other
    return j


@numba.njit(cache=True, error_model="numpy")
def _fill_row(n, rows, adjoint, since, v_since, i_since, grid):
    """Fill the row of step ``n`` for the neurons that fired in it."""
    for j in range(since.size):
        if since[j] >= 0.0:
            along_v, along_i = _back(v_since[j], i_since[j], since[j], grid)
            at = 2 * ((j // LANES * rows + n) * LANES + j % LANES)
            adjoint[at], adjoint[at + 1] = along_i, along_v
            since[j] = -1.0


@numba.njit(cache=True, error_model="numpy")
def _sweep(head, sample, part, feed, within, grid, fired, guards, owed, room):
    """Fill the adjoint timelines of a group of blocks."""
    spikes, rows, adjoint, n_block = fired.spikes, room.rows, room.adjoint, room.left.size // LANES
    begin, step, fraction = spikes.begin[sample, head * LANES :], spikes.step[sample], spikes.fraction[sample]
    slope, drive, pull = spikes.slope[sample], fired.drive[sample], fired.pull[head * LANES :]
    next_step, left, since, v_since, i_since = room.next_step, room.left, room.since, room.v_since, room.i_since
    recurrent, disturbed = within.weight.shape[0] > 0, feed.between or within.weight.shape[0] > 0
    adjoint[:] = 0
    since[:] = -1.0
    begin_back(begin, step, next_step, left)
    n = grid.n_steps - 1
    while n >= 0:
        n = descend(n, n_block, rows, adjoint, next_step, grid)
        if n < 0:
            break
        j = _latest(n, next_step, left, fraction)
        while j >= 0:
            k = left[j]
            s = np.float64(fraction[k]) * grid.dt
            if since[j] < 0.0:
                at = 2 * ((j // LANES * rows + n + 1) * LANES + j % LANES)
                since[j], i_since[j], v_since[j] = grid.dt, adjoint[at], adjoint[at + 1]
            along_v, along_i = _back(v_since[j], i_since[j], since[j] - s, grid)
            push = np.float64(drive[k])
            if recurrent:
                push += _owed_within(j, n, fraction[k], within, part, grid, owed, room)
            before = landed(along_v, push, slope[k], pull[j], part, guards)
            since[j], v_since[j], i_since[j] = s, before, along_i
            meet_next(j, begin, step, next_step, left)
            if disturbed:
                _add_to_earlier(j, n, s, before - along_v, head, sample, part, feed, within, grid, fired, owed, room)
            j = _latest(n, next_step, left, fraction)
        _fill_row(n, rows, adjoint, since, v_since, i_since, grid)
        n -= 1


@numba.njit(cache=True, error_model="numpy")
def _gather(head, sample, part, feed, grid, owed, room):
    """Add the gradients of the synapses from elsewhere to a group of blocks."""
    begin, step, fraction = feed.spikes.begin[sample], feed.spikes.step[sample], feed.spikes.fraction[sample]
    size, blocks = room.rows * 2 * LANES, feed.blocks
    for block in range(room.left.size // LANES):
        timeline, there = room.adjoint[block * size : (block + 1) * size], head + block
        weight_bar, delay_bar = owed.feed.weight[part, there], owed.feed.delay[part, there]
        if not feed.between:
            leave_on_grid(begin, step, blocks.weight[there], blocks.hop[there], timeline, grid, weight_bar, delay_bar)
            continue
        for i in range(len(begin) - 1):
            for k in range(begin[i], begin[i + 1]):
                total = leave_between(step[k], fraction[k], i, blocks, there, grid, timeline, weight_bar, delay_bar)
                if owed.drive.size:
                    owed.drive[sample, k] += total


@numba.njit(cache=True, error_model="numpy")
def _run_slice(part, start, stop, feed, within, grid, fired, guards, owed):
    room = _room(feed, within, grid, fired)
    for head in range(0, feed.blocks.weight.shape[0], room.left.size // LANES):
        for sample in range(start, stop):
            if feed.between:
                _mark_all(room.source_bits, feed.spikes.begin[sample], feed.spikes.step[sample])
            if within.weight.shape[0] > 0:
                _mark_all(room.bits, fired.spikes.begin[sample], fired.spikes.step[sample])
            _sweep(head, sample, part, feed, within, grid, fired, guards, owed, room)
            _gather(head, sample, part, feed, grid, owed, room)


@numba.njit(cache=True, parallel=True, error_model="numpy")
def adjoints(sent, blocks, between, within, grid, spikes, drive, pull, guards, feed_bar, within_bar, sent_drive):
    """Add the gradients of the synapses that lead to a population; its spikes are those that `forward.fire` wrote.

    Parameters
    ----------
    sent, blocks, between
        What drives it, as in `Afferents`.
    within
        `Blocks` of the synapses within the population; no block where it is not recurrent.
    spikes, drive, pull
        The population, as in `Fired`.
    guards
        `Guards`, whose counts are added to.
    feed_bar, within_bar, sent_drive
        Added to, as in `Owed`.
    """
    n_sample = sent.begin.shape[0]
    for part in numba.prange(SLICES):
        start, stop = n_sample * part // SLICES, n_sample * (part + 1) // SLICES
        if start < stop:
            feed, fired = Afferents(sent, blocks, between), Fired(spikes, drive, pull)
            _run_slice(part, start, stop, feed, within, grid, fired, guards, Owed(feed_bar, within_bar, sent_drive))
