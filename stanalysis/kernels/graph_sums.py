"""What one arrangement of a field says on the graph of its synapses: nodes are synapses, near ones are neighbours.

Distance is measured in sources: ``per_source`` delay units count as one. Neighbours are the ``k`` nearest, with all that
are as near as the last of them, or with ``k`` 0 all within ``radius``.
"""

from __future__ import annotations

import numba
import numpy as np

from stanalysis.kernels.arrangements import KEPT_MARGINS, OBSERVED, SIGNS, WEIGHTS, arrange, scratch_of, synapses_of
from stanalysis.kernels.lattice_sums import NOTHING

MORAN, GEARY, EE, EI, II, LIKE, UNLIKE = range(7)
N_SUMS = 7
ALIKE = 1 + 1e-9  # squared distances closer than this factor are equal
FARTHEST = 1e300
WINDOW = 10


@numba.njit(cache=True, error_model="numpy", fastmath={"nnan", "nsz", "reassoc"})
def _next_distance(far, above):
    """The smallest of some squared distances above one, and how many are up to it."""
    smallest = FARTHEST
    for j in range(far.size):
        smallest = min(smallest, far[j] if far[j] > above else FARTHEST)
    limit = smallest * ALIKE
    count = 0
    for j in range(far.size):
        count += 1 if far[j] <= limit else 0
    return limit, count


@numba.njit(cache=True, error_model="numpy")
def _limit(x, y, p, first, last, k, far):
    """Squared distance up to which synapses ``first`` to ``last`` are neighbours of the one at ``p``; ``far`` gets theirs."""
    near = far[: last - first]
    xs, ys = x[first:last], y[first:last]
    xp, yp = x[p], y[p]
    for q in range(near.size):
        near[q] = (xs[q] - xp) * (xs[q] - xp) + (ys[q] - yp) * (ys[q] - yp)
    near[p - first] = FARTHEST
    limit, count = -1.0, 0
    while count < min(k, near.size - 1):
        limit, count = _next_distance(near, limit)
    return limit


@numba.njit(cache=True, error_model="numpy")
def neighbours_of(row, at, k, radius, room, start, index):
    """Neighbours of synapse i: ``index[start[i]:start[i + 1]]``; returns the array ``index``, a longer one if need be.

    Synapses are searched in the order of their sources, WINDOW to each side and more where that was too few.
    """
    n = row.size
    x, y, far = room
    order = np.argsort(row, kind="mergesort")
    place = np.empty(n, np.int64)
    for p in range(n):
        x[p], y[p] = row[order[p]], at[order[p]]
        place[order[p]] = p
    filled = 0
    for i in range(n):
        p = place[i]
        window = WINDOW
        while True:
            first, last = max(p - window, 0), min(p + window + 1, n)
            limit = _limit(x, y, p, first, last, k, far)
            if k == 0:
                limit = radius * radius * ALIKE
            enough = last - first > min(k, n - 1)
            before = first == 0 or (x[p] - x[first - 1]) ** 2 > limit
            beyond = last == n or (x[last] - x[p]) ** 2 > limit
            if enough and before and beyond:
                break
            window *= 2
        if filled + last - first > index.size:
            longer = np.empty(2 * index.size + n, np.int64)
            longer[:filled] = index[:filled]
            index = longer
        start[i] = filled
        for q in range(first, last):
            index[filled] = order[q]
            filled += 1 if far[q - first] <= limit else 0
    start[n] = filled
    return index


