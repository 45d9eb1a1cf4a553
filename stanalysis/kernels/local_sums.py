"""Sums over the neighbours of single cells, in draws of a null that leave the cell itself as it is.

One arrangement per draw serves every cell. If the slots k have got the items π(k) by a uniform permutation, let the slot
that got item k have what slot k got, and slot k its own item: the result is uniform on the permutations that keep k, and
differs from the arrangement by one exchange. Repeated, this holds several.

``tails`` count the draws whose sum is at least, and at most, the observed one.
"""

from __future__ import annotations

import numpy as np

from stanalysis.kernels.arrangements import (
    DELAYS,
    HUB,
    ROWS,
    SIGNS,
    SOURCES,
    WEIGHTS,
    arrange,
    at_rest,
    scratch_of,
    swap,
    synapses_of,
)
from stanalysis.kernels.inner import inner
from stanalysis.kernels.permutations import address, shuffle
from stanalysis.kernels.threads import in_threads

SUM_ERROR = 64 * np.finfo(np.float64).eps  # of two sums over eight neighbours, per largest value

# --- nulls that move synapses -----------------------------------------------------------------------------------------


@inner
def _around(plane, i, width, queen):
    total = plane[i - width] + plane[i - 1] + plane[i + 1] + plane[i + width]
    if queen:
        total += plane[i - width - 1] + plane[i - width + 1] + plane[i + width - 1] + plane[i + width + 1]
    return total


@inner
def _grouped(label, n_label):
    """Positions of label g in ``members``, from ``start[g]`` to ``start[g + 1]``; labels below 0 have none."""
    start = np.zeros(n_label + 1, np.int64)
    for g in label:
        if g >= 0:
            start[g + 1] += 1
    for g in range(n_label):
        start[g + 1] += start[g]
    members = np.empty(start[n_label], np.int64)
    free = start.copy()
    for k in range(label.size):
        if label[k] >= 0:
            members[free[label[k]]] = k
            free[label[k]] += 1
    return start, members


@inner
def _put(now, k, cell, value):
    """Give synapse ``k`` this cell and this value."""
    plane, cells, values = now
    plane[cells[k]] -= values[k]
    plane[cell] += value
    cells[k] = cell
    values[k] = value


@inner
def _exchange(null, first, other, order, holder, sign, slots, columns, width, now):
    """Let two slots exchange the items that a permutation gave them; once more undoes it."""
    source, delay, weight = columns
    start, members = slots
    order[first], order[other] = order[other], order[first]
    holder[order[first]] = first
    holder[order[other]] = other
    for slot in (first, other):
        item = order[slot]
        for m in range(start[slot], start[slot + 1]):
            k = members[m]
            cell, value = now[1][k], weight[k]
            if null == DELAYS:
                cell = (source[k] + 1) * width + int(delay[item]) + 1
            elif null == WEIGHTS:
                value = weight[item]
            elif null == SIGNS:
                value = abs(weight[k]) * sign[item]
            else:
                cell = (item + 1) * width + int(delay[k]) + 1
            _put(now, k, cell, value)


@inner
def _sit(now, k, cell, others):
    """Put synapse ``k`` into this cell; the one of the others that is there takes the cell that it leaves."""
    left = now[1][k]
    for m in others:
        if m != k and now[1][m] == cell:
            _put(now, m, left, now[2][m])
    _put(now, k, cell, now[2][k])


