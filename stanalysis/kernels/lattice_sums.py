"""What one arrangement of a field says on the lattice: autocorrelation, join counts, clusters of one sign, and timing.

Sums run over the cells that hold synapses, so that an arrangement costs as much as the field has synapses. Synapses that
meet in a cell add up there.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from stanalysis.kernels.arrangements import arrange, at_rest, scratch_of, synapses_of

ALONG, ACROSS, GEARY, EE, EI, II, LIKE, UNLIKE, BIVARIATE, CLUSTERS, LARGEST, LEAD = range(12)
N_SUMS = 12
NOTHING = 1e-12  # of the sum of squares: what is left of it, once the mean is removed, in a constant field


class FlatLattice(NamedTuple):
    """A lattice with a border of zeros, its rows one after another; scaled such that all weights add up to ``n_cell``."""

    share: np.ndarray  # weight that a cell gives to each neighbour
    ends: np.ndarray  # (2, …) weights given and received, along the delay and across sources
    given: np.ndarray  # weights given
    total: np.ndarray  # (2,) sum of all weights, along and across
    width: int
    n_cell: int
    queen: bool


@numba.njit(cache=True, error_model="numpy")
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(cache=True, error_model="numpy")
def _clusters(cells, plane, width, queen, parent, size):
    """Number and largest size of the sets of cells of one sign that hang together."""
    n_shift = 4 if queen else 2
    shifts = (1, width, width + 1, width - 1)
    for i in cells:
        for s in range(n_shift):
            j = i - shifts[s]
            if (plane[i] > 0 and plane[j] > 0) or (plane[i] < 0 and plane[j] < 0):
                parent[_root(parent, i)] = _root(parent, j)
    number, largest = 0, 0
    for i in cells:
        if plane[i] == 0:
            continue
        root = _root(parent, i)
        if size[root] == 0:
            number += 1
        size[root] += 1
        largest = max(largest, size[root])
    for i in cells:
        size[_root(parent, i)] = 0
    return number, largest


@numba.njit(cache=True, error_model="numpy")
def lattice_sums(row, at, value, lattice, clusters, room, out):
    """Write into ``out`` the statistics of one arrangement, those of clusters if asked for; ``room`` comes back as it was."""
    share, ends, given, total, width, n_cell, queen = lattice
    plane, parent, size, cells = room
    n, n_signed = 0, 0
    late, early, weight_late, weight_early = 0.0, 0.0, 0.0, 0.0
    for k in range(row.size):
        i = (row[k] + 1) * width + int(at[k]) + 1
        if parent[i] < 0:
            parent[i] = i
            cells[n] = i
            n += 1
        plane[i] += value[k]
        n_signed += 1 if value[k] != 0 else 0
        if value[k] > 0:
            early += value[k] * at[k]
            weight_early += value[k]
        else:
            late -= value[k] * at[k]
            weight_late -= value[k]
    along, across, biv, ee, ei, ii = 0.0, 0.0, 0.0, 0, 0, 0
    like, unlike = 0.0, 0.0
    s, ss, ends_along, ends_across, ends_ss = 0.0, 0.0, 0.0, 0.0, 0.0
    e, e_ss, e_given, h, h_ss, h_taken = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    n_shift = 4 if queen else 2
    shifts = (1, width, width + 1, width - 1)
    for m in range(n):
        i = cells[m]
        v = plane[i]
        if v == 0:
            continue
        s += v
        ss += v * v
        ends_along += ends[0, i] * v
        ends_across += ends[1, i] * v
        ends_ss += (ends[0, i] + ends[1, i]) * v * v
        if v > 0:
            e += v
            e_ss += v * v
            e_given += given[i] * v
        else:
            h -= v
            h_ss += v * v
            h_taken -= (ends[0, i] + ends[1, i] - given[i]) * v
        for q in range(n_shift):
            j = i - shifts[q]
            u = plane[j]
            if u == 0:
                continue
            product = (share[i] + share[j]) * v * u
            if q == 0:
                along += product
            else:
                across += product
            if v > 0 and u > 0:
                ee += 1
                like += v * u
            elif v < 0 and u < 0:
                ii += 1
                like += v * u
            else:
                ei += 1
                unlike -= v * u
                biv -= (share[i] if v > 0 else share[j]) * v * u
    mean = s / n_cell
    scatter = ss - n_cell * mean * mean
    if scatter <= NOTHING * ss:
        scatter = np.nan
    out[ALONG] = (along - mean * ends_along + mean * mean * total[0]) / scatter
    out[ACROSS] = (across - mean * ends_across + mean * mean * total[1]) / scatter
    out[GEARY] = (n_cell - 1) / (2 * n_cell) * (ends_ss - 2 * (along + across)) / scatter
    out[EE], out[EI], out[II] = ee, ei, ii
    # of synapses, not of cells: an arrangement in which some meet has the same unit
    unit = ((weight_early + weight_late) / n_signed) ** 2
    out[LIKE], out[UNLIKE] = like / unit, unlike / unit
    e_scatter, h_scatter = e_ss - e * e / n_cell, h_ss - h * h / n_cell
    if e_scatter <= NOTHING * e_ss or h_scatter <= NOTHING * h_ss:
        e_scatter = np.nan
    shared = (h * e_given + e * h_taken) / n_cell - e * h / n_cell
    out[BIVARIATE] = (biv - shared) / np.sqrt(e_scatter * h_scatter)
    if clusters:
        out[CLUSTERS], out[LARGEST] = _clusters(cells[:n], plane, width, queen, parent, size)
    one_sign = weight_late == 0 or weight_early == 0
    out[LEAD] = np.nan if one_sign else late / weight_late - early / weight_early
    for m in range(n):
        plane[cells[m]] = 0
        parent[cells[m]] = -1


@numba.njit(cache=True, error_model="numpy", parallel=True)
def lattice_draws(null, synapses, plane, lattice, clusters, streams, out):
    """Write into ``out`` (field, draw, statistic) the statistics of every field in every draw of its stream."""
    for f in numba.prange(out.shape[0]):
        field = synapses_of(synapses, f)
        n = field.source.size
        scratch = scratch_of(null, streams[f], field, plane)
        row, at, value = at_rest(field)
        n_flat = lattice.share.size
        room = np.zeros(n_flat), np.full(n_flat, -1), np.zeros(n_flat, np.int64), np.empty(n, np.int64)
        for d in range(out.shape[1]):
            arrange(null, streams[f], d, field, plane, scratch, row, at, value)
            lattice_sums(row, at, value, lattice, clusters, room, out[f, d])
