"""Neighbour sums on the (source, delay) lattice: observed, with all cells shuffled, with delays permuted.

``share[r, c]`` is the weight that cell (r, c) gives to each of its neighbours, so a pair of neighbours i, j counts
``share_i + share_j`` times their product. Every sum is split into pairs within one source row (along the delay) and all
others (across sources).
"""

from __future__ import annotations

import numba
import numpy as np

from stanalysis.kernels.lanes import N_LANES, load, splat, store
from stanalysis.kernels.permutations import address, shuffle

DRAWS_AT_ONCE = 32  # permutations held by a thread while it passes over the blocks of fields


@numba.njit(cache=True, error_model="numpy", parallel=True)
def centre(weight, z):
    """Write into ``z`` the fields ``weight`` (field, source, delay) less their mean, with sum of squares one."""
    for f in numba.prange(weight.shape[0]):
        mean = weight[f].sum() / weight[f].size
        squares = 0.0
        for r in range(weight.shape[1]):
            for c in range(weight.shape[2]):
                z[f, r, c] = weight[f, r, c] - mean
                squares += z[f, r, c] * z[f, r, c]
        z[f] /= np.sqrt(squares)


@numba.njit(cache=True, error_model="numpy", parallel=True)
def neighbour_sums(z, share, queen, sums):
    """Write into ``sums`` (field, 2) the along-delay and across-source sums of ``z`` (field, source, delay)."""
    n_source, n_delay = share.shape
    for f in numba.prange(z.shape[0]):
        along = 0.0
        across = 0.0
        for r in range(n_source):
            for c in range(1, n_delay):
                along += (share[r, c] + share[r, c - 1]) * z[f, r, c] * z[f, r, c - 1]
            if r == 0:
                continue
            for c in range(n_delay):
                across += (share[r, c] + share[r - 1, c]) * z[f, r, c] * z[f, r - 1, c]
            if queen:
                for c in range(1, n_delay):
                    across += (share[r, c] + share[r - 1, c - 1]) * z[f, r, c] * z[f, r - 1, c - 1]
                    across += (share[r, c - 1] + share[r - 1, c]) * z[f, r, c - 1] * z[f, r - 1, c]
        sums[f, 0] = along
        sums[f, 1] = across


# --- all cells shuffled -------------------------------------------------------------------------------------------
# Fields lie side by side (cell, lane): one random access brings a cell of sixteen fields, and one permutation per draw
# serves all. Permutations have a border of ``n_cell``, the number of a cell of zeros, so that every cell has neighbours.


@numba.njit(cache=True, error_model="numpy", parallel=True)
def pack(z, streams, table):
    """Write fields ``z`` (field, cell) into ``table`` (block, cell, lane), each scrambled by its own permutation.

    Sharing one permutation per draw correlates fields that are alike; the scrambling undoes that.
    """
    n_field, n_cell = z.shape
    for b in numba.prange(table.shape[0]):
        order = np.empty(n_cell, np.int32)
        for lane in range(min(N_LANES, n_field - b * N_LANES)):
            f = b * N_LANES + lane
            shuffle(streams[f], order)
            for i in range(n_cell):
                table[b, i, lane] = z[f, order[i]]


@numba.njit(cache=True, error_model="numpy")
def _end_of_row(table, order, r, end, inner, excess, excess_above, queen):
    """What the end of row ``r`` gives to its neighbours in ``excess``, and the end of the row above to those in row r."""
    x0, x1 = load(table, order[r + 1, end]), load(table, order[r + 1, inner])
    y0, y1 = load(table, order[r, end]), load(table, order[r, inner])
    if queen:
        return splat(excess) * (x0 * (x1 + y0 + y1)) + splat(excess_above) * (y0 * (x0 + x1))
    return splat(excess) * (x0 * (x1 + y0)) + splat(excess_above) * (y0 * x0)


@numba.njit(cache=True, error_model="numpy")
def _one_draw(table, order, share, excess, queen):
    zero = splat(np.float32(0))
    total = zero
    last = order.shape[1] - 2
    for r in range(share.size):
        along, across = zero, zero
        left, y0, y1 = zero, zero, load(table, order[r, 1])
        for c in range(last):
            x = load(table, order[r + 1, c + 1])
            y2 = load(table, order[r, c + 2])
            along = along + x * left
            across = across + (x * (y0 + y1 + y2) if queen else x * y1)
            left, y0, y1 = x, y1, y2
        # above the first row there are zeros, whatever their share
        total = total + splat(share[r] + share[r]) * along + splat(share[r] + share[r - 1]) * across
        if excess[r] != 0:
            total = total + _end_of_row(table, order, r, 1, 2, excess[r], excess[r - 1], queen)
            total = total + _end_of_row(table, order, r, last, last - 1, excess[r], excess[r - 1], queen)
    return total


@numba.njit(cache=True, error_model="numpy")
def _some_draws(tables, share, excess, n_delay, queen, stream, first, out):
    n_source = share.size
    n_cell = n_source * n_delay
    cells = np.empty(n_cell, np.uint32)
    orders = np.full((out.shape[0], n_source + 1, n_delay + 2), n_cell, np.uint32)
    for d in range(out.shape[0]):
        shuffle(address(stream, np.uint64(first + d)), cells)
        for r in range(n_source):
            orders[d, r + 1, 1 : n_delay + 1] = cells[r * n_delay : (r + 1) * n_delay]
    for b in range(tables.shape[0]):
        for d in range(out.shape[0]):
            store(_one_draw(tables[b], orders[d], share, excess, queen), out[d], b)


