"""What arrangements of a field say on the graph of its synapses: nodes are synapses, near ones are neighbours.

Eight draws are summed at once, those in lanes (`stanalysis.kernels.lanes`). Where a null moves neither sources nor delays,
neighbours are those of the field as it is; where it moves delays, they are searched for in all eight draws together; where it
moves sources too, in one draw after another.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stanalysis.kernels.arrangements import synapses_of
from stanalysis.kernels.inner import inner
from stanalysis.kernels.lanes import N_WIDE, TINY, larger, load, splat, store, up_to
from stanalysis.kernels.lattice_totals import NOTHING
from stanalysis.kernels.near_synapses import fence, neighbours_of, put_in_order, search, search_room
from stanalysis.kernels.threads import in_threads

MORAN, GEARY, EE, EI, II, LIKE, UNLIKE = range(7)
N_SUMS = 7


_SQUARES, _SIZE, _SIGNED, _GIVEN, _PRODUCT, _CONTRAST, _EE, _EI, _II, _LIKE, _UNLIKE, _SCATTER = range(12)


@inner
def _tables_of(value, tables, totals):
    """Write of each value (synapse, lane) into ``tables`` what its neighbours add up: whether it excites, whether it inhibits,
    and how much it excites; and sums of all values into ``totals`` (sum, lane). Return the mean.
    """
    excites, inhibits, excitation = tables
    zero, least = splat(0.0), splat(TINY)
    total, squares, size, n_signed = zero, zero, zero, zero
    for p in range(value.shape[0]):
        v = load(value, p)
        e, h = up_to(least, v), up_to(least, zero - v)
        store(e, excites, p)
        store(h, inhibits, p)
        store(larger(v, zero), excitation, p)
        total, squares, n_signed = total + v, squares + v * v, n_signed + e + h
        size = size + larger(v, zero - v)
    mean, scatter = total / splat(float(value.shape[0])), zero
    for p in range(value.shape[0]):
        apart = load(value, p) - mean
        scatter = scatter + apart * apart
    store(squares, totals, _SQUARES)
    store(size, totals, _SIZE)
    store(n_signed, totals, _SIGNED)
    store(scatter, totals, _SCATTER)
    return mean


@inner
def _sums(x, y, value, k, radius, start, index, standardised, room, tables, totals):
    """Write into ``totals`` (sum, lane) sums over the neighbours of every synapse, of values (synapse, lane). Neighbours are
    ``index[start[p]:start[p + 1]]`` if these are given, otherwise they are searched for.
    """
    n = value.shape[0]
    _, far, candidate = room
    excites, inhibits, excitation = tables
    mean = _tables_of(value, tables, totals)
    zero, unity = splat(0.0), splat(1.0)
    given, product, contrast = zero, zero, zero
    ee, ei, ii, like, unlike = zero, zero, zero, zero, zero
    stays = start.size > 0
    for p in range(n):
        first, last, limit = 0, 0, zero
        if stays:
            first, last = start[p], start[p + 1]
        else:
            last, limit = search(x, y, p, k, radius, room)
        degree, near_e, near_h, near_excitation, total, near_squares = zero, zero, zero, zero, zero, zero
        for m in range(first, last):
            q = index[m] if stays else candidate[m]
            near = unity if stays else up_to(load(far, m), limit)
            u = load(value, q)
            near_u = near * u
            degree = degree + near
            near_e = near_e + near * load(excites, q)
            near_h = near_h + near * load(inhibits, q)
            near_excitation = near_excitation + near * load(excitation, q)
            total = total + near_u
            near_squares = near_squares + near_u * u
        v, e, h, strong = load(value, p), load(excites, p), load(inhibits, p), load(excitation, p)
        weak, near_inhibition = strong - v, near_excitation - total
        share = unity / larger(degree, unity) if standardised else unity
        given = given + share * degree
        product = product + share * (v - mean) * (total - degree * mean)
        contrast = contrast + share * (degree * v * v - (v + v) * total + near_squares)
        ee, ii, ei = ee + e * near_e, ii + h * near_h, ei + e * near_h + h * near_e
        like = like + strong * near_excitation + weak * near_inhibition
        unlike = unlike + strong * near_inhibition + weak * near_excitation
    store(given, totals, _GIVEN)
    store(product, totals, _PRODUCT)
    store(contrast, totals, _CONTRAST)
    store(ee, totals, _EE)
    store(ei, totals, _EI)
    store(ii, totals, _II)
    store(like, totals, _LIKE)
    store(unlike, totals, _UNLIKE)


@inner
def _statistics_of(n, totals, out):
    """Write into ``out`` (statistic, draw) the statistics that the sums ``totals`` (sum, draw) of n synapses make."""
    for d in range(out.shape[1]):
        scatter = totals[_SCATTER, d] if totals[_SCATTER, d] > NOTHING * totals[_SQUARES, d] else np.nan
        given = totals[_GIVEN, d] if totals[_GIVEN, d] > 0 else np.nan  # no neighbours at all
        out[MORAN, d] = n / given * totals[_PRODUCT, d] / scatter
        out[GEARY, d] = (n - 1) / (2 * given) * totals[_CONTRAST, d] / scatter
        out[EE, d], out[EI, d], out[II, d] = 0.5 * totals[_EE, d], 0.5 * totals[_EI, d], 0.5 * totals[_II, d]
        unit = (totals[_SIZE, d] / totals[_SIGNED, d]) ** 2  # a join of two synapses of mean magnitude
        out[LIKE, d], out[UNLIKE, d] = 0.5 * totals[_LIKE, d] / unit, 0.5 * totals[_UNLIKE, d] / unit


class Neighbourhood(NamedTuple):
    """Which synapses are neighbours, as `search` takes it, and whether the weights that each gives add up to 1."""

    sources_per_delay: float  # how far one unit of delay is
    k: int
    radius: float
    standardised: bool


@inner
def graph_of(field, n_source, neighbourhood):
    """The order of the synapses of a field by source, and the neighbours of each in this order: as `neighbours_of`."""
    scale, k, radius, _ = neighbourhood
    n = field.source.size
    order, x, delays = np.empty(n, np.int64), np.empty(n + 2), np.empty(n)
    put_in_order(field.source, n_source, order)
    fence(field.source, order, x)
    for p in range(order.size):
        delays[p] = field.delay[order[p]] * scale
    start, index = neighbours_of(x, delays, k, radius)
    return order, start, index


@inner
def graph_of_arrangements(n_source, row, at, value, neighbourhood, order, start, index, keeps_sources, out):
    """Write into ``out`` (statistic, draw) the statistics of arrangements (block, synapse, lane) of a field. Their ``order`` by
    source is that of the field if they keep sources, otherwise room for it; neighbours are those of the field if ``start`` and
    ``index`` are given.
    """
    scale, k, radius, standardised = neighbourhood
    n, n_draw = row.shape[1], out.shape[1]
    at_once = N_WIDE if keeps_sources else 1
    x, now = np.empty(n + 2), np.empty(n, np.int64)
    y, values, totals = np.empty((n, N_WIDE)), np.empty((n, N_WIDE)), np.empty((12, N_WIDE))
    room = search_room(n, k)
    tables = np.empty((n, N_WIDE)), np.empty((n, N_WIDE)), np.empty((n, N_WIDE))
    for first in range(0, n_draw, at_once):
        block, only = first // N_WIDE, first % N_WIDE
        if first == 0 or not keeps_sources:
            for p in range(n):
                now[p] = row[block, p, only]
            if not keeps_sources:
                put_in_order(now, n_source, order)
            fence(now, order, x)
        for p in range(n):
            for lane in range(N_WIDE):
                taken = lane if keeps_sources else only  # the search goes as far as the farthest lane
                y[p, lane], values[p, lane] = at[block, order[p], taken] * scale, value[block, order[p], taken]
        _sums(x, y, values, k, radius, start, index, standardised, room, tables, totals)
        _statistics_of(n, totals, out[:, first : min(first + at_once, n_draw)])


@inner
def pair_sums_of_graph(share, size, start, index, out):
    """Write into ``out`` three sums over ordered pairs of synapses, of the mean of the weights ``share`` times the ``size`` of
    both that they give to each other: of it, of its square, and of the square of its sum over one of the two.
    """
    rows = np.empty(share.size)
    rows[:] = 0
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
    total, of_rows = 0.0, 0.0
    for i in range(rows.size):
        total += rows[i]
        of_rows += rows[i] * rows[i]
    out[0], out[1], out[2] = total, squares, of_rows


@in_threads
def pair_sums_of_graphs(begin, end, synapses, n_source, neighbourhood, out):
    """Write into ``out`` (field, 3, 3) the sums of `pair_sums_of_graph` of every field as it is: of neighbour weights, of
    joins, and of joins by the magnitudes of both synapses.
    """
    for f in range(begin, end):
        field = synapses_of(synapses, f)
        order, start, index = graph_of(field, n_source, neighbourhood)
        size, ones, share = np.empty(order.size), np.empty(order.size), np.empty(order.size)
        for p in range(order.size):
            ones[p], share[p] = 1.0, 1.0
            size[p] = abs(field.weight[order[p]])
            if neighbourhood.standardised and start[p + 1] > start[p]:
                share[p] = 1.0 / (start[p + 1] - start[p])
        pair_sums_of_graph(share, ones, start, index, out[f, 0])
        pair_sums_of_graph(ones, ones, start, index, out[f, 1])
        pair_sums_of_graph(ones, size, start, index, out[f, 2])
