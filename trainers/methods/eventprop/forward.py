"""A population driven by the spikes of another, and by its own where it is recurrent: when its neurons fire.

Time goes in steps, V and I exactly from one grid point to the next. A neuron that might fire within a step, by a bound that
holds whatever the order of its arrivals, is looked at closely: from arrival to arrival, each crossing solved. Spikes of a
recurrent population are taken in the order of their times, so that one may bring about another within the same step. A
population that is not recurrent goes block by block, whose timelines stay in the cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from trainers.methods.eventprop.arrivals import WORD, enter_between, enter_on_grid, mark
from trainers.methods.eventprop.crossing import first_crossing, free
from trainers.methods.eventprop.passing import keep_spikes
from trainers.methods.eventprop.records import LANES, SLICES, Afferents
from trainers.methods.eventprop.within_step import NEAR, fire_within


class Room(NamedTuple):
    """What a group of blocks needs in its run through a sample: timelines, states, spikes by lane, arrivals of one neuron."""

    rows: int
    impulses: NDArray[np.float32]
    between: NDArray[np.float32]
    v: NDArray[np.float32]
    i: NDArray[np.float32]
    v_next: NDArray[np.float32]
    i_next: NDArray[np.float32]
    candidate: NDArray[np.bool_]
    hit: NDArray[np.bool_]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    step: NDArray[np.uint32]
    fraction: NDArray[np.float32]
    slope: NDArray[np.float32]
    source_bits: NDArray[np.uint64]
    bits: NDArray[np.uint64]
    since: NDArray[np.float64]
    v_since: NDArray[np.float64]
    i_since: NDArray[np.float64]
    fires_at: NDArray[np.float64]
    i_then: NDArray[np.float64]
    chosen: NDArray[np.int64]
    time: NDArray[np.float64]
    weight: NDArray[np.float64]
    source: NDArray[np.int64]
    spike: NDArray[np.int64]


@numba.njit(cache=True, error_model="numpy")
def _room(feed, within, grid):
    recurrent, most = within.weight.shape[0] > 0, grid.n_steps  # spikes that a neuron may fire in a sample
    timed = feed.between or recurrent
    n_block, n_source = feed.blocks.weight.shape[0] if recurrent else 1, feed.spikes.begin.shape[1] - 1
    rows = grid.n_steps + max(feed.blocks.longest, within.longest) + 2
    lanes, words = n_block * LANES, grid.n_steps // WORD + 1
    n_listed = feed.spikes.step.shape[1] * feed.between + lanes * most * recurrent
    single, double = np.float32, np.float64
    return Room(
        rows,
        np.empty(n_block * rows * LANES, single),
        np.empty(n_block * rows * 3 * LANES if timed else 0, single),
        np.empty(lanes, single),
        np.empty(lanes, single),
        np.empty(lanes, single),
        np.empty(lanes, single),
        np.zeros(lanes, np.bool_),
        np.empty(n_block, np.bool_),
        np.arange(lanes) * most,
        np.empty(lanes, np.int64),
        np.empty(lanes * most, np.uint32),
        np.empty(lanes * most, single),
        np.empty(lanes * most, single),
        np.empty((n_source if feed.between else 0, words), np.uint64),
        np.empty((lanes if recurrent else 0, words), np.uint64),
        np.empty(lanes, double),
        np.empty(lanes, double),
        np.empty(lanes, double),
        np.empty(lanes, double),
        np.empty(lanes, double),
        np.empty(lanes, np.int64),
        np.empty(n_listed, double),
        np.empty(n_listed, double),
        np.empty(n_listed, np.int64),
        np.empty(n_listed, np.int64),
    )


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def _run_on_grid(impulses, v, i, v_next, i_next, last, step, fraction, slope, grid):
    """Run a block through a sample in which all arrives on the grid; False if a neuron fires too often to be kept.

    Without arrivals within the step, V is highest at its end, or has a peak before it and falls there.
    """
    single, lanes, zero = np.float32, np.uint32(LANES), np.float32(0)
    keep_mem, keep_syn, drive = single(grid.keep_mem), single(grid.keep_syn), single(grid.drive)
    climb, near = single(1 - grid.keep_mem), single(NEAR)
    for n in range(grid.n_steps):
        hit, at = np.uint32(0), np.uint32(n) * lanes
        for lane in range(lanes):
            current, potential = i[lane] + impulses[at + lane], v[lane]
            i[lane] = current
            rise, ebbed, reached = current - potential, keep_syn * current, keep_mem * potential + drive * current
            i_next[lane], v_next[lane] = ebbed, reached
            turns = (ebbed < reached) & (potential + climb * (rise if rise > zero else zero) >= near)
            hit |= np.uint32((reached >= near) | turns)
        if hit:
            for j in range(LANES):
                if not (v_next[j] >= near or i_next[j] < v_next[j]):
                    continue
                wait = first_crossing(np.float64(v[j]), np.float64(i[j]), grid.dt, grid)
                if wait < 0.0:
                    continue
                s, current_then = 0.0, np.float64(i[j])
                while wait >= 0.0:
                    if last[j] == (j + 1) * grid.n_steps:
                        return False
                    s, current_then = s + wait, current_then * np.exp(-wait / grid.tau_syn)
                    place = last[j]
                    step[place], fraction[place], slope[place] = n, s / grid.dt, current_then - 1.0
                    last[j] += 1
                    wait = first_crossing(0.0, current_then, grid.dt - s, grid)
                v_next[j], i_next[j] = free(0.0, current_then, grid.dt - s, grid)
        for lane in range(lanes):
            v[lane], i[lane] = v_next[lane], i_next[lane]
    return True


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def _step_between(n, rows, v, i, impulses, between, v_next, i_next, hit, grid):
    """Move a group of blocks a step on, with arrivals between the grid points; note in which a neuron might fire within it."""
    single, lanes, three, zero = np.float32, np.uint32(LANES), np.uint32(3), np.float32(0)
    keep_mem, keep_syn, drive = single(grid.keep_mem), single(grid.keep_syn), single(grid.drive)
    climb, near, hits = single(1 - grid.keep_mem), single(NEAR), False
    for block in range(hit.size):
        first, place, fires = np.uint32(block) * lanes, np.uint32(block * rows + n) * lanes, np.uint32(0)
        for lane in range(lanes):
            j, at = first + lane, three * place + lane
            current, potential = i[j] + impulses[place + lane], v[j]
            i[j] = current
            rise, lifted = current - potential, between[at + lanes]
            fires |= np.uint32(potential + climb * (rise if rise > zero else zero) + lifted >= near)
            i_next[j] = keep_syn * current + between[at]
            v_next[j] = keep_mem * potential + drive * current + lifted + between[at + lanes + lanes]
        hit[block] = fires != 0
        hits |= hit[block]
    return hits


@numba.njit(cache=True, error_model="numpy")
def _enter(head, sample, feed, room, grid):
    """Empty the timelines, and enter the spikes of a sample."""
    room.impulses[:] = 0
    room.between[:] = 0
    room.source_bits[:] = 0
    room.bits[:] = 0
    begin, step, fraction = feed.spikes.begin[sample], feed.spikes.step[sample], feed.spikes.fraction[sample]
    size, blocks = room.rows * LANES, feed.blocks
    for block in range(room.hit.size):
        there = head + block
        if not feed.between:
            timeline = room.impulses[block * size : (block + 1) * size]
            enter_on_grid(begin, step, blocks.weight[there], blocks.hop[there], timeline)
            continue
        timeline = room.between[3 * block * size : 3 * (block + 1) * size]
        for i in range(len(begin) - 1):
            for k in range(begin[i], begin[i + 1]):
                enter_between(step[k], fraction[k], i, blocks, there, grid, timeline)
                mark(room.source_bits, i, step[k])


@numba.njit(cache=True, error_model="numpy")
def _run(head, sample, feed, within, rest, room, grid):
    """Run a group of blocks through a sample; False if a neuron fires too often to be kept."""
    _enter(head, sample, feed, room, grid)
    room.v[:] = 0
    room.i[:] = 0
    for j in range(min(room.v.size, rest.shape[1] - head * LANES)):
        room.v[j] = rest[sample, head * LANES + j]
    room.last[:] = room.first
    if not (feed.between or within.weight.shape[0] > 0):
        return _run_on_grid(
            room.impulses, room.v, room.i, room.v_next, room.i_next,
            room.last, room.step, room.fraction, room.slope, grid,
        )  # fmt: skip
    for n in range(grid.n_steps):
        hits = _step_between(
            n, room.rows, room.v, room.i, room.impulses, room.between, room.v_next, room.i_next, room.hit, grid
        )
        if hits and not fire_within(n, head, sample, feed, within, room, grid):
            return False
        for j in range(room.v.size):
            room.v[j], room.i[j] = room.v_next[j], room.i_next[j]
    return True


@numba.njit(cache=True, error_model="numpy")
def _run_slice(start, stop, feed, within, grid, rest, spikes, n_spikes):
    room = _room(feed, within, grid)
    n_spikes[start:stop] = 0
    spikes.begin[start:stop, 0] = 0
    for head in range(0, feed.blocks.weight.shape[0], room.hit.size):
        for sample in range(start, stop):
            if n_spikes[sample] >= 0 and _run(head, sample, feed, within, rest, room, grid):
                keep_spikes(head, sample, room, spikes, n_spikes)
            else:
                n_spikes[sample] = -1


@numba.njit(cache=True, parallel=True, error_model="numpy")
def fire(sent, blocks, between, within, grid, rest, spikes, n_spikes):
    """Write the spikes of a population.

    Parameters
    ----------
    sent, blocks, between
        What drives it, as in `Afferents` (numba passes no nested tuples to threads).
    within
        `Blocks` of the synapses within the population; no block where it is not recurrent.
    rest
        V of every neuron at the beginning, dims (sample, neuron).
    spikes, n_spikes
        Written: the spikes, and how many each sample has, which may be more than there was room for; -1 where a neuron
        fired more often than there are steps.
    """
    n_sample = sent.begin.shape[0]
    for part in numba.prange(SLICES):
        start, stop = n_sample * part // SLICES, n_sample * (part + 1) // SLICES
        if start < stop:
            _run_slice(start, stop, Afferents(sent, blocks, between), within, grid, rest, spikes, n_spikes)
