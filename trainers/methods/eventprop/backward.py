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
from trainers.methods.eventprop.records import LANES, SLICES


class Gradients(NamedTuple):
    """Gradients of the synapses of a projection, by slice of the batch, dims (slice, block, source x lane)."""

    weight: NDArray[np.float32]
    delay: NDArray[np.float32]


class Guards(NamedTuple):
    """What keeps gradients finite.

    Attributes
    ----------
    least_slope
        The jump at a spike is 1 / (I - 1) at most of this I - 1.
    most
        :math:`\\lambda_V` after a jump is cut at this size.
    n_capped, n_cut
        Written: how often that happened, dims (slice).
    """

    least_slope: float
    most: float
    n_capped: NDArray[np.int64]
    n_cut: NDArray[np.int64]


@numba.njit(cache=True, error_model="numpy")
def _back(along_v, along_i, length, grid):
    """The adjoints ``length`` ms earlier, without spikes in between."""
    e_mem, e_syn = np.exp(-length / grid.tau_mem), np.exp(-length / grid.tau_syn)
    spread = grid.tau_mem / (grid.tau_mem - grid.tau_syn)
    return along_v * e_mem, along_i * e_syn + along_v * spread * (e_mem - e_syn)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def glide_back(n, block, rows, adjoint, next_step, keep_mem, keep_syn, mix, alone):
    """Fill the rows of a block from ``n`` down to the first step with a spike, or only row ``n``; return that step or -1."""
    lanes, two = np.uint32(LANES), np.uint32(2)
    first = np.uint32(block) * lanes
    while n >= 0:
        hit, at = np.uint32(0), np.uint32(block * rows + n) * two * lanes
        for lane in range(lanes):
            i, v = adjoint[at + two * (lanes + lane)], adjoint[at + two * (lanes + lane) + np.uint32(1)]
            adjoint[at + two * lane] = keep_syn * i + mix * v
            adjoint[at + two * lane + np.uint32(1)] = keep_mem * v
            hit |= np.uint32(next_step[first + lane] == n)
        if hit:
            return n
        if not alone:
            break
        n -= 1
    return -1


