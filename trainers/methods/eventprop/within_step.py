"""What happens within a step in which neurons of a population may fire while spikes arrive.

A neuron that might fire is a candidate: it is followed from arrival to arrival. Spikes are taken in the order of their times;
one of a recurrent population may arrive in the same step, where it moves candidates, and makes others.
"""

from __future__ import annotations

import numba
import numpy as np

from trainers.methods.eventprop.arrivals import arriving, enter_between, mark
from trainers.methods.eventprop.crossing import advance
from trainers.methods.eventprop.records import LANES

NEAR = 1 - 1e-5  # of a bound of V: the rounding of single precision loses no spike
NEVER = np.inf


@numba.njit(cache=True, error_model="numpy")
def _bound(j, n, room, grid):
    """The highest V that neuron ``j`` can reach within the step."""
    v, i = np.float64(room.v[j]), np.float64(room.i[j])
    lifted = room.between[((j // LANES * room.rows + n) * 3 + 1) * LANES + j % LANES]
    return v + (1.0 - grid.keep_mem) * max(i - v, 0.0) + lifted


@numba.njit(cache=True, error_model="numpy")
def _look(j, n, head, sample, feed, within, room, grid):
    """Find when candidate ``j`` fires next within the step: from ``since`` on, with all that is known to arrive."""
    block, lane, count = head + j // LANES, j % LANES, 0
    at = (j // LANES * room.rows + n) * 3 * LANES + lane
    disturbed = room.between[at] != 0 or room.between[at + LANES] != 0 or room.between[at + 2 * LANES] != 0
    if feed.between and disturbed:
        sent, first = feed.spikes, feed.spikes.begin[sample]
        count = arriving(
            n, block, lane, feed.blocks, room.source_bits, first[:-1], first[1:], sent.step[sample], sent.fraction[sample],
            room.since[j], count, room.time, room.weight, room.source, room.spike, grid,
        )  # fmt: skip
    if within.weight.shape[0] > 0 and disturbed:
        count = arriving(
            n, block, lane, within, room.bits, room.first, room.last, room.step, room.fraction,
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
def fire_within(n, head, sample, feed, within, room, grid):
    """Settle a step in which some neurons might fire; False if one fires too often to be kept."""
    n_chosen = 0
    for j in range(room.v.size):
        if room.hit[j // LANES] and _bound(j, n, room, grid) >= NEAR:
            n_chosen = _choose(j, n_chosen, room)
            _look(j, n, head, sample, feed, within, room, grid)
    fits = True
    while fits:
        j = -1
        for number in range(n_chosen):
            other = room.chosen[number]
            if room.fires_at[other] < NEVER and (j < 0 or room.fires_at[other] < room.fires_at[j]):
                j = other
        if j < 0:
            break
        fits = room.last[j] < (j + 1) * grid.n_steps
        if not fits:
            break
        fraction, at = np.float32(room.fires_at[j] / grid.dt), room.last[j]
        room.step[at], room.fraction[at], room.slope[at] = n, fraction, room.i_then[j] - 1.0
        room.last[j] += 1
        room.since[j], room.v_since[j], room.i_since[j] = np.float64(fraction) * grid.dt, 0.0, room.i_then[j]
        if within.weight.shape[0] > 0:
            mark(room.bits, j, n)
            n_chosen = _send(j, n, fraction, n_chosen, head, sample, feed, within, room, grid)
        _look(j, n, head, sample, feed, within, room, grid)
    for number in range(n_chosen):
        room.candidate[room.chosen[number]] = False
    return fits


@numba.njit(cache=True, error_model="numpy")
def _send(j, n, fraction, n_chosen, head, sample, feed, within, room, grid):
    """Send a spike to the population itself; who hears it within the same step is looked at anew."""
    size = room.rows * 3 * LANES
    for block in range(room.hit.size):
        timeline = room.between[block * size : (block + 1) * size]
        if not enter_between(n, fraction, j, within, block, grid, timeline):
            continue
        row = timeline[n * 3 * LANES : (n + 1) * 3 * LANES]
        for lane in range(LANES):
            target = block * LANES + lane
            if not room.candidate[target]:
                v, i = room.v[target], room.i[target]
                room.i_next[target] = grid.keep_syn * i + row[lane]
                room.v_next[target] = grid.keep_mem * v + grid.drive * i + row[LANES + lane] + row[2 * LANES + lane]
                if not _bound(target, n, room, grid) >= NEAR:
                    continue
                n_chosen = _choose(target, n_chosen, room)
            if target != j:
                _look(target, n, head, sample, feed, within, room, grid)
    return n_chosen
