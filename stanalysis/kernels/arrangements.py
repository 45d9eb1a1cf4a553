"""Where the synapses of one field are in one draw of a null: the same (stream, draw) gives the same arrangement.

Every statistic calls `arrange` for every draw, so that any statistic meets any null, and all of them the same draws.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stanalysis.kernels.inner import inner
from stanalysis.kernels.kept_margins import walk_signs
from stanalysis.kernels.lanes import N_WIDE
from stanalysis.kernels.permutations import GOLDEN, address, deal, mix, shuffle
from stanalysis.kernels.threads import in_threads

# Where several synapses of a source cannot share a cell, the arrangements that the delays allow have no simple sampler. Every
# draw is a random walk over them from one hub, itself such a walk from the field: with steps as likely forth as back the
# field is then one of the draws like any other, however short the walks (Besag & Clifford 1989,
# https://doi.org/10.1093/biomet/76.4.633).
SWAPS = 10  # attempted in a walk, per synapse
HUB = np.uint64(2**64 - 1)  # the walk to the hub is no draw: none has this number

OBSERVED, DELAYS, WEIGHTS, SIGNS, SOURCES, ROWS, CELLS, KEPT_MARGINS = range(8)
CODES = {  # by the names that the records of the nulls use
    "none": OBSERVED,
    "kept margins": KEPT_MARGINS,
    "delays": DELAYS,
    "weights": WEIGHTS,
    "signs": SIGNS,
    "sources": SOURCES,
    "rows": ROWS,
    "cells": CELLS,
}
_11, _32 = np.uint64(11), np.uint64(32)
_TO_UNIT = 2.0**-53


class Synapses(NamedTuple):
    """The synapses of some fields, those of field f from ``start[f]`` to ``start[f + 1]``."""

    start: np.ndarray  # (field + 1,) int64
    source: np.ndarray  # (synapse,) int64
    delay: np.ndarray  # (synapse,) float64: the bin on a grid, otherwise ms
    weight: np.ndarray  # (synapse,) float64
    group: np.ndarray  # (synapse,) int64: synapses that keep one sign have one group, from 0 in each field; weight 0: -1
    lean: np.ndarray = np.empty(0)  # (synapse,) float64, as `walk_signs` takes them where margins are kept; otherwise none
    margins: np.ndarray = np.empty((0, 0))  # (synapse, margin) float64: likewise
    orders: np.ndarray = np.empty((0, 0, 0), np.int32)  # (draw / 8, synapse, lane): permutations that all fields share, if any


class Plane(NamedTuple):
    """Where synapses can be."""

    n_source: int
    extent: float  # delays are below it: the number of bins on a grid, otherwise the longest delay
    grid: bool
    shared: bool  # whether two synapses can be in one cell


class Scratch(NamedTuple):
    """Room that `arrange` needs for one field, and what it needs to know of it."""

    order: np.ndarray  # (source,) uint32: which source a source stands for
    picks: np.ndarray  # (the more of synapses and sources,) uint32: as `deal` takes them, or cells picked
    items: np.ndarray  # (synapse,) float64: left to be dealt out
    dealt: np.ndarray  # (1, synapse, 1) float64: signs of groups of synapses
    cells: np.ndarray  # (cell,) int64: all of them where they are shuffled; otherwise none
    signs: np.ndarray  # (group,) float64: of synapses that keep one sign
    alone: bool  # whether each group is one synapse, in their order
    hub: np.ndarray  # (synapse,) float64: delays from which every walk starts
    taken: np.ndarray  # (source, bin) bool: where a synapse is, while some must keep apart; empty where none must
    holders: np.ndarray  # (signed synapse,) int64: as `walk_signs` takes them, at the hub of signs
    now: np.ndarray  # same, in a draw
    offset_of_hub: np.ndarray  # (margin,) float64: likewise
    offset: np.ndarray  # (margin,) float64: likewise, of a draw


@inner
def synapses_of(synapses, f):
    """Those of field f alone."""
    start, source, delay, weight, group, lean, margins, orders = synapses
    rows = slice(start[f], start[f + 1])
    return Synapses(start[f : f + 2], source[rows], delay[rows], weight[rows], group[rows], lean[rows], margins[rows], orders)


@in_threads
def shared_orders(begin, end, stream, orders):
    """Write into ``orders`` (draw / 8, synapse, lane) the permutations of the draws of a stream."""
    order, picks = np.empty(orders.shape[1], np.uint32), np.empty(orders.shape[1], np.uint32)
    for block in range(begin, end):
        for lane in range(N_WIDE):
            shuffle(address(stream, np.uint64(block * N_WIDE + lane)), order, picks)
            for k in range(order.size):
                orders[block, k, lane] = order[k]


@inner
def scratch_of(null, stream, field, plane):
    """The `Scratch` of a field."""
    source, weight, group = field.source, field.weight, field.group
    n, n_source, n_bin = source.size, plane.n_source, int(plane.extent) if plane.grid else 0
    order, picks = np.empty(n_source, np.uint32), np.empty(max(n, n_source), np.uint32)
    cells = np.empty(n_source * n_bin if null == CELLS else 0, np.int64)
    for i in range(cells.size):
        cells[i] = i
    hub, n_group, alone = np.empty(n), 0, True
    for k in range(n):
        hub[k] = field.delay[k]
        n_group = max(n_group, group[k] + 1)
        alone = alone and group[k] == k
    signs = np.empty(n_group)
    for k in range(n):
        if group[k] >= 0:
            signs[group[k]] = 1.0 if weight[k] > 0 else -1.0
    apart = False
    if plane.grid and not plane.shared and null in (DELAYS, ROWS):
        order[:] = 0
        for k in range(n):
            apart = apart or order[source[k]] > 0
            order[source[k]] += 1
    taken = np.empty((n_source if apart else 0, n_bin), np.bool_)
    taken[:] = False
    if apart and null == DELAYS:
        swap(address(stream, HUB), source, hub, taken)
    n_plus = n_above_0(weight)
    n_plus_yet, n_signed = 0, n_plus
    holders, offset = np.empty(n, np.int64), np.empty(field.margins.shape[1])
    offset[:] = 0
    for k in range(n):
        if weight[k] > 0:
            holders[n_plus_yet] = k
            n_plus_yet += 1
        elif weight[k] < 0:
            holders[n_signed] = k
            n_signed += 1
    if null == KEPT_MARGINS:
        walk_signs(address(stream, HUB), n_plus, holders[:n_signed], offset, field.lean, field.margins)
    room = order, picks, np.empty(n), np.empty((1, n, 1))
    at_hub = holders[:n_signed], np.empty(n_signed, np.int64), offset, np.empty(offset.size)
    return Scratch(*room, cells, signs, alone, hub, taken, *at_hub)


@inner
def n_above_0(weight):
    """How many weights excite."""
    n = 0
    for k in range(weight.size):
        n += weight[k] > 0
    return n


@inner
def swap(state, source, at, taken):
    """Swap delays of random pairs of synapses, SWAPS times as many as there are, wherever no two then meet in a cell."""
    n = source.size
    for k in range(n):
        taken[source[k], int(at[k])] = True
    for _ in range(SWAPS * n):
        state += GOLDEN
        i = _below(state, n)
        state += GOLDEN
        j = _below(state, n)
        first, second = int(at[i]), int(at[j])
        if source[i] != source[j]:
            if taken[source[i], second] or taken[source[j], first]:
                continue
            taken[source[i], first], taken[source[j], second] = False, False
            taken[source[i], second], taken[source[j], first] = True, True
        at[i], at[j] = second, first
    for k in range(n):
        taken[source[k], int(at[k])] = False


@inner
def _below(state, n):
    """A whole number from 0 to n - 1."""
    return np.int64(((mix(state) >> _32) * np.uint64(n)) >> _32)


@inner
def at_rest(field, n_block, n_lane):
    """Source, delay and weight (block, synapse, lane) of a field as it is, to be moved by `arrange`."""
    n = field.source.size
    row, at, value = np.empty((n_block, n, n_lane), np.int64), np.empty((n_block, n, n_lane)), np.empty((n_block, n, n_lane))
    for block in range(n_block):
        for k in range(n):
            for lane in range(n_lane):
                row[block, k, lane], at[block, k, lane] = field.source[k], field.delay[k]
                value[block, k, lane] = field.weight[k]
    return row, at, value


@inner
def arrange(null, stream, first, n_draw, field, plane, scratch, row, at, value):
    """Write into ``row``, ``at`` and ``value``, which are from `at_rest`, those of the source, delay and weight of each synapse
    of a field that the null moves: one draw in each lane of each block, from the ``first`` on.
    """
    draws = stream, np.uint64(first), n_draw
    if null == DELAYS and scratch.taken.size > 0:
        _walk(draws, field.source, scratch.hub, scratch.items, scratch.taken, at)
    elif null == DELAYS:
        _deal(draws, field.orders, field.delay, scratch.items, scratch.picks, at)
    elif null == WEIGHTS:
        _deal(draws, field.orders, field.weight, scratch.items, scratch.picks, value)
    elif null == SIGNS and scratch.alone:
        _deal(draws, field.orders, scratch.signs, scratch.items, scratch.picks, value)
        for block in range(value.shape[0]):
            for k in range(value.shape[1]):
                for lane in range(min(value.shape[2], n_draw - block * value.shape[2])):
                    value[block, k, lane] *= abs(field.weight[k])
    elif null == SIGNS:
        _deal_groups(draws, field, scratch, value)
    elif null == KEPT_MARGINS:
        _walk_signs(draws, field, scratch, value)
    elif null == SOURCES:
        _deal_sources(draws, field.source, scratch.order, scratch.picks[: plane.n_source], row)
    elif null == ROWS:
        _redraw(draws, field.source, plane, scratch.taken, at)
    elif null == CELLS and plane.grid:
        _distinct_cells(draws, scratch.cells, int(plane.extent), scratch.picks, row, at)
    elif null == CELLS:
        _anywhere(draws, plane, row, at)


@inner
def _deal(draws, orders, items, left, picks, out):
    stream, first, n_draw = draws
    picks = picks[: items.size]
    n_lane = out.shape[2]
    n_shared = 0
    if orders.size > 0 and n_lane == N_WIDE:
        for block in range(n_draw // N_WIDE):
            order = orders[first // np.uint64(N_WIDE) + np.uint64(block)]
            for k in range(items.size):
                for lane in range(N_WIDE):
                    out[block, k, lane] = items[order[k, lane]]
            n_shared += N_WIDE
    for d in range(n_shared, n_draw):
        deal(address(stream, first + np.uint64(d)), items, left, picks, out, d // n_lane, d % n_lane)


@inner
def _deal_groups(draws, field, scratch, value):
    stream, first, n_draw = draws
    weight, group, dealt, n_lane = field.weight, field.group, scratch.dealt, value.shape[2]
    picks = scratch.picks[: scratch.signs.size]
    for d in range(n_draw):
        deal(address(stream, first + np.uint64(d)), scratch.signs, scratch.items, picks, dealt, 0, 0)
        for k in range(weight.size):
            if group[k] >= 0:
                value[d // n_lane, k, d % n_lane] = abs(weight[k]) * dealt[0, group[k], 0]


@inner
def _deal_sources(draws, source, order, picks, row):
    stream, first, n_draw = draws
    n_lane = row.shape[2]
    for d in range(n_draw):
        shuffle(address(stream, first + np.uint64(d)), order, picks)
        for k in range(source.size):
            row[d // n_lane, k, d % n_lane] = order[source[k]]


@inner
def _walk(draws, source, hub, at_last, taken, at):
    stream, first, n_draw = draws
    n_lane = at.shape[2]
    for d in range(n_draw):
        for k in range(hub.size):
            at_last[k] = hub[k]
        swap(address(stream, first + np.uint64(d)), source, at_last, taken)
        for k in range(source.size):
            at[d // n_lane, k, d % n_lane] = at_last[k]


@inner
def _walk_signs(draws, field, scratch, value):
    stream, first, n_draw = draws
    weight, now, offset, n_lane = field.weight, scratch.now, scratch.offset, value.shape[2]
    n_plus = n_above_0(weight)
    for d in range(n_draw):
        for m in range(now.size):
            now[m] = scratch.holders[m]
        for m in range(offset.size):
            offset[m] = scratch.offset_of_hub[m]
        walk_signs(address(stream, first + np.uint64(d)), n_plus, now, offset, field.lean, field.margins)
        for m in range(now.size):
            k = now[m]
            value[d // n_lane, k, d % n_lane] = abs(weight[k]) if m < n_plus else -abs(weight[k])


@inner
def _uniform(state, plane):
    delay = np.float64(mix(state) >> _11) * _TO_UNIT * plane.extent
    return np.floor(delay) if plane.grid else delay


@inner
def _redraw(draws, source, plane, taken, at):
    """Delays drawn anew, each as likely; where synapses cannot share a cell, among those that are free."""
    stream, first, n_draw = draws
    n_lane = at.shape[2]
    for d in range(n_draw):
        state = address(stream, first + np.uint64(d))
        block, lane = d // n_lane, d % n_lane
        for k in range(source.size):
            state += GOLDEN
            delay = _uniform(state, plane)
            if taken.size > 0:
                while taken[source[k], int(delay)]:
                    state += GOLDEN
                    delay = _uniform(state, plane)
                taken[source[k], int(delay)] = True
            at[block, k, lane] = delay
        if taken.size > 0:
            for k in range(source.size):
                taken[source[k], int(at[block, k, lane])] = False


@inner
def _anywhere(draws, plane, row, at):
    stream, first, n_draw = draws
    n_lane = at.shape[2]
    for d in range(n_draw):
        state = address(stream, first + np.uint64(d))
        for k in range(row.shape[1]):
            state += GOLDEN
            row[d // n_lane, k, d % n_lane] = _below(state, plane.n_source)
            state += GOLDEN
            at[d // n_lane, k, d % n_lane] = _uniform(state, plane)


@inner
def _distinct_cells(draws, cells, n_delay, picks, row, at):
    """The first steps of a Fisher-Yates shuffle, undone afterwards: the next draw must start from the same order."""
    stream, first, n_draw = draws
    n, n_lane = row.shape[1], row.shape[2]
    for d in range(n_draw):
        state = address(stream, first + np.uint64(d))
        block, lane = d // n_lane, d % n_lane
        for k in range(n):
            state += GOLDEN
            other = k + _below(state, cells.size - k)
            picks[k] = other
            cell = cells[other]
            cells[other] = cells[k]
            cells[k] = cell
            row[block, k, lane] = cell // n_delay
            at[block, k, lane] = cell % n_delay
        for k in range(n - 1, -1, -1):
            other = picks[k]
            cell = cells[k]
            cells[k] = cells[other]
            cells[other] = cell


@in_threads
def arranged_planes(begin, end, null, synapses, plane, streams, first, out):
    """Write into ``out`` (field, draw, source, delay) the fields themselves in the draws from the ``first`` on."""
    for f in range(begin, end):
        field = synapses_of(synapses, f)
        scratch = scratch_of(null, streams[f], field, plane)
        row, at, value = at_rest(field, 1, 1)
        for d in range(out.shape[1]):
            arrange(null, streams[f], first + d, 1, field, plane, scratch, row, at, value)
            out[f, d] = 0
            for k in range(field.source.size):
                out[f, d, row[0, k, 0], int(at[0, k, 0])] += value[0, k, 0]
