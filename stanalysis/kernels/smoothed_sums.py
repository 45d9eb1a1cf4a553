"""Moran's I of one arrangement of a field, smoothed."""

from __future__ import annotations

import numba
import numpy as np

from stanalysis.kernels.arrangements import arrange, at_rest, scratch_of, synapses_of
from stanalysis.kernels.inner import inner
from stanalysis.kernels.lattice_totals import NOTHING
from stanalysis.kernels.threads import in_threads


@inner
def smooth(row, at, value, taps, radius, along, plane):
    """Write into ``plane`` (source, delay) the synapses convolved with ``taps``, -``radius`` to ``radius``, along both axes.

    What falls outside the plane is lost. ``along`` has the shape of the plane.
    """
    n_source, n_delay = plane.shape
    along[:] = 0
    plane[:] = 0
    for k in range(row.size):
        r, c = row[k], int(at[k])
        for x in range(max(c - radius, 0), min(c + radius + 1, n_delay)):
            along[r, x] += value[k] * taps[x - c + radius]
    for r in range(n_source):
        for y in range(max(r - radius, 0), min(r + radius + 1, n_source)):
            tap = taps[y - r + radius]
            for x in range(n_delay):
                plane[r, x] += tap * along[y, x]


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract"})
def _sum_of_products(a, b, weight):
    total = 0.0
    for i in range(a.size):
        total += weight[i] * a[i] * b[i]
    return total


@inner
def plane_moran(plane, pairs):
    """Moran's I of a plane, which is centred on the way. ``pairs`` (shift, source, delay) are the weights of each cell with
    the neighbour one bin before, one source before, and with queen contiguity one bin further before or after there; scaled
    such that all weights add up to the number of cells.
    """
    n_source = plane.shape[0]
    mean = plane.sum() / plane.size
    plane -= mean
    scatter = (plane * plane).sum()
    if scatter <= NOTHING * (scatter + plane.size * mean * mean):
        return np.nan
    total = 0.0
    for r in range(n_source):
        total += _sum_of_products(plane[r, 1:], plane[r, :-1], pairs[0, r, 1:])
        if r == 0:
            continue
        total += _sum_of_products(plane[r], plane[r - 1], pairs[1, r])
        if pairs.shape[0] > 2:
            total += _sum_of_products(plane[r, 1:], plane[r - 1, :-1], pairs[2, r, 1:])
            total += _sum_of_products(plane[r, :-1], plane[r - 1, 1:], pairs[3, r, :-1])
    return total / scatter


@in_threads
def smoothed_draws(begin, end, null, synapses, plane, taps, radius, pairs, streams, out):
    """Write into ``out`` (field, draw, bandwidth) Moran's I of every field in every draw, smoothed with each row of ``taps``.

    Row b of ``taps`` holds the weights of ``2 * radius[b] + 1`` cells.
    """
    n_delay = int(plane.extent)
    for f in range(begin, end):
        field = synapses_of(synapses, f)
        scratch = scratch_of(null, streams[f], field, plane)
        row, at, value = at_rest(field, 1, 1)
        places = row.ravel(), at.ravel(), value.ravel()
        along, smoothed = np.empty((plane.n_source, n_delay)), np.empty((plane.n_source, n_delay))
        for d in range(out.shape[1]):
            arrange(null, streams[f], d, 1, field, plane, scratch, row, at, value)
            for b in range(radius.size):
                smooth(*places, taps[b], radius[b], along, smoothed)
                out[f, d, b] = plane_moran(smoothed, pairs)