@numba.njit(cache=True, error_model="numpy")
def _sweep(head, sample, part, source, feed, between, own, recurrent, grid, spikes, drive, pull, guards, adjoint, rows,
           next_step, left, since, v_since, i_since, source_bits, bits, time, weight, sender, spike,
           feed_bar, own_bar, source_drive):  # fmt: skip
    """Fill the adjoint timelines of a group of blocks."""
    keep_mem, keep_syn = np.float32(grid.keep_mem), np.float32(grid.keep_syn)
    spread = grid.tau_mem / (grid.tau_mem - grid.tau_syn)
    mix = np.float32(spread * (grid.keep_mem - grid.keep_syn))
    begin, step, fraction, slope = spikes.begin[sample], spikes.step[sample], spikes.fraction[sample], spikes.slope[sample]
    n_lanes = next_step.size
    n_block, n_neuron = n_lanes // LANES, min(n_lanes, begin.size - 1 - head * LANES)
    adjoint[:] = 0
    next_step[:] = -1
    for j in range(n_neuron):
        left[j] = np.int64(begin[head * LANES + j + 1]) - 1
        if left[j] >= np.int64(begin[head * LANES + j]):
            next_step[j] = step[left[j]]
    n = grid.n_steps - 1
    while n >= 0:
        if n_block == 1:
            n = glide_back(n, 0, rows, adjoint, next_step, keep_mem, keep_syn, mix, True)
            if n < 0:
                break
        else:
            for block in range(n_block):
                glide_back(n, block, rows, adjoint, next_step, keep_mem, keep_syn, mix, False)
        for j in range(n_neuron):
            since[j] = grid.dt
        while True:
            j = -1  # the latest spike of the step
            for other in range(n_neuron):
                if next_step[other] == n and (j < 0 or fraction[left[other]] > fraction[left[j]]):
                    j = other
            if j < 0:
                break
            k, block, lane = left[j], j // LANES, j % LANES
            s = np.float64(fraction[k]) * grid.dt
            if since[j] == grid.dt:
                at = 2 * ((block * rows + n + 1) * LANES + lane)
                i_since[j], v_since[j] = adjoint[at], adjoint[at + 1]
            along_v, along_i = _back(v_since[j], i_since[j], since[j] - s, grid)
            push = along_v + drive[sample, k]
            if recurrent:
                for target in range(n_block):
                    timeline = adjoint[target * rows * 2 * LANES : (target + 1) * rows * 2 * LANES]
                    push += leave_between(
                        n,
                        fraction[k],
                        j,
                        own,
                        target,
                        grid,
                        timeline,
                        own_bar.weight[part, target],
                        own_bar.delay[part, target],
                    )
            guards.n_capped[part] += slope[k] < guards.least_slope
            landed = along_v + push / max(np.float64(slope[k]), guards.least_slope) - pull[head * LANES + j]
            if not abs(landed) <= guards.most:
                guards.n_cut[part] += 1
                landed = min(max(landed, -guards.most), guards.most)
            jump = landed - along_v
            since[j], v_since[j], i_since[j] = s, landed, along_i
            left[j] -= 1
            next_step[j] = step[left[j]] if left[j] >= np.int64(begin[head * LANES + j]) else -1
            if between:
                first = source.begin[sample]
                count = arriving(
                    n, head + block, lane, feed, source_bits, first[:-1], first[1:], source.step[sample],
                    source.fraction[sample], 0.0, 0, time, weight, sender, spike, grid,
                )  # fmt: skip
                _add_jump(count, s, jump, lane, time, weight, sender, spike, grid, feed_bar.weight[part, head + block],
                          feed_bar.delay[part, head + block], source_drive[sample])  # fmt: skip
            if recurrent:
                count = arriving(
                    n, block, lane, own, bits, begin[:-1], begin[1:], step, fraction,
                    0.0, 0, time, weight, sender, spike, grid,
                )  # fmt: skip
                _add_jump(count, s, jump, lane, time, weight, sender, spike, grid, own_bar.weight[part, block],
                          own_bar.delay[part, block], drive[sample])  # fmt: skip
        for j in range(n_neuron):
            if since[j] < grid.dt or (
                since[j] == grid.dt and left[j] + 1 < begin[head * LANES + j + 1] and step[left[j] + 1] == n
            ):
                along_v, along_i = _back(v_since[j], i_since[j], since[j], grid)
                at = 2 * ((j // LANES * rows + n) * LANES + j % LANES)
                adjoint[at], adjoint[at + 1] = along_i, along_v
        n -= 1


@numba.njit(cache=True, error_model="numpy")
def _add_jump(count, s, jump, lane, time, weight, sender, spike, grid, weight_bar, delay_bar, drive):
    """Add what a jump of lambda_V at ``s`` ms of a step owes to the arrivals before it."""
    spread = grid.tau_mem / (grid.tau_mem - grid.tau_syn)
    for number in range(count):
        lag = s - time[number]
        if lag <= 0.0:
            break
        e_mem, e_syn = np.exp(-lag / grid.tau_mem), np.exp(-lag / grid.tau_syn)
        along_v, along_i = jump * e_mem, jump * spread * (e_mem - e_syn)
        at = sender[number] * LANES + lane
        weight_bar[at] -= grid.tau_syn * along_i
        delay_bar[at] -= weight[number] * (along_i - along_v)
        if drive.size:
            drive[spike[number]] += weight[number] * (along_v - along_i)


@numba.njit(cache=True, error_model="numpy")
def _run_slice(
    part, start, stop, source, feed, between, own, recurrent, grid, spikes, drive, pull, guards, feed_bar, own_bar, source_drive
):
    n_block, n_source = feed.weight.shape[0], source.begin.shape[1] - 1
    rows, words = grid.n_steps + max(feed.longest, own.longest) + 3, grid.n_steps // WORD + 1
    group = n_block if recurrent else 1
    lanes, n_listed = group * LANES, source.step.shape[1] * between + spikes.step.shape[1] * recurrent
    adjoint = np.empty(group * rows * 2 * LANES, np.float32)
    next_step, left = np.empty(lanes, np.int32), np.zeros(lanes, np.int64)
    since, v_since, i_since = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    source_bits = np.empty((n_source if between else 0, words), np.uint64)
    bits = np.empty((lanes if recurrent else 0, words), np.uint64)
    time, weight = np.empty(n_listed), np.empty(n_listed)
    sender, spike = np.empty(n_listed, np.int64), np.empty(n_listed, np.int64)
    for head in range(0, n_block, group):
        for sample in range(start, stop):
            begin, step, fraction = source.begin[sample], source.step[sample], source.fraction[sample]
            if between:
                _mark_all(source_bits, begin, step)
            if recurrent:
                _mark_all(bits, spikes.begin[sample], spikes.step[sample])
            _sweep(head, sample, part, source, feed, between, own, recurrent, grid, spikes, drive, pull, guards, adjoint, rows,
                   next_step, left, since, v_since, i_since, source_bits, bits, time, weight, sender, spike,
                   feed_bar, own_bar, source_drive)  # fmt: skip
            for block in range(group):
                timeline = adjoint[block * rows * 2 * LANES : (block + 1) * rows * 2 * LANES]
                weight_bar, delay_bar = feed_bar.weight[part, head + block], feed_bar.delay[part, head + block]
                if not between:
                    leave_on_grid(
                        begin, step, feed.weight[head + block], feed.hop[head + block], timeline, grid, weight_bar, delay_bar
                    )
                    continue
                for i in range(n_source):
                    for k in range(begin[i], begin[i + 1]):
                        owed = leave_between(step[k], fraction[k], i, feed, head + block, grid, timeline, weight_bar, delay_bar)
                        if source_drive.size:
                            source_drive[sample, k] += owed


@numba.njit(cache=True, error_model="numpy")
def _mark_all(bits, begin, step):
    bits[:] = 0
    for j in range(len(begin) - 1):
        for k in range(begin[j], begin[j + 1]):
            mark(bits, j, step[k])


@numba.njit(cache=True, parallel=True, error_model="numpy")
def adjoints(source, feed, between, own, recurrent, grid, spikes, drive, pull, guards, feed_bar, own_bar, source_drive):
    """Add the gradients of the synapses that lead to a population; its spikes are those that `forward.fire` wrote.

    Parameters
    ----------
    drive
        Of every spike, what it owes to what comes after it: derivative of the loss by its time, and the sums of
        w (lambda_V - lambda_I) of the populations that it drives, dims (sample, spike). Used up.
    pull
        Subtracted from lambda_V at every spike, dims (neuron): a regulariser.
    guards
        `Guards`, whose counts are added to.
    feed_bar, own_bar
        `Gradients`, added to.
    source_drive
        The same as ``drive`` of the source's spikes, added to; of no size where it is not wanted.
    """
    n_sample = source.begin.shape[0]
    for part in numba.prange(SLICES):
        start, stop = n_sample * part // SLICES, n_sample * (part + 1) // SLICES
        if start < stop:
            _run_slice(
                part, start, stop, source, feed, between, own, recurrent, grid, spikes, drive, pull, guards, feed_bar, own_bar,
                source_drive,
            )  # fmt: skip
