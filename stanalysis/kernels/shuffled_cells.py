"""Neighbour sums of whole fields on the (source, delay) lattice: observed, and with all cells shuffled.

``share[r, c]`` is the weight that cell (r, c) gives to each of its neighbours, so a pair of neighbours i, j counts
``share_i + share_j`` times their product.
"""

from __future__ import annotations

import numpy as np

from stanalysis.kernels.inner import inner
from stanalysis.kernels.lanes import N_LANES, load, splat, store
from stanalysis.kernels.permutations import address, shuffle
from stanalysis.kernels.threads import in_threads

DRAWS_AT_ONCE = 32  # permutations held by a thread while it passes over the blocks of fields


@in_threads
def centre(begin, end, weight, z):
    """Write into ``z`` the fields ``weight`` (field, source, delay) less their mean, with sum of squares one."""
    for f in range(begin, end):
        total, squares = 0.0, 0.0
        for r in range(weight.shape[1]):
            for c in range(weight.shape[2]):
                total += weight[f, r, c]
        mean = total / (weight.shape[1] * weight.shape[2])
        for r in range(weight.shape[1]):
            in_row = 0.0  # most cells are alike: added one by one to a large sum, all would be rounded the same way
            for c in range(weight.shape[2]):
                z[f, r, c] = weight[f, r, c] - mean
                in_row += z[f, r, c] * z[f, r, c]
            squares += in_row
        for r in range(weight.shape[1]):
            for c in range(weight.shape[2]):
                z[f, r, c] /= np.sqrt(squares)


@in_threads
def neighbour_sums(begin, end, z, share, ends, queen, sums):
    """Write into ``sums`` (field, 3) of ``z`` (field, source, delay) the sum of products over pairs along the delay, that
    over pairs across sources, and the sum of squares times ``ends``, the weights that a cell gives and receives.
    """
    n_source, n_delay = share.shape
    for f in range(begin, end):
        along, across, squares = 0.0, 0.0, 0.0
        for r in range(n_source):
            in_row, along_row, across_row = 0.0, 0.0, 0.0
            for c in range(n_delay):
                in_row += ends[r, c] * z[f, r, c] * z[f, r, c]
            for c in range(1, n_delay):
                along_row += (share[r, c] + share[r, c - 1]) * z[f, r, c] * z[f, r, c - 1]
            if r > 0:
                for c in range(n_delay):
                    across_row += (share[r, c] + share[r - 1, c]) * z[f, r, c] * z[f, r - 1, c]
            if r > 0 and queen:
                for c in range(1, n_delay):
                    across_row += (share[r, c] + share[r - 1, c - 1]) * z[f, r, c] * z[f, r - 1, c - 1]
                    across_row += (share[r, c - 1] + share[r - 1, c]) * z[f, r, c - 1] * z[f, r - 1, c]
            squares, along, across = squares + in_row, along + along_row, across + across_row
        sums[f, 0], sums[f, 1], sums[f, 2] = along, across, squares


# --- all cells shuffled -------------------------------------------------------------------------------------------
# Fields lie side by side (cell, lane): one random access brings a cell of sixteen fields, and one permutation per draw
# serves all. Permutations have a border of ``n_cell``, the number of a cell of zeros, so that every cell has neighbours.


@in_threads
def pack(begin, end, z, streams, table):
    """Write fields ``z`` (field, cell) into ``table`` (block, cell, lane), each scrambled by its own permutation.

    Sharing one permutation per draw correlates fields that are alike; the scrambling undoes that.
    """
    n_field, n_cell = z.shape
    for b in range(begin, end):
        order, picks = np.empty(n_cell, np.uint32), np.empty(n_cell, np.uint32)
        for lane in range(min(N_LANES, n_field - b * N_LANES)):
            f = b * N_LANES + lane
            shuffle(streams[f], order, picks)
            for i in range(n_cell):
                table[b, i, lane] = z[f, order[i]]


@inner
def _end_of_row(table, order, r, end, inner, excess, excess_above, queen):
    """What the end of row ``r`` gives to its neighbours in ``excess``, and the end of the row above to those in row r."""
    x0, x1 = load(table, order[r + 1, end]), load(table, order[r + 1, inner])
    y0, y1 = load(table, order[r, end]), load(table, order[r, inner])
    if queen:
        return splat(excess) * (x0 * (x1 + y0 + y1)) + splat(excess_above) * (y0 * (x0 + x1))
    return splat(excess) * (x0 * (x1 + y0)) + splat(excess_above) * (y0 * x0)