@numba.njit(cache=True, error_model="numpy", parallel=True)
def sums_of_shuffled_cells(tables, share, excess, n_delay, queen, stream, out):
    """Write into ``out`` (draw, block, lane) the neighbour sum of every packed field in every draw.

    ``tables`` (block, cell, lane) end with a cell of zeros. ``share`` (source) is that of the cells between the ends of a
    row, ``excess`` (source) what its first and last cell have more. All are float32.
    """
    n_draw = out.shape[0]
    for chunk in numba.prange((n_draw + DRAWS_AT_ONCE - 1) // DRAWS_AT_ONCE):
        first = chunk * DRAWS_AT_ONCE
        last = min(first + DRAWS_AT_ONCE, n_draw)
        _some_draws(tables, share, excess, n_delay, queen, stream, first, out[first:last])


# --- delays permuted among the synapses of one field ----------------------------------------------------------------


@numba.njit(cache=True, error_model="numpy")
def _one_field(row, delay, weight, share, ends, ends_total, n_cell, width, queen, stream, plane, out):
    n = row.size
    order = np.empty(n, np.int32)
    cell = np.empty(n, np.int64)
    mean = weight.sum() / n_cell
    for d in range(out.shape[0]):
        shuffle(address(stream, np.uint64(d)), order)
        for k in range(n):
            cell[k] = row[k] + delay[order[k]]
            plane[cell[k]] += weight[k]
        along, across, ends_along, ends_across, squares = 0.0, 0.0, 0.0, 0.0, 0.0
        # Two synapses on one cell add up there, and each meets its neighbours: sums over synapses are sums over cells.
        for k in range(n):
            i = cell[k]
            w = weight[k]
            a = share[i]
            along += w * (a + share[i - 1]) * plane[i - 1]
            up = (a + share[i - width]) * plane[i - width]
            if queen:
                up += (a + share[i - width - 1]) * plane[i - width - 1]
                up += (a + share[i - width + 1]) * plane[i - width + 1]
            across += w * up
            ends_along += w * ends[0, i]
            ends_across += w * ends[1, i]
            squares += w * plane[i]
        for k in range(n):
            plane[cell[k]] = 0
        scatter = squares - n_cell * mean * mean
        if scatter <= 1e-12 * squares:  # weights that met have cancelled: a constant field
            scatter = np.nan
        out[d, 0] = (along - mean * ends_along + mean * mean * ends_total[0]) / scatter
        out[d, 1] = (across - mean * ends_across + mean * mean * ends_total[1]) / scatter


@numba.njit(cache=True, error_model="numpy", parallel=True)
def sums_of_permuted_delays(start, row, delay, weight, share, ends, ends_total, n_cell, width, queen, streams, out):
    """Write into ``out`` (field, draw, 2) the along-delay and across-source parts of Moran's I of every arrangement.

    Synapses ``start[f]`` to ``start[f + 1]`` are those of field f: ``row`` is the flat index of the first cell of their
    source, ``delay`` their bin. ``share`` and ``ends`` (the pair weights that meet in a cell, along and across) are flat
    lattices of ``width`` cells to a row with a border of zeros; ``ends_total`` sums the pair weights, ``n_cell`` counts
    the cells within the border. ``share`` is scaled such that the parts add up to I. NaN where the arrangement is constant.
    """
    for f in numba.prange(start.size - 1):
        synapses = slice(start[f], start[f + 1])
        plane = np.zeros(share.size)
        _one_field(
            row[synapses], delay[synapses], weight[synapses], share, ends, ends_total, n_cell, width, queen, streams[f],
            plane, out[f],
        )  # fmt: skip


@numba.njit(cache=True, error_model="numpy", parallel=True)
def mean_of_permuted_delays(weight, present, share, pairs, pairs_total, queen, mean_parts):
    """Write into ``mean_parts`` (field, 2) the exact mean, over all permutations of the delays, of the parts of I.

    For fields with at most one synapse per source: any two synapses then hold any ordered pair of distinct delay slots
    equally often, only synapses of adjacent sources can be neighbours, and no arrangement changes the sum of squares.
    ``pairs`` (2, source, delay) are the pair weights that meet in a cell, along and across, ``pairs_total`` their sums.
    """
    n_field, n_source, n_delay = weight.shape
    for f in numba.prange(n_field):
        slots = np.zeros(n_delay)
        by_source = np.zeros(n_source)
        squares = 0.0
        for r in range(n_source):
            for c in range(n_delay):
                if present[f, r, c]:
                    slots[c] += 1
                    by_source[r] = weight[f, r, c]
                    squares += weight[f, r, c] ** 2
        n = slots.sum()
        mean = by_source.sum() / (n_source * n_delay)
        ends_along, ends_across, met = 0.0, 0.0, 0.0
        for r in range(n_source):
            if by_source[r] == 0:
                continue
            for c in range(n_delay):
                ends_along += by_source[r] * pairs[0, r, c] * slots[c] / n
                ends_across += by_source[r] * pairs[1, r, c] * slots[c] / n
            if r == 0:
                continue
            slot_pairs = 0.0  # pair weight, summed over the slots of this synapse and of the one above
            for c in range(n_delay):
                slot_pairs += (share[r, c] + share[r - 1, c]) * slots[c] * (slots[c] - 1)
                if queen and c > 0:
                    slanted = share[r, c] + share[r - 1, c - 1] + share[r, c - 1] + share[r - 1, c]
                    slot_pairs += slanted * slots[c] * slots[c - 1]
            met += by_source[r] * by_source[r - 1] * slot_pairs / max(n * (n - 1), 1.0)
        scatter = squares - n_source * n_delay * mean * mean
        mean_parts[f, 0] = (mean * mean * pairs_total[0] - mean * ends_along) / scatter
        mean_parts[f, 1] = (met + mean * mean * pairs_total[1] - mean * ends_across) / scatter
