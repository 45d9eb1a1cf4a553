"""What both schemes do with a population's spikes: keep those that are fired, and meet them again on the way back."""

from __future__ import annotations

import numba
import numpy as np

from trainers.methods.eventprop.records import LANES


@numba.njit(cache=True, error_model="numpy")
def keep_spikes(head, sample, room, spikes, n_spikes):
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


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def _glide_back(n, block, rows, adjoint, next_step, keep_mem, keep_syn, mix, alone):
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
def descend(n, n_block, rows, adjoint, next_step, grid):
    """Fill the rows of a group of blocks, from ``n`` down to the first step that may hold a spike; return that step or -1."""
    keep_mem, keep_syn = np.float32(grid.keep_mem), np.float32(grid.keep_syn)
    mix = np.float32(grid.tau_mem / (grid.tau_mem - grid.tau_syn) * (grid.keep_mem - grid.keep_syn))
    if n_block == 1:
        return _glide_back(n, 0, rows, adjoint, next_step, keep_mem, keep_syn, mix, True)
    for block in range(n_block):
        _glide_back(n, block, rows, adjoint, next_step, keep_mem, keep_syn, mix, False)
    return n


@numba.njit(cache=True, error_model="numpy")
def begin_back(begin, step, next_step, left):
    """Begin at the end: every neuron's last spike is the next to be met, -1 where there is none."""
    next_step[:] = -1
    for j in range(min(left.size, begin.size - 1)):
        left[j] = begin[j + 1]
        meet_next(j, begin, step, next_step, left)


@numba.njit(cache=True, error_model="numpy")
def meet_next(j, begin, step, next_step, left):
    """Go on to the spike before, and note its step; -1 where there is none."""
    left[j] -= 1
    next_step[j] = step[left[j]] if left[j] >= np.int64(begin[j]) else -1


@numba.njit(cache=True, error_model="numpy")
def landed(along_v, push, slope, pull, part, guards):
    """lambda_V before a spike, from that after it; cap and guard are counted."""
    guards.n_capped[part] += slope < guards.least_slope
    value = along_v + (along_v + push) / max(np.float64(slope), guards.least_slope) - pull
    if not abs(value) <= guards.most:
        guards.n_cut[part] += 1
        value = min(max(value, -guards.most), guards.most)
    return value
