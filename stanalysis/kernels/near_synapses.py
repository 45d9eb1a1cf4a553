"""Which synapses of a field are near each other: the ``k`` nearest of each, with all that are as near as the last of them, or
with ``k`` 0 all within ``radius``.

Distance is measured in sources: delays ``y`` are in units that are as far as one source. Synapses are in the order of their
sources ``x``, so that a search goes outwards and ends where the next source is too far. Eight arrangements of the delays lie
side by side, in lanes, and are searched at once.
"""

from __future__ import annotations

import numba
import numpy as np

from stanalysis.kernels.inner import inner
from stanalysis.kernels.lanes import N_WIDE, any_up_to, larger, load, smaller, splat, store

ALIKE = 1 + 1e-9  # squared distances closer than this factor are equal
FARTHEST = 1e300
IN_REGISTERS = 4  # of the smallest distances; more of them are in memory, which is slower


@inner
def search_room(n, k):
    """Room that `search` needs for n synapses: smallest distances, all that it measured, and of whom."""
    return np.empty((max(k, 1), N_WIDE)), np.empty((n, N_WIDE)), np.empty(n, np.int64)


@inner
def put_in_order(source, n_source, order):
    """Write into ``order`` (synapse,) that of the sources, from 0 to ``n_source`` - 1; those of one source stay in theirs."""
    start = np.empty(n_source + 1, np.int64)
    start[:] = 0
    for k in range(source.size):
        start[source[k] + 1] += 1
    for r in range(n_source):
        start[r + 1] += start[r]
    for k in range(source.size):
        order[start[source[k]]] = k
        start[source[k]] += 1


@inner
def fence(source, order, x):
    """Write into ``x`` sources in order, between two that are infinitely far: how `search` takes them."""
    x[0], x[-1] = -np.inf, np.inf
    for p in range(order.size):
        x[p + 1] = source[order[p]]


@inner
def search(x, y, p, k, radius, room):
    """Squared distances from the synapse at ``p`` to candidates, in ``room``: how many there are, and the limit (lanes) up to
    which they are neighbours.
    """
    near, far, candidate = room
    n = y.shape[0]
    kth = min(k, n - 1)
    alike, farthest, here = splat(ALIKE), splat(FARTHEST), load(y, p)
    # fewer than four: those before are nearer than any, so that `fourth` is always the one asked for
    first, second = splat(-1.0 if kth < 4 else FARTHEST), splat(-1.0 if kth < 3 else FARTHEST)
    third, fourth = splat(-1.0 if kth < 2 else FARTHEST), farthest
    for j in range(IN_REGISTERS, kth):
        store(farthest, near, j)
    limit = splat(radius * radius * ALIKE) if k == 0 else farthest
    before, after, n_candidate = p - 1, p + 1, 0
    gap_before, gap_after = x[p + 1] - x[p], x[p + 2] - x[p + 1]
    while n_candidate < n - 1:
        if gap_before <= gap_after:
            q, gap = before, gap_before
            before -= 1
            gap_before = x[p + 1] - x[before + 1]
        else:
            q, gap = after, gap_after
            after += 1
            gap_after = x[after + 1] - x[p + 1]
        across = splat(gap * gap)
        if not any_up_to(across, limit):
            break
        along = load(y, q) - here
        distance = across + along * along
        store(distance, far, n_candidate)
        candidate[n_candidate] = q
        n_candidate += 1
        if k == 0:
            continue
        left = larger(fourth, distance)
        fourth = smaller(fourth, larger(third, distance))
        third = smaller(third, larger(second, distance))
        second = smaller(second, larger(first, distance))
        first = smaller(first, distance)
        limit = fourth * alike
        for j in range(IN_REGISTERS, kth):
            kept = load(near, j)
            nearer = smaller(kept, left)
            store(nearer, near, j)
            left, limit = larger(kept, left), nearer * alike
    return n_candidate, limit


@numba.njit(cache=True, error_model="numpy")
def neighbours_of(x, at, k, radius):
    """Neighbours of synapse p of one arrangement: ``index[start[p]:start[p + 1]]``; sources ``x`` are as from `fence`."""
    n = at.size
    y = np.empty((n, N_WIDE))
    for p in range(n):
        for lane in range(N_WIDE):
            y[p, lane] = at[p]
    room = search_room(n, k)
    start, index = np.empty(n + 1, np.int64), np.empty(8 * n, np.int64)
    start[0] = 0
    for p in range(n):
        n_candidate, limit = search(x, y, p, k, radius, room)
        filled = start[p]
        if filled + n_candidate > index.size:
            longer = np.empty(2 * index.size + n_candidate, np.int64)
            for m in range(filled):
                longer[m] = index[m]
            index = longer
        for m in range(n_candidate):
            index[filled] = room[2][m]
            filled += 1 if any_up_to(load(room[1], m), limit) else 0
        start[p + 1] = filled
    return start, index[: start[n]]
