"""Neighbour sums on the (source, delay) lattice: observed, with all cells shuffled, with delays permuted.

``share[r, c]`` is the weight that cell (r, c) gives to each of its neighbours, so a pair of neighbours i, j counts
``share_i + share_j`` times their product. Every sum is split into pairs within one source row (along the delay) and all
others (across sources).
"""

from __future__ import annotations

import numba
import numpy as np

from stanalysis.kernels.permutations import address, shuffle

LANES = 128  # fields side by side; a constant, so that rows lie at constant offsets and the lane loops vectorise
DRAWS_AT_ONCE = 32  # permutations held by a thread while it passes over the blocks of fields


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
# Fields lie side by side (cell, lane): one random access brings a cell of 128 fields, every operation on it is a vector
# operation, and one permutation per draw serves all. Rows of cells are copied in permuted order into one of two row
# buffers, n_delay cells with a cell of zeros on either side, filled up with zeros to a multiple of five: the cells done
# per pass. All pairs that end in a row get one weight; what differs from it is put into the buffers (see `RowWeights` in
# moran_nulls.py): the row above and the cells at both ends are scaled, and what that leaves out at the ends is added.


@numba.njit(cache=True, error_model="numpy", parallel=True)
def pack(z, streams, table):
    """Write fields ``z`` (field, cell) into ``table`` (block, cell, lane), each scrambled by its own permutation.

    Sharing one permutation per draw correlates fields that are alike; the scrambling undoes that.
    """
    n_field, n_cell = z.shape
    for b in numba.prange(table.shape[0]):
        order = np.empty(n_cell, np.int32)
        for lane in range(min(LANES, n_field - b * LANES)):
            f = b * LANES + lane
            shuffle(streams[f], order)
            for i in range(n_cell):
                table[b, i, lane] = z[f, order[i]]


@numba.njit(cache=True, error_model="numpy")
def _gather(table, order, here):
    for c in range(order.size):
        source, target = table[order[c]], here[c + 1]
        for k in range(LANES):
            target[k] = source[k]


# "contract" lets a multiplication and an addition become one instruction; the order of sums stays as written.
@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _five_rook(here, above, weight, total):
    for k in range(LANES):
        x0, x1, x2 = here[k], here[k + LANES], here[k + 2 * LANES]
        x3, x4, x5 = here[k + 3 * LANES], here[k + 4 * LANES], here[k + 5 * LANES]
        y1, y2, y3 = above[k + LANES], above[k + 2 * LANES], above[k + 3 * LANES]
        y4, y5 = above[k + 4 * LANES], above[k + 5 * LANES]
        pairs = x1 * (x0 + y1) + x2 * (x1 + y2) + x3 * (x2 + y3) + x4 * (x3 + y4) + x5 * (x4 + y5)
        total[k] += weight * pairs


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _five_queen(here, above, weight, total):
    for k in range(LANES):
        x0, x1, x2 = here[k], here[k + LANES], here[k + 2 * LANES]
        x3, x4, x5 = here[k + 3 * LANES], here[k + 4 * LANES], here[k + 5 * LANES]
        y0, y1, y2 = above[k], above[k + LANES], above[k + 2 * LANES]
        y3, y4, y5 = above[k + 3 * LANES], above[k + 4 * LANES], above[k + 5 * LANES]
        y6 = above[k + 6 * LANES]
        y12 = y1 + y2
        y34 = y3 + y4
        pairs = x1 * (x0 + y0 + y12) + x2 * (x1 + y3 + y12)
        pairs += x3 * (x2 + y2 + y34) + x4 * (x3 + y5 + y34)
        pairs += x5 * (x4 + y4 + y5 + y6)
        total[k] += weight * pairs


@numba.njit(cache=True, error_model="numpy")
def _scale(cell, factor):
    for k in range(cell.size):
        cell[k] *= factor


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _ends_up(first, first_above, last, last_above, weight, total):
    for k in range(LANES):
        total[k] += weight * (first[k] * first_above[k] + last[k] * last_above[k])


@numba.njit(cache=True, error_model="numpy")
def _one_draw(table, order, weights, n_delay, queen, rows, flat, total):
    total[:] = 0
    for r in range(weights.shape[0]):
        weight, above_factor, end_factor, up, diagonal, diagonal_above = weights[r]
        here, above = rows[r % 2], rows[1 - r % 2]
        _gather(table, order[r * n_delay : (r + 1) * n_delay], here)
        if above_factor != 1:
            _scale(flat[1 - r % 2], above_factor)
        if end_factor != 1:
            _scale(here[1], end_factor)
            _scale(here[n_delay], end_factor)
        for c in range(0, n_delay, 5):
            if queen:
                _five_queen(flat[r % 2, c * LANES :], flat[1 - r % 2, c * LANES :], weight, total)
            else:
                _five_rook(flat[r % 2, c * LANES :], flat[1 - r % 2, c * LANES :], weight, total)
        if up != 0:
            _ends_up(here[1], above[1], here[n_delay], above[n_delay], up, total)
        if diagonal != 0:
            _ends_up(here[1], above[2], here[n_delay], above[n_delay - 1], diagonal, total)
        if diagonal_above != 0:
            _ends_up(here[2], above[1], here[n_delay - 1], above[n_delay], diagonal_above, total)


@numba.njit(cache=True, error_model="numpy")
def _some_draws(tables, weights, n_delay, queen, stream, first, out):
    orders = np.empty((out.shape[0], tables.shape[1]), np.uint32)
    for d in range(out.shape[0]):
        shuffle(address(stream, np.uint64(first + d)), orders[d])
    n_buffered = (n_delay + 4) // 5 * 5 + 2
    rows = np.zeros((2, n_buffered, LANES), np.float32)
    flat = rows.reshape((2, n_buffered * LANES))
    for b in range(tables.shape[0]):
        for d in range(out.shape[0]):
            _one_draw(tables[b], orders[d], weights, n_delay, queen, rows, flat, out[d, b])


@numba.njit(cache=True, error_model="numpy", parallel=True)
def sums_of_shuffled_cells(tables, weights, n_delay, queen, stream, out):
    """Write into ``out`` (draw, block, lane) the neighbour sum of every packed field in every draw.

    ``weights`` (source, 6) are the columns of `RowWeights`; they, ``tables`` and ``out`` are float32.
    """
    n_draw = out.shape[0]
    for chunk in numba.prange((n_draw + DRAWS_AT_ONCE - 1) // DRAWS_AT_ONCE):
        first = chunk * DRAWS_AT_ONCE
        last = min(first + DRAWS_AT_ONCE, n_draw)
        _some_draws(tables, weights, n_delay, queen, stream, first, out[first:last])


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