@inner
def _tails_by_exchange(null, stream, n_draw, field, plane, queen, by_source, scratch, tails):
    source, delay, weight, group = field.source, field.delay, field.weight, field.group
    columns = source, delay, weight
    apart = scratch.taken.size > 0
    n = source.size
    width = int(plane.extent) + 2
    n_flat = (plane.n_source + 2) * width
    home = (source + 1) * width + delay.astype(np.int64) + 1
    # what the null deals out (under ROWS, whom a synapse may displace), and what is held together
    slot = group if null == SIGNS else source if null in (SOURCES, ROWS) else np.arange(n)
    n_slot = slot.max() + 1
    n_item = 0 if null == ROWS else plane.n_source if null == SOURCES else n_slot
    slots = _grouped(slot, max(n_slot, n_item))
    start, together = _grouped(source if by_source else home, n_flat)
    blocks = np.flatnonzero(np.diff(start))
    order, picks, sign = np.empty(n_item, np.uint32), np.empty(n_item, np.uint32), np.empty(n)
    for k in range(n):
        if group[k] >= 0:
            sign[group[k]] = 1.0 if weight[k] > 0 else -1.0

    now = np.zeros(n_flat), home.copy(), weight.copy()
    for k in range(n):
        now[0][home[k]] += weight[k]
    observed = np.empty(n)
    for k in range(n):
        observed[k] = _around(now[0], home[k], width, queen)
    tie = SUM_ERROR * np.abs(weight).max()

    row, at, value = at_rest(field, 1, 1)
    drawn, holder = np.empty(n, np.int64), np.empty(n_item, np.int64)
    held, held_by = np.empty(n, np.int64), np.empty(n, np.int64)
    for d in range(n_draw):
        arrange(null, stream, d, 1, field, plane, scratch, row, at, value)
        now[0][:] = 0
        for k in range(n):
            drawn[k] = (row[0, k, 0] + 1) * width + int(at[0, k, 0]) + 1
            now[1][k], now[2][k] = drawn[k], value[0, k, 0]
            now[0][drawn[k]] += value[0, k, 0]
        shuffle(address(stream, np.uint64(d)), order, picks)  # as dealt
        for i in range(n_item):
            holder[order[i]] = i
        for b in blocks:
            n_held = 0
            for k in together[start[b] : start[b + 1]]:
                s = slot[k]
                if null == ROWS:
                    _sit(now, k, home[k], slots[1][slots[0][s] : slots[0][s + 1]] if apart else slots[1][:0])
                elif s >= 0 and holder[s] != s:
                    held[n_held], held_by[n_held] = s, holder[s]
                    _exchange(null, s, held_by[n_held], order, holder, sign, slots, columns, width, now)
                    n_held += 1
            for k in together[start[b] : start[b + 1]]:
                total = _around(now[0], home[k], width, queen)
                tails[k, 0] += total > observed[k] - tie
                tails[k, 1] += total < observed[k] + tie
            for h in range(n_held - 1, -1, -1):
                _exchange(null, held[h], held_by[h], order, holder, sign, slots, columns, width, now)
            if null == ROWS:
                for k in together[start[b] : start[b + 1]]:
                    s = slot[k]
                    _sit(now, k, drawn[k], slots[1][slots[0][s] : slots[0][s + 1]] if apart else slots[1][:0])


@inner
def _sum_beside(k, columns, rest, at, queen):
    """Sum of the weights of the ``rest`` that are beside synapse ``k`` when they have the delays ``at``."""
    source, delay, weight = columns
    total = 0.0
    for m in range(rest.size):
        across, along = abs(source[rest[m]] - source[k]), abs(at[m] - delay[k])
        if max(across, along) == 1 if queen else across + along == 1:
            total += weight[rest[m]]
    return total


@inner
def _tails_by_walks(stream, n_draw, field, taken, queen, tails):
    """As `_tails_by_exchange` for delays that keep synapses apart: no exchange does it, but walks that leave one alone."""
    source, delay, weight = field.source, field.delay, field.weight
    columns = source, delay, weight
    n = source.size
    tie = SUM_ERROR * np.abs(weight).max()
    at = np.empty(n - 1)
    for k in range(n):
        walks = address(stream, np.uint64(k))
        rest = np.flatnonzero(np.arange(n) != k)
        sources, hub = source[rest], delay[rest]
        observed = _sum_beside(k, columns, rest, hub, queen)
        taken[source[k], int(delay[k])] = True
        swap(address(walks, HUB), sources, hub, taken)
        for d in range(n_draw):
            at[:] = hub
            swap(address(walks, np.uint64(d)), sources, at, taken)
            total = _sum_beside(k, columns, rest, at, queen)
            tails[k, 0] += total > observed - tie
            tails[k, 1] += total < observed + tie
        taken[source[k], int(delay[k])] = False


