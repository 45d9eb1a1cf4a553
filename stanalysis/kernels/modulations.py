"""Quadratic forms of fields with functions of the difference of two sources, or of two delays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stanalysis.kernels.inner import inner
from stanalysis.kernels.threads import in_threads


class Differences(NamedTuple):
    """Functions of the difference of two of n places along one axis, (2 n - 1,): from n - 1 places less to as many more."""

    even: np.ndarray
    odd: np.ndarray


@inner
def _within(place, other, weight, even):
    """Sum over all pairs of cells at the same ``other`` place, by which they are in order, with a function of ``place``."""
    total, first, same = 0.0, 0, even.size // 2
    for k in range(place.size):
        first = first if other[k] == other[first] else k
        of_others = 0.0
        for m in range(first, k):
            of_others += weight[m] * even[same + place[k] - place[m]]
        total += weight[k] * (2 * of_others + weight[k] * even[same])
    return total


@inner
def _by_delay(source, delay, weight, start, columns):
    """Write the cells, in the order of their sources, into ``columns`` in that of their delays."""
    for d in range(start.size):
        start[d] = 0
    for k in range(delay.size):
        start[delay[k] + 1] += 1
    for d in range(1, start.size):
        start[d] += start[d - 1]
    for k in range(delay.size):
        at = start[delay[k]]
        columns[0][at], columns[1][at], columns[2][at] = source[k], delay[k], weight[k]
        start[delay[k]] += 1


@in_threads
def modulation_forms(begin, end, first, source, delay, weight, across, along, forms):
    """Write into ``forms`` (field, 3) sums over all pairs of the cells of a field, in the order of (source, delay), of both
    weights times: ``along.even``, of one source; ``across.even``, of one delay; and ``across.odd`` times ``along.odd``.
    """
    n_source, n_delay = across.odd.size // 2 + 1, along.odd.size // 2 + 1
    of_delay, of_source = np.empty((n_delay, n_source)), np.empty((n_source, n_delay))
    start = np.empty(n_delay + 1, np.int64)
    for f in range(begin, end):
        s, d, w = source[first[f] : first[f + 1]], delay[first[f] : first[f + 1]], weight[first[f] : first[f + 1]]
        columns = np.empty(s.size, np.int64), np.empty(s.size, np.int64), np.empty(s.size)
        _by_delay(s, d, w, start, columns)
        forms[f, 0] = _within(d, s, w, along.even)
        forms[f, 1] = _within(columns[0], columns[1], columns[2], across.even)
        for p in range(n_source):
            for q in range(n_delay):
                of_delay[q, p] = of_source[p, q] = 0
        for k in range(w.size):
            to_source, to_delay = across.odd[n_source - 1 - s[k] :], along.odd[n_delay - 1 - d[k] :]
            for q in range(n_source):
                of_delay[d[k], q] += w[k] * to_source[q]
            for q in range(n_delay):
                of_source[s[k], q] += w[k] * to_delay[q]
        total = 0.0
        for p in range(n_source):
            for q in range(n_delay):
                total += of_delay[q, p] * of_source[p, q]
        forms[f, 2] = total
