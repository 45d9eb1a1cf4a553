"""Sums over the lattice of any field: over the cells that hold synapses, in which those that meet add up, and over pairs of
cells that are neighbours.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from stanalysis.kernels import lattice_totals as sums


class Touching(NamedTuple):
    """The cells that hold synapses, and which of them are neighbours."""

    node: np.ndarray  # (synapse,): the cell in which a synapse is, by its place in ``cell``
    cell: np.ndarray  # (node,): places in the lattice
    first: np.ndarray  # (pair,): one node of each pair of neighbours,
    second: np.ndarray  # (pair,): the other,
    along: np.ndarray  # (pair,): and whether they are neighbours along the delay
    at: np.ndarray  # (place in the lattice,): the node there, -1 for none


@numba.njit(cache=True, error_model="numpy")
def touching_room(n, n_place):
    """Room for the `Touching` of n synapses."""
    pairs = np.empty(4 * n, np.int64), np.empty(4 * n, np.int64), np.empty(4 * n, np.bool_)
    return Touching(np.empty(n, np.int64), np.empty(n, np.int64), *pairs, np.full(n_place, -1, np.int64))


@numba.njit(cache=True, error_model="numpy")
def touch(row, at, lattice, touching):
    """Find cells and pairs of an arrangement; return how many of either there are."""
    node, cell, first, second, along, node_at = touching
    n_node, n_pair = 0, 0
    for k in range(row.size):
        i = (row[k] + 1) * lattice.width + int(at[k]) + 1
        if node_at[i] < 0:
            node_at[i] = n_node
            cell[n_node] = i
            n_node += 1
        node[k] = node_at[i]
    shifts = (1, lattice.width, lattice.width + 1, lattice.width - 1)
    for m in range(n_node):
        for q in range(4 if lattice.queen else 2):
            other = node_at[cell[m] - shifts[q]]
            if other >= 0:
                first[n_pair], second[n_pair], along[n_pair] = m, other, q == 0
                n_pair += 1
    for m in range(n_node):
        node_at[cell[m]] = -1
    return n_node, n_pair


@numba.njit(cache=True, error_model="numpy")
def autocorrelation_of_cells(v, touching, n_pair, lattice, total):
    """Write into ``total`` what Moran's I needs, of the weights ``v`` (node,) of cells."""
    cell, share, ends = touching.cell, lattice.share, lattice.ends
    s, ss, ends_along, ends_across, along, across = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for m in range(v.size):
        s += v[m]
        ss += v[m] * v[m]
        ends_along += ends[0, cell[m]] * v[m]
        ends_across += ends[1, cell[m]] * v[m]
    for k in range(n_pair):
        i, j = touching.first[k], touching.second[k]
        product = (share[cell[i]] + share[cell[j]]) * v[i] * v[j]
        along += product if touching.along[k] else 0.0
        across += 0.0 if touching.along[k] else product
    total[sums.S], total[sums.SS], total[sums.ENDS_ALONG], total[sums.ENDS_ACROSS] = s, ss, ends_along, ends_across
    total[sums.PRODUCT_ALONG], total[sums.PRODUCT_ACROSS] = along, across


@numba.njit(cache=True, error_model="numpy")
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(cache=True, error_model="numpy")
def _clusters(v, touching, n_pair, room):
    """Number and largest size of the sets of cells of one sign that hang together."""
    parent, size = room
    for m in range(v.size):
        parent[m], size[m] = m, 0
    for k in range(n_pair):
        i, j = touching.first[k], touching.second[k]
        if (v[i] > 0 and v[j] > 0) or (v[i] < 0 and v[j] < 0):
            parent[_root(parent, i)] = _root(parent, j)
    number, largest = 0, 0
    for m in range(v.size):
        if v[m] != 0:
            root = _root(parent, m)
            number += size[root] == 0
            size[root] += 1
            largest = max(largest, size[root])
    return number, largest


@numba.njit(cache=True, error_model="numpy")
def rest_of_cells(at, value, v, touching, n_pair, lattice, room, total):
    """Write into ``total`` what all other statistics need, some of them of synapses with these delays and values."""
    cell, share, ends, given = touching.cell, lattice.share, lattice.ends, lattice.given
    ends_ss, e, e_ss, e_given, i, i_ss, i_taken = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for m in range(v.size):
        here = cell[m]
        both_ends = ends[0, here] + ends[1, here]
        ends_ss += both_ends * v[m] * v[m]
        if v[m] > 0:
            e += v[m]
            e_ss += v[m] * v[m]
            e_given += given[here] * v[m]
        else:
            i -= v[m]
            i_ss += v[m] * v[m]
            i_taken -= (both_ends - given[here]) * v[m]
    total[sums.ENDS_SS] = ends_ss
    total[sums.EXCITATION], total[sums.E_SS], total[sums.E_GIVEN] = e, e_ss, e_given
    total[sums.INHIBITION], total[sums.I_SS], total[sums.I_TAKEN] = i, i_ss, i_taken
    ee, ei, ii, like, unlike, unlike_product = 0, 0, 0, 0.0, 0.0, 0.0
    for k in range(n_pair):
        a, b = touching.first[k], touching.second[k]
        product = v[a] * v[b]
        if (v[a] > 0 and v[b] > 0) or (v[a] < 0 and v[b] < 0):
            ee += v[a] > 0
            ii += v[a] < 0
            like += product
        elif v[a] != 0 and v[b] != 0:
            ei += 1
            unlike -= product
            unlike_product -= share[cell[a if v[a] > 0 else b]] * product
    total[sums.N_EE], total[sums.N_EI], total[sums.N_II] = ee, ei, ii
    total[sums.W_LIKE], total[sums.W_UNLIKE], total[sums.PRODUCT_UNLIKE] = like, unlike, unlike_product
    total[sums.N_CLUSTERS], total[sums.N_LARGEST] = _clusters(v, touching, n_pair, room)
    n_e, n_i, w_e, w_i, delays_e, delays_i = 0, 0, 0.0, 0.0, 0.0, 0.0
    for k in range(value.size):
        if value[k] > 0:
            n_e += 1
            w_e += value[k]
            delays_e += value[k] * at[k]
        elif value[k] < 0:
            n_i += 1
            w_i -= value[k]
            delays_i -= value[k] * at[k]
    total[sums.N_E], total[sums.W_E], total[sums.DELAYS_E] = n_e, w_e, delays_e
    total[sums.N_I], total[sums.W_I], total[sums.DELAYS_I] = n_i, w_i, delays_i