@in_threads
def tails_of_synapses(begin, end, null, synapses, plane, queen, by_source, n_draw, tails, streams):
    """Add to ``tails`` (synapse, 2) the draws in which the cell of a synapse has such neighbours, while all synapses in the
    cell, or with ``by_source`` all of the source, stay.
    """
    for f in range(begin, end):
        if synapses.start[f] < synapses.start[f + 1]:
            field, counts = synapses_of(synapses, f), tails[synapses.start[f] : synapses.start[f + 1]]
            scratch = scratch_of(null, streams[f], field, plane)
            if null == DELAYS and scratch.taken.size > 0:
                _tails_by_walks(streams[f], n_draw, field, scratch.taken, queen, counts)
            else:
                _tails_by_exchange(null, streams[f], n_draw, field, plane, queen, by_source, scratch, counts)


# --- all cells shuffled -----------------------------------------------------------------------------------------------
# A cell has as neighbours the first so many of some cells picked at random, in an order of each field's own. All cells
# and fields share the picks, so that the draws of a field need sorting only once for each number of neighbours. Where a
# cell is picked as its own neighbour, the next pick stands in.


@in_threads
def pick_cells(begin, end, stream, n_cell, picks):
    """Fill ``picks`` (draw, pick) with different cells in random order."""
    for d in range(begin, end):
        order = np.empty(n_cell, np.uint32)
        shuffle(address(stream, np.uint64(d)), order, np.empty_like(order))
        picks[d] = order[: picks.shape[1]]


@in_threads
def sums_of_picks(begin, end, z, streams, picks, degrees, sums):
    """Write into ``sums`` (field, degree, draw) the sums of the first picks, as many as the rising ``degrees`` say."""
    for f in range(begin, end):
        order = np.empty(z.shape[1], np.uint32)
        shuffle(streams[f], order, np.empty_like(order))
        for d in range(picks.shape[0]):
            total = 0.0
            m = 0
            for q in range(degrees.size):
                while m < degrees[q]:
                    total += z[f, order[picks[d, m]]]
                    m += 1
                sums[f, q, d] = total


@inner
def _n_below(ranked, x):
    """How many are below x; without branches, which no processor could foresee."""
    low, n = 0, ranked.size
    while n > 1:
        half = n // 2
        low += half * (ranked[low + half - 1] < x)
        n -= half
    return low + (ranked[low] < x)


@in_threads
def tails_of_cells(begin, end, z, around, kind, degrees, streams, picks, sums, ranked, tails):
    """Write into ``tails`` (field, cell, 2) the draws in which a cell has such neighbours.

    ``z`` and ``around`` (field, cell) are the values and the sums over neighbours, of which a cell has
    ``degrees[kind[cell]]``; ``sums`` are from `sums_of_picks`, and ``ranked`` the same in rising order.
    """
    n_draw = picks.shape[0]
    for f in range(begin, end):
        tie = SUM_ERROR * np.abs(z[f]).max()
        for i in range(z.shape[1]):
            ranks = ranked[f, kind[i]]
            below = _n_below(ranks, around[f, i] - tie)
            tails[f, i, 0] = n_draw - below
            untied = below == n_draw or ranks[below] >= around[f, i] + tie
            tails[f, i, 1] = below if untied else _n_below(ranks, around[f, i] + tie)
        order = np.empty(z.shape[1], np.uint32)
        shuffle(streams[f], order, np.empty_like(order))
        for d in range(n_draw):
            for m in range(degrees[-1]):
                i = order[picks[d, m]]
                degree = degrees[kind[i]]
                if m < degree:
                    with_own = sums[f, kind[i], d]
                    without = with_own - z[f, i] + z[f, order[picks[d, degree]]]
                    low, high = around[f, i] - tie, around[f, i] + tie
                    tails[f, i, 0] += (without >= low) - np.int32(with_own >= low)
                    tails[f, i, 1] += (without < high) - np.int32(with_own < high)