@numba.njit(cache=True, error_model="numpy")
def graph_sums(value, start, index, standardised, out):
    """Write into ``out`` every statistic of this module for values on a graph; a synapse without neighbour gives nothing."""
    n = value.size
    mean = value.sum() / n
    scatter, squares, given, product, contrast = 0.0, 0.0, 0.0, 0.0, 0.0
    ee, ei, ii = 0, 0, 0
    like, unlike, size, n_signed = 0.0, 0.0, 0.0, 0
    for i in range(n):
        v = value[i]
        size += abs(v)
        n_signed += 1 if v != 0 else 0
        scatter += (v - mean) ** 2
        squares += v * v
        degree = start[i + 1] - start[i]
        if degree == 0:
            continue
        lag, apart = 0.0, 0.0
        for m in range(start[i], start[i + 1]):
            u = value[index[m]]
            lag += u - mean
            apart += (v - u) ** 2
            if v > 0 and u > 0:
                ee += 1
                like += v * u
            elif v < 0 and u < 0:
                ii += 1
                like += v * u
            elif v != 0 and u != 0:
                ei += 1
                unlike -= v * u
        share = 1.0 / degree if standardised else 1.0
        given += share * degree
        product += share * (v - mean) * lag
        contrast += share * apart
    if scatter <= NOTHING * squares:
        scatter = np.nan
    if given == 0:  # no neighbours at all
        given = np.nan
    out[MORAN] = n / given * product / scatter
    out[GEARY] = (n - 1) / (2 * given) * contrast / scatter
    out[EE], out[EI], out[II] = 0.5 * ee, 0.5 * ei, 0.5 * ii
    unit = (size / n_signed) ** 2  # a join of two synapses of mean magnitude
    out[LIKE], out[UNLIKE] = 0.5 * like / unit, 0.5 * unlike / unit


@numba.njit(cache=True, error_model="numpy")
def pair_sums_of_graph(share, size, start, index, out):
    """Write into ``out`` three sums over ordered pairs of synapses, of the mean of the weights ``share`` times the ``size`` of
    both that they give to each other: of it, of its square, and of the square of its sum over one of the two.
    """
    rows = np.zeros(share.size)
    squares = 0.0
    for i in range(share.size):
        for m in range(start[i], start[i + 1]):
            j = index[m]
            given, back = share[i] * size[i] * size[j], 0.0
            for q in range(start[j], start[j + 1]):
                if index[q] == i:
                    back = share[j] * size[i] * size[j]
            squares += 0.5 * given * (given + back)
            rows[i] += 0.5 * given
            rows[j] += 0.5 * given
    out[0], out[1], out[2] = rows.sum(), squares, np.square(rows).sum()


@numba.njit(cache=True, error_model="numpy", parallel=True)
def pair_sums_of_graphs(synapses, per_source, k, radius, standardised, out):
    """Write into ``out`` (field, 3, 3) the sums of `pair_sums_of_graph` of every field as it is: of neighbour weights, of
    joins, and of joins by the magnitudes of both synapses.
    """
    for f in numba.prange(out.shape[0]):
        rows = slice(synapses.start[f], synapses.start[f + 1])
        n = synapses.start[f + 1] - synapses.start[f]
        room = np.empty(n), np.empty(n), np.empty(n)
        start = np.empty(n + 1, np.int64)
        at = synapses.delay[rows] / per_source
        index = neighbours_of(synapses.source[rows], at, k, radius, room, start, np.empty(8 * n, np.int64))
        ones, share = np.ones(n), np.ones(n)
        for i in range(n):
            if standardised and start[i + 1] > start[i]:
                share[i] = 1.0 / (start[i + 1] - start[i])
        pair_sums_of_graph(share, ones, start, index, out[f, 0])
        pair_sums_of_graph(ones, ones, start, index, out[f, 1])
        pair_sums_of_graph(ones, np.abs(synapses.weight[rows]), start, index, out[f, 2])


@numba.njit(cache=True, error_model="numpy", parallel=True)
def graph_draws(null, synapses, plane, per_source, k, radius, standardised, streams, out):
    """Write into ``out`` (field, draw, statistic) the statistics of every field in every draw of its stream."""
    moves = null not in (OBSERVED, WEIGHTS, SIGNS, KEPT_MARGINS)
    for f in numba.prange(out.shape[0]):
        field = synapses_of(synapses, f)
        n = field.source.size
        scratch = scratch_of(null, streams[f], field, plane)
        row, at, value = np.empty(n, np.int64), np.empty(n), np.empty(n)
        room = np.empty(n), np.empty(n), np.empty(n)
        start = np.empty(n + 1, np.int64)
        index = neighbours_of(field.source, field.delay / per_source, k, radius, room, start, np.empty(8 * n, np.int64))
        for d in range(out.shape[1]):
            arrange(null, streams[f], d, field, plane, scratch, row, at, value)
            if moves:
                at /= per_source
                index = neighbours_of(row, at, k, radius, room, start, index)
            graph_sums(value, start, index, standardised, out[f, d])
