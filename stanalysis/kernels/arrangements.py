"""Where the synapses of one field are in one draw of a null: the same (stream, draw) gives the same arrangement.

Every statistic calls `arrange` for every draw, so that any statistic meets any null, and all of them the same draws.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from stanalysis.kernels.kept_margins import walk_signs
from stanalysis.kernels.permutations import GOLDEN, address, mix, shuffle

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


class Plane(NamedTuple):
    """Where synapses can be."""

    n_source: int
    extent: float  # delays are below it: the number of bins on a grid, otherwise the longest delay
    grid: bool
    shared: bool  # whether two synapses can be in one cell


class Scratch(NamedTuple):
    """Room that `arrange` needs for one field, and what it needs to know of it."""

    order: np.ndarray  # (the more of synapses and sources,) int64: what a slot got in the last draw
    picks: np.ndarray  # same: as `shuffle` takes it
    cells: np.ndarray  # (cell,) int64: all of them where they are shuffled; otherwise none
    sign: np.ndarray  # (synapse,) float64: that of each group of synapses
    hub: np.ndarray  # (synapse,) float64: delays from which every walk starts
    taken: np.ndarray  # (source, bin) bool: where a synapse is, while some must keep apart; empty where none must
    holders: np.ndarray  # (signed synapse,) int64: as `walk_signs` takes them, at the hub of signs
    offset_of_hub: np.ndarray  # (margin,) float64: likewise
    offset: np.ndarray  # (margin,) float64: likewise, of a draw


@numba.njit(cache=True, error_model="numpy")
def synapses_of(synapses, f):
    """Those of field f alone."""
    start, source, delay, weight, group, lean, margins = synapses
    rows = slice(start[f], start[f + 1])
    return Synapses(start[f : f + 2], source[rows], delay[rows], weight[rows], group[rows], lean[rows], margins[rows])


@numba.njit(cache=True, error_model="numpy")
def scratch_of(null, stream, field, plane):
    """The `Scratch` of a field."""
    source, delay = field.source, field.delay
    n = source.size
    order = np.empty(max(n, plane.n_source), np.int64)
    n_cell = plane.n_source * int(plane.extent) if plane.grid else 0
    cells = np.arange(n_cell if null == CELLS else 0)
    apart = plane.grid and not plane.shared and null in (DELAYS, ROWS) and np.bincount(source).max() > 1
    taken = np.zeros((plane.n_source, int(plane.extent)) if apart else (0, 0), np.bool_)
    hub = delay.copy()
    if apart and null == DELAYS:
        swap(address(stream, HUB), source, hub, taken)
    holders, offset = np.empty(0, np.int64), np.zeros(field.margins.shape[1])
    if null == KEPT_MARGINS:
        excites, inhibits = np.flatnonzero(field.weight > 0), np.flatnonzero(field.weight < 0)
        holders = np.concatenate((excites, inhibits))
        walk_signs(address(stream, HUB), excites.size, holders, offset, field.lean, field.margins)
    return Scratch(order, np.empty_like(order), cells, np.empty(n, np.float64), hub, taken, holders, offset, offset.copy())


@numba.njit(cache=True, error_model="numpy")
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


@numba.njit(cache=True, error_model="numpy")
def _below(state, n):
    """A whole number from 0 to n - 1."""
    return np.int64(((mix(state) >> _32) * np.uint64(n)) >> _32)


@numba.njit(cache=True, error_model="numpy")
def at_rest(field):
    """Source, delay and weight of each synapse of a field as it is, to be moved by `arrange`."""
    return field.source.copy(), field.delay.copy(), field.weight.copy()


@numba.njit(cache=True, error_model="numpy")
def arrange(null, stream, draw, field, plane, scratch, row, at, value):
    """Write into ``row``, ``at`` and ``value``, which are from `at_rest`, those of the source, delay and weight of each synapse
    of a field that the null moves, in this draw.
    """
    source, delay, weight, group = field.source, field.delay, field.weight, field.group
    order, picks, sign, taken = scratch.order, scratch.picks, scratch.sign, scratch.taken
    n = source.size
    state = address(stream, np.uint64(draw))
    if null == DELAYS and taken.size > 0:
        at[:] = scratch.hub
        swap(state, source, at, taken)
    elif null == DELAYS:
        shuffle(state, order[:n], picks[:n])
        for k in range(n):
            at[k] = delay[order[k]]
    elif null == WEIGHTS:
        shuffle(state, order[:n], picks[:n])
        for k in range(n):
            value[k] = weight[order[k]]
    elif null == SIGNS:
        n_group = 0
        for k in range(n):
            if group[k] >= 0:
                sign[group[k]] = 1.0 if weight[k] > 0 else -1.0
                n_group = max(n_group, group[k] + 1)
        shuffle(state, order[:n_group], picks[:n_group])
        for k in range(n):
            if group[k] >= 0:
                value[k] = abs(weight[k]) * sign[order[group[k]]]
    elif null == KEPT_MARGINS:
        n_plus, now = np.count_nonzero(weight > 0), order[: scratch.holders.size]
        now[:] = scratch.holders
        scratch.offset[:] = scratch.offset_of_hub
        walk_signs(state, n_plus, now, scratch.offset, field.lean, field.margins)
        for m in range(now.size):
            k = now[m]
            value[k] = abs(weight[k]) if m < n_plus else -abs(weight[k])
    elif null == SOURCES:
        shuffle(state, order[: plane.n_source], picks[: plane.n_source])
        for k in range(n):
            row[k] = order[source[k]]
    elif null == ROWS:
        _redraw(state, source, plane, taken, at)
    elif null == CELLS and plane.grid:
        _distinct_cells(state, scratch.cells, int(plane.extent), order, row, at)
    elif null == CELLS:
        for k in range(n):
            state += GOLDEN
            row[k] = _below(state, plane.n_source)
            state += GOLDEN
            at[k] = _uniform(state, plane)


@numba.njit(cache=True, error_model="numpy")
def _uniform(state, plane):
    delay = np.float64(mix(state) >> _11) * _TO_UNIT * plane.extent
    return np.floor(delay) if plane.grid else delay


@numba.njit(cache=True, error_model="numpy")
def _redraw(state, source, plane, taken, at):
    """Delays drawn anew, each as likely; where synapses cannot share a cell, among those that are free."""
    for k in range(source.size):
        state += GOLDEN
        at[k] = _uniform(state, plane)
        if taken.size > 0:
            while taken[source[k], int(at[k])]:
                state += GOLDEN
                at[k] = _uniform(state, plane)
            taken[source[k], int(at[k])] = True
    if taken.size > 0:
        for k in range(source.size):
            taken[source[k], int(at[k])] = False


@numba.njit(cache=True, error_model="numpy")
def _distinct_cells(state, cells, n_delay, order, row, at):
    """The first steps of a Fisher-Yates shuffle, undone afterwards: the next draw must start from the same order."""
    n = row.size
    for k in range(n):
        state += GOLDEN
        other = k + _below(state, cells.size - k)
        order[k] = other
        cell = cells[other]
        cells[other] = cells[k]
        cells[k] = cell
        row[k] = cell // n_delay
        at[k] = cell % n_delay
    for k in range(n - 1, -1, -1):
        other = order[k]
        cell = cells[k]
        cells[k] = cells[other]
        cells[other] = cell


@numba.njit(cache=True, error_model="numpy", parallel=True)
def arranged_planes(null, synapses, plane, streams, first, out):
    """Write into ``out`` (field, draw, source, delay) the fields themselves in the draws from the ``first`` on."""
    for f in numba.prange(out.shape[0]):
        field = synapses_of(synapses, f)
        n = field.source.size
        scratch = scratch_of(null, streams[f], field, plane)
        row, at, value = at_rest(field)
        for d in range(out.shape[1]):
            arrange(null, streams[f], first + d, field, plane, scratch, row, at, value)
            out[f, d] = 0
            for k in range(n):
                out[f, d, row[k], int(at[k])] += value[k]


@numba.njit(cache=True, error_model="numpy", parallel=True)
def moved_signs(null, synapses, plane, streams, n_draw, out):
    """Write into ``out`` (field,) how many signs of its synapses differ in a draw, over how many would in a free one."""
    for f in numba.prange(out.size):
        field = synapses_of(synapses, f)
        n, weight = field.source.size, field.weight
        n_plus, n_minus = np.count_nonzero(weight > 0), np.count_nonzero(weight < 0)
        scratch = scratch_of(null, streams[f], field, plane)
        row, at, value = at_rest(field)
        moved = 0
        for d in range(n_draw):
            arrange(null, streams[f], d, field, plane, scratch, row, at, value)
            for k in range(n):
                moved += value[k] * weight[k] < 0
        free = n_draw * 2.0 * n_plus * n_minus
        out[f] = moved * (n_plus + n_minus) / free if free > 0 else np.nan
