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

from trainers.methods.eventprop.arrivals import WORD, arriving, enter_between, enter_on_grid, mark
from trainers.methods.eventprop.crossing import advance, first_crossing, free
from trainers.methods.eventprop.records import LANES, SLICES

NEAR = 1 - 1e-5  # of a bound of V: the rounding of single precision loses no spike
NEVER = np.inf


class Room(NamedTuple):
    """What a group of blocks needs in its run through a sample: timelines, states, spikes by lane, arrivals of one neuron."""

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
def _room(n_block, n_source, n_listed, most, rows, between, recurrent, grid):
    lanes, words = n_block * LANES, grid.n_steps // WORD + 1
    single, double = np.float32, np.float64
    return Room(
        np.empty(n_block * rows * LANES, single),
        np.empty(n_block * rows * 3 * LANES if between or recurrent else 0, single),
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
        np.empty((n_source if between else 0, words), np.uint64),
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
def _run_on_grid(impulses, v, i, v_next, i_next, last, step, fraction, slope, most, grid):
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
                    if last[j] == (j + 1) * most:
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
def _bound(j, n, room, rows, grid):
    """The highest V that neuron ``j`` can reach within the step."""
    v, i = np.float64(room.v[j]), np.float64(room.i[j])
    lifted = room.between[((j // LANES * rows + n) * 3 + 1) * LANES + j % LANES]
    return v + (1.0 - grid.keep_mem) * max(i - v, 0.0) + lifted


@numba.njit(cache=True, error_model="numpy")
def _look(j, n, head, sample, source, feed, between, own, recurrent, room, rows, grid):
    """Find when candidate ``j`` fires next within the step: from ``since`` on, with all that is known to arrive."""
    block, lane, count = head + j // LANES, j % LANES, 0
    at = (j // LANES * rows + n) * 3 * LANES + lane
    disturbed = room.between[at] != 0 or room.between[at + LANES] != 0 or room.between[at + 2 * LANES] != 0
    if between and disturbed:
        first = source.begin[sample]
        count = arriving(
            n, block, lane, feed, room.source_bits, first[:-1], first[1:], source.step[sample], source.fraction[sample],
            room.since[j], count, room.time, room.weight, room.source, room.spike, grid,
        )  # fmt: skip
    if recurrent and disturbed:
        count = arriving(
            n, block, lane, own, room.bits, room.first, room.last, room.step, room.fraction,
            room.since[j], count, room.time, room.weight, room.source, room.spike, grid,
        )  # fmt: skip
    fired, s, v, i, k = advance(room.since[j], room.v_since[j], room.i_since[j], room.time, room.weight, count, 0, grid)
    room.fires_at[j] = _kept_time(s, room.time, k, count, grid) if fired else NEVER
    room.i_then[j] = i
    if not fired:
        room.v_next[j], room.i_next[j] = v, i


@numba.njit(cache=True, error_model="numpy")
def _kept_time(s, time, k, count, grid):
    """The time of a spike in single precision, as it is kept: after the arrivals before number ``k``, not after that one."""
    fraction = np.float32(s / grid.dt)
    if k > 0 and np.float64(fraction) * grid.dt <= time[k - 1]:
        while np.float64(fraction) * grid.dt <= time[k - 1]:
            fraction = np.nextafter(fraction, np.float32(2))
    elif k < count:
        while np.float64(fraction) * grid.dt > time[k]:
            fraction = np.nextafter(fraction, np.float32(-1))
    return np.float64(fraction) * grid.dt


@numba.njit(cache=True, error_model="numpy")
def _choose(j, n_chosen, room):
    """Make a neuron a candidate, from the beginning of the step."""
    room.candidate[j] = True
    room.since[j], room.v_since[j], room.i_since[j] = 0.0, np.float64(room.v[j]), np.float64(room.i[j])
    room.chosen[n_chosen] = j
    return n_chosen + 1


@numba.njit(cache=True, error_model="numpy")
def _fire(n, head, sample, source, feed, between, own, recurrent, room, rows, most, grid):
    """Settle a step in which some neurons might fire; False if one fires too often to be kept."""
    n_chosen = 0
    for j in range(room.v.size):
        if room.hit[j // LANES] and _bound(j, n, room, rows, grid) >= NEAR:
            n_chosen = _choose(j, n_chosen, room)
            _look(j, n, head, sample, source, feed, between, own, recurrent, room, rows, grid)
    fits = True
    while fits:
        j = -1
        for number in range(n_chosen):
            other = room.chosen[number]
            if room.fires_at[other] < NEVER and (j < 0 or room.fires_at[other] < room.fires_at[j]):
                j = other
        if j < 0:
            break
        fits = room.last[j] < (j + 1) * most
        if not fits:
            break
        fraction, at = np.float32(room.fires_at[j] / grid.dt), room.last[j]
        room.step[at], room.fraction[at], room.slope[at] = n, fraction, room.i_then[j] - 1.0
        room.last[j] += 1
        room.since[j], room.v_since[j], room.i_since[j] = np.float64(fraction) * grid.dt, 0.0, room.i_then[j]
        if recurrent:
            mark(room.bits, j, n)
            n_chosen = _send(j, n, fraction, n_chosen, head, sample, source, feed, between, own, room, rows, grid)
        _look(j, n, head, sample, source, feed, between, own, recurrent, room, rows, grid)
    for number in range(n_chosen):
        room.candidate[room.chosen[number]] = False
    return fits


@numba.njit(cache=True, error_model="numpy")
def _send(j, n, fraction, n_chosen, head, sample, source, feed, between, own, room, rows, grid):
    """Send a spike to the population itself; who hears it within the same step is looked at anew."""
    for block in range(room.hit.size):
        timeline = room.between[block * rows * 3 * LANES : (block + 1) * rows * 3 * LANES]
        if not enter_between(n, fraction, j, own, block, grid, timeline):
            continue
        row = timeline[n * 3 * LANES : (n + 1) * 3 * LANES]
        for lane in range(LANES):
            target = block * LANES + lane
            if not room.candidate[target]:
                v, i = room.v[target], room.i[target]
                room.i_next[target] = grid.keep_syn * i + row[lane]
                room.v_next[target] = grid.keep_mem * v + grid.drive * i + row[LANES + lane] + row[2 * LANES + lane]
                if not _bound(target, n, room, rows, grid) >= NEAR:
                    continue
                n_chosen = _choose(target, n_chosen, room)
            if target != j:
                _look(target, n, head, sample, source, feed, between, own, True, room, rows, grid)
    return n_chosen


@numba.njit(cache=True, error_model="numpy")
def _enter(head, sample, source, feed, between, room, rows, grid):
    """Empty the timelines, and enter the spikes of a sample."""
    room.impulses[:] = 0
    room.between[:] = 0
    room.source_bits[:] = 0
    room.bits[:] = 0
    begin, step, fraction = source.begin[sample], source.step[sample], source.fraction[sample]
    for block in range(room.hit.size):
        if between:
            timeline = room.between[block * rows * 3 * LANES : (block + 1) * rows * 3 * LANES]
            for i in range(len(begin) - 1):
                for k in range(begin[i], begin[i + 1]):
                    enter_between(step[k], fraction[k], i, feed, head + block, grid, timeline)
        else:
            timeline = room.impulses[block * rows * LANES : (block + 1) * rows * LANES]
            enter_on_grid(begin, step, feed.weight[head + block], feed.hop[head + block], timeline)
    if between:
        for i in range(len(begin) - 1):
            for k in range(begin[i], begin[i + 1]):
                mark(room.source_bits, i, step[k])


@numba.njit(cache=True, error_model="numpy")
def _run(head, sample, source, feed, between, own, recurrent, rest, room, rows, most, grid):
    """Run a group of blocks through a sample; False if a neuron fires too often to be kept."""
    _enter(head, sample, source, feed, between, room, rows, grid)
    room.v[:] = 0
    room.i[:] = 0
    for j in range(min(room.v.size, rest.shape[1] - head * LANES)):
        room.v[j] = rest[sample, head * LANES + j]
    room.last[:] = room.first
    if not (between or recurrent):
        return _run_on_grid(
            room.impulses, room.v, room.i, room.v_next, room.i_next,
            room.last, room.step, room.fraction, room.slope, most, grid,
        )  # fmt: skip
    for n in range(grid.n_steps):
        hits = _step_between(n, rows, room.v, room.i, room.impulses, room.between, room.v_next, room.i_next, room.hit, grid)
        if hits and not _fire(n, head, sample, source, feed, between, own, recurrent, room, rows, most, grid):
            return False
        for j in range(room.v.size):
            room.v[j], room.i[j] = room.v_next[j], room.i_next[j]
    return True


@numba.njit(cache=True, error_model="numpy")
def keep(head, sample, room, spikes, n_spikes):
    """Add the spikes of a group to those of its population, as far as there is room; all are counted."""
    begin, width = spikes.begin[sample], spikes.step.shape[1]
    for j in range(min(room.last.size, begin.size - 1 - head * LANES)):
        for k in range(room.first[j], room.last[j]):
            at = n_spikes[sample]
            if at < width:
                spikes.step[sample, at], spikes.fraction[sample, at] = room.step[k], room.fraction[k]
                spikes.slope[sample, at] = room.slope[k]
            n_spikes[sample] += 1
        begin[head * LANES + j + 1] = n_spikes[sample]


@numba.njit(cache=True, error_model="numpy")
def _run_slice(start, stop, source, feed, between, own, recurrent, grid, rest, most, spikes, n_spikes):
    n_block, n_source = feed.weight.shape[0], source.begin.shape[1] - 1
    rows = grid.n_steps + max(feed.longest, own.longest) + 2
    group = n_block if recurrent else 1
    n_listed = source.step.shape[1] * between + group * LANES * most * recurrent
    room = _room(group, n_source, n_listed, most, rows, between, recurrent, grid)
    n_spikes[start:stop] = 0
    spikes.begin[start:stop, 0] = 0
    for head in range(0, n_block, group):
        for sample in range(start, stop):
            if n_spikes[sample] >= 0 and _run(
                head, sample, source, feed, between, own, recurrent, rest, room, rows, most, grid
            ):
                keep(head, sample, room, spikes, n_spikes)
            else:
                n_spikes[sample] = -1


@numba.njit(cache=True, parallel=True, error_model="numpy")
def fire(source, feed, between, own, recurrent, grid, rest, most, spikes, n_spikes):
    """Write the spikes of a population.

    Parameters
    ----------
    source
        Spikes of what drives it.
    feed, own
        `Blocks` of the synapses from there, and of those within the population.
    between
        Whether spikes of the source arrive between the grid points; else all of them have fraction 0, and delays no rest.
    recurrent
        Whether ``own`` counts.
    rest
        V of every neuron at the beginning, dims (sample, neuron).
    most
        Spikes that a neuron may fire in a sample.
    spikes, n_spikes
        Written: the spikes, and how many each sample has, which may be more than there was room for; -1 where a neuron
        fired more than ``most``.
    """
    n_sample = source.begin.shape[0]
    for part in numba.prange(SLICES):
        start, stop = n_sample * part // SLICES, n_sample * (part + 1) // SLICES
        if start < stop:
            _run_slice(start, stop, source, feed, between, own, recurrent, grid, rest, most, spikes, n_spikes)