@inner
def _one_draw(table, order, share, excess, queen):
    zero = splat(np.float32(0))
    total, last = zero, order.shape[1] - 2
    for r in range(0, share.size, 2):  # two rows at a time: three loads for two cells
        along, across, along_next, across_next = zero, zero, zero, zero
        y0, y1 = zero, load(table, order[r, 1])  # of the row before
        x0, x1 = zero, load(table, order[r + 1, 1])
        left = zero
        if queen:
            for c in range(last):
                y2, x2, z = load(table, order[r, c + 2]), load(table, order[r + 1, c + 2]), load(table, order[r + 2, c + 1])
                along, across = along + x1 * x0, across + x1 * (y0 + y1 + y2)
                along_next, across_next = along_next + z * left, across_next + z * (x0 + x1 + x2)
                y0, y1, x0, x1, left = y1, y2, x1, x2, z
        else:
            for c in range(last):
                y2, x2, z = load(table, order[r, c + 2]), load(table, order[r + 1, c + 2]), load(table, order[r + 2, c + 1])
                along, across = along + x1 * x0, across + x1 * y1
                along_next, across_next = along_next + z * left, across_next + z * x1
                y1, x0, x1, left = y2, x1, x2, z
        # above the first row there are zeros, whatever their share
        total = total + splat(share[r] + share[r]) * along + splat(share[r] + share[r - 1]) * across
        if excess[r] != 0:
            total = total + _end_of_row(table, order, r, 1, 2, excess[r], excess[r - 1], queen)
            total = total + _end_of_row(table, order, r, last, last - 1, excess[r], excess[r - 1], queen)
        total = total + splat(share[r + 1] + share[r + 1]) * along_next + splat(share[r + 1] + share[r]) * across_next
        if excess[r + 1] != 0:
            total = total + _end_of_row(table, order, r + 1, 1, 2, excess[r + 1], excess[r], queen)
            total = total + _end_of_row(table, order, r + 1, last, last - 1, excess[r + 1], excess[r], queen)
    return total


@inner
def _some_draws(tables, share, excess, n_delay, queen, stream, first, out):
    n_source = share.size  # with a row of zeros where their number would be odd
    n_cell = tables.shape[1] - 1
    cells, picks = np.empty(n_cell, np.uint32), np.empty(n_cell, np.uint32)
    orders = np.empty((out.shape[0], n_source + 1, n_delay + 2), np.uint32)
    orders[:] = n_cell
    for d in range(out.shape[0]):
        shuffle(address(stream, np.uint64(first + d)), cells, picks)
        for r in range(n_cell // n_delay):
            for c in range(n_delay):
                orders[d, r + 1, c + 1] = cells[r * n_delay + c]
    for b in range(tables.shape[0]):
        for d in range(out.shape[0]):
            store(_one_draw(tables[b], orders[d], share, excess, queen), out[d], b)


@in_threads
def sums_of_shuffled_cells(begin, end, tables, share, excess, n_delay, queen, stream, out):
    """Write into ``out`` (draw, block, lane) the neighbour sum of every packed field in every draw.

    ``tables`` (block, cell, lane) end with a cell of zeros. ``share`` (source) is that of the cells between the ends of a
    row, ``excess`` (source) what its first and last cell have more; of an even number of sources, the last of which may have
    no cells. All are float32.
    """
    for first in range(begin, end, DRAWS_AT_ONCE):
        last = min(first + DRAWS_AT_ONCE, end)
        _some_draws(tables, share, excess, n_delay, queen, stream, first, out[first:last])


@in_threads
def squares_of_shuffled_cells(begin, end, tables, cells, excess, n_cell, stream, out):
    """Write into ``out`` (draw, block, lane) the sum over some ``cells`` of ``excess`` times the square, in every draw.

    The draws are those of `sums_of_shuffled_cells`.
    """
    order, picks = np.empty(n_cell, np.uint32), np.empty(n_cell, np.uint32)
    for d in range(begin, end):
        shuffle(address(stream, np.uint64(d)), order, picks)
        for b in range(tables.shape[0]):
            total = splat(np.float32(0))
            for m in range(cells.size):
                x = load(tables[b], order[cells[m]])
                total = total + splat(excess[m]) * (x * x)
            store(total, out[d], b)


def centred(weight: np.ndarray) -> np.ndarray:
    """Fields less their mean, with sum of squares one."""
    z = np.empty_like(weight)
    centre(weight, z)
    return z


def packed(fields: np.ndarray, streams: np.ndarray) -> np.ndarray:
    """Fields (field, cell) as a table (block, cell, lane) with a last cell of zeros; every row fills a cache line."""
    n_field, n_cell = fields.shape
    shape = (-(-n_field // N_LANES), n_cell + 1, N_LANES)
    size = int(np.prod(shape))
    raw = np.zeros(size + N_LANES, np.float32)
    first = (-raw.ctypes.data % 64) // 4
    table = raw[first : first + size].reshape(shape)
    pack(fields, streams, table)
    return table


def shuffled_sums(table: np.ndarray, share: np.ndarray, queen: bool, n_draw: int, stream: np.uint64) -> np.ndarray:
    """Sum of products over neighbours of every packed field in every draw, shape (draw, lanes of all blocks), float32."""
    n_delay = share.shape[1]
    share = np.pad(share, ((0, share.shape[0] % 2), (0, 0)))
    middle = share[:, n_delay // 2].astype(np.float32)
    values = np.empty((n_draw, table.shape[0], N_LANES), np.float32)
    sums_of_shuffled_cells(table, middle, share[:, 0].astype(np.float32) - middle, n_delay, queen, stream, values)
    return values.reshape(n_draw, table.shape[0] * N_LANES)


def shuffled_squares(table: np.ndarray, ends: np.ndarray, n_draw: int, stream: np.uint64) -> np.ndarray:
    """Sum of squares times ``ends`` of every packed field, whose squares sum to one, in every draw; as `shuffled_sums`."""
    usual = np.median(ends)
    cells = np.flatnonzero(ends != usual)
    values = np.empty((n_draw, table.shape[0], N_LANES), np.float32)
    excess = (ends.reshape(-1)[cells] - usual).astype(np.float32)
    squares_of_shuffled_cells(table, cells, excess, ends.size, stream, values)
    return values.reshape(n_draw, table.shape[0] * N_LANES) + np.float32(usual)
