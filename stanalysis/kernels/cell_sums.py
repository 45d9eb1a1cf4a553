"""Sums over the lattice of any field: over the cells that hold synapses, in which those that meet add up, and over pairs of
cells that are neighbours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stanalysis.kernels import lattice_totals as sums
from stanalysis.kernels.inner import inner


class Touching(NamedTuple):
    """The cells that hold synapses, and which of them are neighbours."""

    node: np.ndarray  # (synapse,): the cell in which a synapse is, by its place in ``cell``
    cell: np.ndarray  # (node,): places in the lattice
    first: np.ndarray  # (pair,): one node of each pair of neighbours,
    second: np.ndarray  # (pair,): the other,
    along: np.ndarray  # (pair,): and whether they are neighbours along the delay
    at: np.ndarray  # (place in the lattice,): the node there, -1 for none
    value: np.ndarray  # (node,): weight of a cell
    parent: np.ndarray  # (node,): towards the root of its cluster
    size: np.ndarray  # (node,): of the cluster of which it is the root


@inner
def touching_room(n, n_place):
    """Room for the `Touching` of n synapses."""
    pairs = np.empty(4 * n, np.int64), np.empty(4 * n, np.int64), np.empty(4 * n, np.bool_)
    node, cell, parent, size = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    at = np.empty(n_place, np.int64)
    at[:] = -1
    return Touching(node, cell, *pairs, at, np.empty(n), parent, size)


@inner
def sums_of_cells(row, at, value, n_lane, stays, everything, lattice, touching, totals):
    """Write into ``totals`` (sum, lane) what Moran's I needs, or everything, of arrangements (synapse, lane); which all have
    the cells of the first if these ``stay``.
    """
    node, cell, first, second, along, node_at, weight, parent, size = touching
    share, ends, given = lattice.share, lattice.ends, lattice.given
    n_node, n_pair = 0, 0
    for lane in range(n_lane):
        if lane == 0 or not stays:
            n_node = _settle(row, at, lane, lattice.width, node, cell, node_at)
            n_pair = _touch(n_node, lattice.width, lattice.queen, cell, node_at, first, second, along)
        v = weight[:n_node]
        v[:] = 0
        for k in range(value.shape[0]):
            v[node[k]] += value[k, lane]
        _autocorrelation(v, cell, first[:n_pair], second, along, share, ends, lane, totals)
        if everything:
            _of_cells(v, cell, ends, given, lane, totals)
            _of_pairs(v, cell, first[:n_pair], second, share, lane, totals)
            _of_clusters(v, first[:n_pair], second, parent, size, lane, totals)
            _of_synapses(at, value, lane, totals)


@inner
def _settle(row, at, lane, width, node, cell, node_at):
    """Find the cells that hold synapses, and return how many there are."""
    n_node = 0
    for k in range(row.shape[0]):
        i = (row[k, lane] + 1) * width + int(at[k, lane]) + 1
        if node_at[i] < 0:
            node_at[i] = n_node
            cell[n_node] = i
            n_node += 1
        node[k] = node_at[i]
    return n_node


@inner
def _touch(n_node, width, queen, cell, node_at, first, second, along):
    """Find the pairs of cells that are neighbours, and return how many there are; ``node_at`` comes back empty."""
    n_pair = 0
    shifts = (1, width, width + 1, width - 1)
    for m in range(n_node):
        for q in range(4 if queen else 2):
            other = node_at[cell[m] - shifts[q]]
            if other >= 0:
                first[n_pair], second[n_pair], along[n_pair] = m, other, q == 0
                n_pair += 1
    for m in range(n_node):
        node_at[cell[m]] = -1
    return n_pair


@inner
def _autocorrelation(v, cell, first, second, along, share, ends, lane, totals):
    s, ss, ends_along, ends_across, product_along, product_across = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for m in range(v.size):
        s += v[m]
        ss += v[m] * v[m]
        ends_along += ends[0, cell[m]] * v[m]
        ends_across += ends[1, cell[m]] * v[m]
    for k in range(first.size):
        i, j = first[k], second[k]
        product = (share[cell[i]] + share[cell[j]]) * v[i] * v[j]
        product_along += product if along[k] else 0.0
        product_across += 0.0 if along[k] else product
    totals[sums.S, lane], totals[sums.SS, lane] = s, ss
    totals[sums.ENDS_ALONG, lane], totals[sums.ENDS_ACROSS, lane] = ends_along, ends_across
    totals[sums.PRODUCT_ALONG, lane], totals[sums.PRODUCT_ACROSS, lane] = product_along, product_across


@inner
def _of_cells(v, cell, ends, given, lane, totals):
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
    totals[sums.ENDS_SS, lane] = ends_ss
    totals[sums.EXCITATION, lane], totals[sums.E_SS, lane], totals[sums.E_GIVEN, lane] = e, e_ss, e_given
    totals[sums.INHIBITION, lane], totals[sums.I_SS, lane], totals[sums.I_TAKEN, lane] = i, i_ss, i_taken


@inner
def _of_pairs(v, cell, first, second, share, lane, totals):
    ee, ei, ii, like, unlike, unlike_product = 0, 0, 0, 0.0, 0.0, 0.0
    for k in range(first.size):
        i, j = first[k], second[k]
        product = v[i] * v[j]
        if (v[i] > 0 and v[j] > 0) or (v[i] < 0 and v[j] < 0):
            ee += v[i] > 0
            ii += v[i] < 0
            like += product
        elif v[i] != 0 and v[j] != 0:
            ei += 1
            unlike -= product
            unlike_product -= share[cell[i if v[i] > 0 else j]] * product
    totals[sums.N_EE, lane], totals[sums.N_EI, lane], totals[sums.N_II, lane] = ee, ei, ii
    totals[sums.W_LIKE, lane], totals[sums.W_UNLIKE, lane] = like, unlike
    totals[sums.PRODUCT_UNLIKE, lane] = unlike_product


@inner
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@inner
def _of_clusters(v, first, second, parent, size, lane, totals):
    """Number and largest size of the sets of cells of one sign that hang together."""
    for m in range(v.size):
        parent[m], size[m] = m, 0
    for k in range(first.size):
        i, j = first[k], second[k]
        if (v[i] > 0 and v[j] > 0) or (v[i] < 0 and v[j] < 0):
            parent[_root(parent, i)] = _root(parent, j)
    number, largest = 0, 0
    for m in range(v.size):
        if v[m] != 0:
            root = _root(parent, m)
            number += size[root] == 0
            size[root] += 1
            largest = max(largest, size[root])
    totals[sums.N_CLUSTERS, lane], totals[sums.N_LARGEST, lane] = number, largest


@inner
def _of_synapses(at, value, lane, totals):
    n_e, n_i, w_e, w_i, delays_e, delays_i = 0, 0, 0.0, 0.0, 0.0, 0.0
    for k in range(value.shape[0]):
        v = value[k, lane]
        if v > 0:
            n_e += 1
            w_e += v
            delays_e += v * at[k, lane]
        elif v < 0:
            n_i += 1
            w_i -= v
            delays_i -= v * at[k, lane]
    totals[sums.N_E, lane], totals[sums.W_E, lane], totals[sums.DELAYS_E, lane] = n_e, w_e, delays_e
    totals[sums.N_I, lane], totals[sums.W_I, lane], totals[sums.DELAYS_I, lane] = n_i, w_i, delays_i
