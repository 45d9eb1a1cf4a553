"""The autocorrelation of one arrangement of a field at every offset of two cells."""

from __future__ import annotations

import numpy as np

from stanalysis.kernels.arrangements import arrange, at_rest, scratch_of, synapses_of
from stanalysis.kernels.inner import inner
from stanalysis.kernels.lattice_totals import NOTHING
from stanalysis.kernels.threads import in_threads


@inner
def correlogram_room(n_source, n_delay, max_source, max_delay):
    """Room that `correlogram_sums` needs: a plane with a border of zeros, and sums over parts of it."""
    plane = np.zeros((n_source + max_source, n_delay + 2 * max_delay))
    return plane, np.zeros((max_source + 1, n_delay + 1)), np.zeros((max_source + 1, n_delay + 1))


@inner
def correlogram_sums(row, at, value, n_source, n_delay, max_source, max_delay, room, out):
    """Write into ``out`` (offset,) the autocorrelation of an arrangement at source lags 0 to ``max_source``, and at each of
    them delay lags -``max_delay`` to ``max_delay``; ``room`` comes back as it was.
    """
    plane, first, second = (
        room  # the latter: sums by delay over the sources that have one at a lag, and over those that are one
    )
    width = 2 * max_delay + 1
    out[:] = 0
    total = 0.0
    for k in range(row.size):
        r, c, v = row[k], int(at[k]), value[k]
        plane[r, c + max_delay] += v
        total += v
        for lag in range(max_source + 1):
            if r + lag < n_source:
                first[lag, c + 1] += v
            if r >= lag:
                second[lag, c + 1] += v
    for k in range(row.size):  # sums of products are linear: synapses that meet in a cell need not be added up first
        r, c, v = row[k], int(at[k]), value[k]
        for lag in range(max_source + 1):
            others = plane[r + lag]
            for j in range(width):
                out[lag * width + j] += v * others[c + j]
    n_cell = n_source * n_delay
    squares = out[max_delay]
    mean = total / n_cell
    scatter = squares - n_cell * mean * mean
    if scatter <= NOTHING * squares:
        scatter = np.nan
    for lag in range(max_source + 1):
        for c in range(n_delay):
            first[lag, c + 1] += first[lag, c]
            second[lag, c + 1] += second[lag, c]
        for j in range(width):
            bins = j - max_delay
            n_pair = (n_source - lag) * (n_delay - abs(bins))
            if lag >= n_source or abs(bins) >= n_delay:
                out[lag * width + j] = np.nan
                continue
            low, high = max(0, -bins), n_delay - max(0, bins)
            ends = first[lag, high] - first[lag, low] + second[lag, high + bins] - second[lag, low + bins]
            product = out[lag * width + j] - mean * ends + n_pair * mean * mean
            out[lag * width + j] = product / n_pair / (scatter / n_cell)
        first[lag] = 0
        second[lag] = 0
    for k in range(row.size):
        plane[row[k], int(at[k]) + max_delay] = 0


@in_threads
def correlogram_draws(begin, end, null, synapses, plane, max_source, max_delay, streams, out):
    """Write into ``out`` (field, draw, offset) the correlogram of every field in every draw of its stream."""
    n_delay = int(plane.extent)
    for f in range(begin, end):
        field = synapses_of(synapses, f)
        scratch = scratch_of(null, streams[f], field, plane)
        row, at, value = at_rest(field, 1, 1)
        places = row.ravel(), at.ravel(), value.ravel()
        room = correlogram_room(plane.n_source, n_delay, max_source, max_delay)
        for d in range(out.shape[1]):
            arrange(null, streams[f], d, 1, field, plane, scratch, row, at, value)
            correlogram_sums(*places, plane.n_source, n_delay, max_source, max_delay, room, out[f, d])
